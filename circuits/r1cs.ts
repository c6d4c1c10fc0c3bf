import { bytesToInteger, FIELD_ORDER } from './field.ts';

// Reader of the three files that circom and snarkjs write about a circuit. Only what the build and the tests need.
// Format: github.com/iden3/r1csfile, doc/r1cs_bin_format.md; a witness file has the same outer form.

/** A sum of wires: wire number to coefficient. */
export type LinearCombination = ReadonlyMap<number, bigint>;

/** `a * b = c`. */
export interface Constraint {
  readonly a: LinearCombination;
  readonly b: LinearCombination;
  readonly c: LinearCombination;
}

export interface R1cs {
  readonly wires: number;
  readonly publicOutputs: number;
  readonly publicInputs: number;
  readonly privateInputs: number;
  readonly constraints: readonly Constraint[];
}

/** @throws RangeError when the bytes are not an r1cs file over the BN254 scalar field */
export function readR1cs(bytes: Uint8Array): R1cs {
  const sections = readSections(bytes, 'r1cs');
  const header = new Cursor(section(sections, 1));
  requireField(header);
  const [wires, publicOutputs, publicInputs, privateInputs] = [
    header.uint32(),
    header.uint32(),
    header.uint32(),
    header.uint32(),
  ];
  header.skip(8); // number of labels: known from the symbols
  const count = header.uint32();
  const body = new Cursor(section(sections, 2));
  const constraints = Array.from({ length: count }, () => ({
    a: linearCombination(body),
    b: linearCombination(body),
    c: linearCombination(body),
  }));
  return { wires, publicOutputs, publicInputs, privateInputs, constraints };
}

/** The values of all wires from a witness file; wire 0 is the constant 1. */
export function readWitness(bytes: Uint8Array): bigint[] {
  const sections = readSections(bytes, 'wtns');
  const header = new Cursor(section(sections, 1));
  requireField(header);
  const count = header.uint32();
  const values = new Cursor(section(sections, 2));
  return Array.from({ length: count }, () => values.element());
}

/**
 * Wire numbers by signal name without the leading `main.`, from the symbols file. Signals that the compiler
 * folded into others have no wire and are left out.
 */
export function readSymbols(text: string): ReadonlyMap<string, number> {
  const wires = new Map<string, number>();
  for (const line of text.trimEnd().split('\n')) {
    const [, wire, , name] = line.split(',');
    if (wire === undefined || name === undefined) throw new RangeError('not a symbols file');
    if (wire !== '-1') wires.set(name.replace(/^main\./, ''), Number(wire));
  }
  return wires;
}

class Cursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  skip(length: number): Uint8Array {
    const skipped = this.#bytes.subarray(this.#offset, this.#offset + length);
    if (skipped.length !== length) throw new RangeError('file ends early');
    this.#offset += length;
    return skipped;
  }

  uint32(): number {
    const value = this.#view.getUint32(this.#offset, true);
    this.#offset += 4;
    return value;
  }

  length(): number {
    const value = this.#view.getBigUint64(this.#offset, true);
    this.#offset += 8;
    return Number(value);
  }

  /** 32 bytes, little-endian. */
  element(): bigint {
    return bytesToInteger(this.skip(32).toReversed());
  }
}

export function readSections(bytes: Uint8Array, magic: string): ReadonlyMap<number, Uint8Array> {
  const cursor = new Cursor(bytes);
  if (new TextDecoder().decode(cursor.skip(4)) !== magic) throw new RangeError(`not a ${magic} file`);
  cursor.skip(4); // version
  const count = cursor.uint32();
  return new Map(
    Array.from({ length: count }, () => {
      const kind = cursor.uint32();
      return [kind, cursor.skip(cursor.length())] as const;
    }),
  );
}

function section(sections: ReadonlyMap<number, Uint8Array>, kind: number): Uint8Array {
  const bytes = sections.get(kind);
  if (bytes === undefined) throw new RangeError('a section is missing');
  return bytes;
}

function requireField(header: Cursor): void {
  if (header.uint32() !== 32 || header.element() !== FIELD_ORDER) {
    throw new RangeError('not over the BN254 scalar field');
  }
}

function linearCombination(cursor: Cursor): LinearCombination {
  const terms = cursor.uint32();
  return new Map(Array.from({ length: terms }, () => [cursor.uint32(), cursor.element()] as const));
}
