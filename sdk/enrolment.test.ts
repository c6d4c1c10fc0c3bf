import { AkashiError } from '@akashi/circuits';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { parseEnrolmentLink } from './enrolment-link.ts';
import { newId, ORIGIN, statementOf } from './scripted-keys.ts';
import { enrolledPhone, enrolPhone, openPhone, PIN } from './scripted-phone.ts';
import { ScriptedVerifier, SUBJECT, TENANT } from './scripted-verifier.ts';

const TOKEN = 'AAECAwQFBgcICQoLDA0ODw';
const ROOT = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8';

let verifier: ScriptedVerifier;
beforeEach(async () => {
  verifier = await ScriptedVerifier.open();
});

describe('an enrolment link', () => {
  test.each([
    `https://phone.example/app?x=1#enrol=${TOKEN}.${ROOT}`,
    `#enrol=${TOKEN}.${ROOT}`,
    `enrol=${TOKEN}.${ROOT}`,
  ])('is read whole or as its fragment: %s', (link) => {
    expect(parseEnrolmentLink(link)).toEqual({ token: TOKEN, root: ROOT });
  });

  test.each([
    '',
    'https://phone.example/',
    `#enrol=${TOKEN}`,
    `#enrol=${TOKEN}.`,
    `#enrol=.${ROOT}`,
    `#enrol=${TOKEN}.${ROOT}.x`,
    `#enrol=${TOKEN}.${ROOT}&pin=1`,
    `#enrol=${TOKEN}=.${ROOT}`,
    `#enrol=${TOKEN.slice(1)}.${ROOT}`,
    `#enrol=${TOKEN.slice(0, -1)}x.${ROOT}`,
    `#request=${TOKEN}.${ROOT}`,
    `#enrol=${TOKEN}.${ROOT} `,
  ])('is refused in any other form: %j', (link) => {
    expect(() => parseEnrolmentLink(link)).toThrow(expect.objectContaining({ code: 'malformed' }));
  });
});

describe('enrolling', () => {
  test('keeps tenant, accounts and labels, and gives the verifier commitments only', async () => {
    const phases: string[] = [];
    const { holder, issuer, storage } = await openPhone(verifier);
    expect(holder.enrolled).toBeNull();
    const enrolled = await holder.enrol({
      link: verifier.link(),
      pin: '７３９１０５ 8264 01',
      exchange: (receipt) =>
        issuer.issueAccounts({
          receipt,
          subject: SUBJECT,
          accounts: [{ number: '420177300425', label: 'Ordinary' }],
        }),
      onProgress: (phase) => phases.push(phase),
    });
    expect(phases).toEqual(['registering', 'protecting', 'exchanging', 'storing', 'preparing']);
    expect(enrolled).toMatchObject({ tenant: TENANT, accounts: [{ label: 'Ordinary' }] });
    expect(holder.enrolled).toEqual(enrolled);
    const sent = JSON.stringify(verifier.calls);
    const kept = JSON.stringify(await storage.read('holder'));
    for (const secret of ['739105826401', '420177300425']) {
      expect(sent).not.toContain(secret);
      expect(kept).not.toContain(secret);
    }
  });

  test('uses a new key each time, and lets the verifier forget the device before', async () => {
    const phone = await enrolledPhone(verifier);
    await enrolPhone(phone, verifier);
    const [first, second] = verifier.devices;
    expect(first?.jkt).not.toBe(second?.jkt);
    expect([first?.state, second?.state]).toEqual(['revoked', 'active']);
    expect(phone.holder.enrolled?.device).toBe(second?.device);
  });

  test.each([['1234'], ['739'], ['7391058264013'], ['73a105'], ['']])(
    'refuses the PIN %j before any call',
    async (pin) => {
      const phone = await openPhone(verifier);
      await expect(enrolPhone(phone, verifier, pin)).rejects.toMatchObject({ code: 'pin_weak' });
      expect(verifier.calls).toEqual([]);
    },
  );

  test('refuses a verifier that another root vouches for', async () => {
    const other = await ScriptedVerifier.open();
    const { holder } = await openPhone(verifier);
    const token = parseEnrolmentLink(verifier.link()).token;
    const link = `#enrol=${token}.${other.root.kid}`;
    const exchange = async () => undefined;
    await expect(holder.enrol({ link, pin: PIN, exchange })).rejects.toMatchObject({
      code: 'key_statement_invalid',
    });
    expect(holder.enrolled).toBeNull();
  });

  test('refuses a used token like an unknown one', async () => {
    const { holder } = await openPhone(verifier);
    const link = `#enrol=${newId()}.${verifier.root.kid}`;
    await expect(holder.enrol({ link, pin: PIN, exchange: async () => undefined })).rejects.toMatchObject({
      code: 'enrolment_refused',
    });
  });

  test.each([
    ['/v1/devices', 2], // the first only learns the nonce
    ['/v1/devices/current/oprf', 1],
    ['/v1/devices/current/pin', 1],
  ])('goes on when the answer of %s is lost', async (path, nth) => {
    const phone = await openPhone(verifier);
    let count = 0;
    verifier.fault = (method, at) =>
      method !== 'GET' && at === path && ++count === nth ? 'lostAnswer' : undefined;
    await enrolPhone(phone, verifier);
    expect(count).toBeGreaterThanOrEqual(nth);
    expect(phone.holder.enrolled?.device).toBe(verifier.devices[0]?.device);
    expect(verifier.devices).toHaveLength(1);
  });
});

describe('an enrolment that is interrupted', () => {
  const points = ['/v1/devices', '/v1/devices/current/oprf', '/v1/devices/current/pin'] as const;

  test.each(points)('at %s leaves an enrolled device as it was', async (path) => {
    const phone = await enrolledPhone(verifier);
    const before = phone.holder.enrolled;
    verifier.fault = (method, at) =>
      method !== 'DELETE' && (at === path || method === 'GET') ? 'lostCall' : undefined;
    await expect(enrolPhone(phone, verifier)).rejects.toBeInstanceOf(AkashiError);
    verifier.fault = () => undefined;
    expect(await phone.holder.reload()).toEqual(before);
    await expect(phone.holder.status()).resolves.toMatchObject({ device: before?.device });
    // What began at the verifier is over: no request goes to a device that remembers nothing.
    expect(verifier.devices.filter(({ state }) => state === 'active')).toHaveLength(1);
  });

  test('by an exchange that fails leaves no trace, and its error comes through', async () => {
    const { holder, storage } = await openPhone(verifier);
    const failure = new Error('bank closed');
    const exchange = () => Promise.reject(failure);
    await expect(holder.enrol({ link: verifier.link(), pin: PIN, exchange })).rejects.toBe(failure);
    expect(await storage.key()).toBeNull();
    expect(await storage.wasKept()).toBe(false);
    expect(verifier.devices[0]?.state).toBe('revoked');
  });

  test('by the caller, or by an exchange that never answers', async () => {
    const { holder } = await openPhone(verifier);
    const never = () => new Promise<never>(() => undefined);
    const stop = new AbortController();
    const exchange = () => {
      stop.abort();
      return never();
    };
    const pin = PIN;
    const aborted = holder.enrol({ link: verifier.link(), pin, exchange, signal: stop.signal });
    await expect(aborted).rejects.toMatchObject({ code: 'aborted' });
    // The clock of the time-outs stands still but for what the exchange takes: no slow machine ends a call before it.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    let reached = 0;
    try {
      const slow = () => {
        reached += 1;
        queueMicrotask(() => vi.advanceTimersByTime(20_000));
        return never();
      };
      const given = holder.enrol({ link: verifier.link(), pin, exchange: slow });
      await expect(given).rejects.toMatchObject({ code: 'timeout' });
    } finally {
      vi.useRealTimers();
    }
    expect(reached).toBe(1);
    expect(holder.enrolled).toBeNull();
  });
});

describe('accounts', () => {
  test('are refreshed over a fresh receipt', async () => {
    const { holder, issuer } = await enrolledPhone(verifier);
    const accounts = [{ number: '99', label: 'Only one' }];
    const enrolled = await holder.refreshAccounts((receipt) =>
      issuer.issueAccounts({ receipt, subject: SUBJECT, accounts, lifetimeSeconds: 60 }),
    );
    expect(enrolled).toMatchObject({
      accounts: [{ label: 'Only one' }],
      accountsExpireAt: verifier.now + 60,
    });
  });

  test('of another customer, or not accounts at all, change nothing', async () => {
    const { holder, issuer } = await enrolledPhone(verifier);
    const other = await enrolledPhone(verifier);
    let foreign: unknown;
    await other.holder.refreshAccounts(async (receipt) => {
      foreign = await issuer.issueAccounts({
        receipt,
        subject: SUBJECT,
        accounts: [{ number: '1', label: 'x' }],
      });
      return foreign;
    });
    const before = holder.enrolled;
    for (const wrong of [foreign, undefined, {}, { credential: 'x', accounts: [] }]) {
      await expect(holder.refreshAccounts(async () => wrong)).rejects.toMatchObject({
        code: 'unexpected_answer',
      });
    }
    expect(await holder.reload()).toEqual(before);
  });
});

test('a root that changes later is refused, with everything it says', async () => {
  const { holder } = await enrolledPhone(verifier);
  const other = await ScriptedVerifier.open();
  verifier.statement = await statementOf(other.root, verifier.signing, verifier.now);
  await expect(holder.status()).rejects.toMatchObject({ code: 'key_statement_invalid' });
  await expect(holder.requests()).rejects.toMatchObject({ code: 'key_statement_invalid' });
});

test('removing the device revokes it, and forgets it here', async () => {
  const { holder, storage } = await enrolledPhone(verifier);
  await holder.remove();
  expect(verifier.devices[0]?.state).toBe('revoked');
  expect([holder.enrolled, holder.storageLost, await storage.key()]).toEqual([null, false, null]);
  await expect(holder.requests()).rejects.toMatchObject({ code: 'not_enrolled' });
});

test('a device that the verifier refuses already is forgotten; one that cannot be revoked now is not', async () => {
  const phone = await enrolledPhone(verifier);
  verifier.fault = () => 'lostCall';
  await expect(phone.holder.remove()).rejects.toMatchObject({ code: 'network' });
  expect(await phone.holder.reload()).not.toBeNull();
  verifier.fault = () => undefined;
  for (const device of verifier.devices) device.state = 'revoked';
  await phone.holder.remove();
  expect(phone.holder.enrolled).toBeNull();
});

test('a storage filled with another verifier is not sent to this one', async () => {
  const phone = await enrolledPhone(verifier);
  const elsewhere = await openPhone(verifier, { storage: phone.storage, verifier: 'https://other.example' });
  expect(elsewhere.holder.enrolled).toBeNull();
  const back = await openPhone(verifier, { storage: phone.storage, verifier: ORIGIN });
  expect(back.holder.enrolled).not.toBeNull();
});
