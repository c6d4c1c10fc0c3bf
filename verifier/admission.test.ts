import { setTimeout } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { ORIGIN, openWorld, send, type World } from './app-fixtures.ts';

let world: World;
afterEach(() => world.close());

/** Lets none of the calls that look up an API key through until told. */
function holdCalls(): () => void {
  const { tenantByApiKey } = world.store;
  let open: () => void = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  world.store.tenantByApiKey = async (hash) => {
    await opened;
    return tenantByApiKey(hash);
  };
  return open;
}

test('more calls than a verifier can do are told so at once; health and what is under way go on', async () => {
  world = await openWorld();
  const open = holdCalls();
  const call = () => send(world, 'GET', '/v1/devices?subject=customer-1', { token: `ak_${'a'.repeat(43)}` });
  const taken = Array.from({ length: 128 }, call);
  await setTimeout(50);
  const times: number[] = [];
  for (let round = 0; round < 5; round++) {
    const began = performance.now();
    const refused = await Promise.all(Array.from({ length: 100 }, call));
    times.push((performance.now() - began) / refused.length);
    for (const { status, headers, json } of refused) {
      expect([status, json.code, headers.get('retry-after')]).toEqual([503, 'busy', '1']);
    }
  }
  // The best of five: what the machine does beside this test is not what is measured.
  expect(Math.min(...times)).toBeLessThan(10);
  expect((await send(world, 'GET', '/v1/health')).status).toBe(200);
  expect((await send(world, 'GET', '/v1/health/live')).status).toBe(200);
  open();
  expect(new Set((await Promise.all(taken)).map(({ status }) => status))).toEqual(new Set([401]));
  expect((await call()).status).toBe(401);
});

test('who sends slowly keeps nobody out', async () => {
  world = await openWorld();
  const opened: (() => void)[] = [];
  const slow = Array.from({ length: 200 }, () => {
    const body = new ReadableStream({
      start(controller) {
        opened.push(() => controller.close());
      },
    });
    const headers = { 'content-type': 'application/json' };
    const init = { method: 'POST', body, headers, duplex: 'half' } as const;
    return world.app.request(new Request(`${ORIGIN}/v1/sessions`, init));
  });
  await setTimeout(50);
  expect((await send(world, 'GET', '/v1/jwks')).status).toBe(200);
  const token = `ak_${'a'.repeat(43)}`;
  expect((await send(world, 'GET', '/v1/devices?subject=customer-1', { token })).status).toBe(401);
  for (const end of opened) end();
  const statuses = (await Promise.all(slow)).map(({ status }) => status);
  // All came at once: as many as there are places are worked on.
  expect(new Set(statuses)).toEqual(new Set([400, 503]));
  expect((await send(world, 'GET', '/v1/jwks')).status).toBe(200);
});
