import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { freeWires } from './circuit.ts';
import {
  CLAIMS,
  type ClaimCircuit,
  HASHES,
  LIMIT,
  openClaimCircuit,
  PICKS,
  rangeInputs,
  setBounds,
} from './claim-circuit.ts';
import { allWires, holds, violated, type Wires } from './constraints.ts';
import { FIELD_ORDER } from './field.ts';
import type { R1cs } from './r1cs.ts';

const ALTERNATING = 0xaaaaaaaaaaaaaaaan;

let range: ClaimCircuit<'range'>;

beforeAll(async () => {
  // snarkjs prints a failed assertion before it throws it.
  vi.spyOn(console, 'error').mockImplementation(() => undefined);
  range = await openClaimCircuit('range', rangeInputs(0, { lower: 38_000n, upper: 40_000n }));
});

afterAll(async () => {
  await range.circuit.close();
  vi.restoreAllMocks();
});

describe('the bounds', () => {
  const accepted = (claim: bigint, lower: bigint, upper: bigint) =>
    range.circuit.witness(rangeInputs(0, { claims: CLAIMS.with(0, claim), lower, upper })).then(
      () => true,
      () => false,
    );
  const [low, high] = [38_000n, 40_000n];

  test.each([
    ['one below the lower', low - 1n, false],
    ['the lower itself', low, true],
    ['one above the lower', low + 1n, true],
    ['one below the upper', high - 1n, true],
    ['the upper itself', high, true],
    ['one above the upper', high + 1n, false],
    ['0', 0n, false],
    ['2^64 - 1', LIMIT - 1n, false],
    ['2^64', LIMIT, false],
    ['-1', -1n, false],
    ['r - 1', FIELD_ORDER - 1n, false],
    ['r + lower', FIELD_ORDER + low, true],
  ])('a claim at %s: %s, %s', async (_, claim, expected) => {
    expect(await accepted(claim, low, high)).toBe(expected);
  });

  test.each([
    ['0', 0n, true],
    ['1', 1n, true],
    ['2^64 - 2', LIMIT - 2n, true],
    ['2^64 - 1', LIMIT - 1n, true],
    ['2^64', LIMIT, false],
    ['2^64 + 1', LIMIT + 1n, false],
    ['-1', -1n, false],
    ['r - 1', FIELD_ORDER - 1n, false],
    ['r - 2^64', FIELD_ORDER - LIMIT, false],
    ['half of r', (FIELD_ORDER + 1n) / 2n, false],
  ])('as wide as can be, a claim of %s: %s, %s', async (_, claim, expected) => {
    expect(await accepted(claim, 0n, LIMIT - 1n)).toBe(expected);
    // Bounds that the verifier would refuse do not help a claim of more than 64 bits either.
    expect(await accepted(claim, claim, claim)).toBe(expected);
  });

  test('that are equal take one claim', async () => {
    for (const bound of [0n, 1n, low, LIMIT - 1n]) {
      expect(await accepted(bound, bound, bound)).toBe(true);
      expect(await accepted(bound + 1n, bound, bound)).toBe(false);
      expect(await accepted(bound - 1n, bound, bound)).toBe(false);
    }
  });

  test('the wrong way round take none', async () => {
    for (const claim of [low - 1n, low, low + 1n, high, high + 1n, 0n, LIMIT - 1n]) {
      expect(await accepted(claim, high, low)).toBe(false);
      expect(await accepted(claim, low + 1n, low)).toBe(false);
    }
    expect(await accepted(0n, 1n, 0n)).toBe(false);
    expect(await accepted(LIMIT - 1n, LIMIT - 1n, 0n)).toBe(false);
  });
});

describe('the constraints', () => {
  const DELTAS = [1n, FIELD_ORDER - 1n, 0x9e3779b97f4a7c15f39cc0605cedc834n];

  test('are broken by a change of any wire but the challenge', async () => {
    const edges = [rangeInputs(3), rangeInputs(4, { lower: 0n }), rangeInputs(7, { upper: LIMIT - 1n })];
    for (const witness of [range.good, ...(await Promise.all(edges.map(range.circuit.witness)))]) {
      for (const delta of DELTAS) {
        expect(freeWires(range.circuit.compilation, witness, delta)).toEqual(['challenge']);
      }
    }
  });

  test('determine every wire from inputs, places and bits; 200 checks of a bit are left', () => {
    const { r1cs } = range.circuit.compilation;
    expect(new Set([...range.given, ...range.order.map(({ wire }) => wire)]).size).toBe(r1cs.wires);
    expect(range.rangeChecks()).toHaveLength(8 + 3 * 64);
  });

  test('on hashes are each needed: without any one there is a witness that should not be', () => {
    expect(range.forge(new Map())).toEqual(allWires(range.good));
    // One in 23 of them, which reaches both hashes and every step of an S-box; all would take a minute.
    for (const { constraint, wire } of range.definitionsOf(HASHES).filter((_, i) => i % 23 === 0)) {
      const forged = range.forge(new Map(), new Map([[wire, (range.good[wire] ?? 0n) + 1n]]));
      expect(violated(range.circuit.compilation.r1cs, forged)).toEqual([constraint]);
    }
  });

  test('on the claim are each needed: no other can be slipped in between credential and bounds', () => {
    const slipped = range.definitionsOf(PICKS);
    expect(slipped).toHaveLength(8);
    for (const { constraint, wire } of slipped) {
      const changes = new Map<number, bigint>();
      setBounds(range, changes, (CLAIMS[0] ?? 0n) + 1n, 5n, 5n);
      const forged = range.forge(changes, new Map([[wire, (range.good[wire] ?? 0n) + 1n]]));
      expect(violated(range.circuit.compilation.r1cs, forged)).toEqual([constraint]);
    }
    expect(range.order).toHaveLength(range.definitionsOf(HASHES).length + slipped.length);
  });

  test('on the 192 bits are each needed: a 2 for a carry, and above the highest a number of 65 bits', () => {
    const { r1cs } = range.circuit.compilation;
    const checks = range.rangeChecks();
    const refused = new Set<number>();
    expect(range.numbers).toHaveLength(3);
    // Bits stand in no definition: all else is computed once for many of them.
    const wiresWith = (claim: bigint, below: bigint, above: bigint): Wires => {
      const changes = new Map([[range.wire('claims[0]'), claim]]);
      setBounds(range, changes, claim, below, above);
      return range.forge(changes);
    };
    const patterns = [ALTERNATING, ALTERNATING / 2n].map((value) => wiresWith(value, value, value));
    for (const wires of patterns) expect(violated(r1cs, wires)).toEqual([]);
    for (const [number, wires] of range.numbers.entries()) {
      for (let bit = 0; bit < 63; bit++) {
        // This bit is 0 and the next one 1, so that a 2 in its place is the same number.
        const [wire = 0, next = 0] = wires.slice(bit);
        const forged = new Map(patterns[bit % 2]).set(wire, 2n);
        if (next > 0) forged.set(next, 0n);
        const broken = checks.filter((check) => !holdsIn(r1cs, check, forged));
        expect(broken, `bit ${bit} of number ${number}`).toHaveLength(1);
        refused.add(broken[0] ?? -1);
      }
      const [claim = 0n, below = 0n, above = 0n] = [0, 1, 2].map((i) => (i === number ? LIMIT : 0n));
      const broken = violated(r1cs, wiresWith(claim, below, above));
      expect(broken).toHaveLength(1);
      refused.add(broken[0] ?? -1);
    }
    expect(refused.size).toBe(3 * 64);
    expect(checks).toEqual(expect.arrayContaining([...refused]));
  });
});

function holdsIn({ constraints }: R1cs, index: number, wires: Wires): boolean {
  const constraint = constraints[index];
  return constraint !== undefined && holds(constraint, wires);
}
