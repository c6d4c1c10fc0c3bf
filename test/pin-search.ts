import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { FIELD_ORDER } from '@akashi/circuits';
import { ristretto255, ristretto255_hasher } from '@noble/curves/ed25519.js';
import { TAGS } from '../circuits/protocol.ts';

// Tries every PIN of four digits against a device's commitment, with everything that could have been its evaluation
// key. RFC 9497 is written out here, so that the costly part of a guess is done once for all keys. In processes of their
// own, one for each core of a small machine.

export interface Search {
  /** From the device's storage: decimal. */
  readonly holderSecret: string;
  readonly commitment: string;
  /** Candidates for the evaluation key, by name: hex of 32 bytes, big-endian, taken mod the group order. */
  readonly keys: Readonly<Record<string, string>>;
}

export interface Match {
  readonly pin: string;
  /** Name of the key, or of the way without one. */
  readonly by: string;
}

export interface SearchResult {
  readonly tried: number;
  readonly matches: readonly Match[];
}

const PROCESSES = 2;
const PINS = 10_000;

/** Every PIN of four digits; with `upTo`, those below it. */
export async function searchPins(search: Search, upTo = PINS): Promise<SearchResult> {
  const parts = await Promise.all(
    Array.from({ length: PROCESSES }, async (_, part): Promise<SearchResult> => {
      const child = fork(fileURLToPath(import.meta.url), [JSON.stringify({ search, part, upTo })], {
        execArgv: ['--conditions=akashi-source', '--import', 'tsx'],
      });
      const ended = once(child, 'exit');
      const message = await Promise.race([once(child, 'message'), ended.then(() => undefined)]);
      await ended;
      if (message === undefined) throw new Error('the search ended without a result');
      return message[0] as SearchResult;
    }),
  );
  return {
    tried: parts.reduce((sum, { tried }) => sum + tried, 0),
    matches: parts.flatMap(({ matches }) => matches),
  };
}

/** The part of circomlibjs that is used: a thief takes the fastest there is, which is in WebAssembly. */
interface Circomlib {
  buildPoseidon(): Promise<{
    (inputs: readonly bigint[]): Uint8Array;
    readonly F: { toObject(element: Uint8Array): bigint };
  }>;
}

async function searchPart(
  { holderSecret, commitment, keys }: Search,
  part: number,
  upTo: number,
): Promise<SearchResult> {
  const poseidon = await (createRequire(import.meta.url)('circomlibjs') as Circomlib).buildPoseidon();
  const scalars = Object.entries(keys).map(
    ([name, hex]) => [name, BigInt(`0x${hex}`) % GROUP_ORDER] as const,
  );
  const [secret, wanted] = [BigInt(holderSecret), BigInt(commitment)];
  const opens = (pinKey: bigint) =>
    poseidon.F.toObject(poseidon([TAGS.TAG_PIN, pinKey % FIELD_ORDER, secret])) === wanted;
  const matches: Match[] = [];
  let tried = 0;
  for (let guess = part; guess < upTo; guess += PROCESSES) {
    const pin = String(guess).padStart(4, '0');
    tried += 1;
    for (const [by, pinKey] of guessesOf(pin, scalars)) if (opens(pinKey)) matches.push({ pin, by });
  }
  return { tried, matches };
}

const GROUP_ORDER = ristretto255.Point.Fn.ORDER;
const CONTEXT = Buffer.from('OPRFV1-\0-ristretto255-SHA512', 'latin1');
const HASH_TO_GROUP = { DST: Buffer.concat([Buffer.from('HashToGroup-'), CONTEXT]) };

/** What the PIN could have become: without any key, and with each of these. */
function* guessesOf(pin: string, scalars: readonly (readonly [string, bigint])[]) {
  const input = Buffer.from(pin);
  yield ['the PIN itself', BigInt(pin)] as const;
  yield ['SHA-256', integer(createHash('sha256').update(input).digest())] as const;
  const element = ristretto255_hasher.hashToCurve(input, HASH_TO_GROUP);
  yield ['no key', finalize(input, element.toBytes())] as const;
  for (const [name, scalar] of scalars) {
    yield [name, finalize(input, element.multiplyUnsafe(scalar).toBytes())] as const;
  }
}

/** RFC 9497, section 3.3.1, Evaluate: the hash at its end. */
function finalize(input: Uint8Array, element: Uint8Array): bigint {
  const lengths = [input, element].map((bytes) => Buffer.from([bytes.length >> 8, bytes.length & 255]));
  const [inputLength = '', elementLength = ''] = lengths;
  const hash = createHash('sha512').update(inputLength).update(input).update(elementLength).update(element);
  return integer(hash.update('Finalize').digest());
}

function integer(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex')}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { search, part, upTo } = JSON.parse(process.argv[2] ?? '') as {
    search: Search;
    part: number;
    upTo: number;
  };
  process.send?.(await searchPart(search, part, upTo));
  process.disconnect();
}
