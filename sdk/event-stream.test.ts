import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readEvents, type StreamEvent } from './event-stream.ts';

function streamOf(...pieces: readonly (string | Uint8Array)[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces)
        controller.enqueue(typeof piece === 'string' ? new TextEncoder().encode(piece) : piece);
      controller.close();
    },
  });
}

async function read(stream: ReadableStream<Uint8Array>): Promise<(StreamEvent | null)[]> {
  const events: (StreamEvent | null)[] = [];
  for await (const event of readEvents(stream)) events.push(event);
  return events;
}

describe('a stream of events', () => {
  // The first examples are those of the HTML standard, section 9.2.6.
  test.each([
    ['data: YHOO\ndata: +2\ndata: 10\n\n', [{ event: 'message', data: 'YHOO\n+2\n10' }]],
    [': test stream\n\ndata: first event\nid: 1\n\n', [null, { event: 'message', data: 'first event' }]],
    [
      'data\n\ndata\ndata\n\ndata:',
      [
        { event: 'message', data: '' },
        { event: 'message', data: '\n' },
      ],
    ],
    [
      'data:test\n\ndata: test\n\n',
      [
        { event: 'message', data: 'test' },
        { event: 'message', data: 'test' },
      ],
    ],
    [
      'event: add\ndata: 1\n\ndata: 2\n\n',
      [
        { event: 'add', data: '1' },
        { event: 'message', data: '2' },
      ],
    ],
    ['event: alone\n\ndata: x\n\n', [{ event: 'message', data: 'x' }]],
    ['event: a\r\ndata: 1\r\n\r\n', [{ event: 'a', data: '1' }]],
    [
      'event: a\rdata: 1\r\rdata: 2\n\n',
      [
        { event: 'a', data: '1' },
        { event: 'message', data: '2' },
      ],
    ],
    ['data:  two spaces\n\n', [{ event: 'message', data: ' two spaces' }]],
    ['data: a: b\n\n', [{ event: 'message', data: 'a: b' }]],
    ['retry: 5\nunknown: x\n\n', []],
    ['data: never finished', []],
  ])('%j', async (text, events) => {
    expect(await read(streamOf(text))).toEqual(events);
  });

  test('is the same however it is cut into pieces', async () => {
    const text = ': hello\r\n\r\nevent: verification\ndata: {"名":"証"}\n\ndata: a\rdata: b\r\r';
    const bytes = new TextEncoder().encode(text);
    const whole = await read(streamOf(text));
    expect(whole).toHaveLength(3);
    const cuts = fc.uniqueArray(fc.nat(bytes.length), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(cuts, async (places) => {
        const edges = [0, ...places.sort((a, b) => a - b), bytes.length];
        const pieces = edges.slice(1).map((end, i) => bytes.slice(edges[i], end));
        expect(await read(streamOf(...pieces))).toEqual(whole);
      }),
      { numRuns: 200 },
    );
  });

  test.each([
    ['a line', ['data: ', ...Array.from({ length: 80 }, () => 'x'.repeat(1024))]],
    ['an event', Array.from({ length: 80 }, () => `data: ${'x'.repeat(1024)}\n`)],
  ])('with %s that does not end is given up', async (_, pieces) => {
    await expect(read(streamOf(...pieces))).rejects.toBeInstanceOf(RangeError);
  });

  test('is let go when its reader stops early', async () => {
    let cancelled = false;
    const stream = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new TextEncoder().encode('data: 1\n\n')),
      cancel: () => {
        cancelled = true;
      },
    });
    for await (const event of readEvents(stream)) {
      expect(event).toEqual({ event: 'message', data: '1' });
      break;
    }
    expect(cancelled).toBe(true);
  });
});
