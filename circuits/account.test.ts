import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Circuit, freeWires, openCircuit } from './circuit.ts';
import { allWires, complete, type Definition, definitions, violated, type Wires } from './constraints.ts';
import { FIELD_ORDER } from './field.ts';
import { accountLeaf, accountReference, accountsTree, EMPTY_LEAF, holderCommitment } from './poseidon.ts';
import type { CircuitInputs } from './protocol.ts';

type Inputs = CircuitInputs<'account'>;

const HOLDER_SECRET = 2n ** 247n + 99n;
const HOLDER = holderCommitment(HOLDER_SECRET);
const KEYS = Array.from({ length: 16 }, (_, i) => 2n ** 240n + BigInt(i) ** 3n);
const FULL = accountsTree(KEYS, HOLDER);
const SCOPE = 161803n;
const GOLDEN_ROOT = 7298874421275132667777460533711850361152227961392760585106778640011681207742n;
const GOLDEN_REF = 2397675824399278606280766234467417780256973188811939832591599564671563020018n;

let circuit: Circuit<'account'>;
let good: bigint[];
/** Wires from which the constraints settle all others: inputs, and the bits that the witness code computes. */
let given: number[];
let order: Definition[];

const INPUTS = ['challenge', 'scope', 'reveal', 'accountKey', 'holderSecret', 'index'];
const SIBLINGS = [0, 1, 2, 3].map((level) => `siblings[${level}]`);
const BITS = ['bits[0]', 'bits[1]', 'bits[2]']; // the fourth is folded into the index

beforeAll(async () => {
  // snarkjs prints a failed assertion before it throws it.
  vi.spyOn(console, 'error').mockImplementation(() => undefined);
  circuit = await openCircuit('account');
  good = await circuit.witness(inputsFor(5));
  given = [0, ...[...INPUTS, ...SIBLINGS, ...BITS].map((name) => circuit.wire(name))];
  order = definitions(circuit.compilation.r1cs, given);
});

afterAll(async () => {
  await circuit.close();
  vi.restoreAllMocks();
});

function inputsFor(index: number, changes: Partial<Inputs> = {}, tree = FULL): Inputs {
  return {
    challenge: 271828n,
    scope: SCOPE,
    reveal: 1n,
    accountKey: KEYS[index] ?? 0n,
    holderSecret: HOLDER_SECRET,
    index: BigInt(index),
    siblings: tree.paths[index] ?? [],
    ...changes,
  };
}

async function outputs(inputs: Inputs): Promise<{ root: bigint | undefined; ref: bigint | undefined }> {
  const witness = await circuit.witness(inputs);
  return { root: witness[circuit.wire('accountsRoot')], ref: witness[circuit.wire('accountRef')] };
}

/** All wires by the constraints alone, from the good witness with some of the given wires changed. */
function forge(changes: Readonly<Record<string, bigint>>, override?: Wires): Wires {
  const wires = new Map(given.map((wire) => [wire, good[wire] ?? 0n]));
  for (const [name, value] of Object.entries(changes)) wires.set(circuit.wire(name), value);
  return complete(circuit.compilation.r1cs, order, wires, override);
}

describe('the witness', () => {
  test('is golden', async () => {
    expect(await outputs(inputsFor(5))).toEqual({ root: GOLDEN_ROOT, ref: GOLDEN_REF });
    expect(FULL.root).toBe(GOLDEN_ROOT);
    expect(accountReference(KEYS[5] ?? 0n, SCOPE)).toBe(GOLDEN_REF);
  });

  test('leads each of the sixteen accounts to the root, and names it only when asked', async () => {
    for (const [index, key] of KEYS.entries()) {
      expect(await outputs(inputsFor(index))).toEqual({ root: FULL.root, ref: accountReference(key, SCOPE) });
      expect(await outputs(inputsFor(index, { reveal: 0n }))).toEqual({ root: FULL.root, ref: 0n });
    }
  });

  test('works for a single account among unused leaves', async () => {
    const tree = accountsTree(KEYS.slice(0, 1), HOLDER);
    expect((await outputs(inputsFor(0, {}, tree))).root).toBe(tree.root);
  });

  test('gives the same account another name in another scope', async () => {
    const refs = [0n, 1n, FIELD_ORDER - 1n].map(
      async (scope) => (await outputs(inputsFor(5, { scope }))).ref,
    );
    expect(new Set([GOLDEN_REF, ...(await Promise.all(refs))]).size).toBe(4);
  });

  test.each([
    ['16', 16n],
    ['17', 17n],
    ['-1', -1n],
    ['r - 1', FIELD_ORDER - 1n],
    ['r + 16', FIELD_ORDER + 16n],
    ['2^64', 2n ** 64n],
    ['half of r', (FIELD_ORDER + 1n) / 2n],
  ])('is refused for index %s', async (_, index) => {
    await expect(circuit.witness(inputsFor(5, { index }))).rejects.toThrow('Assert Failed');
  });

  test.each([
    ['2', 2n],
    ['-1', -1n],
    ['r - 1', FIELD_ORDER - 1n],
    ['r + 2', FIELD_ORDER + 2n],
  ])('is refused for reveal %s', async (_, reveal) => {
    await expect(circuit.witness(inputsFor(5, { reveal }))).rejects.toThrow('Assert Failed');
  });
});

describe('another root comes out for', () => {
  const path = FULL.paths[5] ?? [];

  test.each<[string, Partial<Inputs>]>([
    ['an account that is not listed', { accountKey: 1n }],
    ['an account of the list at another place', { index: 4n }],
    ['another account of the list', { accountKey: KEYS[6] ?? 0n }],
    ['another device', { holderSecret: HOLDER_SECRET + 1n }],
    ['siblings in another order', { siblings: path.toReversed() }],
    ['siblings of another account', { siblings: FULL.paths[9] ?? [] }],
    ['siblings with one changed', { siblings: path.map((sibling, i) => (i === 3 ? sibling + 1n : sibling)) }],
  ])('%s', async (_, changes) => {
    expect((await outputs(inputsFor(5, changes))).root).not.toBe(FULL.root);
  });

  test('any key tried at an unused leaf', async () => {
    const tree = accountsTree(KEYS.slice(0, 5), HOLDER);
    // Leaf 5 is unused; its neighbour is the last account.
    const siblings = [accountLeaf(KEYS[4] ?? 0n, HOLDER), ...(tree.paths[4] ?? []).slice(1)];
    for (const accountKey of [0n, 1n, EMPTY_LEAF, ...KEYS, FIELD_ORDER - 1n]) {
      expect((await outputs(inputsFor(5, { accountKey, siblings }))).root).not.toBe(tree.root);
    }
  });
});

describe('the constraints', () => {
  test('hold for good witnesses', async () => {
    for (const [index, reveal] of [
      [0, 0n],
      [15, 1n],
      [8, 1n],
    ] as const) {
      const witness = await circuit.witness(inputsFor(index, { reveal }));
      expect(violated(circuit.compilation.r1cs, allWires(witness))).toEqual([]);
    }
  });

  test('are broken by a change of any wire but the challenge', async () => {
    const hidden = await circuit.witness(inputsFor(10, { reveal: 0n }));
    for (const witness of [good, hidden]) {
      for (const delta of [1n, FIELD_ORDER - 1n, 0x9e3779b97f4a7c15f39cc0605cedc834n]) {
        expect(freeWires(circuit.compilation, witness, delta)).toEqual(['challenge']);
      }
    }
  });

  test('determine every wire from the inputs and the bits of the index, and five constraints are left', () => {
    const { r1cs } = circuit.compilation;
    expect(new Set([...given, ...order.map(({ wire }) => wire)]).size).toBe(r1cs.wires);
    expect(rangeChecks()).toHaveLength(5);
  });

  test('determine the bits from the index: one choice for 0 to 15, none for any other', () => {
    for (let index = -1n; index <= 17n; index++) {
      expect(choicesOfBits(index)).toHaveLength(index >= 0n && index <= 15n ? 1 : 0);
    }
    for (const index of [FIELD_ORDER - 8n, (FIELD_ORDER + 1n) / 2n, 2n ** 128n]) {
      expect(choicesOfBits(index)).toHaveLength(0);
    }
  });

  test.each([
    ['reveal', { reveal: 2n }],
    ['the first bit', { 'bits[0]': 3n, index: 7n }],
    ['the second bit', { 'bits[1]': 2n, index: 9n }],
    ['the third bit', { 'bits[2]': 2n, index: 9n }],
    ['the fourth bit', { index: 21n }],
  ])('on %s refuse what the others let pass', (_, changes) => {
    expect(violated(circuit.compilation.r1cs, forge(changes))).toHaveLength(1);
  });

  test('are each needed: without any one of them there is a witness that should not be', () => {
    const { r1cs } = circuit.compilation;
    expect(forge({})).toEqual(allWires(good));
    // One in 29 of the definitions, which reaches every hash and every step of an S-box; all would take a minute.
    for (const { constraint, wire } of order.filter((_, i) => i % 29 === 0)) {
      const forged = forge({}, new Map([[wire, (good[wire] ?? 0n) + 1n]]));
      expect(violated(r1cs, forged)).toEqual([constraint]);
    }
  });

  test('do not let an unused leaf stand for an account', () => {
    const tree = accountsTree(KEYS.slice(0, 4), HOLDER);
    const neighbour = accountsTree(KEYS.slice(0, 5), HOLDER);
    // Leaf 5 of a tree of four: its neighbour is unused too, and the rest of the path is that of leaf 4.
    const path = [EMPTY_LEAF, ...(neighbour.paths[4] ?? []).slice(1)];
    const changes = Object.fromEntries(SIBLINGS.map((name, level) => [name, path[level] ?? 0n]));
    const leaf = circuit.wire('leaf');
    const forged = forge(changes, new Map([[leaf, EMPTY_LEAF]]));
    expect(forged.get(circuit.wire('accountsRoot'))).toBe(tree.root);
    const definition = order.find(({ wire }) => wire === leaf);
    expect(violated(circuit.compilation.r1cs, forged)).toEqual([definition?.constraint]);
  });
});

describe('the proof', () => {
  test('without a name holds for account reference 0 and for no other', async () => {
    const { proof, publicSignals } = await circuit.prove(inputsFor(5, { reveal: 0n }));
    expect(publicSignals).toEqual([GOLDEN_ROOT, 0n, 271828n, SCOPE, 0n].map(String));
    expect(await circuit.verify(publicSignals, proof)).toBe(true);
    expect(await circuit.verify(publicSignals.with(1, String(GOLDEN_REF)), proof)).toBe(false);
  });
});

/** The constraints that define nothing. */
function rangeChecks(): number[] {
  const defining = new Set(order.map(({ constraint }) => constraint));
  return [...circuit.compilation.r1cs.constraints.keys()].filter((i) => !defining.has(i));
}

/** What the three bits can be for an index so that all range checks hold; that each is a bit is tested apart. */
function choicesOfBits(index: bigint): bigint[][] {
  const { r1cs } = circuit.compilation;
  const checks = {
    ...r1cs,
    constraints: rangeChecks()
      .map((i) => r1cs.constraints[i])
      .filter((c) => c !== undefined),
  };
  const choices: bigint[][] = [];
  for (let bits = 0; bits < 8; bits++) {
    const choice = [0, 1, 2].map((bit) => BigInt((bits >> bit) & 1));
    const wires = new Map(allWires(good)).set(circuit.wire('index'), (index + FIELD_ORDER) % FIELD_ORDER);
    BITS.forEach((name, i) => {
      wires.set(circuit.wire(name), choice[i] ?? 0n);
    });
    if (violated(checks, wires).length === 0) choices.push(choice);
  }
  return choices;
}
