import { describe, expect, test } from 'vitest';
import { loadAhead, need } from './chunk.ts';

describe('code that is needed', () => {
  test('comes', async () => {
    expect(await need(async () => 5)).toBe(5);
  });

  test('and does not load is an error with a code, and with its cause', async () => {
    const cause = new TypeError('Failed to fetch dynamically imported module');
    const load = () => Promise.reject(cause);
    await expect(need(load)).rejects.toMatchObject({ code: 'artifact_unavailable', cause });
  });

  test('and hangs is given up by who waits for it', async () => {
    const controller = new AbortController();
    const waiting = need(() => new Promise(() => undefined), controller.signal);
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'aborted' });
  });
});

describe('loading ahead', () => {
  test('waits for an idle moment before each piece', async () => {
    const moments: (() => void)[] = [];
    const loaded: number[] = [];
    const pieces = [1, 2].map((piece) => async () => loaded.push(piece));
    const done = loadAhead(pieces, (work) => moments.push(work));
    expect(loaded).toEqual([]);
    moments.shift()?.();
    await new Promise((resolve) => setTimeout(resolve));
    expect(loaded).toEqual([1]);
    moments.shift()?.();
    await done;
    expect(loaded).toEqual([1, 2]);
  });

  test('goes on where a piece does not load', async () => {
    const loaded: number[] = [];
    await loadAhead([() => Promise.reject(new TypeError()), async () => loaded.push(2)], (work) => work());
    expect(loaded).toEqual([2]);
  });
});
