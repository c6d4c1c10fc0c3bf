import { FIELD_ORDER } from './field.ts';

// Round constants and matrices of Poseidon over the BN254 scalar field, generated as in the Poseidon paper
// (Grassi, Khovratovich, Rechberger, Roy, Schofnegger, USENIX Security 2021, appendix E "Initialization of the Grain
// LFSR" and section 2.3 "MDS matrix"): nothing up anyone's sleeve, and nothing to copy from another library.

/** Bits of the field order: the width of one sample of the generator. */
const FIELD_BITS = 254;

const REGISTER_BITS = 80;

/** Rounds in which every element of the state goes through the S-box x^5; half before, half after the others. */
export const FULL_ROUNDS = 8;

/** Rounds in which only the first element does, by width of the state (paper, table of instances with 128-bit security). */
export const PARTIAL_ROUNDS = { 3: 57, 4: 56, 13: 65 } as const;

/** Elements of the state: one capacity element, and one for each input. */
export type Width = keyof typeof PARTIAL_ROUNDS;

export interface PoseidonConstants {
  /** `roundConstants[r][i]` is added to element `i` before the S-boxes of round `r`. */
  readonly roundConstants: readonly (readonly bigint[])[];
  /** `mds[i][j]` is the weight of element `j` in element `i` after the linear layer. */
  readonly mds: readonly (readonly bigint[])[];
}

export function poseidonConstants(width: Width): PoseidonConstants {
  const bits = grainBits(width);
  const roundConstants = Array.from({ length: FULL_ROUNDS + PARTIAL_ROUNDS[width] }, () =>
    Array.from({ length: width }, () => belowFieldOrder(bits)),
  );
  return { roundConstants, mds: cauchyMatrix(width, bits) };
}

/**
 * The generator: an 80-bit linear feedback shift register, seeded with the parameters of the instance, 160 bits
 * dropped, then self-shrinking: of each pair of bits the second is kept when the first is 1.
 */
function grainBits(width: Width): () => number {
  const seed: readonly (readonly [value: number, bits: number])[] = [
    [1, 2], // a prime field
    [0, 4], // S-box x^alpha
    [FIELD_BITS, 12],
    [width, 12],
    [FULL_ROUNDS, 10],
    [PARTIAL_ROUNDS[width], 10],
    [2 ** 30 - 1, 30],
  ];
  // Bits in a ring, the oldest at `first`: phones run this too, and 80-bit integers would take ten times as long.
  const register = seed.flatMap(([value, bits]) =>
    Array.from({ length: bits }, (_, i) => Math.floor(value / 2 ** (bits - 1 - i)) % 2),
  );
  let first = 0;
  const tap = (position: number): number => register[(first + position) % REGISTER_BITS] ?? 0;
  const step = (): number => {
    const bit = tap(62) ^ tap(51) ^ tap(38) ^ tap(23) ^ tap(13) ^ tap(0);
    register[first] = bit;
    first = (first + 1) % REGISTER_BITS;
    return bit;
  };
  for (let dropped = 0; dropped < 160; dropped++) step();
  return () => {
    for (;;) {
      const keep = step() === 1;
      const bit = step();
      if (keep) return bit;
    }
  };
}

function sample(bits: () => number): bigint {
  let binary = '0b';
  for (let i = 0; i < FIELD_BITS; i++) binary += bits();
  return BigInt(binary);
}

/** Round constants are drawn again until one is below the field order. */
function belowFieldOrder(bits: () => number): bigint {
  for (;;) {
    const value = sample(bits);
    if (value < FIELD_ORDER) return value;
  }
}

/**
 * The Cauchy matrix `1 / (x_i + y_j)`. Here samples are reduced, not drawn again, as the reference script does. It
 * draws anew when two are equal or a sum is zero, which happens for no width here and is refused. That the
 * matrices pass the paper's tests for secure matrices follows from their being circomlib's (poseidon.test.ts).
 */
function cauchyMatrix(width: Width, bits: () => number): bigint[][] {
  const samples = Array.from({ length: 2 * width }, () => sample(bits) % FIELD_ORDER);
  if (new Set(samples).size !== samples.length) throw new RangeError('the generator drew a sample twice');
  const [xs, ys] = [samples.slice(0, width), samples.slice(width)];
  return xs.map((x) => ys.map((y) => inverse((x + y) % FIELD_ORDER)));
}

/** By Fermat: `value ** (order - 2)`. */
function inverse(value: bigint): bigint {
  if (value === 0n) throw new RangeError('zero has no inverse');
  let result = 1n;
  let square = value;
  for (let exponent = FIELD_ORDER - 2n; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * square) % FIELD_ORDER;
    square = (square * square) % FIELD_ORDER;
  }
  return result;
}

/** The text of `poseidon-constants.circom`: the build writes it, and a test holds the committed file to it. */
export function poseidonConstantsSource(): string {
  return [
    'pragma circom 2.2.0;',
    '',
    '// Written by `npm run build:circuits` from poseidon-constants.ts, where the origin of these numbers is told.',
    '// Other widths are refused where poseidon.circom is instantiated.',
    '',
    `function POSEIDON_FULL_ROUNDS() {\n    return ${FULL_ROUNDS};\n}`,
    `function POSEIDON_PARTIAL_ROUNDS(width) {${byWidth((width) => `${PARTIAL_ROUNDS[width]}`)}}`,
    `function POSEIDON_ROUND_CONSTANTS(width) {${byWidth((width) => rows(poseidonConstants(width).roundConstants))}}`,
    `function POSEIDON_MDS(width) {${byWidth((width) => rows(poseidonConstants(width).mds))}}`,
  ]
    .join('\n')
    .concat('\n');
}

/** The last width needs no question. */
function byWidth(value: (width: Width) => string): string {
  const widths = Object.keys(PARTIAL_ROUNDS).map(Number) as Width[];
  const cases = widths.map((width, i) => {
    const answer = `return ${value(width)};`;
    return i === widths.length - 1
      ? `    ${answer}\n`
      : `    if (width == ${width}) {\n        ${answer}\n    }\n`;
  });
  return `\n${cases.join('')}`;
}

function rows(matrix: readonly (readonly bigint[])[]): string {
  return `[\n${matrix.map((row) => `            [${row.join(', ')}]`).join(',\n')}\n        ]`;
}
