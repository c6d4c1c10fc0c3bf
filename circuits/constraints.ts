import { FIELD_ORDER } from './field.ts';
import type { Constraint, LinearCombination, R1cs } from './r1cs.ts';

// Test support: what the constraints themselves say, whatever the witness code would compute.

/** Values of the wires by number, as far as they are known. */
export type Wires = ReadonlyMap<number, bigint>;

/** A constraint that alone settles one wire, once all its other wires are known. */
export interface Definition {
  readonly constraint: number;
  readonly wire: number;
}

export function modulo(value: bigint): bigint {
  return ((value % FIELD_ORDER) + FIELD_ORDER) % FIELD_ORDER;
}

export function allWires(witness: readonly bigint[]): Wires {
  return new Map(witness.entries());
}

/** Numbers of the constraints that `wires` does not satisfy. All wires must be known. */
export function violated(r1cs: R1cs, wires: Wires): number[] {
  return [...r1cs.constraints.keys()].filter((i) => !holds(at(r1cs.constraints, i), wires));
}

export function holds(constraint: Constraint, wires: Wires): boolean {
  const [a, b, c] = [constraint.a, constraint.b, constraint.c].map((sum) => evaluate(sum, wires));
  return modulo((a ?? 0n) * (b ?? 0n) - (c ?? 0n)) === 0n;
}

/** For each wire, the constraints it occurs in. */
export function occurrences(r1cs: R1cs): ReadonlyMap<number, readonly Constraint[]> {
  const found = new Map<number, Constraint[]>();
  for (const constraint of r1cs.constraints) {
    for (const wire of wiresOf(constraint)) {
      const list = found.get(wire);
      if (list === undefined) found.set(wire, [constraint]);
      else list.push(constraint);
    }
  }
  return found;
}

/**
 * Follows the constraints from the wires given to all that they settle. A constraint counts as a definition only
 * if its one unknown wire stands in `c` alone: then the wire equals an expression of known ones, for every value they
 * can have. So when all wires are reached, no value of the inputs leaves any freedom to a prover.
 */
export function definitions(r1cs: R1cs, given: readonly number[]): Definition[] {
  const known = new Set(given);
  const unknowns = r1cs.constraints.map((constraint) => {
    const unknown = new Set(wiresOf(constraint));
    for (const wire of known) unknown.delete(wire);
    return unknown;
  });
  const users = new Map<number, number[]>();
  unknowns.forEach((wires, i) => {
    for (const wire of wires) users.set(wire, [...(users.get(wire) ?? []), i]);
  });
  const found: Definition[] = [];
  const ready = unknowns.flatMap((wires, i) => (wires.size === 1 ? [i] : []));
  for (let constraint = ready.shift(); constraint !== undefined; constraint = ready.shift()) {
    const [wire] = at(unknowns, constraint);
    const { a, b } = at(r1cs.constraints, constraint);
    if (wire === undefined || a.has(wire) || b.has(wire)) continue;
    found.push({ constraint, wire });
    for (const user of users.get(wire) ?? []) {
      const wires = at(unknowns, user);
      wires.delete(wire);
      if (wires.size === 1) ready.push(user);
    }
  }
  return found;
}

/**
 * Computes every defined wire from the wires given, by the constraints only.
 * @param override values that take the place of what their definition says
 */
export function complete(
  r1cs: R1cs,
  order: readonly Definition[],
  given: Wires,
  override: Wires = new Map(),
): Wires {
  const wires = new Map(given);
  for (const { constraint, wire } of order) {
    const { a, b, c } = at(r1cs.constraints, constraint);
    const weight = c.get(wire) ?? 0n;
    const rest = new Map(c);
    rest.delete(wire);
    const value = modulo((evaluate(a, wires) * evaluate(b, wires) - evaluate(rest, wires)) * inverse(weight));
    wires.set(wire, override.get(wire) ?? value);
  }
  return wires;
}

function evaluate(sum: LinearCombination, wires: Wires): bigint {
  let total = 0n;
  for (const [wire, weight] of sum) {
    const value = wires.get(wire);
    if (value === undefined) throw new RangeError(`wire ${wire} is unknown`);
    total += weight * value;
  }
  return modulo(total);
}

function wiresOf({ a, b, c }: Constraint): Set<number> {
  return new Set([...a.keys(), ...b.keys(), ...c.keys()]);
}

/** Extended Euclid. */
function inverse(value: bigint): bigint {
  let [r, next, s, t] = [FIELD_ORDER, value, 0n, 1n];
  while (next !== 0n) {
    const quotient = r / next;
    [r, next] = [next, r - quotient * next];
    [s, t] = [t, s - quotient * t];
  }
  if (r !== 1n) throw new RangeError('zero has no inverse');
  return modulo(s);
}

function at<T>(list: readonly T[], index: number): T {
  const item = list[index];
  if (item === undefined) throw new RangeError('index outside the list');
  return item;
}
