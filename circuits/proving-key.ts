import { AkashiError } from './error.ts';

// The proving key as phones load it: the points of the Groth16 key (the zkey file), without points at infinity, and where
// on the tape of witness.ts each wire and each side of a constraint stands. Little-endian throughout:
//
//   "akashi/key/v1" and 3 zero bytes
//   7 counts of 32 bits: public signals, constraints, log2 of the domain, wires, points of a, of b, of c
//   places of 16 bits: each wire; left and right side of each constraint. -1 - i is the negative of value i
//   wire numbers of 16 bits: of the points of a, of b, of c; then zeros up to a multiple of 4 bytes
//   points, affine, 32 bytes a coordinate: alpha, a, c, h in G1; beta, delta, b in G2
//
// The b points in G1 and delta in G1 are not there: proofs are blinded by re-randomising (groth16.ts in the SDK).

const MAGIC = 'akashi/key/v1\0\0\0';
const G1_BYTES = 64;
const G2_BYTES = 128;

/** Points with the wires they belong to; `points` holds them one after the other. */
export interface WirePoints {
  readonly wires: Uint16Array;
  readonly points: Uint8Array;
}

export interface ProvingKey {
  readonly publicSignals: number;
  readonly logDomain: number;
  /** Place on the tape of each wire, of each constraint's left and right side. */
  readonly wires: Int16Array;
  readonly left: Int16Array;
  readonly right: Int16Array;
  readonly alpha: Uint8Array;
  readonly beta: Uint8Array;
  readonly delta: Uint8Array;
  readonly a: WirePoints;
  readonly b: WirePoints;
  readonly c: WirePoints;
  /** One point of G1 for each element of the coset. */
  readonly h: Uint8Array;
}

export function encodeProvingKey(key: ProvingKey): Uint8Array {
  const counts = [
    key.publicSignals,
    key.left.length,
    key.logDomain,
    key.wires.length,
    key.a.wires.length,
    key.b.wires.length,
    key.c.wires.length,
  ];
  const places = [key.wires, key.left, key.right, key.a.wires, key.b.wires, key.c.wires].flatMap(
    (numbers) => [...numbers],
  );
  if (places.length % 2 === 1) places.push(0);
  const head = new Uint8Array(MAGIC.length + 4 * counts.length + 2 * places.length);
  head.set(new TextEncoder().encode(MAGIC));
  const view = new DataView(head.buffer, MAGIC.length);
  counts.forEach((count, i) => {
    view.setUint32(4 * i, count, true);
  });
  places.forEach((place, i) => {
    view.setInt16(4 * counts.length + 2 * i, place, true);
  });
  const { alpha, a, c, h, beta, delta, b } = key;
  const parts = [head, alpha, a.points, c.points, h, beta, delta, b.points];
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/**
 * Reads what {@link encodeProvingKey} wrote. Whether these are the right bytes is told by their pinned hash, not here.
 * @throws AkashiError `artifact_invalid` when lengths do not fit
 */
export function decodeProvingKey(bytes: Uint8Array): ProvingKey {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = MAGIC.length;
  const uint32 = (): number => {
    at += 4;
    return view.getUint32(at - 4, true);
  };
  const places = (count: number): Int16Array => {
    at += 2 * count;
    // Before memory is taken for a count that the bytes cannot have.
    if (at > bytes.length) throw new AkashiError('artifact_invalid');
    return Int16Array.from({ length: count }, (_, i) => view.getInt16(at - 2 * (count - i), true));
  };
  const points = (count: number, size: number): Uint8Array => {
    at += count * size;
    return bytes.subarray(at - count * size, at);
  };
  try {
    if (new TextDecoder().decode(bytes.subarray(0, MAGIC.length)) !== MAGIC)
      throw new AkashiError('artifact_invalid');
    const [publicSignals, constraints, logDomain] = [uint32(), uint32(), uint32()];
    const [wireCount, aCount, bCount, cCount] = [uint32(), uint32(), uint32(), uint32()];
    const [wires, left, right] = [places(wireCount), places(constraints), places(constraints)];
    const [aWires, bWires, cWires] = [aCount, bCount, cCount].map((count) => Uint16Array.from(places(count)));
    if (!aWires || !bWires || !cWires) throw new AkashiError('artifact_invalid');
    if ((2 * constraints + wireCount + aCount + bCount + cCount) % 2 === 1) at += 2;
    const key = {
      publicSignals,
      logDomain,
      wires,
      left,
      right,
      alpha: points(1, G1_BYTES),
      a: { wires: aWires, points: points(aCount, G1_BYTES) },
      c: { wires: cWires, points: points(cCount, G1_BYTES) },
      h: points(2 ** logDomain, G1_BYTES),
      beta: points(1, G2_BYTES),
      delta: points(1, G2_BYTES),
      b: { wires: bWires, points: points(bCount, G2_BYTES) },
    };
    if (at !== bytes.length) throw new AkashiError('artifact_invalid');
    return key;
  } catch (cause) {
    throw new AkashiError('artifact_invalid', { cause });
  }
}
