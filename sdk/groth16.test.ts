import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import {
  AkashiError,
  bytesToInteger,
  type CircuitInputs,
  computeWitness,
  decodeProvingKey,
  FACT_IDS,
  type FactId,
  FIELD_ORDER,
  type ProvingKey,
  signalNames,
  signalsToArray,
  type WireProof,
} from '@akashi/circuits';
import { artifactFile } from '@akashi/circuits/artifacts';
import * as oracle from 'snarkjs';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { sampleInputs } from '../circuits/sample-inputs.ts';
import { bind, type Preparation, type PreparedParts, prepare } from './groth16.ts';
import { nobleCombiner } from './noble-combiner.ts';
import { ProverCurve } from './prover-curve.ts';

const pause = async () => undefined;
const random = (length: number) => new Uint8Array(randomBytes(length));
const artifact = (fact: FactId, kind: 'key' | 'vkey') =>
  readFile(fileURLToPath(import.meta.resolve(`@akashi/circuits/artifacts/${artifactFile(fact, kind).name}`)));

const randomElement = () => bytesToInteger(randomBytes(48)) % FIELD_ORDER;

describe.each(FACT_IDS)('a late-bound proof of %s', (fact) => {
  let curve: ProverCurve;
  let key: ProvingKey;
  let verify: (signals: readonly bigint[], proof: WireProof) => Promise<boolean>;
  const challengeSignal = signalNames(fact).indexOf('challenge') + 1;

  const prepareFor = (inputs: CircuitInputs<FactId>, done: Partial<PreparedParts> = {}) =>
    prepare(curve, key, computeWitness(fact, { ...inputs, challenge: 0n }), challengeSignal, { pause, done });
  const signalsOf = (inputs: CircuitInputs<FactId>) =>
    signalsToArray(fact, computeWitness(fact, inputs).signals);

  beforeAll(async () => {
    curve = await ProverCurve.load();
    key = decodeProvingKey(new Uint8Array(await artifact(fact, 'key')));
    const vkey = JSON.parse((await artifact(fact, 'vkey')).toString());
    verify = (signals, { a, b, c }) =>
      oracle.groth16.verify(vkey, signals.map(String), {
        pi_a: [...a, '1'],
        pi_b: [...b, ['1', '0']],
        pi_c: [...c, '1'],
        protocol: 'groth16',
        curve: 'bn128',
      });
  });

  // Ten of each fact, under both verifiers: test/oracle.test.ts.
  test('verifies under snarkjs, bound with and without WebAssembly', async () => {
    for (let i = 0; i < 3; i++) {
      const inputs = sampleInputs(fact, randomElement);
      const preparation = await prepareFor(inputs);
      for (const combiner of [curve, nobleCombiner]) {
        const proof = bind(preparation, inputs.challenge, combiner, random);
        expect(await verify(signalsOf(inputs), proof)).toBe(true);
      }
    }
  });

  test('fails with one bit of the challenge, or any other public signal, changed', async () => {
    const inputs = sampleInputs(fact, randomElement);
    const proof = bind(await prepareFor(inputs), inputs.challenge, curve, random);
    const signals = signalsOf(inputs);
    expect(await verify(signals, proof)).toBe(true);
    for (const place of signals.keys()) {
      const changed = signals.with(place, (signals[place] ?? 0n) ^ 1n);
      expect(await verify(changed, proof), signalNames(fact)[place]).toBe(false);
    }
  });

  test('is bound to the challenge it was given, whatever the preparation saw', async () => {
    const inputs = sampleInputs(fact, randomElement);
    const preparation: Preparation = await prepareFor(inputs);
    for (const challenge of [0n, 1n, FIELD_ORDER - 1n]) {
      const proof = bind(preparation, challenge, curve, random);
      expect(await verify(signalsOf({ ...inputs, challenge }), proof)).toBe(true);
    }
  });

  test('shares no group element with another from the same preparation', async () => {
    const inputs = sampleInputs(fact, randomElement);
    const preparation = await prepareFor(inputs);
    const [one, other] = [1, 2].map(() => bind(preparation, inputs.challenge, curve, random));
    for (const part of ['a', 'b', 'c'] as const) expect(one?.[part]).not.toEqual(other?.[part]);
    const coordinates = [one, other].flatMap((proof) => JSON.stringify(proof).match(/\d+/g) ?? []);
    expect(coordinates).toHaveLength(16);
    expect(new Set(coordinates).size).toBe(16);
  });

  test('comes out of an interrupted preparation that went on from its parts', async () => {
    const inputs = sampleInputs(fact, randomElement);
    const witness = computeWitness(fact, { ...inputs, challenge: 0n });
    let kept: Partial<PreparedParts> = {};
    let pauses = 0;
    const interrupted = prepare(curve, key, witness, challengeSignal, {
      pause: async () => {
        if (Object.keys(kept).length === 2 && ++pauses > 3) throw new AkashiError('aborted');
      },
      onPart: (parts) => {
        kept = parts;
      },
    });
    await expect(interrupted).rejects.toThrow('aborted');
    expect(Object.keys(kept).sort()).toEqual(['a', 'b']);
    const free = curve.allocate(0);
    const preparation = await prepareFor(inputs, kept);
    expect(curve.allocate(0)).toBe(free);
    expect(preparation.a).toBe(kept.a);
    expect(await verify(signalsOf(inputs), bind(preparation, inputs.challenge, curve, random))).toBe(true);
  });

  test('needs a key of the right bytes', async () => {
    const bytes = new Uint8Array(await artifact(fact, 'key'));
    for (const wrong of [
      bytes.subarray(0, -1),
      bytes.subarray(1),
      new Uint8Array([...bytes, 0]),
      new Uint8Array(),
    ]) {
      expect(() => decodeProvingKey(wrong)).toThrow('artifact invalid');
    }
  });

  test('takes no memory for counts that the bytes of a key cannot have', async () => {
    const taken = vi.spyOn(Int16Array, 'from');
    for (const place of [16 + 4, 16 + 12]) {
      const wrong = new Uint8Array(await artifact(fact, 'key'));
      new DataView(wrong.buffer).setUint32(place, 2 ** 31 - 1, true);
      expect(() => decodeProvingKey(wrong)).toThrow('artifact invalid');
      for (const [asked] of taken.mock.calls)
        expect((asked as unknown as ArrayLike<unknown>).length).toBeLessThan(wrong.length);
    }
    taken.mockRestore();
  });
});
