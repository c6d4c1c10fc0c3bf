import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Circuit, freeWires, openCircuit } from './circuit.ts';
import { allWires, complete, definitions, violated } from './constraints.ts';
import { FIELD_ORDER } from './field.ts';
import { pinCommitment } from './poseidon.ts';
import type { CircuitInputs } from './protocol.ts';

const GOOD: CircuitInputs<'pin'> = { challenge: 271828n, pinKey: 3141592653n, holderSecret: 2n ** 247n + 5n };
const GOLDEN = 19061490779721874670197649640501111992268642871245491172005749563718840413638n;

let circuit: Circuit<'pin'>;

beforeAll(async () => {
  circuit = await openCircuit('pin');
});

afterAll(async () => {
  await circuit.close();
});

async function commitment(inputs: CircuitInputs<'pin'>): Promise<bigint | undefined> {
  return (await circuit.witness(inputs))[circuit.wire('commitment')];
}

describe('the witness', () => {
  test('is golden', async () => {
    expect(await commitment(GOOD)).toBe(GOLDEN);
    expect(pinCommitment(GOOD.pinKey, GOOD.holderSecret)).toBe(GOLDEN);
  });

  test.each([
    [0n, 0n],
    [1n, 0n],
    [0n, 1n],
    [FIELD_ORDER - 1n, FIELD_ORDER - 1n],
    [2n ** 248n - 1n, FIELD_ORDER - 2n],
  ])('for pinKey %i, holderSecret %i is what poseidon.ts says', async (pinKey, holderSecret) => {
    const inputs = { challenge: 1n, pinKey, holderSecret };
    const witness = await circuit.witness(inputs);
    expect(witness[circuit.wire('commitment')]).toBe(pinCommitment(pinKey, holderSecret));
    expect(violated(circuit.compilation.r1cs, allWires(witness))).toEqual([]);
  });

  test('does not depend on the challenge', async () => {
    expect(await commitment({ ...GOOD, challenge: FIELD_ORDER - 1n })).toBe(GOLDEN);
  });

  // The witness code reduces what it is given, so r + x is x. Nobody gains by it: the private inputs are the prover's
  // own, and public signals are refused from the order of the field upwards before any arithmetic (protocol.ts).
  test.each([
    ['the order of the field plus x', FIELD_ORDER],
    ['twice the order plus x', 2n * FIELD_ORDER],
    ['x less the order', -FIELD_ORDER],
  ])('takes %s for x', async (_, shift) => {
    const shifted = { ...GOOD, pinKey: GOOD.pinKey + shift, holderSecret: GOOD.holderSecret + shift };
    expect(await commitment(shifted)).toBe(GOLDEN);
    expect(await commitment({ challenge: shift, pinKey: shift, holderSecret: shift })).toBe(
      pinCommitment(0n, 0n),
    );
  });
});

describe('the constraints', () => {
  test('are broken by a change of any wire but the challenge', async () => {
    const witness = await circuit.witness(GOOD);
    for (const delta of [1n, FIELD_ORDER - 1n, 0x9e3779b97f4a7c15f39cc0605cedc834n]) {
      expect(freeWires(circuit.compilation, witness, delta)).toEqual(['challenge']);
    }
  });

  test('leave no wire undetermined, whatever the inputs', () => {
    const { r1cs } = circuit.compilation;
    const inputs = ['challenge', 'pinKey', 'holderSecret'].map((name) => circuit.wire(name));
    const order = definitions(r1cs, [0, ...inputs]);
    expect(new Set(order.map(({ wire }) => wire)).size).toBe(r1cs.wires - 1 - inputs.length);
    expect(order).toHaveLength(r1cs.constraints.length);
  });

  test('are each needed: without any one of them there is a witness that should not be', async () => {
    const { r1cs } = circuit.compilation;
    const given = ['challenge', 'pinKey', 'holderSecret'].map((name) => circuit.wire(name));
    const order = definitions(r1cs, [0, ...given]);
    const witness = await circuit.witness(GOOD);
    const inputs = new Map([0, ...given].map((wire) => [wire, witness[wire] ?? 0n]));
    expect(complete(r1cs, order, inputs)).toEqual(allWires(witness));
    for (const { constraint, wire } of order) {
      const forged = complete(r1cs, order, inputs, new Map([[wire, (witness[wire] ?? 0n) + 1n]]));
      expect(violated(r1cs, forged)).toEqual([constraint]);
    }
  });
});
