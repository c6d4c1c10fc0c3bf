import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import {
  BASE_FIELD_ORDER,
  FACT_IDS,
  type FactId,
  FIELD_ORDER,
  parseProof,
  type WireProof,
} from '@akashi/circuits';
import { bn254 } from '@noble/curves/bn254.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadKey, type VerificationKey, verifyProof } from './proof.ts';
import { provenSamples, secret } from './proof-fixtures.ts';
import { artifactPath, endProver, oracleSays } from './prover-fixtures.ts';

interface Sample {
  readonly fact: FactId;
  readonly key: VerificationKey;
  readonly keyText: unknown;
  readonly proof: WireProof;
  readonly signals: readonly bigint[];
}

/** The parts of a key file that tests change. */
interface KeyText {
  readonly vk_delta_2: unknown;
  readonly IC: readonly unknown[];
}

const keyBytes = new Map<FactId, Buffer>();
const samples: Sample[] = [];

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

beforeAll(async () => {
  for (const fact of FACT_IDS) keyBytes.set(fact, await readFile(artifactPath(fact, 'vkey')));
  for (const { fact, proof, signals } of await provenSamples()) {
    const bytes = bytesOf(fact);
    const key = await loadKey(fact, bytes, sha256(bytes));
    samples.push({ fact, key, keyText: JSON.parse(bytes.toString()), proof, signals });
  }
});

afterAll(endProver);

function bytesOf(fact: FactId): Buffer {
  const bytes = keyBytes.get(fact);
  if (bytes === undefined) throw new TypeError('no key');
  return bytes;
}

/** What the engine says of a proof as it comes: true, false, or the code it throws. */
function engineSays({ key }: Sample, signals: readonly bigint[], proof: unknown): boolean | string {
  try {
    return verifyProof(key, signals, parseProof(proof));
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}

// Points by another implementation of the curves.
const { G1, G2, fields } = bn254;
type Point2 = InstanceType<typeof G2.Point>;

function wireG1(point: InstanceType<typeof G1.Point>): [string, string] {
  const { x, y } = point.toAffine();
  return [x.toString(), y.toString()];
}

function wireG2(point: Point2): [[string, string], [string, string]] {
  const { x, y } = point.toAffine();
  return [
    [x.c0.toString(), x.c1.toString()],
    [y.c0.toString(), y.c1.toString()],
  ];
}

const pointG1 = ([x, y]: WireProof['a']) => G1.Point.fromAffine({ x: BigInt(x), y: BigInt(y) });

function pointG2([x, y]: WireProof['b']): Point2 {
  const element = ([c0, c1]: readonly [string, string]) => fields.Fp2.fromBigTuple([BigInt(c0), BigInt(c1)]);
  return G2.Point.fromAffine({ x: element(x), y: element(y) });
}

/** A point on the twist, of order other than r: found by its x. */
function outsideSubgroup(): Point2 {
  for (let c0 = 1n; ; c0++) {
    const x = fields.Fp2.fromBigTuple([c0, 0n]);
    const right = fields.Fp2.add(fields.Fp2.mul(fields.Fp2.sqr(x), x), G2.Point.CURVE().b);
    try {
      const point = G2.Point.fromAffine({ x, y: fields.Fp2.sqrt(right) });
      if (!point.isTorsionFree()) return point;
    } catch {
      // no square root: no point with this x
    }
  }
}

describe('a proof', () => {
  test('that is good holds, and snarkjs agrees', async () => {
    for (const sample of samples) {
      expect(engineSays(sample, sample.signals, sample.proof)).toBe(true);
      expect(await oracleSays(sample.keyText, sample.signals, sample.proof)).toBe(true);
    }
  });

  test('holds for no other value of any public signal, and snarkjs agrees', async () => {
    for (const sample of samples) {
      for (const index of sample.signals.keys()) {
        for (const other of [0n, 1n, secret()]) {
          const signals = sample.signals.with(index, other);
          const same = other === sample.signals[index];
          expect(engineSays(sample, signals, sample.proof)).toBe(same);
          expect(await oracleSays(sample.keyText, signals, sample.proof)).toBe(same);
        }
      }
    }
  });

  test('with another good point in the place of any of its three does not hold, and snarkjs agrees', async () => {
    for (const sample of samples) {
      const { proof } = sample;
      const changed: WireProof[] = [
        { ...proof, a: proof.c },
        { ...proof, c: proof.a },
        { ...proof, a: wireG1(pointG1(proof.a).negate()) },
        { ...proof, c: wireG1(pointG1(proof.c).double()) },
        { ...proof, b: wireG2(pointG2(proof.b).negate()) },
        { ...proof, b: wireG2(G2.Point.BASE) },
      ];
      for (const other of changed) {
        expect(engineSays(sample, sample.signals, other)).toBe(false);
        expect(await oracleSays(sample.keyText, sample.signals, other)).toBe(false);
      }
    }
  });

  test('of one fact does not hold under the key of another, whatever the signals', () => {
    const [pin, account] = samples;
    if (pin === undefined || account === undefined) throw new TypeError('two samples');
    expect(engineSays(account, account.signals, pin.proof)).toBe(false);
    expect(engineSays(pin, pin.signals, account.proof)).toBe(false);
  });

  test('can be re-randomised: nothing may ever be keyed on its bytes', () => {
    for (const sample of samples) {
      const { a, b, c } = sample.proof;
      const s = secret();
      const inverse = bn254.fields.Fr.inv(s);
      const copy = {
        a: wireG1(pointG1(a).multiply(s)),
        b: wireG2(pointG2(b).multiply(inverse)),
        c,
      };
      expect(copy.a).not.toEqual(a);
      expect(engineSays(sample, sample.signals, copy)).toBe(true);
    }
  });
});

describe('malformed points and signals', () => {
  test('are refused as such, before any pairing', () => {
    const p = BASE_FIELD_ORDER;
    for (const sample of samples) {
      const { proof, signals } = sample;
      const [x, y] = proof.a;
      const [bx, by] = proof.b;
      const wrong: Record<string, unknown> = {
        'A off the curve': { ...proof, a: [x, (BigInt(y) + 1n).toString()] },
        'C off the curve': { ...proof, c: ['1', '1'] },
        'B off the curve': { ...proof, b: [bx, [by[1], by[0]]] },
        'A at infinity': { ...proof, a: ['0', '0'] },
        'B at infinity': {
          ...proof,
          b: [
            ['0', '0'],
            ['0', '0'],
          ],
        },
        'C at infinity': { ...proof, c: ['0', '0'] },
        'B outside the subgroup': { ...proof, b: wireG2(outsideSubgroup()) },
        'B shifted out of the subgroup': { ...proof, b: wireG2(pointG2(proof.b).add(outsideSubgroup())) },
        'x + p': { ...proof, a: [(BigInt(x) + p).toString(), y] },
        'p itself': { ...proof, a: [p.toString(), y] },
        'leading zero': { ...proof, a: [`0${x}`, y] },
        sign: { ...proof, a: [`-${x}`, y] },
        hex: { ...proof, a: [`0x${BigInt(x).toString(16)}`, y] },
        'a number': { ...proof, a: [1, 2] },
        projective: { ...proof, a: [x, y, '1'] },
        'extra key': { ...proof, d: proof.a },
        'missing key': { a: proof.a, b: proof.b },
      };
      for (const [name, value] of Object.entries(wrong)) {
        expect(`${name}: ${engineSays(sample, signals, value)}`).toBe(`${name}: malformed`);
      }
    }
  });

  test('a signal has one name: neither s + r nor a negative one is taken, nor another count', () => {
    for (const sample of samples) {
      for (const [index, value] of sample.signals.entries()) {
        expect(engineSays(sample, sample.signals.with(index, value + FIELD_ORDER), sample.proof)).toBe(
          'malformed',
        );
        expect(engineSays(sample, sample.signals.with(index, value - FIELD_ORDER), sample.proof)).toBe(
          'malformed',
        );
      }
      expect(engineSays(sample, sample.signals.slice(1), sample.proof)).toBe('malformed');
      expect(engineSays(sample, [...sample.signals, 0n], sample.proof)).toBe('malformed');
    }
  });
});

describe('a verification key', () => {
  /** Loads the pin's key after a change, under the digest of the changed bytes, so that only the check itself refuses. */
  function loadChanged(change: (key: KeyText) => object): Promise<VerificationKey> {
    const bytes = Buffer.from(JSON.stringify(change(JSON.parse(bytesOf('pin').toString()))));
    return loadKey('pin', bytes, sha256(bytes));
  }

  test('loads unchanged', async () => {
    await expect(loadChanged((key) => key)).resolves.toMatchObject({ fact: 'pin' });
  });

  test('with other bytes than registered is refused', async () => {
    const bytes = Buffer.concat([bytesOf('pin'), Buffer.from(' ')]);
    await expect(loadKey('pin', bytes, sha256(bytesOf('pin')))).rejects.toMatchObject({
      code: 'artifact_invalid',
    });
  });

  test('of another fact is refused: it has another count of signals', async () => {
    const bytes = bytesOf('account');
    await expect(loadKey('pin', bytes, sha256(bytes))).rejects.toMatchObject({ code: 'artifact_invalid' });
  });

  const off = ['1', '1', '1'];
  const infinity = ['0', '1', '0'];
  const foreign = () => [...wireG2(outsideSubgroup()), ['1', '0']];
  test.each<[string, (key: KeyText) => object]>([
    ['gamma = delta', (key) => ({ ...key, vk_gamma_2: key.vk_delta_2 })],
    ['alpha off the curve', (key) => ({ ...key, vk_alpha_1: off })],
    ['alpha at infinity', (key) => ({ ...key, vk_alpha_1: infinity })],
    ['beta outside the subgroup', (key) => ({ ...key, vk_beta_2: foreign() })],
    ['gamma outside the subgroup', (key) => ({ ...key, vk_gamma_2: foreign() })],
    ['delta outside the subgroup', (key) => ({ ...key, vk_delta_2: foreign() })],
    ['a point of IC off the curve', (key) => ({ ...key, IC: [off, ...key.IC.slice(1)] })],
    ['a point of IC at infinity', (key) => ({ ...key, IC: [infinity, ...key.IC.slice(1)] })],
    ['one point of IC too few', (key) => ({ ...key, IC: key.IC.slice(1) })],
    ['one point of IC too many', (key) => ({ ...key, IC: [...key.IC, ...key.IC.slice(1, 2)] })],
    ['another count of signals', (key) => ({ ...key, nPublic: 3 })],
    ['another curve', (key) => ({ ...key, curve: 'bls12381' })],
    ['another protocol', (key) => ({ ...key, protocol: 'plonk' })],
    ['no shape at all', () => []],
  ])('with %s is refused', async (_, change) => {
    await expect(loadChanged(change)).rejects.toMatchObject({ code: 'artifact_invalid' });
  });
});

test('checking a proof takes a few milliseconds', () => {
  for (const sample of samples) {
    const times = Array.from({ length: 20 }, () => {
      const began = performance.now();
      engineSays(sample, sample.signals, sample.proof);
      return performance.now() - began;
    }).sort((a, b) => a - b);
    // The best of twenty: what the machine does beside this test is not what is measured.
    expect(times[0]).toBeLessThan(25);
  }
});
