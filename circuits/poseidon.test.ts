import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { poseidon2 } from 'poseidon-lite/poseidon2';
import { poseidon3 } from 'poseidon-lite/poseidon3';
import { poseidon12 } from 'poseidon-lite/poseidon12';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Compilation, compile } from './compilation.ts';
import { FIELD_ORDER } from './field.ts';
import {
  accountLeaf,
  accountReference,
  accountsTree,
  claimsCredential,
  EMPTY_LEAF,
  holderCommitment,
  pinCommitment,
} from './poseidon.ts';
import { poseidonConstants, poseidonConstantsSource, type Width } from './poseidon-constants.ts';
import { TAGS } from './protocol.ts';
import { readWitness } from './r1cs.ts';
import { endSnarkjs, type FileRef, snarkjs } from './snarkjs.ts';

type Hash = (inputs: readonly bigint[]) => bigint;

const LIBRARY: Readonly<Record<Width, Hash>> = {
  3: (inputs) => poseidon2([...inputs]),
  4: (inputs) => poseidon3([...inputs]),
  13: (inputs) => poseidon12([...inputs]),
};
const WIDTHS = [3, 4, 13] as const;

const EDGES = [0n, 1n, 2n, FIELD_ORDER - 1n, FIELD_ORDER - 2n, 2n ** 253n, 2n ** 248n - 1n];

describe('the constants', () => {
  test('are those of circomlib, which generated its own with the script of the authors', async () => {
    const main = createRequire(import.meta.url).resolve('circomlibjs');
    const file = main.replace(/(?:build[/\\])?main\.c?js$/, join('src', 'poseidon_constants.json'));
    const { C, M }: { C: string[][]; M: string[][][] } = JSON.parse(await readFile(file, 'utf8'));
    for (const width of WIDTHS) {
      const { roundConstants, mds } = poseidonConstants(width);
      expect(roundConstants.flat().map(String)).toEqual(
        (C[width - 2] ?? []).map((c) => BigInt(c).toString()),
      );
      expect(mds.map((row) => row.map(String))).toEqual(
        (M[width - 2] ?? []).map((row) => row.map((m) => BigInt(m).toString())),
      );
    }
  });

  test('in the circuits are what the generator makes', async () => {
    const committed = await readFile(new URL('poseidon-constants.circom', import.meta.url), 'utf8');
    expect(committed).toBe(poseidonConstantsSource());
  });
});

describe('the circuit', () => {
  let folder: string;
  const compiled = new Map<Width, Compilation>();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'akashi-poseidon-'));
    for (const width of WIDTHS) {
      const source = join(folder, `width${width}.circom`);
      const main = `include "poseidon.circom";\ncomponent main {public [in]} = Poseidon(${width - 1});\n`;
      await writeFile(source, `pragma circom 2.2.0;\n${main}`);
      compiled.set(width, await compile(source, folder));
    }
  });

  afterAll(async () => {
    await rm(folder, { recursive: true });
    await endSnarkjs();
  });

  async function hash(width: Width, inputs: readonly bigint[]): Promise<bigint | undefined> {
    const witness: FileRef = { type: 'mem' };
    await snarkjs.wtns.calculate({ in: inputs }, compiled.get(width)?.wasm ?? '', witness);
    return readWitness(witness.data ?? new Uint8Array())[1];
  }

  // The first is in the test vectors of the authors' reference implementation (poseidonperm_x5_254_3, on 0, 1, 2), both
  // are in the tests of circomlib and many a library since.
  test.each([
    [3, [1n, 2n], 0x115cc0f5e7d690413df64c6b9662e9cf2a3617f2743245519e19607a4417189an],
    [4, [1n, 2n, 3n], 0x0e7732d89e6939c0ff03d5e58dab6302f3230e269dc5b968f725df34ab36d732n],
  ] as const)('of width %i gives the published hash', async (width, inputs, expected) => {
    expect(await hash(width, inputs)).toBe(expected);
  });

  test.each(WIDTHS)('of width %i agrees with the library that the rest of Akashi uses', async (width) => {
    const element = fc.oneof(fc.constantFrom(...EDGES), fc.bigInt({ min: 0n, max: FIELD_ORDER - 1n }));
    const inputs = fc.array(element, { minLength: width - 1, maxLength: width - 1 });
    await fc.assert(
      fc.asyncProperty(inputs, async (values) => {
        expect(await hash(width, values)).toBe(LIBRARY[width](values));
      }),
      { numRuns: 40 },
    );
  });

  test.each(WIDTHS)('of width %i costs three constraints for each S-box and nothing else', (width) => {
    const { roundConstants } = poseidonConstants(width);
    const sboxes = 8 * width + (roundConstants.length - 8);
    // the capacity is constant, so is its S-box in the first round
    expect(compiled.get(width)?.r1cs.constraints).toHaveLength(3 * (sboxes - 1));
  });

  test('exists for two, three and twelve inputs only', async () => {
    const source = join(folder, 'other.circom');
    for (const inputs of [1, 4, 11, 13]) {
      await writeFile(source, `include "poseidon.circom";\ncomponent main = Poseidon(${inputs});\n`);
      await expect(compile(source, folder)).rejects.toThrow('circom refuses');
    }
  });
});

describe('the hashes', () => {
  test('of two uses never agree on equal inputs', () => {
    const [x, y] = [5n, 7n];
    const hashes = [
      pinCommitment(x, y),
      accountLeaf(x, y),
      accountReference(x, y),
      poseidon3([TAGS.TAG_NODE, x, y]),
      claimsCredential({ schema: x, salt: y, claims: [0n, 0n, 0n, 0n, 0n, 0n, 0n, 0n] }, y),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
    expect(new Set(Object.values(TAGS)).size).toBe(Object.keys(TAGS).length);
  });

  test('depend on each input and on the order of inputs', () => {
    expect(pinCommitment(1n, 2n)).not.toBe(pinCommitment(2n, 1n));
    expect(accountLeaf(1n, 2n)).not.toBe(accountLeaf(1n, 3n));
    expect(accountReference(1n, 2n)).not.toBe(accountReference(2n, 2n));
    expect(holderCommitment(1n)).not.toBe(holderCommitment(2n));
  });
});

describe('the accounts tree', () => {
  const holder = holderCommitment(11n);
  const keys = Array.from({ length: 16 }, (_, i) => BigInt(100 + i));

  function climb(leaf: bigint, index: number, siblings: readonly bigint[]): bigint {
    return siblings.reduce((node, sibling, depth) => {
      const pair = (index >> depth) & 1 ? [sibling, node] : [node, sibling];
      return poseidon3([TAGS.TAG_NODE, ...pair]);
    }, leaf);
  }

  test.each([1, 2, 3, 15, 16])('of %i accounts leads every account to the root', (count) => {
    const { root, paths } = accountsTree(keys.slice(0, count), holder);
    expect(paths).toHaveLength(count);
    paths.forEach((path, i) => {
      expect(climb(accountLeaf(keys[i] ?? 0n, holder), i, path)).toBe(root);
    });
  });

  test('changes with order, number and holder', () => {
    const roots = [
      accountsTree([1n, 2n], holder),
      accountsTree([2n, 1n], holder),
      accountsTree([1n], holder),
      accountsTree([1n, 2n], holderCommitment(12n)),
    ].map(({ root }) => root);
    expect(new Set(roots).size).toBe(roots.length);
  });

  test('fills what is unused with a constant that is no leaf of the accounts given', () => {
    const { root, paths } = accountsTree([1n], holder);
    expect(paths[0]?.[0]).toBe(EMPTY_LEAF);
    expect(accountLeaf(1n, holder)).not.toBe(EMPTY_LEAF);
    expect(root).not.toBe(accountsTree([1n, 0n], holder).root);
  });

  test.each([
    ['no account', []],
    ['an account listed twice', [1n, 1n]],
    ['17 accounts', Array.from({ length: 17 }, (_, i) => BigInt(i))],
  ])('refuses %s', (_, wrong) => {
    expect(() => accountsTree(wrong, holder)).toThrow(TypeError);
  });
});
