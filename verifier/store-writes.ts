import type { Database } from './database.ts';
import type { SetVerdict } from './instruments.ts';
import type { Scope, Transaction, Verb } from './statement.ts';
import * as attempts from './stored-attempts.ts';
import * as audit from './stored-audit.ts';
import * as claims from './stored-claims.ts';
import * as devices from './stored-devices.ts';
import * as epoch from './stored-epoch.ts';
import * as issuers from './stored-issuers.ts';
import * as operators from './stored-operators.ts';
import * as passkeys from './stored-passkeys.ts';
import * as pins from './stored-pins.ts';
import * as requests from './stored-requests.ts';
import * as retention from './stored-retention.ts';
import * as sealed from './stored-sealed.ts';
import * as starts from './stored-starts.ts';
import * as tenants from './stored-tenants.ts';
import * as upkeep from './stored-upkeep.ts';
import * as verifications from './stored-verifications.ts';

// The verbs that change something, by name: each runs in a transaction of its own, and its arguments and its answer are plain
// values, so that it can be another thread's (sqlite-thread.ts).

export const ofTenant = (tenant: string): Scope => ({ tenant });
export const ofIts = ({ tenant }: { readonly tenant: string }): Scope => ({ tenant });
export const byKey = (key: Uint8Array | string): Scope => ({ key });
export const forUpkeep = (): Scope => 'upkeep';
const byToken = ({ tokenHash }: { readonly tokenHash: Uint8Array }): Scope => ({ key: tokenHash });

const WRITES = {
  createTenant: write(ofIts, tenants.createTenant),
  setOrigins: write(ofTenant, tenants.setOrigins),
  setPasskeySettings: write(ofTenant, tenants.setPasskeySettings),
  addApiKey: write(ofTenant, tenants.addApiKey),
  addIssuer: write(ofTenant, issuers.addIssuer),
  removeIssuer: write(ofTenant, issuers.removeIssuer),
  setIssuerSource: write(ofTenant, issuers.setIssuerSource),
  putPolicy: write(ofTenant, tenants.putPolicy),
  addOperator: write(ofIts, operators.addOperator),
  addSignInLink: write(ofTenant, operators.addSignInLink),
  openSession: write(byToken, operators.openSession),
  touchSession: write(byKey, operators.touchSession),
  closeSession: write(byKey, operators.closeSession),
  takeLimits: write(([first]) => ofTenant(first?.tenant ?? ''), tenants.takeLimits),

  createEnrolment: write(ofIts, devices.createEnrolment),
  redeemEnrolment: write(({ thumbprint }) => byKey(thumbprint), devices.redeemEnrolment),
  consumeJti: write(ofTenant, devices.consumeJti),
  countEvaluation: write(ofIts, pins.countEvaluation),
  registerPin: write(ofTenant, pins.registerPin),
  beginPinChange: write(ofTenant, pins.beginPinChange),
  takePinChange: write(ofTenant, pins.takePinChange),
  completePinChange: write(ofIts, pins.completePinChange),
  beginPasskey: write(ofTenant, passkeys.beginPasskey),
  takePasskeyChallenge: write(ofTenant, passkeys.takePasskeyChallenge),
  addPasskey: write(ofIts, passkeys.addPasskey),
  removePasskey: write(ofTenant, passkeys.removePasskey),
  revokeDevice: write(ofTenant, devices.revokeDevice),
  stopDevice: write(ofTenant, devices.stopDevice),

  createVerification: write(ofIts, starts.createVerification),
  recordRefusedStart: write(ofIts, starts.recordRefusedStart),
  settleAll: write(ofTenant, verifications.settleAll),
  accept: write(ofTenant, requests.accept),
  later: write(ofTenant, requests.later),
  decline: write(ofTenant, requests.decline),
  report: write(ofTenant, requests.report),
  cancel: write(ofTenant, verifications.cancel),
  consumeAttempt: write(ofIts, attempts.consumeAttempt),
  recordResult: write(ofIts, attempts.recordResult),
  claim: write(ofIts, claims.claim),
  recordSeen: write(ofTenant, verifications.recordSeen),

  sweepVerifications: write(forUpkeep, upkeep.sweepVerifications),
  sweepRest: write(forUpkeep, upkeep.sweepRest),
  linkBatch: write(forUpkeep, audit.linkAuditBatch),
  setRetention: write(ofTenant, retention.setRetention),
  erase: write(ofTenant, retention.erase),
  reseal: write(ofTenant, sealed.reseal),
  beginEpoch: write(forUpkeep, epoch.beginEpoch),
};

export type Writes = { readonly [name in keyof typeof WRITES]: ReturnType<(typeof WRITES)[name]> };
export type WriteName = keyof Writes;

export const WRITE_NAMES = Object.keys(WRITES) as readonly WriteName[];

/** Told of each verdict once, after its commit, by the process that set it. */
export type OnVerdict = (verdict: SetVerdict) => void;

export function writesOn(db: Pick<Database, 'write'>, onVerdict: OnVerdict = () => {}): Writes {
  const run = runnerOn(db, onVerdict);
  return writesBy((name) => WRITES[name](run));
}

/** The table with what `make` gives for each name. */
export function writesBy(make: (name: WriteName) => unknown): Writes {
  return Object.fromEntries(WRITE_NAMES.map((name) => [name, make(name)])) as Writes;
}

type Runner = <R>(scope: Scope, verb: (tx: Transaction) => Verb<R>) => Promise<R>;

/** A verb with the scope that it begins in, which its first argument says. */
function write<F, A extends readonly unknown[], R>(
  scope: (first: NoInfer<F>) => Scope,
  verb: (tx: Transaction, first: F, ...rest: A) => Verb<R>,
) {
  return (run: Runner) =>
    async (first: F, ...rest: A): Promise<R> =>
      run(scope(first), (tx) => verb(tx, first, ...rest));
}

function runnerOn(db: Pick<Database, 'write'>, onVerdict: OnVerdict): Runner {
  return async <R>(scope: Scope, verb: (tx: Transaction) => Verb<R>): Promise<R> => {
    let verdicts: SetVerdict[] = [];
    const result = await db.write(scope, (writing) => {
      // A verb may be run again from its beginning.
      const decisions: SetVerdict[] = [];
      verdicts = decisions;
      return verb({ ...writing, decided: (verdict) => void decisions.push(verdict) });
    });
    for (const verdict of verdicts) onVerdict(verdict);
    return result;
  };
}
