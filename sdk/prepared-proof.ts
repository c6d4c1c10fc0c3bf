import { AkashiError, type FactId, type RequestedFact, tenantScope, type WireProof } from '@akashi/circuits';
import { accountReference } from '@akashi/circuits/poseidon';
import { findAccount, type HeldAccount, heldAccount } from './accounts.ts';
import { bindProof } from './binding.ts';
import type { HeldClaims } from './claims.ts';
import { hasCode } from './connection.ts';
import type { DeviceConnection } from './device-connection.ts';
import type { Preparation } from './groth16.ts';
import type { OpenIdentity } from './holder-record.ts';
import {
  dropStalePreparations,
  findPreparation,
  keepPreparation,
  type Prepared,
} from './preparation-store.ts';
import type { PrepareOptions, ProveOptions, Prover } from './prover.ts';
import { accountStatement, claimStatement, pinStatement, type Statement } from './statement.ts';
import type { DeviceStorage } from './storage.ts';

// Proofs bound from stored preparations (docs/protocol.md, section 3).

export interface ProvingDesk {
  readonly storage: DeviceStorage;
  readonly prover: Prover;
  readonly random: (length: number) => Uint8Array;
}

export interface PrepareProgress {
  /** Statements of this device that are prepared, of how many. */
  readonly done: number;
  readonly total: number;
}

export interface IdleOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: PrepareProgress) => void;
}

type AskedOfRecords = Exclude<RequestedFact, { readonly fact: 'pin' }>;

/** A fact that a request asks for, and what the customer brings to it. */
export interface Asked {
  readonly asked: RequestedFact;
  readonly pinKey: bigint | null;
  readonly account: HeldAccount | null;
  readonly claims: HeldClaims | null;
}

/**
 * A proof of what a request asks for, bound to this challenge: from what is prepared, without the prover; else in one go,
 * and what can serve again is kept.
 */
export async function proveAsked(
  desk: ProvingDesk,
  identity: OpenIdentity,
  { asked, pinKey, account, claims }: Asked,
  challenge: bigint,
  options: ProveOptions,
): Promise<WireProof> {
  if (asked.fact === 'pin') {
    if (pinKey === null) throw new TypeError('the fact pin needs a pinKey');
    return provePin(desk, identity, pinKey, challenge, options);
  }
  const prepared = await prepareStatement(
    desk,
    identity,
    statementOf(identity, { asked, account, claims }),
    options,
  );
  return bindProof(prepared, challenge, desk.random);
}

function statementOf(
  { record }: OpenIdentity,
  { asked, account, claims }: Omit<Asked, 'asked' | 'pinKey'> & { readonly asked: AskedOfRecords },
): Statement {
  if (asked.fact === 'account') {
    if (account === null) throw new TypeError('the fact account needs an account');
    return accountStatement(record, account, asked);
  }
  if (claims === null) throw new TypeError('claims are proven from a credential');
  return claimStatement(record, claims, asked);
}

export async function provePin(
  desk: ProvingDesk,
  identity: OpenIdentity,
  pinKey: bigint,
  challenge: bigint,
  options: ProveOptions,
): Promise<WireProof> {
  const statement = pinStatement(identity.record, pinKey);
  return bindProof(await prepareStatement(desk, identity, statement, options), challenge, desk.random);
}

/** Prepares the PIN of which this is the key, in place of any before. */
export async function prepareNewPin(
  desk: ProvingDesk,
  identity: OpenIdentity,
  pinKey: bigint,
  options: ProveOptions,
): Promise<void> {
  await dropStalePreparations(desk.storage, identity);
  await prepareStatement(desk, identity, pinStatement(identity.record, pinKey), options);
}

/** The stored preparation, or a new one, made from what an interrupted call left and kept if storage will have it. */
async function prepareStatement(
  desk: ProvingDesk,
  identity: OpenIdentity,
  statement: Statement,
  options: ProveOptions,
): Promise<Preparation> {
  const kept = await findPreparation(desk.storage, identity, statement);
  if (kept !== null && 'preparation' in kept) return kept.preparation;
  let writing: Promise<void> = Promise.resolve();
  const keep = (made: Prepared) => {
    // A storage that is full or gone must not fail the proof: then it is made again next time.
    writing = writing.then(() => keepPreparation(desk, identity, statement, made)).catch(() => undefined);
  };
  try {
    const preparation = await makePreparation(desk.prover, statement, {
      ...options,
      done: kept?.parts,
      onPart: (parts) => keep({ parts }),
    });
    keep({ preparation });
    return preparation;
  } finally {
    await writing;
  }
}

function makePreparation<F extends FactId>(
  prover: Prover,
  { fact, inputs }: Statement<F>,
  options: PrepareOptions,
): Promise<Preparation> {
  return prover.prepare(fact, inputs, options);
}

/**
 * Prepares all that this device can be asked about its accounts, and what it is told that it may be asked about its
 * claims today and tomorrow. What is there already costs nothing.
 */
export async function prepareRecords(
  desk: ProvingDesk & { readonly connection: DeviceConnection },
  identity: OpenIdentity,
  { signal, onProgress }: IdleOptions,
): Promise<void> {
  const statements = [
    ...(await accountStatements(identity)),
    ...(await claimStatements(desk, identity, signal)),
  ];
  for (const [done, statement] of statements.entries()) {
    onProgress?.({ done, total: statements.length });
    if (signal?.aborted) throw new AkashiError('aborted', { cause: signal.reason });
    await prepareStatement(desk, identity, statement, { signal });
  }
  onProgress?.({ done: statements.length, total: statements.length });
}

/** Those that are true of the claims of this device; without a network none, for they can wait until they are asked. */
async function claimStatements(
  { connection, storage }: { readonly connection: DeviceConnection; readonly storage: DeviceStorage },
  identity: OpenIdentity,
  signal: AbortSignal | undefined,
): Promise<readonly Statement[]> {
  const { askableFacts, findClaims, readClaims } = await import('./claims.ts');
  const issued = await readClaims(storage, identity);
  if (issued.length === 0) return [];
  const asked = await askableFacts(connection, identity, signal).catch((error: unknown) => {
    if (hasCode(error, 'network', 'timeout')) return [];
    throw error;
  });
  return asked.flatMap((entry) => {
    try {
      return [claimStatement(identity.record, findClaims(issued, entry, connection.verifierTime()), entry)];
    } catch (error) {
      if (error instanceof AkashiError) return [];
      throw error;
    }
  });
}

/** One for "an account", proven from the first: which one it was from does not show. Then one for each account. */
async function accountStatements({ record }: OpenIdentity): Promise<readonly Statement[]> {
  const scope = await tenantScope(record.tenant.id);
  const any = { accountRef: '0', scope: String(scope) };
  const shown = record.issued.accounts.map((issued) => {
    const account = heldAccount(issued);
    const accountRef = String(accountReference(account.accountKey, scope));
    return accountStatement(record, account, { accountRef, scope: any.scope });
  });
  return [accountStatement(record, await findAccount(record.issued, any), any), ...shown];
}
