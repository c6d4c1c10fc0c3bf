import { createHash } from 'node:crypto';

/**
 * Chance that can be had again: the same name gives the same numbers. sfc32, whose 128 bits of state come from SHA-256 of
 * the name, so that streams of one seed have nothing to do with each other. For tests only: nothing secret comes of it.
 */
export class Chance {
  #a: number;
  #b: number;
  #c: number;
  #count: number;

  constructor(name: string) {
    const state = createHash('sha256').update(name).digest();
    [this.#a, this.#b, this.#c, this.#count] = [0, 4, 8, 12].map((at) => state.readInt32LE(at)) as [
      number,
      number,
      number,
      number,
    ];
  }

  /** A whole number from 0 to 2^32 - 1. */
  #next(): number {
    const sum = (this.#a + this.#b + this.#count) | 0;
    this.#count = (this.#count + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** A whole number from 0 to `bound` - 1. */
  below(bound: number): number {
    return Math.floor((this.#next() / 2 ** 32) * bound);
  }

  /** True once in `times`. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  /** One of these. @throws TypeError when there are none */
  pick<T>(list: readonly T[]): T {
    const picked = list[this.below(list.length)];
    if (picked === undefined) throw new TypeError('nothing to pick from');
    return picked;
  }

  /** One of these, the more often the more it weighs. @throws TypeError when nothing weighs anything */
  weighed<T>(list: readonly (readonly [weight: number, value: T])[]): T {
    let left = (this.#next() / 2 ** 32) * list.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, value] of list) {
      left -= weight;
      if (left < 0) return value;
    }
    throw new TypeError('nothing to pick from');
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at += 4) {
      const word = this.#next();
      for (let i = 0; i < 4 && at + i < length; i++) bytes[at + i] = (word >>> (8 * i)) & 0xff;
    }
    return bytes;
  }

  /** A fresh id as the protocol writes them. */
  id(): string {
    return Buffer.from(this.bytes(16)).toString('base64url');
  }
}
