import {
  type Evidence,
  type JwsKind,
  type SignedEvidence,
  signJws,
  type Transaction,
  transactionHash,
} from '@akashi/circuits';
import { base64url } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { checkEvidence, type ExpectedEvidence } from './evidence.ts';
import { newId, newSigner, type Signer } from './scripted-keys.ts';

const VERIFIER = 'https://verify.example';
const NOW = 1_900_000_000;
const ID = newId();
const SALT = newId(32);
const PAYMENT: Transaction = { amount: '4350', currency: 'USD', payee: 'Night Owl Books' };
const hashOf = (transaction: Transaction, salt = SALT) =>
  base64url.encode(transactionHash(transaction, base64url.decode(salt)));

let signer: Signer;
let other: Signer;

beforeAll(async () => {
  signer = await newSigner();
  other = await newSigner();
});

function evidenceOf(change: Partial<Evidence> = {}): Evidence {
  return {
    iss: VERIFIER,
    jti: ID,
    tenant: 'aoba',
    purpose: 'payment',
    policy: { id: 'payment', version: 3 },
    mode: 'call',
    direction: 'inbound',
    verdict: 'passed',
    transactionHash: hashOf(PAYMENT),
    facts: [{ fact: 'pin', version: 1 }],
    factors: ['knowledge', 'possession'],
    decidedAt: NOW,
    iat: NOW + 5,
    ...change,
  };
}

async function signed(
  change: Partial<Evidence> = {},
  by: Signer = signer,
  kind: JwsKind = 'evidence',
): Promise<SignedEvidence> {
  return { evidence: await signJws(kind, evidenceOf(change), by), salt: SALT };
}

const EXPECTED: ExpectedEvidence = { verification: ID, transaction: PAYMENT };
const NOTHING_SHOWN = { facts: [], factors: [] };

function check(given: SignedEvidence, expected = EXPECTED, life = { nbf: NOW - 60, exp: NOW + 60 }) {
  const keys = [{ kid: signer.kid, jwk: signer.jwk, ...life }];
  return checkEvidence(given, expected, { verifier: VERIFIER, tenant: 'aoba', keys });
}

const invalid = { code: 'evidence_invalid' };

describe('evidence', () => {
  test('is what it says, when it is about what was expected', async () => {
    expect(await check(await signed())).toEqual(evidenceOf());
  });

  test.each([
    ['another verifier', { iss: 'https://other.example' }],
    ['another tenant', { tenant: 'other' }],
    ['another verification', { jti: newId() }],
    ['another verdict', { verdict: 'failed', ...NOTHING_SHOWN }],
    ['a pass without facts', { facts: [] }],
    ['a pass without factors', { factors: [] }],
    ['a failure with facts', { verdict: 'failed' }],
    ['a member nobody knows', { sub: 'customer-1' }],
  ] as readonly (readonly [string, Partial<Evidence>])[])('of %s is refused', async (_, change) => {
    await expect(check(await signed(change))).rejects.toMatchObject(invalid);
  });

  const others: readonly (readonly [string, Transaction])[] = [
    ['amount', { ...PAYMENT, amount: '4351' }],
    ['currency', { ...PAYMENT, currency: 'EUR' }],
    ['payee', { ...PAYMENT, payee: 'Night Owl Book' }],
    ['lines', { ...PAYMENT, lines: [{ text: 'Field notes', quantity: 1, amount: '4350' }] }],
  ];
  test.each(others)('over another %s is refused, on either side', async (_, transaction) => {
    await expect(check(await signed(), { ...EXPECTED, transaction })).rejects.toMatchObject(invalid);
    const altered = await signed({ transactionHash: hashOf(transaction) });
    await expect(check(altered)).rejects.toMatchObject(invalid);
  });

  test('over a transaction where none was expected is refused, and the other way round', async () => {
    await expect(check(await signed(), { ...EXPECTED, transaction: null })).rejects.toMatchObject(invalid);
    const { transactionHash: _, ...bare } = evidenceOf();
    const none = { evidence: await signJws('evidence', bare, signer) };
    await expect(check(none)).rejects.toMatchObject(invalid);
    await expect(check({ ...none, salt: SALT })).rejects.toMatchObject(invalid);
    expect(await check(none, { ...EXPECTED, transaction: null })).toEqual(bare);
  });

  test('with another salt, or without it, is refused', async () => {
    const { evidence } = await signed();
    for (const given of [{ evidence }, { evidence, salt: newId(32) }, { evidence, salt: SALT.slice(1) }]) {
      await expect(check(given)).rejects.toMatchObject(invalid);
    }
  });

  test('of a verdict that is no pass is for those who expect it', async () => {
    const declined = await signed({ verdict: 'declined', ...NOTHING_SHOWN });
    expect((await check(declined, { ...EXPECTED, verdict: 'declined' })).verdict).toBe('declined');
    await expect(check(await signed(), { ...EXPECTED, verdict: 'declined' })).rejects.toMatchObject(invalid);
  });

  test('by a stranger, under a borrowed name, or of another kind is refused', async () => {
    const given = [
      await signed({}, other),
      await signed({}, { ...other, kid: signer.kid }),
      await signed({}, signer, 'receipt'),
      await signed({}, signer, 'request'),
      { evidence: 'a.b.c', salt: SALT },
    ];
    for (const one of given) await expect(check(one)).rejects.toMatchObject(invalid);
  });

  test('holds after its key has ended, if the key was good when it signed', async () => {
    const given = await signed();
    await check(given, EXPECTED, { nbf: NOW + 5, exp: NOW + 6 });
    await expect(check(given, EXPECTED, { nbf: NOW - 60, exp: NOW + 5 })).rejects.toMatchObject(invalid);
    await expect(check(given, EXPECTED, { nbf: NOW + 6, exp: NOW + 60 })).rejects.toMatchObject(invalid);
  });

  test('with any character changed is refused', async () => {
    const { evidence, salt } = await signed();
    for (let i = 0; i < evidence.length; i += 11) {
      const changed = `${evidence.slice(0, i)}${evidence[i] === 'A' ? 'B' : 'A'}${evidence.slice(i + 1)}`;
      await expect(check({ evidence: changed, salt })).rejects.toMatchObject(invalid);
    }
  });

  test('is not held against a transaction that is none', async () => {
    const transaction = { ...PAYMENT, amount: '43.50' };
    await expect(check(await signed(), { ...EXPECTED, transaction })).rejects.toMatchObject({
      code: 'malformed',
    });
  });
});
