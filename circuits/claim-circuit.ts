import { type Circuit, openCircuit } from './circuit.ts';
import { complete, type Definition, definitions, violated, type Wires } from './constraints.ts';
import { FIELD_ORDER } from './field.ts';
import { claimsCredential, holderCommitment } from './poseidon.ts';
import { type CircuitInputs, FACTS, MEMBER_VALUES } from './protocol.ts';

// Test support: one credential, and the circuits of `range` and `member` over it.

export const HOLDER_SECRET = 2n ** 247n + 99n;
const HOLDER = holderCommitment(HOLDER_SECRET);
export const SCHEMA = 161803n;
export const SALT = 2n ** 246n + 7n;
/** The last one is unused. */
export const CLAIMS = [39_000n, 2n ** 63n + 1_250_000n, 13n, 0n, 2n ** 64n - 1n, 1n, 2n ** 63n - 1n, 0n];
/** Their credential. */
export const CREDENTIAL = claimsCredential({ schema: SCHEMA, salt: SALT, claims: CLAIMS }, HOLDER);
export const LIMIT = 2n ** 64n;

/** Wires by what defines them: a hash, or the sum that the chosen claim is. */
export const HASHES = /\.power\[|(?:^|\.)(?:holder|credential)$/;
export const PICKS = /\.picked\[|^claim$/;

const common = {
  challenge: 271828n,
  schema: SCHEMA,
  salt: SALT,
  holderSecret: HOLDER_SECRET,
  claims: CLAIMS,
};

type Inputs<F extends 'range' | 'member'> = CircuitInputs<F>;

export function rangeInputs(index: number, changes: Partial<Inputs<'range'>> = {}): Inputs<'range'> {
  const claim = CLAIMS[index] ?? 0n;
  return { ...common, index: BigInt(index), lower: claim, upper: claim, ...changes };
}

export function memberInputs(index: number, changes: Partial<Inputs<'member'>> = {}): Inputs<'member'> {
  const values = Object.fromEntries(MEMBER_VALUES.map((name, i) => [name, 500n + BigInt(i)]));
  return { ...common, index: BigInt(index), ...(values as Values), value3: CLAIMS[index] ?? 0n, ...changes };
}

export type Values = Record<(typeof MEMBER_VALUES)[number], bigint>;

/** A circuit, with what its constraints settle from the inputs and the bits that the witness code computes. */
export class ClaimCircuit<F extends 'range' | 'member'> {
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

export async function openClaimCircuit<F extends 'range' | 'member'>(
  fact: F,
  inputs: CircuitInputs<F>,
): Promise<ClaimCircuit<F>> {
  const circuit = await openCircuit(fact);
  return new ClaimCircuit(fact, circuit, await circuit.witness(inputs));
}

/** Claim, bounds and all bits of `range` so that the distances are these. */
export function setBounds(
  range: ClaimCircuit<'range'>,
  changes: Map<number, bigint>,
  claim: bigint,
  below: bigint,
  above: bigint,
): void {
  changes.set(range.wire('lower'), (claim - below + FIELD_ORDER) % FIELD_ORDER);
  changes.set(range.wire('upper'), (claim + above) % FIELD_ORDER);
  [claim, below, above].forEach((value, number) => {
    range.numbers[number]?.forEach((wire, bit) => {
      if (wire > 0) changes.set(wire, (value >> BigInt(bit)) & 1n);
    });
  });
}
