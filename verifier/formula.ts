import { BASE_FIELD_ORDER } from '@akashi/circuits';
import { ELEMENT_BYTES, EXTENSION_BYTES, LIMB_BITS, LIMBS } from '@akashi/circuits/bn254';
import { each, limbs, MASK, range, type Scratch, type Wat } from '../circuits/arithmetic-source.ts';

// Formulas over Fp2 as WebAssembly text: sums of products. A sum is not computed where it is written but where it is
// needed as a factor or a result: all its terms in one pass over the limbs, however many there are. Each value carries a
// bound in multiples of p, and a value that would become too large for a factor is reduced: no formula can forget to.

/** What lies in memory between functions, in multiples of p: each takes it and leaves no more. */
const ELEMENT_BOUND = 2;
/** What fp2_mul and fp2_sqr take, and what each of them leaves then (see quadraticExtension). */
const FACTOR_BOUND = 6;
const PRODUCT_BOUND = 1.75;
const SQUARE_BOUND = 1.9;
/** What a reduction leaves, see {@link linear}. */
const REDUCED_BOUND = 1.01;
/** Below this, sums fit in the limbs: p / 2^261 is below 1/168. */
const SUM_BOUND = 168;

/** Where an element of Fp2 lies: a place, or a parameter and an offset from it. */
interface Place {
  readonly base: Wat;
  readonly offset: number;
  /** Both coordinates are below so many p. */
  readonly bound: number;
}

/** a + b u with small integers. */
export type Coefficient = readonly [number, number];

/** A sum of elements of Fp2, each times a coefficient, that is not computed yet. */
export class Sum {
  readonly terms: ReadonlyMap<Place, Coefficient>;

  constructor(terms: ReadonlyMap<Place, Coefficient>) {
    this.terms = terms;
  }

  plus(other: Sum): Sum {
    const terms = new Map(this.terms);
    for (const [place, [a, b]] of other.terms) {
      const [c, d] = terms.get(place) ?? [0, 0];
      terms.set(place, [a + c, b + d]);
    }
    return new Sum(terms);
  }

  minus(other: Sum): Sum {
    return this.plus(other.times([-1, 0]));
  }

  times([c, d]: Coefficient): Sum {
    return new Sum(
      new Map([...this.terms].map(([place, [a, b]]) => [place, [a * c - b * d, a * d + b * c]])),
    );
  }
}

/** One function: its statements as they come about, its results written at the end, so that operands may be results. */
export class Formula {
  readonly #scratch: Scratch;
  readonly #statements: Wat[] = [];
  readonly #results: { readonly to: Place; readonly from: Place }[] = [];

  constructor(scratch: Scratch) {
    this.#scratch = scratch;
  }

  /** The elements that a parameter points to. */
  given(parameter: string, count: number): readonly Sum[] {
    return range(count).map((i) => {
      const place = { base: `(local.get $${parameter})`, offset: i * EXTENSION_BYTES, bound: ELEMENT_BOUND };
      return single(place);
    });
  }

  product(x: Sum, y: Sum): Sum {
    return this.#call('fp2_mul', PRODUCT_BOUND, [this.#factor(x), this.#factor(y)]);
  }

  square(x: Sum): Sum {
    return this.#call('fp2_sqr', SQUARE_BOUND, [this.#factor(x)]);
  }

  /** x times the element of Fp that is `index` elements behind what a parameter points to. */
  scaled(x: Sum, parameter: string, index: number): Sum {
    const from = this.#factor(x);
    const by = address({
      base: `(local.get $${parameter})`,
      offset: index * ELEMENT_BYTES,
      bound: ELEMENT_BOUND,
    });
    const to = this.#fresh(ELEMENT_BOUND);
    for (const half of [0, ELEMENT_BYTES]) {
      this.#statements.push(`(call $fp_mul ${address(to, half)} ${address(from, half)} ${by})`);
    }
    return single(to);
  }

  /** Computes a sum that is used more than once. */
  settled(x: Sum): Sum {
    return single(this.#compute(x, FACTOR_BOUND));
  }

  result(parameter: string, elements: readonly Sum[]): void {
    for (const [i, element] of elements.entries()) {
      const to = { base: `(local.get $${parameter})`, offset: i * EXTENSION_BYTES, bound: ELEMENT_BOUND };
      this.#results.push({ to, from: this.#compute(element, ELEMENT_BOUND) });
    }
  }

  text(name: string, parameters: readonly string[]): Wat {
    return `(func $${name} (export "${name}") ${parameters.map((p) => `(param $${p} i32)`).join(' ')}
      (local $c i64) (local $q i64) ${each(LIMBS, (i) => `(local $l${i} i64)`)}
      ${this.#statements.join('\n')}
      ${this.#results.map(({ to, from }) => copy(to, from)).join('\n')})`;
  }

  #fresh(bound: number): Place {
    return { base: '(i32.const 0)', offset: this.#scratch.take(EXTENSION_BYTES), bound };
  }

  #call(name: string, bound: number, operands: readonly Place[]): Sum {
    const to = this.#fresh(bound);
    this.#statements.push(`(call $${name} ${[to, ...operands].map((place) => address(place)).join(' ')})`);
    return single(to);
  }

  #factor(x: Sum): Place {
    const [first, ...others] = x.terms;
    if (first !== undefined && others.length === 0) {
      const [place, [a, b]] = first;
      if (a === 1 && b === 0 && place.bound <= FACTOR_BOUND) return place;
    }
    return this.#compute(x, FACTOR_BOUND);
  }

  #compute({ terms }: Sum, most: number): Place {
    const all = [...terms];
    const real = all.flatMap(([place, [a, b]]) => [term(place, 0, a), term(place, ELEMENT_BYTES, -b)]);
    const imaginary = all.flatMap(([place, [a, b]]) => [term(place, ELEMENT_BYTES, a), term(place, 0, b)]);
    const bound = Math.max(boundOf(real), boundOf(imaginary));
    // What is lifted may reach its bound: where all terms are zero.
    const lifted = liftOf(real) + liftOf(imaginary) > 0;
    const reduced = lifted ? bound >= most : bound > most;
    const to = this.#fresh(reduced ? REDUCED_BOUND : bound);
    this.#statements.push(linear(to, 0, real, reduced), linear(to, ELEMENT_BYTES, imaginary, reduced));
    return to;
  }
}

function single(place: Place): Sum {
  return new Sum(new Map([[place, [1, 0]]]));
}

function address({ base, offset }: Place, more = 0): Wat {
  return `(i32.add ${base} (i32.const ${offset + more}))`;
}

function copy(to: Place, from: Place): Wat {
  return each(
    EXTENSION_BYTES / 8,
    (i) =>
      `(i64.store offset=${to.offset + 8 * i} ${to.base} (i64.load offset=${from.offset + 8 * i} ${from.base}))`,
  );
}

/** A coordinate times an integer. */
interface Term {
  readonly place: Place;
  readonly half: number;
  readonly times: number;
}

function term(place: Place, half: number, times: number): Term {
  return { place, half, times };
}

/** The multiple of p that must be added so that nothing is negative. */
function liftOf(terms: readonly Term[]): number {
  return Math.ceil(terms.reduce((sum, { place, times }) => sum + Math.max(0, -times) * place.bound, 0));
}

function boundOf(terms: readonly Term[]): number {
  const bound = terms.reduce(
    (sum, { place, times }) => sum + Math.max(0, times) * place.bound,
    liftOf(terms),
  );
  if (bound >= SUM_BOUND) throw new RangeError('a sum does not fit in the limbs');
  return bound;
}

// The highest limb holds the bits from 232 on: of p itself 22. With q = floor(limb / (that of p + 1)) what remains of
// the value after q p is below p (1 + 168 / 2^21): the estimate is short by less than that.
const TOP = BASE_FIELD_ORDER >> BigInt(LIMB_BITS * (LIMBS - 1));
const RECIPROCAL_BITS = 40n;
const RECIPROCAL = (1n << RECIPROCAL_BITS) / (TOP + 1n);

/** One coordinate: all terms limb by limb with one carry, and where wanted what is left of it modulo p, below 1.01 p. */
function linear(to: Place, half: number, all: readonly Term[], reduced: boolean): Wat {
  const terms = all.filter(({ times }) => times !== 0);
  const lift = limbs(BigInt(liftOf(terms)) * BASE_FIELD_ORDER);
  const p = limbs(BASE_FIELD_ORDER);
  const column = (i: number): Wat =>
    terms.reduce((sum, { place, half, times }) => {
      const value = `(i64.load32_u offset=${place.offset + half + 4 * i} ${place.base})`;
      if (times === 1) return `(i64.add ${sum} ${value})`;
      if (times === -1) return `(i64.sub ${sum} ${value})`;
      return `(i64.add ${sum} (i64.mul ${value} (i64.const ${times})))`;
    }, `(i64.add (local.get $c) (i64.const ${lift[i]}))`);
  const store = (i: number, value: Wat): Wat =>
    `(i64.store32 offset=${to.offset + half + 4 * i} ${to.base} ${value})`;
  const carry = `(local.set $c (i64.shr_s (local.get $c) (i64.const ${LIMB_BITS})))`;
  const low = `(i64.and (local.get $c) (i64.const ${MASK}))`;
  const last = LIMBS - 1;
  const first = each(
    LIMBS,
    (i) => `(local.set $c ${column(i)})
    ${reduced ? `(local.set $l${i} ${i === last ? '(local.get $c)' : low})` : store(i, i === last ? '(local.get $c)' : low)}
    ${i === last ? '' : carry}`,
  );
  if (!reduced) return `(local.set $c (i64.const 0)) ${first}`;
  return `(local.set $c (i64.const 0)) ${first}
    (local.set $q (i64.shr_u (i64.mul (local.get $l${last}) (i64.const ${RECIPROCAL})) (i64.const ${RECIPROCAL_BITS})))
    (local.set $c (i64.const 0))
    ${each(
      LIMBS,
      (i) => `(local.set $c (i64.add (local.get $c)
        (i64.sub (local.get $l${i}) (i64.mul (local.get $q) (i64.const ${p[i]})))))
      ${store(i, i === last ? '(local.get $c)' : low)} ${i === last ? '' : carry}`,
    )}`;
}
