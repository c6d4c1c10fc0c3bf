import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { artifactFile } from './artifact.ts';
import { type Circuit, openCircuit } from './circuit.ts';
import { bytesToInteger, FIELD_ORDER } from './field.ts';
import { convertKey } from './key-conversion.ts';
import { FACT_IDS, type FactId, signalsToArray } from './protocol.ts';
import { decodeProvingKey, encodeProvingKey, type ProvingKey } from './proving-key.ts';
import type { LinearCombination } from './r1cs.ts';
import { sampleInputs } from './sample-inputs.ts';
import { computeWitness } from './witness.ts';

const randomElement = () => bytesToInteger(randomBytes(48)) % FIELD_ORDER;

describe.each(FACT_IDS)('the program of %s', (fact) => {
  let circuit: Circuit<FactId>;
  let bytes: Uint8Array;
  let key: ProvingKey;

  beforeAll(async () => {
    circuit = await openCircuit(fact);
    bytes = await readFile(new URL(`artifacts/${artifactFile(fact, 'key').name}`, import.meta.url));
    key = decodeProvingKey(bytes);
  });

  afterAll(() => circuit.close());

  test('gives every wire and every side of a constraint the value that the compiled circuit gives it', async () => {
    const { constraints } = circuit.compilation.r1cs;
    for (let run = 0; run < 20; run++) {
      const inputs = sampleInputs(fact, randomElement);
      const wires = await circuit.witness(inputs);
      const { tape, signals } = computeWitness(fact, inputs);
      const at = (place: number): bigint =>
        place < 0 ? (FIELD_ORDER - (tape[-1 - place] ?? 0n)) % FIELD_ORDER : (tape[place] ?? -1n);
      const sum = (combination: LinearCombination): bigint => {
        let total = 0n;
        for (const [wire, coefficient] of combination) total += coefficient * (wires[wire] ?? 0n);
        return total % FIELD_ORDER;
      };
      expect(signalsToArray(fact, signals)).toEqual(wires.slice(1, 1 + key.publicSignals));
      expect([...key.wires].map(at)).toEqual(wires);
      expect([...key.left].map(at)).toEqual(constraints.map(({ a }) => sum(a)));
      expect([...key.right].map(at)).toEqual(constraints.map(({ b }) => sum(b)));
    }
  });

  test('makes the committed proving key, from the key of the ceremony and the circuit', async () => {
    const zkey = await readFile(new URL(`artifacts/${artifactFile(fact, 'zkey').name}`, import.meta.url));
    const before = createHash('sha256').update(zkey).digest('hex');
    expect(Buffer.from(await convertKey(fact, zkey, circuit.compilation, computeWitness)).equals(bytes)).toBe(
      true,
    );
    expect(createHash('sha256').update(zkey).digest('hex')).toBe(before);
  });

  test('belongs to a key that is written as it is read', () => {
    expect(Buffer.from(encodeProvingKey(key)).equals(bytes)).toBe(true);
  });
});
