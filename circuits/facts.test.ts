import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Circuit, openCircuit } from './circuit.ts';
import { allWires, violated } from './constraints.ts';
import { bytesToInteger, FIELD_ORDER } from './field.ts';
import { type CircuitInputs, FACT_IDS, FACTS, type FactId, signalNames } from './protocol.ts';
import { sampleInputs } from './sample-inputs.ts';

// What holds of the circuit of every fact, over inputs that it accepts: a new fact is taken up by its registry entry.

const randomElement = () => bytesToInteger(randomBytes(48)) % FIELD_ORDER;

describe.each(FACT_IDS)('the circuit of %s', (fact) => {
  let circuit: Circuit<FactId>;
  let inputs: CircuitInputs<FactId>;
  let witness: bigint[];

  beforeAll(async () => {
    // snarkjs prints a failed assertion before it throws it.
    vi.spyOn(console, 'error').mockImplementation(() => undefined);
    circuit = await openCircuit(fact);
    inputs = sampleInputs(fact, randomElement);
    witness = await circuit.witness(inputs);
  });

  afterAll(async () => {
    await circuit.close();
    vi.restoreAllMocks();
  });

  /** The same inputs with one of them, or one element of a list, given another value. */
  const withEach = (change: (value: bigint) => bigint) =>
    Object.entries(inputs).flatMap(([name, value]: [string, bigint | readonly bigint[]]) =>
      typeof value === 'bigint'
        ? [[name, { ...inputs, [name]: change(value) }] as const]
        : value.map(
            (one, i) => [`${name}[${i}]`, { ...inputs, [name]: value.with(i, change(one)) }] as const,
          ),
    );

  test('accepts its witnesses', () => {
    expect(violated(circuit.compilation.r1cs, allWires(witness))).toEqual([]);
  });

  // The witness code reduces, parsers of public signals do not: nothing is gained by a second name of a value.
  test('takes any input plus or less the order of the field for that input', async () => {
    for (const shift of [FIELD_ORDER, -FIELD_ORDER, 2n * FIELD_ORDER]) {
      for (const [name, shifted] of withEach((value) => value + shift)) {
        expect(await circuit.witness(shifted), name).toEqual(witness);
      }
    }
  });

  test('takes exactly the registered inputs', async () => {
    for (const name of Object.keys(inputs)) {
      const { [name as 'challenge']: _gone, ...missing } = inputs;
      await expect(circuit.witness(missing as typeof inputs), `without ${name}`).rejects.toThrow();
    }
    await expect(circuit.witness({ ...inputs, more: 1n } as typeof inputs)).rejects.toThrow();
    for (const [name, length] of Object.entries(FACTS[fact].privateInputs)) {
      if (length === 1) continue;
      for (const other of [length - 1, length + 1]) {
        const list = Array.from({ length: other }, () => 1n);
        await expect(circuit.witness({ ...inputs, [name]: list } as typeof inputs), name).rejects.toThrow();
      }
    }
  });

  test('has no private input that could be another for the same public signals', async () => {
    const publicWires = signalNames(fact).length;
    const privateNames = Object.keys(FACTS[fact].privateInputs);
    for (const [name, altered] of withEach((value) => value + 1n)) {
      if (!privateNames.some((registered) => name === registered || name.startsWith(`${registered}[`)))
        continue;
      const other = await circuit.witness(altered).catch(() => undefined);
      expect(other?.slice(0, 1 + publicWires), name).not.toEqual(witness.slice(0, 1 + publicWires));
    }
  });

  test('has a proof that holds for its own signals and for no others', async () => {
    const { proof, publicSignals } = await circuit.prove(inputs);
    expect(publicSignals).toEqual(witness.slice(1, 1 + signalNames(fact).length).map(String));
    expect(await circuit.verify(publicSignals, proof)).toBe(true);
    for (const [position, name] of signalNames(fact).entries()) {
      const signal = BigInt(publicSignals[position] ?? 0);
      for (const other of [0n, 1n, signal + 1n, signal - 1n, FIELD_ORDER - signal]) {
        const value = (other + FIELD_ORDER) % FIELD_ORDER;
        if (value === signal) continue;
        expect(await circuit.verify(publicSignals.with(position, String(value)), proof), name).toBe(false);
      }
    }
  });
});
