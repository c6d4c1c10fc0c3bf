import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Circuit, freeWires, openCircuit } from './circuit.ts';
import { allWires, complete, type Definition, definitions, violated, type Wires } from './constraints.ts';
import { FIELD_ORDER } from './field.ts';
import { claimsCredential, holderCommitment } from './poseidon.ts';
import { type CircuitInputs, FACTS, MEMBER_VALUES } from './protocol.ts';

// `range` and `member` over one credential: what they share, and what each asks of the claim.

const HOLDER_SECRET = 2n ** 247n + 99n;
const HOLDER = holderCommitment(HOLDER_SECRET);
const SCHEMA = 161803n;
const SALT = 2n ** 246n + 7n;
/** The last one is unused. */
const CLAIMS = [39_000n, 2n ** 63n + 1_250_000n, 13n, 0n, 2n ** 64n - 1n, 1n, 2n ** 63n - 1n, 0n];
const GOLDEN = claimsCredential({ schema: SCHEMA, salt: SALT, claims: CLAIMS }, HOLDER);
const GOLDEN_CREDENTIAL = 18522194003015413874764710243312479832270359366793833608154442346586923883699n;
const LIMIT = 2n ** 64n;
const ALTERNATING = 0xaaaaaaaaaaaaaaaan;

/** Wires by what defines them: a hash, or the sum that the chosen claim is. */
const HASHES = /\.power\[|(?:^|\.)(?:holder|credential)$/;
const PICKS = /\.picked\[|^claim$/;

const common = {
  challenge: 271828n,
  schema: SCHEMA,
  salt: SALT,
  holderSecret: HOLDER_SECRET,
  claims: CLAIMS,
};

type Inputs<F extends 'range' | 'member'> = CircuitInputs<F>;

function rangeInputs(index: number, changes: Partial<Inputs<'range'>> = {}): Inputs<'range'> {
  const claim = CLAIMS[index] ?? 0n;
  return { ...common, index: BigInt(index), lower: claim, upper: claim, ...changes };
}

function memberInputs(index: number, changes: Partial<Inputs<'member'>> = {}): Inputs<'member'> {
  const values = Object.fromEntries(MEMBER_VALUES.map((name, i) => [name, 500n + BigInt(i)]));
  return { ...common, index: BigInt(index), ...(values as Values), value3: CLAIMS[index] ?? 0n, ...changes };
}

type Values = Record<(typeof MEMBER_VALUES)[number], bigint>;

/** A circuit, with what its constraints settle from the inputs and the bits that the witness code computes. */
class Bench<F extends 'range' | 'member'> {
  readonly circuit: Circuit<F>;
  readonly good: readonly bigint[];
  readonly given: readonly number[];
  readonly order: readonly Definition[];

  constructor(fact: F, circuit: Circuit<F>, good: readonly bigint[]) {
    this.circuit = circuit;
    this.good = good;
    const { symbols, r1cs } = circuit.compilation;
    const inputs = [...FACTS[fact].inputs, ...Object.keys(FACTS[fact].privateInputs)];
    const isGiven = (name: string) =>
      inputs.some((input) => name === input || name.startsWith(`${input}[`)) ||
      /\.(?:bits|chosen)\[/.test(name);
    const wires = [...symbols].flatMap(([name, wire]) => (wire > 0 && isGiven(name) ? [wire] : []));
    this.given = [0, ...wires];
    this.order = definitions(r1cs, this.given);
  }

  /** The wires of one array of a component, by place; 0 for one that the compiler folded into others. */
  arrays(name: string, length: number): number[][] {
    const found = new Map<string, number[]>();
    for (const [path, wire] of this.circuit.compilation.symbols) {
      const [, component, place] = /^(.+)\.(?:.*)\[(\d+)\]$/.exec(path) ?? [];
      if (component === undefined || !path.startsWith(`${component}.${name}[`) || wire < 1) continue;
      const list = found.get(component) ?? Array.from({ length }, () => 0);
      list[Number(place)] = wire;
      found.set(component, list);
    }
    return [...found.values()];
  }

  /** Definitions of wires whose names match. */
  definitionsOf(pattern: RegExp): readonly Definition[] {
    const wires = new Set(
      [...this.circuit.compilation.symbols].flatMap(([name, wire]) => (pattern.test(name) ? [wire] : [])),
    );
    return this.order.filter(({ wire }) => wires.has(wire));
  }

  get places(): readonly number[] {
    return this.arrays('chosen', 8)[0] ?? [];
  }

  get numbers(): readonly (readonly number[])[] {
    return this.arrays('bits', 64);
  }

  /** All wires by the constraints alone, from the good witness with some of the given wires changed. */
  forge(changes: ReadonlyMap<number, bigint>, override?: Wires): Wires {
    const wires = new Map(this.given.map((wire) => [wire, changes.get(wire) ?? this.good[wire] ?? 0n]));
    return complete(this.circuit.compilation.r1cs, this.order, wires, override);
  }

  violatedBy(changes: ReadonlyMap<number, bigint>): number[] {
    return violated(this.circuit.compilation.r1cs, this.forge(changes));
  }

  /** The constraints that define nothing. */
  rangeChecks(): number[] {
    const defining = new Set(this.order.map(({ constraint }) => constraint));
    return [...this.circuit.compilation.r1cs.constraints.keys()].filter((i) => !defining.has(i));
  }

  wire(name: string): number {
    return this.circuit.wire(name);
  }
}

async function openBench<F extends 'range' | 'member'>(fact: F, inputs: CircuitInputs<F>): Promise<Bench<F>> {
  const circuit = await openCircuit(fact);
  return new Bench(fact, circuit, await circuit.witness(inputs));
}

let range: Bench<'range'>;
let member: Bench<'member'>;

beforeAll(async () => {
  // snarkjs prints a failed assertion before it throws it.
  vi.spyOn(console, 'error').mockImplementation(() => undefined);
  range = await openBench('range', rangeInputs(0, { lower: 38_000n, upper: 40_000n }));
  member = await openBench('member', memberInputs(2));
});

afterAll(async () => {
  await range.circuit.close();
  await member.circuit.close();
  vi.restoreAllMocks();
});

async function credentialOf(bench: Bench<'range'>, inputs: Inputs<'range'>): Promise<bigint | undefined> {
  return (await bench.circuit.witness(inputs))[bench.wire('credential')];
}

describe('the credential', () => {
  test('is golden, and the same in both circuits and outside', async () => {
    expect(GOLDEN).toBe(GOLDEN_CREDENTIAL);
    expect(range.good[range.wire('credential')]).toBe(GOLDEN);
    expect(member.good[member.wire('credential')]).toBe(GOLDEN);
  });

  test('comes out for each of the eight places', async () => {
    for (const index of CLAIMS.keys()) {
      expect(await credentialOf(range, rangeInputs(index))).toBe(GOLDEN);
      expect((await member.circuit.witness(memberInputs(index)))[member.wire('credential')]).toBe(GOLDEN);
    }
  });

  test.each<[string, Partial<Inputs<'range'>>]>([
    ['another schema', { schema: SCHEMA + 1n }],
    ['another salt', { salt: SALT + 1n }],
    ['another device', { holderSecret: HOLDER_SECRET + 1n }],
    ['two claims the other way round', { claims: CLAIMS.with(2, 1n).with(5, 13n) }],
    ...CLAIMS.map((_, i): [string, Partial<Inputs<'range'>>] => [
      `another claim ${i}`,
      { claims: CLAIMS.with(i, (CLAIMS[i] ?? 0n) ^ 1n) },
    ]),
  ])('is another for %s', async (_, changes) => {
    const inputs = { ...rangeInputs(0), ...changes };
    const claim = inputs.claims[0] ?? 0n;
    expect(await credentialOf(range, { ...inputs, lower: claim, upper: claim })).not.toBe(GOLDEN);
  });
});

describe.each(['range', 'member'] as const)('the index of %s', (fact) => {
  const bench = () => (fact === 'range' ? range : member);

  test.each([
    ['8', 8n],
    ['9', 9n],
    ['-1', -1n],
    ['r - 1', FIELD_ORDER - 1n],
    ['r + 8', FIELD_ORDER + 8n],
    ['2^64', LIMIT],
    ['half of r', (FIELD_ORDER + 1n) / 2n],
  ])('is refused at %s', async (_, index) => {
    const refused =
      fact === 'range'
        ? range.circuit.witness(rangeInputs(7, { index }))
        : member.circuit.witness(memberInputs(7, { index }));
    await expect(refused).rejects.toThrow('Assert Failed');
  });

  test('is taken at 0 and at 7, and as r + 7', async () => {
    for (const index of [0, 7]) {
      await expect(range.circuit.witness(rangeInputs(index))).resolves.toBeDefined();
      await expect(member.circuit.witness(memberInputs(index))).resolves.toBeDefined();
    }
    const wrapped = rangeInputs(7, { index: FIELD_ORDER + 7n });
    expect(await range.circuit.witness(wrapped)).toEqual(await range.circuit.witness(rangeInputs(7)));
  });

  test('has one choice of places for 0 to 7, and none for any other value', () => {
    const { r1cs } = bench().circuit.compilation;
    // The last two follow from the others, by the sum and the weighted sum.
    const [wires, checks] = [bench().places.filter((wire) => wire > 0), new Set(bench().rangeChecks())];
    const only = { ...r1cs, constraints: r1cs.constraints.filter((_, i) => checks.has(i)) };
    // The checks on the places alone: whatever else is checked has wires of its own.
    const places = only.constraints.filter((constraint) =>
      [...constraint.a.keys()].some((wire) => wires.includes(wire)),
    );
    expect(places).toHaveLength(8);
    for (const index of [-1n, 0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n, 9n, LIMIT, FIELD_ORDER - 2n]) {
      let choices = 0;
      for (let bits = 0; bits < 2 ** wires.length; bits++) {
        const values = new Map(allWires(bench().good));
        values.set(bench().wire('index'), (index + FIELD_ORDER) % FIELD_ORDER);
        wires.forEach((wire, i) => {
          values.set(wire, BigInt((bits >> i) & 1));
        });
        if (violated({ ...r1cs, constraints: places }, values).length === 0) choices++;
      }
      expect(choices, `index ${index}`).toBe(index >= 0n && index <= 7n ? 1 : 0);
    }
  });

  test('has a check on every place that refuses what the others let pass', () => {
    // Two places chosen and a third one taken back: the sum is 1, and one place alone is no bit.
    const wires = bench().places;
    const refused = new Set<number>();
    for (const back of wires.keys()) {
      const [a = 0, b = 0] = [...wires.keys()].filter((place) => place !== back);
      const place = (i: number) => (i === a || i === b ? 1n : i === back ? FIELD_ORDER - 1n : 0n);
      const index = BigInt(a + b - back);
      const claim = CLAIMS.reduce((sum, value, i) => sum + value * place(i), 0n) % FIELD_ORDER;
      const changes = new Map(wires.flatMap((wire, i) => (wire > 0 ? [[wire, place(i)] as const] : [])));
      changes.set(bench().wire('index'), (index + FIELD_ORDER) % FIELD_ORDER);
      // The claim that comes out of it fits: for `range` it is kept small, for `member` it is a value.
      if (fact === 'member') changes.set(member.wire('value0'), claim);
      else setSmallClaims(changes, wires, place);
      const broken = bench().violatedBy(changes);
      expect(broken).toHaveLength(1);
      refused.add(broken[0] ?? -1);
    }
    expect(refused.size).toBe(8);
  });

  /** All claims 0 but the two that are added: what is compared is small, and its bits are set to it. */
  function setSmallClaims(
    changes: Map<number, bigint>,
    wires: readonly number[],
    place: (i: number) => bigint,
  ) {
    wires.forEach((_, i) => {
      changes.set(range.wire(`claims[${i}]`), place(i) === 1n ? 1n : 0n);
    });
    setBounds(changes, 2n, 0n, 0n);
  }
});

/** Claim, bounds and all bits of `range` so that the distances are these. */
function setBounds(changes: Map<number, bigint>, claim: bigint, below: bigint, above: bigint): void {
  changes.set(range.wire('lower'), (claim - below + FIELD_ORDER) % FIELD_ORDER);
  changes.set(range.wire('upper'), (claim + above) % FIELD_ORDER);
  [claim, below, above].forEach((value, number) => {
    range.numbers[number]?.forEach((wire, bit) => {
      if (wire > 0) changes.set(wire, (value >> BigInt(bit)) & 1n);
    });
  });
}

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

describe('the constraints of range', () => {
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
      setBounds(changes, (CLAIMS[0] ?? 0n) + 1n, 5n, 5n);
      const forged = range.forge(changes, new Map([[wire, (range.good[wire] ?? 0n) + 1n]]));
      expect(violated(range.circuit.compilation.r1cs, forged)).toEqual([constraint]);
    }
    expect(range.order).toHaveLength(range.definitionsOf(HASHES).length + slipped.length);
  });

  test('on the 192 bits are each needed: a 2 for a carry, and above the highest a number of 65 bits', () => {
    const wires = range.numbers;
    expect(wires).toHaveLength(3);
    const refused = new Set<number>();
    for (const number of [0, 1, 2]) {
      for (let bit = 0; bit < 64; bit++) {
        const changes = new Map<number, bigint>();
        const highest = bit === 63;
        // Bit 0 below bit 1, so that 2 in the lower place is the same number.
        const value = bit % 2 === 0 ? ALTERNATING : ALTERNATING / 2n;
        const parts = [value, value, value].map((part, i) => (highest ? (i === number ? LIMIT : 0n) : part));
        const [claim = 0n, below = 0n, above = 0n] = parts;
        changes.set(range.wire('claims[0]'), claim);
        setBounds(changes, claim, below, above);
        const [wire = 0, next = 0] = wires[number]?.slice(bit) ?? [];
        if (!highest) {
          changes.set(wire, 2n);
          if (next > 0) changes.set(next, 0n);
        }
        const broken = range.violatedBy(changes);
        expect(broken, `bit ${bit} of number ${number}`).toHaveLength(1);
        refused.add(broken[0] ?? -1);
      }
    }
    expect(refused.size).toBe(3 * 64);
    expect(range.rangeChecks()).toEqual(expect.arrayContaining([...refused]));
  });
});

describe('the constraints of member', () => {
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
