import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import {
  type CircuitInputs,
  type FactId,
  FIELD_ORDER,
  parseProof,
  type Signals,
  signalsToArray,
  type WireProof,
} from '@akashi/circuits';
import { artifactFile } from '@akashi/circuits/artifacts';
import { accountReference, accountsTree, holderCommitment, pinCommitment } from '@akashi/circuits/poseidon';
import { groth16 } from 'snarkjs';
import { afterAll, describe, expect, test } from 'vitest';
import { bindProof } from './binding.ts';
import type { PreparedParts } from './groth16.ts';
import { inlineProver } from './inline-prover.ts';

const prover = inlineProver();
const FOLDER = new URL('./artifacts/', import.meta.resolve('@akashi/circuits/artifacts.json'));

const KEYS = [11n, 22n];
const SECRET = 9n;
const HOLDER = holderCommitment(SECRET);
const { root, paths } = accountsTree(KEYS, HOLDER);
const PIN_INPUTS: CircuitInputs<'pin'> = { challenge: 5n, pinKey: 7n, holderSecret: SECRET };
const ACCOUNT_INPUTS: CircuitInputs<'account'> = {
  challenge: 5n,
  scope: 3n,
  reveal: 1n,
  accountKey: 22n,
  holderSecret: SECRET,
  index: 1n,
  siblings: paths[1] ?? [],
};

afterAll(async () => {
  // The oracle keeps worker threads for its curve.
  const { curve_bn128: curve } = globalThis as { curve_bn128?: { terminate(): Promise<void> } };
  await curve?.terminate();
});

async function holds<F extends FactId>(
  fact: F,
  signals: Signals<F>,
  { a, b, c }: WireProof,
): Promise<boolean> {
  const key: unknown = JSON.parse(await readFile(new URL(artifactFile(fact, 'vkey').name, FOLDER), 'utf8'));
  const proof = {
    pi_a: [...a, '1'],
    pi_b: [...b, ['1', '0']],
    pi_c: [...c, '1'],
    protocol: 'groth16',
    curve: 'bn128',
  };
  return groth16.verify(key, signalsToArray(fact, signals).map(String), proof);
}

describe('a proof made in process', () => {
  test('of the PIN holds for its commitment and challenge, and for no other', async () => {
    const stages: string[] = [];
    const proof = await prover.prove('pin', PIN_INPUTS, { onProgress: (stage) => stages.push(stage) });
    expect(stages).toEqual(['loading', 'proving']);
    expect(() => parseProof(proof)).not.toThrow();
    const commitment = pinCommitment(7n, SECRET);
    expect(await holds('pin', { commitment, challenge: 5n }, proof)).toBe(true);
    expect(await holds('pin', { commitment, challenge: 6n }, proof)).toBe(false);
    expect(await holds('pin', { commitment: commitment + 1n, challenge: 5n }, proof)).toBe(false);
  });

  test('of an account holds for root and reference', async () => {
    const proof = await prover.prove('account', ACCOUNT_INPUTS);
    const signals = { accountsRoot: root, challenge: 5n, scope: 3n };
    const shown = { ...signals, accountRef: accountReference(22n, 3n), reveal: 1n };
    expect(await holds('account', shown, proof)).toBe(true);
    expect(await holds('account', { ...shown, accountRef: 0n, reveal: 0n }, proof)).toBe(false);
  });

  test('is another one each time', async () => {
    const [first, second] = [await prover.prove('pin', PIN_INPUTS), await prover.prove('pin', PIN_INPUTS)];
    expect(first).not.toEqual(second);
  });

  test.each([
    ['another index', { index: 0n }],
    ['another sibling', { siblings: [1n, 2n, 3n, 4n] }],
    ['another secret', { holderSecret: SECRET + 1n }],
  ])('does not hold when made with %s', async (_, change) => {
    const proof = await prover.prove('account', { ...ACCOUNT_INPUTS, ...change });
    const accountRef = accountReference(22n, 3n);
    expect(
      await holds('account', { accountsRoot: root, accountRef, challenge: 5n, scope: 3n, reveal: 1n }, proof),
    ).toBe(false);
  });

  test.each([
    ['an index outside the tree', { index: 16n }],
    ['a bit that is none', { reveal: 2n }],
  ])('is not made for %s', async (_, change) => {
    const proving = prover.prove('account', { ...ACCOUNT_INPUTS, ...change });
    await expect(proving).rejects.toMatchObject({ code: 'proof_failed' });
  });

  test('is not made for inputs that are not those of the fact', async () => {
    const { pinKey: _, ...missing } = PIN_INPUTS;
    const wrong = [
      missing,
      { ...PIN_INPUTS, extra: 1n },
      { ...missing, pinkey: 7n },
      { ...PIN_INPUTS, pinKey: FIELD_ORDER },
      { ...PIN_INPUTS, pinKey: -1n },
      { ...PIN_INPUTS, pinKey: [7n] },
    ];
    for (const inputs of wrong) {
      await expect(prover.prove('pin', inputs as unknown as CircuitInputs<'pin'>)).rejects.toBeInstanceOf(
        TypeError,
      );
    }
  });

  test('stops when the caller does, and lets other tasks in before', async () => {
    const controller = new AbortController();
    const proving = prover.prove('account', ACCOUNT_INPUTS, { signal: controller.signal });
    setTimeout(() => controller.abort(), 40);
    await expect(proving).rejects.toMatchObject({ code: 'aborted' });
    await expect(prover.prove('pin', PIN_INPUTS)).resolves.toBeDefined();
  });

  test('is not begun for a caller who stopped', async () => {
    const proving = inlineProver().prove('pin', PIN_INPUTS, { signal: AbortSignal.abort() });
    await expect(proving).rejects.toMatchObject({ code: 'aborted' });
  });
});

describe('a preparation made in process', () => {
  const { challenge: _, ...fixed } = ACCOUNT_INPUTS;
  const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
  const signals = { accountsRoot: root, accountRef: accountReference(22n, 3n), scope: 3n, reveal: 1n };

  test('binds to any challenge, and holds for that one only', async () => {
    const preparation = await prover.prepare('account', fixed);
    for (const challenge of [5n, FIELD_ORDER - 2n]) {
      const proof = await bindProof(preparation, challenge, random);
      expect(await holds('account', { ...signals, challenge }, proof)).toBe(true);
      expect(await holds('account', { ...signals, challenge: challenge ^ 1n }, proof)).toBe(false);
    }
  });

  test.each(['loading', 'proving', 'a', 'b', 'c', 'h1'])(
    'stopped at %s goes on from its parts',
    async (phase) => {
      const controller = new AbortController();
      let done: Partial<PreparedParts> = {};
      const reached = (name: string | undefined) => name === phase && controller.abort();
      const stopped = prover.prepare('account', fixed, {
        signal: controller.signal,
        onProgress: reached,
        onPart: (parts) => {
          done = parts;
          reached(Object.keys(parts).at(-1));
        },
      });
      // With the last part there is nothing left to stop.
      if (phase === 'h1') await stopped;
      else await expect(stopped).rejects.toMatchObject({ code: 'aborted' });
      const kept = ['a', 'b', 'c', 'h1'].slice(0, ['a', 'b', 'c', 'h1'].indexOf(phase) + 1);
      expect(Object.keys(done)).toEqual(kept);
      const made: string[][] = [];
      const preparation = await prover.prepare('account', fixed, {
        done,
        onPart: (parts) => made.push(Object.keys(parts)),
      });
      expect(made).toHaveLength(4 - kept.length);
      const proof = await bindProof(preparation, 5n, random);
      expect(await holds('account', { ...signals, challenge: 5n }, proof)).toBe(true);
    },
  );

  test('takes no challenge, and only the inputs of its fact', async () => {
    for (const inputs of [ACCOUNT_INPUTS, {}, { ...fixed, more: 1n }]) {
      const preparing = prover.prepare('account', inputs as typeof fixed);
      await expect(preparing).rejects.toBeInstanceOf(TypeError);
    }
  });
});

test('a program that proved something ends by itself', async () => {
  const program = `
    import { inlineProver } from ${JSON.stringify(new URL('./inline-prover.ts', import.meta.url).href)};
    const proof = await inlineProver().prove('pin', { challenge: 5n, pinKey: 7n, holderSecret: 9n });
    console.log(proof.a.length);`;
  const args = ['--import', 'tsx', '--conditions=akashi-source', '--input-type=module', '--eval', program];
  const child = spawn(process.execPath, args, { cwd: new URL('..', import.meta.url), timeout: 120_000 });
  let output = '';
  child.stdout.on('data', (data) => {
    output += data;
  });
  child.stderr.pipe(process.stderr);
  const code = await new Promise((resolve) => child.on('close', resolve));
  expect([code, output.trim()]).toEqual([0, '2']);
});
