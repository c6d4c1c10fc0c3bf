import { createHash } from 'node:crypto';
import type { Compilation } from './compilation.ts';
import { BASE_FIELD_ORDER, bytesToInteger, FIELD_ORDER } from './field.ts';
import { type CircuitInputs, type FactId, signalNames } from './protocol.ts';
import { encodeProvingKey, type WirePoints } from './proving-key.ts';
import { type LinearCombination, readSections, readWitness } from './r1cs.ts';
import { sampleInputs } from './sample-inputs.ts';
import { type FileRef, snarkjs } from './snarkjs.ts';
import type { Witness } from './witness.ts';

// From the zkey file, the compiled circuit and the program of witness.ts to the proving key that phones load. Where a
// wire, or a side of a constraint, stands on the program's tape is found by value: over the samples below, values
// that are not the same by construction agree with probability 2^-250, bits with 2^-40. A wrong place could spoil proofs, not
// make a false one.

const G1_BYTES = 64;
const G2_BYTES = 128;
const SAMPLES = 40;
/** A choice of one in eight is gone through in turn, so that each is made; all else is drawn. */
const CHOICES: Readonly<Record<string, (sample: number) => number>> = {
  place: (i) => i,
  met: (i) => 3 * i + Math.floor(i / 8),
};

/** Computes the tape of a fact: `computeWitness`, unless a test has a circuit of its own. */
export type WitnessProgram = (fact: FactId, inputs: CircuitInputs<FactId>) => Pick<Witness<FactId>, 'tape'>;

interface Sample {
  /** All wires, as the compiled circuit's own witness code gives them. */
  readonly wires: readonly bigint[];
  /** The tape of the program for the same inputs. */
  readonly tape: readonly bigint[];
}

/**
 * The bytes of the proving key; the same for the same zkey and circuit.
 * @throws Error when a wire or a side of a constraint is not on the tape, or `challenge` is in a constraint
 */
export async function convertKey(
  fact: FactId,
  zkey: Uint8Array,
  compilation: Compilation,
  program: WitnessProgram,
): Promise<Uint8Array> {
  const { constraints, wires } = compilation.r1cs;
  const samples: Sample[] = [];
  for (let i = 0; i < SAMPLES; i++) samples.push(await sample(fact, compilation, program, i));
  const placeOf = places(samples);
  const { header, points, wirePoints } = readZkey(zkey);
  const b = wirePoints(7, G2_BYTES, 0);
  const challengeWire = signalNames(fact).indexOf('challenge') + 1;
  if (b.wires.includes(challengeWire)) throw new Error(`${fact}: challenge is in a constraint`);
  return encodeProvingKey({
    publicSignals: header.publicSignals,
    logDomain: Math.log2(header.domainSize),
    wires: Int16Array.from({ length: wires }, (_, wire) => placeOf(({ wires }) => wires[wire] ?? 0n)),
    left: Int16Array.from(constraints, (constraint) => placeOf(({ wires }) => evaluate(constraint.a, wires))),
    right: Int16Array.from(constraints, (constraint) =>
      placeOf(({ wires }) => evaluate(constraint.b, wires)),
    ),
    alpha: header.alpha,
    beta: header.beta,
    delta: header.delta,
    a: wirePoints(5, G1_BYTES, 0),
    b,
    c: wirePoints(8, G1_BYTES, header.publicSignals + 1),
    h: points(9),
  });
}

async function sample(
  fact: FactId,
  compilation: Compilation,
  program: WitnessProgram,
  index: number,
): Promise<Sample> {
  // Every value is drawn apart, bits as well: two that went together in all samples would be taken for one.
  const inputs = sampleInputs(fact, (name) => {
    const choice = CHOICES[name]?.(index);
    if (choice !== undefined) return BigInt(choice);
    return bytesToInteger(createHash('sha256').update(`${fact}/${index}/${name}`).digest()) % FIELD_ORDER;
  });
  const witness: FileRef = { type: 'mem' };
  await snarkjs.wtns.calculate({ ...inputs }, compilation.wasm, witness);
  return { wires: readWitness(witness.data ?? new Uint8Array()), tape: program(fact, inputs).tape };
}

/** The place of a value on the tapes, by what it is in every sample; -1 - i for the negative of value i. */
function places(samples: readonly Sample[]): (of: (sample: Sample) => bigint) => number {
  const known = new Map<string, number>();
  const length = samples[0]?.tape.length ?? 0;
  // From the end, and negatives first: the lowest place wins, and a value before a negative.
  for (const negative of [true, false]) {
    for (let i = length - 1; i >= 0; i--) {
      const values = samples.map(({ tape }) => (negative ? FIELD_ORDER - (tape[i] ?? 0n) : (tape[i] ?? 0n)));
      known.set(values.map((value) => value % FIELD_ORDER).join(), negative ? -1 - i : i);
    }
  }
  return (of) => {
    const place = known.get(samples.map(of).join());
    if (place === undefined) throw new Error('the program of witness.ts lacks a value of the circuit');
    return place;
  };
}

function evaluate(combination: LinearCombination, wires: readonly bigint[]): bigint {
  let sum = 0n;
  for (const [wire, coefficient] of combination) sum += coefficient * (wires[wire] ?? 0n);
  return sum % FIELD_ORDER;
}

/** Format of the zkey: snarkjs 0.7.6, src/zkey_utils.js. Points are affine, all zeros at infinity. */
function readZkey(zkey: Uint8Array) {
  const sections = readSections(zkey, 'zkey');
  const section = (kind: number): Uint8Array => {
    const bytes = sections.get(kind);
    if (bytes === undefined) throw new RangeError('a section is missing');
    return bytes;
  };
  const head = section(2);
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  // Two field orders with their lengths, three counts, then alpha1, beta1, beta2, gamma2, delta1, delta2.
  const counts = 2 * (4 + 32);
  const alpha = counts + 3 * 4;
  const beta = alpha + 2 * G1_BYTES;
  const delta = beta + 2 * G2_BYTES + G1_BYTES;
  return {
    header: {
      publicSignals: view.getUint32(counts + 4, true),
      domainSize: view.getUint32(counts + 8, true),
      alpha: plain(head.subarray(alpha, alpha + G1_BYTES)),
      beta: plain(head.subarray(beta, beta + G2_BYTES)),
      delta: plain(head.subarray(delta, delta + G2_BYTES)),
    },
    points: (kind: number): Uint8Array => plain(section(kind)),
    wirePoints: (kind: number, size: number, firstWire: number): WirePoints => {
      const bytes = section(kind);
      const wires: number[] = [];
      const points: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; at += size) {
        const point = bytes.subarray(at, at + size);
        if (point.every((byte) => byte === 0)) continue;
        wires.push(firstWire + at / size);
        points.push(plain(point));
      }
      return { wires: Uint16Array.from(wires), points: Buffer.concat(points) };
    },
  };
}

/** Coordinates out of their Montgomery form with R = 2^256. */
function plain(coordinates: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(coordinates.length);
  for (let at = 0; at < bytes.length; at += 32) {
    const value = bytesToInteger(coordinates.subarray(at, at + 32).toReversed());
    const hex = ((value * INVERSE_R) % BASE_FIELD_ORDER).toString(16).padStart(64, '0');
    bytes.set(Buffer.from(hex, 'hex').reverse(), at);
  }
  return bytes;
}

/** 2^-256: half of 1, again and again. */
const INVERSE_R = Array.from({ length: 256 }).reduce<bigint>(
  (value) => (value % 2n === 0n ? value : value + BASE_FIELD_ORDER) / 2n,
  1n,
);
