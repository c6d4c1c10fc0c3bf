import { randomBytes } from 'node:crypto';
import { FIELD_ORDER, parseProof } from '@akashi/circuits';
import { beforeAll, expect, test } from 'vitest';
import { CLAIMS_MAX } from './equation.ts';
import { type ProofCheck, parsePoints, verifyBatch, verifyPoints } from './proof.ts';
import { proofSamples, spoiled } from './proof-fixtures.ts';
import { loadVerificationKeys } from './verification-keys.ts';

// Many proofs in one equation: what is said of each must be what is said of it alone.

let made: Awaited<ReturnType<typeof proofSamples>>;
let samples: readonly ProofCheck[];

beforeAll(async () => {
  const keys = await loadVerificationKeys();
  made = await proofSamples();
  samples = made.map(({ check }) => ({ ...check, key: keys[check.fact] }));
});

/** The i-th of an endless list of good proofs of all facts. */
function good(i: number): ProofCheck {
  const sample = samples[i % samples.length];
  if (sample === undefined) throw new TypeError('samples');
  return sample;
}

function bad(i: number): ProofCheck {
  const { key, points } = good(i);
  return { key, points, signals: spoiled({ ...good(i), fact: key.fact }).signals };
}

const alone = (checks: readonly ProofCheck[]) =>
  checks.map(({ key, signals, points }) => verifyPoints(key, signals, points));

test.each([0, 1, 2, 3, 5, 17, CLAIMS_MAX, CLAIMS_MAX + 1])('%s good proofs hold together', (count) => {
  const checks = Array.from({ length: count }, (_, i) => good(i));
  expect(verifyBatch(checks, randomBytes)).toEqual(checks.map(() => true));
});

test('the bad one is named, wherever it stands', () => {
  for (let place = 0; place < 9; place++) {
    const checks = Array.from({ length: 9 }, (_, i) => (i === place ? bad(i) : good(i)));
    expect(verifyBatch(checks, randomBytes)).toEqual(checks.map((_, i) => i !== place));
  }
});

test('any mixture of good and bad is told apart as each is alone', () => {
  for (let round = 0; round < 12; round++) {
    const mask = randomBytes(16);
    const checks = [...mask].map((byte, i) => (byte % 3 === 0 ? bad(i) : good(i)));
    const verdicts = verifyBatch(checks, randomBytes);
    expect(verdicts).toEqual([...mask].map((byte) => byte % 3 !== 0));
    expect(verdicts).toEqual(alone(checks));
  }
});

test('two proofs that are wrong by opposite amounts do not make up for each other', () => {
  // With coefficients known beforehand this pair would pass: C and C' change places, which changes only two factors,
  // by the same amount up and down.
  // Two proofs under one key: those of `account`.
  const [first, second] = samples.filter(({ key }) => key.fact === 'account');
  if (first === undefined || second === undefined) throw new TypeError('samples');
  const size = first.points.bytes.length;
  const c = size / 4;
  const withC = (check: ProofCheck, other: ProofCheck): ProofCheck => {
    const bytes = Uint8Array.from(check.points.bytes);
    bytes.set(other.points.bytes.subarray(size - c), size - c);
    return { ...check, points: { bytes } };
  };
  const swapped = [withC(first, second), withC(second, first)];
  expect(verifyBatch(swapped, randomBytes)).toEqual([false, false]);
  // The control: all coefficients 1, and the product holds though neither proof does.
  const ones = (length: number) => Uint8Array.from({ length }, (_, i) => (i === length - 1 ? 1 : 0));
  expect(verifyBatch(swapped, ones)).toEqual([true, true]);
});

test('each coefficient is 128 fresh random bits, in every equation', () => {
  const drawn: number[] = [];
  const random = (length: number) => {
    drawn.push(length);
    return randomBytes(length);
  };
  verifyBatch([good(0), good(1), good(2), good(3)], random);
  expect(drawn).toEqual([16, 16, 16]);
  drawn.length = 0;
  // Four together, then the halves.
  verifyBatch([good(0), good(1), good(2), bad(3)], random);
  expect(drawn).toEqual([16, 16, 16, 16, 16]);
});

test('a value outside the field refuses the batch before any of it is checked', () => {
  const never = () => {
    throw new TypeError('nothing is to be drawn');
  };
  for (const value of [FIELD_ORDER, -1n, (good(1).signals[0] ?? 0n) + FIELD_ORDER]) {
    const wrong = { ...good(1), signals: good(1).signals.with(0, value) };
    expect(() => verifyBatch([good(0), wrong], never)).toThrow('malformed');
  }
  expect(() => verifyBatch([good(0), { ...good(1), signals: [] }], never)).toThrow('malformed');
});

test('parsed points stand alone: another proof parsed later does not change them', () => {
  const [sample, other] = made;
  if (sample === undefined || other === undefined) throw new TypeError('samples');
  const points = parsePoints(parseProof(sample.proof));
  const before = Uint8Array.from(points.bytes);
  parsePoints(parseProof(other.proof));
  expect(points.bytes).toEqual(before);
});
