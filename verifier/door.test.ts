import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CALLS_MAX } from './admission.ts';
import { type AtDoor, Door } from './door.ts';
import { silentInstruments } from './instruments.ts';
import type { LogEntry } from './verifier.ts';

let server: Server;
let bodies: string[];
let log: LogEntry[];
let refused: number;
let closing: AbortController;
const calls = { count: 0 };

beforeEach(async () => {
  [bodies, log, refused, calls.count] = [[], [], 0, 0];
  server = createServer(async (request, response) => {
    let body = '';
    for await (const bytes of request) body += bytes;
    bodies.push(`${request.url} ${body}`);
    response.end('let in');
  });
  const lines = log;
  closing = new AbortController();
  const verifier: AtDoor = {
    ...{ calls, origin: 'https://verifier.example', now: () => 1_900_000_000 },
    closing: closing.signal,
    log: (entry) => lines.push(entry),
    instruments: { ...silentInstruments, refused: () => void refused++ },
  };
  new Door(server).keep(verifier);
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

/** Sends these pieces, each a while after the one before. @returns all that was answered, when the other side is done */
function exchange(pieces: readonly string[], between: () => void = () => {}): Promise<string> {
  const { port } = server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: 'localhost', noDelay: true }, async () => {
      for (const [i, piece] of pieces.entries()) {
        if (i > 0) {
          await setTimeout(30);
          between();
        }
        socket.write(piece);
      }
    });
    let answer = '';
    socket.on('data', (bytes) => {
      answer += bytes;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
  });
}

const post = (body: string, length = body.length) =>
  `POST /v1/sessions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\n${body}`;
const get = (path: string, connection = 'close') =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: ${connection}\r\n\r\n`;

test('who comes while there is room is let in', async () => {
  calls.count = CALLS_MAX - 1;
  expect(await exchange([post('abc')])).toContain('let in');
  expect(bodies).toEqual(['/v1/sessions abc']);
});

test('who comes while there is none is told as by the app, and nobody sees the call', async () => {
  calls.count = CALLS_MAX;
  const answer = await exchange([post('abc')]);
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  expect(head.split('\r\n')).toEqual([
    'HTTP/1.1 503 Service Unavailable',
    'Date: Sun, 17 Mar 2030 17:46:40 GMT',
    'Cache-Control: no-store',
    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'",
    'Referrer-Policy: no-referrer',
    'X-Content-Type-Options: nosniff',
    'Strict-Transport-Security: max-age=31536000',
    'Content-Type: application/problem+json',
    'Retry-After: 1',
    'Connection: close',
    `Content-Length: ${body.length}`,
  ]);
  expect(JSON.parse(body)).toEqual({ type: 'about:blank', title: 'busy', status: 503, code: 'busy' });
  expect([bodies, refused]).toEqual([[], 1]);
});

test('the answer reaches who is still sending', async () => {
  calls.count = CALLS_MAX;
  const piece = 'x'.repeat(100_000);
  expect(await exchange([post(piece, 400_000), piece, piece, piece])).toContain('"code":"busy"');
});

test('health is answered, and the same connection goes on as any other', async () => {
  calls.count = CALLS_MAX;
  const answer = await exchange([
    get('/v1/health', 'keep-alive'),
    get('/v1/health/live', 'keep-alive'),
    get('/v1/x'),
  ]);
  expect(answer.match(/let in/g)).toHaveLength(3);
  expect(bodies).toEqual(['/v1/health ', '/v1/health/live ', '/v1/x ']);
  expect(refused).toBe(0);
});

test.each(['/v1/healthy', '/v1/health/live/x', '/v1/jwks?/v1/health'])('%s is not health', async (path) => {
  calls.count = CALLS_MAX;
  expect(await exchange([get(path)])).toMatch(/^HTTP\/1.1 503 /);
});

test('who says nothing until there is room is let in, whole', async () => {
  calls.count = CALLS_MAX;
  const connected = exchange(['', post('abcdef').slice(0, -3), 'def'], () => {
    calls.count = 0;
  });
  expect(await connected).toContain('let in');
  expect(bodies).toEqual(['/v1/sessions abcdef']);
});

test('who says nothing does not hold up a verifier that closes', async () => {
  calls.count = CALLS_MAX;
  const came = once(server, 'connection');
  const silent = exchange([]);
  await came;
  const began = performance.now();
  closing.abort();
  expect(await silent).toBe('');
  // Without it, ten seconds.
  expect(performance.now() - began).toBeLessThan(5_000);
});

test('one line of the log tells how many were refused within a second', async () => {
  calls.count = CALLS_MAX;
  await Promise.all(Array.from({ length: 30 }, () => exchange([post('abc')])));
  const toldOf = () => log.reduce((sum, { calls = 0 }) => sum + calls, 0);
  await vi.waitFor(() => expect(toldOf()).toBe(30), { timeout: 10_000 });
  expect(log.length).toBeLessThan(10);
  expect(log[0]).toMatchObject({ level: 'warn', event: 'refused' });
});

test('who leaves at the door, or sends no HTTP, does not bring it down', async () => {
  calls.count = CALLS_MAX;
  const { port } = server.address() as AddressInfo;
  for (let i = 0; i < 20; i++) {
    const socket = connect({ port, host: 'localhost' }, () => socket.resetAndDestroy());
    socket.on('error', () => {});
  }
  expect(await exchange(['\0\0\r\n'])).toContain('503');
  calls.count = 0;
  expect(await exchange([get('/')])).toContain('let in');
});
