import { FIELD_ORDER } from '@akashi/circuits';
import type { Address } from '@akashi/circuits/bn254';
import { ELEMENT_BYTES } from '@akashi/circuits/bn254';
import type { Pause, ProverCurve } from './prover-curve.ts';

/** Generates the multiplicative group of the scalar field; 2^28 divides the group's order. */
const GENERATOR = 5n;

/**
 * The 2^k-th roots of unity of the scalar field, and the coset used for the quotient: the same roots times a
 * primitive 2^(k+1)-th one, which is where the H section of a Groth16 key expects its evaluations.
 */
export class Domain {
  readonly size: number;
  readonly #curve: ProverCurve;
  readonly #roots: Address;
  readonly #inverseRoots: Address;
  /** shift^i / size: back from the evaluations, and on to the coset, in one multiplication. */
  readonly #shifts: Address;

  constructor(curve: ProverCurve, logSize: number) {
    this.size = 2 ** logSize;
    this.#curve = curve;
    const root = power(GENERATOR, (FIELD_ORDER - 1n) >> BigInt(logSize));
    const shift = power(GENERATOR, (FIELD_ORDER - 1n) >> BigInt(logSize + 1));
    this.#roots = this.#powers(root, 1n, this.size / 2);
    this.#inverseRoots = this.#powers(power(root, FIELD_ORDER - 2n), 1n, this.size / 2);
    this.#shifts = this.#powers(shift, power(BigInt(this.size), FIELD_ORDER - 2n), this.size);
  }

  /** Evaluations on the domain, in place, to those of the same polynomial on the coset. */
  async toCoset(values: Address, pause: Pause): Promise<void> {
    await this.#transform(values, this.#inverseRoots, pause);
    for (let i = 0; i < this.size * ELEMENT_BYTES; i += ELEMENT_BYTES) {
      this.#curve.fr.multiply(values + i, values + i, this.#shifts + i);
    }
    await this.#transform(values, this.#roots, pause);
  }

  /** Number-theoretic transform, decimation in time: bit-reversed order first, then butterflies of growing span. */
  async #transform(values: Address, roots: Address, pause: Pause): Promise<void> {
    const { multiply, add, subtract } = this.#curve.fr;
    this.#curve.reverseBits(values, this.size);
    const product = this.#curve.allocate(ELEMENT_BYTES);
    for (let span = 1; span < this.size; span *= 2) {
      await pause();
      const step = (this.size / (2 * span)) * ELEMENT_BYTES;
      for (let start = 0; start < this.size; start += 2 * span) {
        for (let i = 0; i < span; i++) {
          const low = values + (start + i) * ELEMENT_BYTES;
          const high = low + span * ELEMENT_BYTES;
          multiply(product, high, roots + i * step);
          subtract(high, low, product);
          add(low, low, product);
        }
      }
    }
    this.#curve.release(product);
  }

  #powers(base: bigint, first: bigint, count: number): Address {
    const at = this.#curve.allocate(count * ELEMENT_BYTES);
    const powers: bigint[] = [];
    for (let i = 0, value = first; i < count; i++, value = (value * base) % FIELD_ORDER) powers.push(value);
    this.#curve.writeScalars(at, powers);
    return at;
  }
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let square = base, rest = exponent; rest > 0n; rest >>= 1n, square = (square * square) % FIELD_ORDER) {
    if (rest & 1n) result = (result * square) % FIELD_ORDER;
  }
  return result;
}
