import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  type DeviceKey,
  type FactId,
  parse,
  parseProof,
  publicJwkShape,
  thumbprint,
  type WireProof,
} from '@akashi/circuits';
import {
  createDevelopmentKeys,
  type Keys,
  loadVerificationKeys,
  openKeys,
  parsePoints,
  type VerificationKeys,
} from '@akashi/verifier';
import { ristretto255_oprf } from '@noble/curves/ed25519.js';
import Client, { type Database as Connection } from 'better-sqlite3';
import { exportJWK, generateKeyPair } from 'jose';
import type { FactCheck, ProofChecker } from '../../verifier/checker.ts';
import { temporary } from '../../verifier/folder-fixtures.ts';
import { proofSamples } from '../../verifier/proof-fixtures.ts';
import { SqliteDatabase } from '../../verifier/sqlite-database.ts';
import { Chance } from './chance.ts';
import type { Flight, Turns } from './turns.ts';

// What is made once and serves many seeds, because making it takes longer than a seed does: one database file in memory
// with a connection for each verifier, keys, and genuine proofs.

export const ORIGIN = 'https://verifier.example';
export const EPOCH = 1_900_000_000;
/** When the keys were made: no clock is so far behind. */
const KEYS_MADE = EPOCH - 3600;
export const VERIFIERS = 3;
/** Seeds for one file: tenants of a seed are its own, so that seeds do not meet. */
const SEEDS_PER_FILE = 100;
export const DEVICES = 5;

/** Verifiers, devices and proofs as constants: nothing that is picked by chance depends on what is in them. */
export interface Means {
  readonly keys: Keys;
  readonly verificationKeys: VerificationKeys;
  readonly deviceKeys: readonly (DeviceKey & { readonly thumbprint: string })[];
  readonly blinded: readonly string[];
  readonly proofs: readonly { readonly proof: WireProof; readonly bytes: string }[];
}

/** The database file in which seeds run, replaced by a new one from time to time. */
export class Room {
  readonly means: Means;
  /** Of the seed that runs: ids, nonces and keys that verifiers make. */
  chance = new Chance('nobody');
  #folder = '';
  #file = '';
  #databases: SqliteDatabase[] = [];
  #reader: Connection | undefined;
  #writer: Connection | undefined;
  #seeds = 0;
  #files = 0;

  constructor(means: Means) {
    this.means = means;
  }

  /** Makes room for one more seed. @returns the keys of its devices, which were in no other seed of this file */
  async next(): Promise<Means['deviceKeys']> {
    if (this.#seeds % SEEDS_PER_FILE === 0) {
      await this.close();
      this.#folder = mkdtempSync(join(temporary(), 'akashi-simulation-'));
      this.#files += 1;
      this.#file = join(this.#folder, `${this.#files}.db`);
      this.#databases = Array.from({ length: VERIFIERS }, () => this.#connect());
      this.#reader = new Client(this.#file, { readonly: true });
    }
    // Of the whole file, and each seed begins at the same time.
    this.writer.exec('DELETE FROM jtis; UPDATE epochs SET jtis_until = 0');
    const from = (this.#seeds % SEEDS_PER_FILE) * DEVICES;
    this.#seeds += 1;
    return this.means.deviceKeys.slice(from, from + DEVICES);
  }

  database(verifier: number): SqliteDatabase {
    const database = this.#databases[verifier];
    if (database === undefined) throw new TypeError('no such verifier');
    return database;
  }

  /** The connection of a process that is gone is left as it is, and another one opened, as the next process would. */
  reopen(verifier: number): void {
    this.#databases[verifier] = this.#connect();
  }

  /** Reads the file past the store, by a connection of its own. */
  get reader(): Connection {
    if (this.#reader === undefined) throw new TypeError('no seed has begun');
    return this.#reader;
  }

  /** Writes the file past the store: for faults that are put in. */
  get writer(): Connection {
    this.#writer ??= new Client(this.#file);
    return this.#writer;
  }

  async close(): Promise<void> {
    this.#writer?.close();
    this.#reader?.close();
    for (const database of this.#databases) await database.close();
    if (this.#folder !== '') rmSync(this.#folder, { recursive: true, force: true });
    [this.#folder, this.#databases, this.#reader, this.#writer] = ['', [], undefined, undefined];
  }

  #connect(): SqliteDatabase {
    return new SqliteDatabase({ file: this.#file, random: (length) => this.chance.bytes(length) });
  }
}

export async function openMeans(): Promise<Means> {
  const random = (length: number) => new Chance('keys').bytes(length);
  const { keys } = await createDevelopmentKeys(ORIGIN, KEYS_MADE, random);
  const samples = await proofSamples();
  const deviceKeys = [];
  for (let i = 0; i < SEEDS_PER_FILE * DEVICES; i++) {
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const jwk = parse(publicJwkShape, await exportJWK(publicKey));
    deviceKeys.push({ privateKey, jwk, thumbprint: await thumbprint(jwk) });
  }
  const blind = (_: unknown, i: number) =>
    Buffer.from(ristretto255_oprf.oprf.blind(new TextEncoder().encode(`${i}`)).blinded).toString('base64url');
  return {
    keys: await openKeys(keys),
    verificationKeys: await loadVerificationKeys(),
    deviceKeys,
    blinded: Array.from({ length: 12 }, blind),
    proofs: mixtures(samples.map(({ proof }) => proof)),
  };
}

/** Points of genuine proofs, put together anew: each reads as a proof, and no two are alike. */
function mixtures(proofs: readonly WireProof[]): Means['proofs'] {
  return proofs.flatMap(({ a, c }) =>
    proofs.map(({ b }) => {
      const proof = { a, b, c };
      return { proof, bytes: bytesOf({ points: parsePoints(parseProof(proof)) }) };
    }),
  );
}

function bytesOf({ points }: Pick<FactCheck, 'points'>): string {
  return Buffer.from(points.bytes).toString('base64');
}

/**
 * Says yes exactly to the proofs that phones of this simulation made, for exactly the signals that they made them for.
 * Proofs are not computed here: 100,000 seeds would take weeks, and the arithmetic has its own oracles (test/oracle/oracle.ts,
 * circuits/, verifier/pairing.test.ts). What is simulated is what is done with a yes. The points that travel are those
 * of genuine proofs, since reading them is real.
 */
export class ProofLedger implements ProofChecker {
  readonly #turns: Turns;
  readonly #proofs: Means['proofs'];
  readonly #onCheck: (flight: Flight) => void;
  readonly #made = new Map<string, Means['proofs'][number]>();

  /** @param onCheck is told before a verdict on proofs is given */
  constructor(turns: Turns, { proofs }: Means, onCheck: (flight: Flight) => void) {
    this.#turns = turns;
    this.#proofs = proofs;
    this.#onCheck = onCheck;
  }

  /** A phone makes a proof for these signals. The points that stand for it stand for nothing else. */
  make(fact: FactId, signals: readonly bigint[]): Means['proofs'][number] {
    const name = nameOf(fact, signals);
    const made = this.#made.get(name) ?? this.#proofs[1 + this.#made.size];
    if (made === undefined) throw new TypeError('more statements than proofs');
    this.#made.set(name, made);
    return made;
  }

  /** A proof that is of nothing here. */
  get foreign(): Means['proofs'][number] {
    const [proof] = this.#proofs;
    if (proof === undefined) throw new TypeError('no proofs');
    return proof;
  }

  check(checks: readonly FactCheck[]): Promise<readonly boolean[]> {
    return this.#turns.cross('proofs', async (flight) => {
      this.#onCheck(flight);
      return checks.map(
        (check) => this.#made.get(nameOf(check.fact, check.signals))?.bytes === bytesOf(check),
      );
    });
  }

  waiting(): number {
    return 0;
  }

  async close(): Promise<void> {}
}

function nameOf(fact: FactId, signals: readonly bigint[]): string {
  return `${fact} ${signals.join()}`;
}
