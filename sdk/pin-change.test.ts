import { parseProof } from '@akashi/circuits';
import { beforeEach, describe, expect, test } from 'vitest';
import { ORIGIN } from './scripted-keys.ts';
import { enrolledPhone, openPhone, type Phone, PIN } from './scripted-phone.ts';
import { ScriptedVerifier } from './scripted-verifier.ts';

const NEXT = '840261';
const PIN_PATH = '/v1/devices/current/pin';

let verifier: ScriptedVerifier;
let phone: Phone;
beforeEach(async () => {
  verifier = await ScriptedVerifier.open();
  phone = await enrolledPhone(verifier);
});

/** Whether a verification passes the PIN check on this phone. */
async function opens(holder: Phone['holder'], pin: string): Promise<boolean> {
  const id = await verifier.ask({ mode: 'precall', facts: [{ fact: 'pin', version: 1 }] });
  try {
    await holder.present(id, { pin });
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: 'pin_wrong' });
    return false;
  }
}

describe('changing the PIN', () => {
  test('proves the old one, registers the new one under a new evaluation key', async () => {
    const before = verifier.devices[0]?.evaluationKey;
    await phone.holder.changePin({ current: PIN, next: '８４０２６１' });
    const sent = (verifier.callsTo('PUT', /pin$/).at(-1)?.body ?? {}) as { readonly proof?: unknown };
    expect(Object.keys(sent).sort()).toEqual(['commitment', 'proof']);
    expect(() => parseProof(sent.proof)).not.toThrow();
    // Prepared at enrolment and, for the new PIN, now: the old one is proven without the prover.
    expect(phone.jobs.map(({ fact }) => fact)).toEqual(['pin', 'pin']);
    expect(phone.jobs[0]?.inputs.pinKey).not.toBe(phone.jobs[1]?.inputs.pinKey);
    expect(verifier.devices[0]?.evaluationKey).not.toEqual(before);
    expect([await opens(phone.holder, NEXT), await opens(phone.holder, PIN)]).toEqual([true, false]);
  });

  test('is refused for a wrong current PIN, which costs one try however often it is typed', async () => {
    for (let i = 0; i < 2; i++) {
      const wrong = phone.holder.changePin({ current: '739106', next: NEXT });
      await expect(wrong).rejects.toMatchObject({ code: 'pin_wrong', triesLeft: 4 });
    }
    expect(phone.jobs).toHaveLength(1);
    expect(await opens(phone.holder, PIN)).toBe(true);
  });

  test('to one of the commonest is refused before any call', async () => {
    const count = verifier.calls.length;
    await expect(phone.holder.changePin({ current: PIN, next: '123456' })).rejects.toMatchObject({
      code: 'pin_weak',
    });
    expect(verifier.calls).toHaveLength(count);
  });

  test.each(['lostCall', 'lostAnswer'] as const)('survives a %s at its last step', async (fault) => {
    let lost = 0;
    verifier.fault = (_, path) => (path === PIN_PATH && lost++ === 0 ? fault : undefined);
    await phone.holder.changePin({ current: PIN, next: NEXT });
    expect(lost).toBe(fault === 'lostCall' ? 2 : 1);
    expect([await opens(phone.holder, NEXT), await opens(phone.holder, PIN)]).toEqual([true, false]);
  });

  // The page is closed between sending and hearing: whether it arrived, only the verifier knows.
  test.each([
    ['lostCall', PIN, NEXT],
    ['lostAnswer', NEXT, PIN],
  ] as const)('that ends in a %s for good leaves a phone that finds out', async (fault, good, bad) => {
    let cut = false;
    verifier.fault = (method, path) => {
      if (method === 'PUT' && path === PIN_PATH) {
        cut = true;
        return fault;
      }
      return cut ? 'lostCall' : undefined;
    };
    await expect(phone.holder.changePin({ current: PIN, next: NEXT })).rejects.toMatchObject({
      code: 'network',
    });
    verifier.fault = () => undefined;
    const later = await openPhone(verifier, { storage: phone.storage, verifier: ORIGIN });
    expect(await opens(later.holder, bad)).toBe(false);
    expect(await opens(later.holder, good)).toBe(true);
    expect(await opens(later.holder, bad)).toBe(false);
  });
});
