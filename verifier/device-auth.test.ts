import { randomBytes } from 'node:crypto';
import { signDpop } from '@akashi/circuits';
import { base64url, UnsecuredJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  ORIGIN,
  openTenant,
  openWorld,
  refusal,
  send,
  type TenantFixture,
  type World,
} from './app-fixtures.ts';
import { NONCE_SECONDS, Nonces, newNonce } from './nonce.ts';
import { type EnrolledPhone, enrolPhone, newDeviceKey, newPhone } from './phone-fixtures.ts';

let world: World;
let bank: TenantFixture;
let phone: EnrolledPhone;

beforeEach(async () => {
  world = await openWorld();
  bank = await openTenant(world, 'bank');
  phone = await enrolPhone(world, bank, 'customer-1', '80351');
});
afterEach(() => world.close());

const status = '/v1/devices/current';
const oprf = '/v1/devices/current/oprf';

describe('a device call', () => {
  test('signed as it should be is let in', async () => {
    expect((await phone.call('GET', status)).json).toMatchObject({ device: phone.device, state: 'active' });
  });

  test('signed for anything else than itself is not', async () => {
    const body = { use: 'current', blinded: base64url.encode(randomBytes(32)) };
    const wrong = {
      'another method': phone.call('GET', status, undefined, { method: 'DELETE' }),
      'another path': phone.call('GET', status, undefined, { url: `${ORIGIN}/v1/requests` }),
      'another origin': phone.call('GET', status, undefined, { url: `https://other.example${status}` }),
      'the scheme missing': phone.call('GET', status, undefined, { url: status }),
      'a query in the address': phone.call('GET', `${status}?a=1`, undefined, {
        url: `${ORIGIN}${status}?a=1`,
      }),
      'another body': phone.call('POST', oprf, body, { signedBody: '{}' }),
      'no body': phone.call('POST', oprf, body, { signedBody: '' }),
      'a body where none is signed': phone.call('DELETE', status, { a: 1 }, { signedBody: '' }),
      'another key': phone.call('GET', status, undefined, { key: await newDeviceKey() }),
    };
    for (const [name, answer] of Object.entries(wrong)) {
      expect(`${name}: ${refusal(await answer)}`).toBe(`${name}: 401 unauthorized`);
    }
    expect((await phone.call('GET', status)).status).toBe(200);
  });

  test('with another kind of token is not', async () => {
    const claims = {
      jti: base64url.encode(randomBytes(16)),
      htm: 'GET',
      htu: `${ORIGIN}${status}`,
      iat: world.clock.now,
      bh: base64url.encode(randomBytes(32)),
      nonce: newNonce(world.keys.nonceKey, world.clock.now),
    };
    const call = { method: 'GET', url: claims.htu, body: new Uint8Array() } as const;
    const good = await signDpop(call, claims, phone.key);
    const [head = '', payload = '', signature = ''] = good.split('.');
    const header = (change: object) =>
      base64url.encode(
        JSON.stringify({ ...JSON.parse(Buffer.from(head, 'base64url').toString()), ...change }),
      );
    const wrong = {
      'alg none': new UnsecuredJWT(claims).encode(),
      'alg none in the header': `${header({ alg: 'none' })}.${payload}.`,
      'alg HS256 in the header': `${header({ alg: 'HS256' })}.${payload}.${signature}`,
      'another typ': `${header({ typ: 'JWT' })}.${payload}.${signature}`,
      'a key that does not fit': `${header({ jwk: (await newDeviceKey()).jwk })}.${payload}.${signature}`,
      'a private key in it': `${header({ jwk: { ...phone.key.jwk, d: phone.key.jwk.x } })}.${payload}.${signature}`,
      'no signature': `${head}.${payload}.`,
      'half of it': good.slice(0, good.length / 2),
      empty: '',
      'three thousand characters': 'a'.repeat(3000),
    };
    for (const [name, proof] of Object.entries(wrong)) {
      const answer = await phone.call('GET', status, undefined, { proof });
      expect(`${name}: ${refusal(answer)}`).toBe(`${name}: 401 unauthorized`);
    }
    expect((await phone.call('GET', status, undefined, { proof: good })).status).toBe(200);
  });

  test('is good once', async () => {
    const jti = base64url.encode(randomBytes(16));
    expect((await phone.call('GET', status, undefined, { jti })).status).toBe(200);
    expect(refusal(await phone.call('GET', status, undefined, { jti }))).toBe('401 unauthorized');
    world.clock.now += NONCE_SECONDS - 1;
    expect(refusal(await phone.call('GET', status, undefined, { jti }))).toBe('401 unauthorized');
  });

  test('is good for one device as often as another used the same jti', async () => {
    const other = await enrolPhone(world, bank, 'customer-2', '80351');
    const jti = base64url.encode(randomBytes(16));
    expect((await phone.call('GET', status, undefined, { jti })).status).toBe(200);
    expect((await other.call('GET', status, undefined, { jti })).status).toBe(200);
  });

  test('of an unknown key is refused like one without any signature; of a revoked one it is told', async () => {
    const stranger = await newPhone(world);
    expect(refusal(await stranger.call('GET', status))).toBe('401 unauthorized');
    expect(refusal(await send(world, 'GET', status))).toBe('401 unauthorized');
    expect((await phone.call('DELETE', status)).status).toBe(204);
    expect(refusal(await phone.call('GET', status))).toBe('403 device_revoked');
  });
});

describe('the nonce', () => {
  test('comes with every answer to a device, refusals included, and so do the keys', async () => {
    for (const answer of [
      await phone.call('GET', status),
      await phone.call('GET', '/v1/requests'),
      await phone.call('POST', oprf, { use: 'nonsense' }),
      await phone.call('GET', status, undefined, { key: await newDeviceKey() }),
      await phone.call('POST', '/v1/devices', 'x'.repeat(20_000)),
      await send(world, 'GET', status),
    ]) {
      expect(answer.headers.get('dpop-nonce')).toMatch(/^[A-Za-z0-9_-]{32}$/);
      expect(answer.headers.get('akashi-keys')).toBe(world.keys.statement);
    }
  });

  test('missing, stale or not ours: 401 use_dpop_nonce, and nothing else of the call has happened', async () => {
    const now = world.clock.now;
    const { nonceKey } = world.keys;
    for (const nonce of [
      undefined,
      'x',
      newNonce(nonceKey, now - NONCE_SECONDS),
      newNonce(nonceKey, now + 3600),
      newNonce(randomBytes(32), now),
      newNonce(nonceKey, now).replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')),
    ]) {
      expect(refusal(await phone.call('DELETE', status, undefined, { nonce }))).toBe('401 use_dpop_nonce');
    }
    const nonce = newNonce(nonceKey, now - NONCE_SECONDS + 1);
    expect((await phone.call('GET', status, undefined, { nonce })).status).toBe(200);
  });

  test('goes on where a clock was ahead: the database refuses what is older, and nothing is good twice', async () => {
    const used = base64url.encode(randomBytes(16));
    const nonce = (of: number) => newNonce(world.keys.nonceKey, of);
    const call = (changes: { jti?: string; nonce: string }) => phone.call('GET', status, undefined, changes);
    const right = world.clock.now;
    expect((await call({ jti: used, nonce: nonce(right) })).status).toBe(200);
    // Twice: what is over is marked, and forgotten the next time.
    world.clock.now = right + 3600;
    await world.store.sweep(world.clock.now);
    expect((await call({ nonce: nonce(world.clock.now) })).status).toBe(200);
    world.clock.now += 60;
    await world.store.sweep(world.clock.now);
    world.clock.now = right;
    const jti = base64url.encode(randomBytes(16));
    const late = await call({ jti, nonce: nonce(right) });
    expect(refusal(late)).toBe('401 use_dpop_nonce');
    const told = late.headers.get('dpop-nonce') ?? '';
    expect((await call({ jti, nonce: told })).status).toBe(200);
    expect(refusal(await call({ jti, nonce: told }))).toBe('401 unauthorized');
    // What was forgotten is not good again, whether its nonce is of the right clock or of the one ahead.
    for (const of of [right, right + 3540 - NONCE_SECONDS]) {
      expect(refusal(await call({ jti: used, nonce: nonce(of) }))).toBe('401 use_dpop_nonce');
    }
    world.clock.now = right + 7200;
    expect(refusal(await call({ jti, nonce: told }))).toBe('401 use_dpop_nonce');
    expect((await call({ nonce: nonce(world.clock.now) })).status).toBe(200);
  });

  test('of a verifier whose clock is ahead is good at the others, once they know of the mark that it moved', async () => {
    const keys = { nonceKey: randomBytes(32) };
    const [right, ahead] = [1_000, 5_000];
    let mark = 0;
    const store = { jtisUntil: async () => mark };
    const [one, other] = [right, ahead].map((time) => new Nonces({ store, keys, now: () => time }));
    if (one === undefined || other === undefined) throw new TypeError('two verifiers');
    expect(await one.expiry(other.make())).toBeUndefined();
    expect(await other.expiry(one.make())).toBeUndefined();
    mark = ahead - 60;
    expect(await one.expiry(other.make())).toBe(ahead + NONCE_SECONDS);
    expect(await other.expiry(one.make())).toBe(mark + NONCE_SECONDS);
    // By another key it tells of nothing.
    const stranger = new Nonces({ store, keys: { nonceKey: randomBytes(32) }, now: () => ahead });
    expect(await one.expiry(stranger.make())).toBeUndefined();
  });

  test('names when it ends, which is how long a jti is kept', async () => {
    const keys = { nonceKey: randomBytes(32) };
    const store = { jtisUntil: async () => 0 };
    const at = (now: number) => new Nonces({ store, keys, now: () => now });
    const nonce = newNonce(keys.nonceKey, 1000);
    expect(await at(1000).expiry(nonce)).toBe(1000 + NONCE_SECONDS);
    expect(await at(999 + NONCE_SECONDS).expiry(nonce)).toBe(1000 + NONCE_SECONDS);
    expect(await at(1000 + NONCE_SECONDS).expiry(nonce)).toBeUndefined();
  });
});
