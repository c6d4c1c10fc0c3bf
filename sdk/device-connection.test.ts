import { signKeyStatement, thumbprint } from '@akashi/circuits';
import { beforeEach, describe, expect, test } from 'vitest';
import { openConnection } from './connection.ts';
import { type DeviceIdentity, openDeviceConnection } from './device-connection.ts';
import { newSigner, ORIGIN, type Signer, statementOf } from './scripted-keys.ts';
import { ScriptedVerifier } from './scripted-verifier.ts';

let verifier: ScriptedVerifier;
let identity: DeviceIdentity;
beforeEach(async () => {
  verifier = await ScriptedVerifier.open();
  identity = { key: await newSigner(), root: verifier.root.kid };
});

let clock = 0;
const openDevice = (fetch: typeof globalThis.fetch = verifier.fetch) =>
  openDeviceConnection({
    connection: openConnection({ verifier: ORIGIN, fetch }),
    now: () => clock,
    random: (length) => crypto.getRandomValues(new Uint8Array(length)),
  });

const redeem = () => {
  const [, token = ''] = /enrol=([^.]+)/.exec(verifier.link()) ?? [];
  return { method: 'POST', path: '/v1/devices', body: { token }, repeatable: false } as const;
};
const status = { method: 'GET', path: '/v1/devices/current', repeatable: true } as const;

describe('a device call', () => {
  test('is signed, and sent once more when the verifier wants its nonce', async () => {
    const device = openDevice();
    await device.send(identity, redeem());
    verifier.nonce = 'nonce-2';
    await device.send(identity, status);
    expect(new Set(verifier.calls.map(({ jti }) => jti)).size).toBe(verifier.calls.length);
    expect(verifier.devices[0]?.jkt).toBe(await thumbprint(identity.key.jwk));
  });

  test('is not sent a third time', async () => {
    let calls = 0;
    const device = openDevice(async (input, init) => {
      calls += 1;
      verifier.nonce = `nonce-${calls}`;
      return verifier.fetch(input, init).finally(() => {
        verifier.nonce = 'another';
      });
    });
    await expect(device.send(identity, redeem())).rejects.toMatchObject({
      code: 'use_dpop_nonce',
      status: 401,
    });
    expect(calls).toBe(2);
  });

  test('is repeated without an answer only where that is safe, and never under the same jti', async () => {
    const device = openDevice();
    await device.send(identity, redeem());
    let lost = 0;
    verifier.fault = () => (lost++ === 0 ? 'lostAnswer' : undefined);
    await device.send(identity, status);
    expect(new Set(verifier.calls.map(({ jti }) => jti)).size).toBe(3);
    lost = 0;
    const once = device.send(identity, { ...redeem(), repeatable: false });
    await expect(once).rejects.toMatchObject({ code: 'network' });
    expect(lost).toBe(1);
  });

  test('measures the verifier’s time from its Date, and only what passed since on its own clock', async () => {
    const device = openDevice();
    expect(device.knownTime()).toBeNull();
    expect(() => device.verifierTime()).toThrow(expect.objectContaining({ code: 'unexpected_answer' }));
    clock = 5_000;
    await device.send(identity, redeem());
    expect(device.verifierTime()).toBe(verifier.now);
    clock += 90_000;
    expect(device.verifierTime()).toBe(verifier.now + 90);
  });

  test('to a verifier whose answer has no Date gives no time', async () => {
    const device = openDevice(async (input, init) => {
      const answer = await verifier.fetch(input, init);
      answer.headers.delete('Date');
      return answer;
    });
    await device.send(identity, redeem());
    expect(() => device.verifierTime()).toThrow();
  });
});

describe('a key statement', () => {
  const statements: readonly (readonly [string, () => Promise<string>])[] = [
    ['none', async () => ''],
    ['no JWS', async () => 'x.y.z'],
    ['one by another root', async () => statementOf(await newSigner(), verifier.signing, verifier.now)],
    ['one by the signing key itself', () => statementOf(verifier.signing, verifier.signing, verifier.now)],
    ['one of another verifier', () => signed({ iss: 'https://other.example' })],
    ['one without keys', () => signed({ keys: [] })],
    ['one whose kid is not the thumbprint', () => signed({ keys: [keyEntry({ kid: verifier.root.kid })] })],
    [
      'one with a private key',
      () => signed({ keys: [keyEntry({ jwk: { ...verifier.signing.jwk, d: 'x' } })] }),
    ],
    ['one with members nobody knows', () => signed({ extra: true })],
    ['one that was changed', async () => `${(await signed({})).slice(0, -8)}AAAAAAAA`],
    ['one that claims the root’s key in its header', forged],
  ];
  test.each(statements)('that is %s is refused', async (_, statement) => {
    const device = openDevice();
    await device.send(identity, redeem());
    verifier.statement = await statement();
    await expect(device.send(identity, status)).rejects.toMatchObject({ code: 'key_statement_invalid' });
  });

  test('by the same root may change with every rotation', async () => {
    const device = openDevice();
    await device.send(identity, redeem());
    verifier.statement = await statementOf(verifier.root, await newSigner(), verifier.now);
    await device.send(identity, status);
  });
});

const keyEntry = (rest: object) => ({
  jwk: verifier.signing.jwk,
  kid: verifier.signing.kid,
  nbf: verifier.now - 60,
  exp: verifier.now + 60,
  ...rest,
});

const signed = (rest: object) => statementOf(verifier.root, verifier.signing, verifier.now, rest);

async function forged(): Promise<string> {
  const stranger: Signer = { ...(await newSigner()), jwk: verifier.root.jwk };
  return signKeyStatement({ iss: ORIGIN, keys: [keyEntry({})], iat: verifier.now }, stranger);
}
