import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { freeWires } from './circuit.ts';
import {
  CLAIMS,
  type ClaimCircuit,
  HASHES,
  LIMIT,
  memberInputs,
  openClaimCircuit,
  PICKS,
  type Values,
} from './claim-circuit.ts';
import { allWires, violated } from './constraints.ts';
import { FIELD_ORDER } from './field.ts';
import { MEMBER_VALUES } from './protocol.ts';

let member: ClaimCircuit<'member'>;

beforeAll(async () => {
  // snarkjs prints a failed assertion before it throws it.
  vi.spyOn(console, 'error').mockImplementation(() => undefined);
  member = await openClaimCircuit('member', memberInputs(2));
});

afterAll(async () => {
  await member.circuit.close();
  vi.restoreAllMocks();
});

describe('the values', () => {
  const values = (list: readonly bigint[]) =>
    Object.fromEntries(MEMBER_VALUES.map((name, i) => [name, list[i] ?? list.at(-1) ?? 0n])) as Values;
  const accepted = (claim: bigint, list: readonly bigint[]) =>
    member.circuit.witness(memberInputs(0, { claims: CLAIMS.with(0, claim), ...values(list) })).then(
      () => true,
      () => false,
    );

  test('take the claim at each of the eight places', async () => {
    for (const name of MEMBER_VALUES) {
      const inputs = memberInputs(2, { value3: 503n, [name]: 13n });
      await expect(member.circuit.witness(inputs), name).resolves.toBeDefined();
    }
    await expect(member.circuit.witness(memberInputs(2, { value3: 503n }))).rejects.toThrow('Assert Failed');
  });

  test('take nothing one beside them, and nothing through what fills the unused places', async () => {
    const list = [13n, 27n];
    for (const claim of [12n, 14n, 26n, 28n, 0n, 1n, -13n, FIELD_ORDER - 1n, 13n * 27n, 40n]) {
      expect(await accepted(claim, list), String(claim)).toBe(false);
    }
    for (const claim of [13n, 27n, FIELD_ORDER + 13n]) expect(await accepted(claim, list)).toBe(true);
  });

  test('may be any field elements, and are compared whole', async () => {
    const hash = 2n ** 247n + 2n ** 64n + 13n;
    expect(await accepted(hash, [hash])).toBe(true);
    for (const other of [hash % LIMIT, hash + LIMIT, hash - 1n, 13n]) {
      expect(await accepted(hash, [other])).toBe(false);
    }
    expect(await accepted(FIELD_ORDER - 1n, [FIELD_ORDER - 1n, 0n])).toBe(true);
    expect(await accepted(0n, [FIELD_ORDER - 1n, 0n])).toBe(true);
  });
});

describe('the constraints', () => {
  test('are broken by a change of any wire but the challenge and the values that were not met', async () => {
    for (const [place, met] of MEMBER_VALUES.entries()) {
      const witness = await member.circuit.witness(memberInputs(2, { value3: 503n, [met]: 13n }));
      // Before the value met the product is not zero, behind it nothing makes a difference; the first two are one factor.
      const unmet = MEMBER_VALUES.filter((name, i) => name !== met && (i > place || place === 1));
      for (const delta of [1n, FIELD_ORDER - 1n]) {
        expect(freeWires(member.circuit.compilation, witness, delta)).toEqual(['challenge', ...unmet]);
      }
    }
  });

  test('determine every wire from inputs and places; eight checks of a place and one product are left', () => {
    const { r1cs } = member.circuit.compilation;
    expect(new Set([...member.given, ...member.order.map(({ wire }) => wire)]).size).toBe(r1cs.wires);
    expect(member.rangeChecks()).toHaveLength(9);
  });

  test('on hashes are each needed: without any one there is a witness that should not be', () => {
    expect(member.forge(new Map())).toEqual(allWires(member.good));
    for (const { constraint, wire } of member.definitionsOf(HASHES).filter((_, i) => i % 23 === 0)) {
      const forged = member.forge(new Map(), new Map([[wire, (member.good[wire] ?? 0n) + 1n]]));
      expect(violated(member.circuit.compilation.r1cs, forged)).toEqual([constraint]);
    }
  });

  test('on the claim and on the product are each needed', () => {
    const [slipped, steps] = [member.definitionsOf(PICKS), member.definitionsOf(/^misses\[/)];
    expect([slipped.length, steps.length]).toEqual([8, 6]);
    for (const { constraint, wire } of slipped) {
      const changes = new Map([[member.wire('value3'), (CLAIMS[2] ?? 0n) + 1n]]);
      const forged = member.forge(changes, new Map([[wire, (member.good[wire] ?? 0n) + 1n]]));
      expect(violated(member.circuit.compilation.r1cs, forged)).toEqual([constraint]);
    }
    for (const { constraint, wire } of steps) {
      const forged = member.forge(new Map([[member.wire('value3'), 503n]]), new Map([[wire, 0n]]));
      expect(violated(member.circuit.compilation.r1cs, forged)).toEqual([constraint]);
    }
    const hashes = member.definitionsOf(HASHES).length;
    expect(member.order).toHaveLength(hashes + slipped.length + steps.length);
  });

  test('on the product refuse a claim that is no value, and nothing else does', () => {
    const broken = member.violatedBy(new Map([[member.wire('value3'), 503n]]));
    expect(broken).toHaveLength(1);
    expect(member.rangeChecks()).toContain(broken[0]);
  });
});
