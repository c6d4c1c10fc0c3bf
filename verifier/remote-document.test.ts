import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type RemoteDocument, readDocument } from './remote-document.ts';

let server: Server;
let origin: string;
let calls: string[];
let answer: (response: ServerResponse, path: string) => void;

const TYPE = 'application/json';
const good = (response: ServerResponse) => response.setHeader('content-type', TYPE).end('{"a":1}');

beforeEach(async () => {
  calls = [];
  answer = good;
  server = createServer(({ url = '' }, response) => {
    calls.push(url);
    answer(response, url);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const read = (change: Partial<RemoteDocument> = {}, milliseconds = 30_000) =>
  readDocument(
    { url: `${origin}/keys`, types: [TYPE], maxBytes: 100, reach: 'loopback', ...change },
    AbortSignal.timeout(milliseconds),
  );

test('a document is fetched as it is', async () => {
  expect(await read()).toBe('{"a":1}');
  answer = (response) => response.setHeader('content-type', 'Application/JSON; charset=utf-8').end('{}');
  expect(await read()).toBe('{}');
  expect(calls).toEqual(['/keys', '/keys']);
});

describe('refused is', () => {
  const bad: Record<string, (response: ServerResponse, path: string) => void> = {
    'another content type': (response) => response.setHeader('content-type', 'text/html').end('{}'),
    'no content type': (response) => response.end('{}'),
    'an answer that is no 200': (response) => response.writeHead(203, { 'content-type': TYPE }).end('{}'),
    'an error': (response) => response.writeHead(500, { 'content-type': TYPE }).end('{}'),
    'what says that it is too long': (response) =>
      response.writeHead(200, { 'content-type': TYPE, 'content-length': '101' }).end('x'.repeat(101)),
    'what does not say that it is too long': (response) => {
      response.writeHead(200, { 'content-type': TYPE });
      response.write('x'.repeat(60));
      response.end('x'.repeat(60));
    },
    'what is packed': (response) =>
      response.writeHead(200, { 'content-type': TYPE, 'content-encoding': 'gzip' }).end(gzipSync('{}')),
    'what is cut off': (response) => {
      response.writeHead(200, { 'content-type': TYPE, 'content-length': '50' });
      response.write('x'.repeat(20));
      setTimeout(() => response.destroy(), 20);
    },
    'what is no UTF-8': (response) =>
      response.writeHead(200, { 'content-type': TYPE }).end(Buffer.from([0xff])),
  };
  test.each(Object.keys(bad))('%s', async (name) => {
    answer = bad[name] ?? good;
    await expect(read()).rejects.toThrow();
    answer = good;
    expect(await read()).toBe('{"a":1}');
  });

  test('an answer that never ends: it is cut off in time, and before it fills memory', async () => {
    answer = (response) => {
      response.writeHead(200, { 'content-type': TYPE });
      const timer = setInterval(() => {
        response.write('x');
        written += 1;
      }, 10);
      response.on('close', () => clearInterval(timer));
    };
    let written = 0;
    await expect(read({ maxBytes: 10_000 }, 300)).rejects.toThrow();
    // By time, long before it is too long: two seconds of it, counted by what was written, since a machine that pauses writes nothing.
    expect(written).toBeLessThan(200);
    answer = () => {};
    await expect(read({}, 300)).rejects.toThrow();
  });

  test('a redirect: where it leads nobody asks', async () => {
    answer = (response, path) =>
      path === '/keys' ? response.writeHead(302, { location: '/other' }).end() : good(response);
    await expect(read()).rejects.toThrow('not a 200');
    expect(calls).toEqual(['/keys']);
  });

  test('an address inside of a network, by number or by name', async () => {
    const { port } = new URL(origin);
    for (const host of [
      '127.0.0.1',
      'localhost',
      '[::1]',
      '127.1',
      '0x7f000001',
      '10.0.0.1',
      '169.254.169.254',
    ]) {
      const url = `https://${host}:${port}/keys`;
      await expect(read({ url, reach: 'public' }), url).rejects.toThrow('address out of reach');
    }
    expect(calls).toEqual([]);
  });

  test('http, except on this machine in development', async () => {
    for (const reach of ['public', 'any'] as const)
      await expect(read({ reach })).rejects.toThrow('not https');
    await expect(read({ url: 'http://10.0.0.1/keys' })).rejects.toThrow('address out of reach');
    expect(calls).toEqual([]);
  });
});
