import type { Direction, ErrorCode, Policy, PublicJwk } from '@akashi/circuits';
import type { AuditHead } from './audit.ts';
import type {
  Actor,
  Attempt,
  AttemptResult,
  AuditEntry,
  Device,
  Epoch,
  Evaluation,
  Idempotency,
  Issuer,
  IssuerSource,
  NewTenant,
  NewVerification,
  Operator,
  Passkey,
  PasskeySettings,
  PinChange,
  RequestPlace,
  ResealedValue,
  Retention,
  RetentionKind,
  Reuse,
  RowCounts,
  Sealed,
  SealedValue,
  Tenant,
  VerificationRow,
} from './records.ts';
import type { Others } from './statement.ts';

// What the verifier remembers, as verbs of its domain. Every verb is atomic, writes its audit entry in the same
// transaction, and touches only rows of the tenant it is given. Times are UTC seconds and come in as arguments;
// secrets arrive hashed (tokens) or sealed (keys, requests): no implementation sees one in the clear.
// A refusal that a caller may be told is an `ErrorCode`; anything thrown is a fault.

/** Bounds that the protocol fixes (docs/protocol.md, sections 5 and 7). */
export const BOUNDS = {
  enrolEvaluations: 10,
  tries: 5,
  attempts: 3,
  claimTries: 3,
  claimSeconds: 600,
  enrolSeconds: 600,
  newDeviceSeconds: 86_400,
  passkeyChallengeSeconds: 300,
  /** How long an idempotency key is remembered at least. */
  idempotencySeconds: 86_400,
} as const;

/**
 * Why a device's call on a verification is refused. `not_found`: there is none of this tenant with this device,
 * which must be active, in `aud`. All alike, so ids tell nothing.
 */
export type DeviceRefusal = Extract<ErrorCode, 'not_found' | 'accepted_elsewhere' | 'verification_over'>;

/** So many in a window of so many seconds. */
export interface Limit {
  readonly tenant: string;
  readonly key: string;
  readonly count: number;
  readonly seconds: number;
}

export interface Store {
  // tenants, back ends, issuers, policies
  createTenant(tenant: NewTenant, now: number): Promise<boolean>;
  setOrigins(tenant: string, origins: readonly string[], now: number): Promise<boolean>;
  /** `null` turns passkeys off: those that devices have stay, and are of no use meanwhile. */
  setPasskeySettings(tenant: string, settings: PasskeySettings | null, now: number): Promise<boolean>;
  tenant(tenant: string): Promise<Tenant | undefined>;
  /** Whether any tenant lists this origin: all a CORS preflight can know. */
  knowsOrigin(origin: string): Promise<boolean>;
  addApiKey(tenant: string, keyHash: Uint8Array, now: number): Promise<void>;
  tenantByApiKey(keyHash: Uint8Array): Promise<Tenant | undefined>;
  /** Pins a key. Again is harmless. */
  addIssuer(tenant: string, issuer: string, jwk: PublicJwk, actor: Actor, now: number): Promise<void>;
  /** False if there is none pinned. */
  removeIssuer(tenant: string, issuer: string, actor: Actor, now: number): Promise<boolean>;
  /** A pinned key. */
  issuerKey(tenant: string, issuer: string): Promise<PublicJwk | undefined>;
  issuers(tenant: string): Promise<readonly Issuer[]>;
  /** Takes the place of what was set before; `null`: nothing is fetched any more. */
  setIssuerSource(tenant: string, source: IssuerSource | null, actor: Actor, now: number): Promise<void>;
  issuerSource(tenant: string): Promise<IssuerSource | undefined>;
  /** Stores the next version of a policy. */
  putPolicy(tenant: string, policy: Omit<Policy, 'version'>, actor: Actor, now: number): Promise<Policy>;
  /** The newest version of each. */
  policies(tenant: string): Promise<readonly Policy[]>;

  // operators
  addOperator(operator: Operator, now: number): Promise<void>;
  operator(tenant: string, operator: string): Promise<Operator | undefined>;
  addSignInLink(
    tenant: string,
    operator: string,
    tokenHash: Uint8Array,
    expiresAt: number,
    now: number,
  ): Promise<void>;
  /** Uses the link up and opens a session. */
  openSession(
    link: {
      readonly tokenHash: Uint8Array;
      readonly sessionHash: Uint8Array;
      readonly endsAt: number;
      readonly idleSeconds: number;
    },
    now: number,
  ): Promise<Operator | undefined>;
  /** Whose session it is, while it lives; `touch` moves its idle time, to within half a minute. */
  session(
    sessionHash: Uint8Array,
    touch: boolean,
    now: number,
  ): Promise<{ readonly operator: Operator; readonly tenant: Tenant } | undefined>;
  /** {@link session} for who has it already. */
  isSessionLive(sessionHash: Uint8Array, now: number): Promise<boolean>;
  closeSession(sessionHash: Uint8Array, now: number): Promise<void>;

  // limits
  /**
   * Takes one from each of these fixed windows of one tenant, in order, up to the first that has none left. How many granted one,
   * and the seconds until that first one's window ends, 0 when all did.
   */
  takeLimits(
    limits: readonly Limit[],
    now: number,
  ): Promise<{ readonly granted: number; readonly retryAfter: number }>;

  // enrolment and devices
  createEnrolment(
    enrolment: {
      readonly tenant: string;
      readonly subject: string;
      readonly tokenHash: Uint8Array;
      readonly expiresAt: number;
    },
    now: number,
  ): Promise<void>;
  /** The tenant and subject of a token that would be accepted now; nothing is used up. */
  enrolment(
    tokenHash: Uint8Array,
    now: number,
  ): Promise<{ readonly tenant: string; readonly subject: string } | undefined>;
  /**
   * Uses the token up and makes a device in state `enrolling`. The key is looked at first: a device that lost the
   * answer learns by `device_exists` that it has one. Token and key are good once, so no `jti` is needed.
   */
  redeemEnrolment(
    redemption: {
      readonly tokenHash: Uint8Array;
      readonly device: string;
      readonly thumbprint: string;
      readonly evaluationKey: Sealed;
    },
    now: number,
  ): Promise<Device | Extract<ErrorCode, 'enrolment_refused' | 'device_exists'>>;
  /** An enrolling device over its time is not found. */
  deviceByThumbprint(thumbprint: string, now: number): Promise<Device | undefined>;
  devicesOfSubject(tenant: string, subject: string, now: number): Promise<readonly Device[]>;
  /** False if this device used the `jti` before, or if its time is not after {@link Store.jtisUntil}. */
  consumeJti(tenant: string, device: string, jti: string, expiresAt: number, now: number): Promise<boolean>;
  /** Up to when no `jti` is good any more, whatever the clocks say. It goes back only where an epoch begins, whose nonces are others. */
  jtisUntil(): Promise<number>;
  /**
   * Counts an evaluation, durably, before its answer is made; the same digest as last time is not counted again.
   * Gives the tries left and the key to evaluate with.
   */
  countEvaluation(
    evaluation: Evaluation,
    now: number,
  ): Promise<
    | { readonly triesLeft: number; readonly evaluationKey: Sealed }
    | Extract<ErrorCode, 'pin_locked' | 'evaluation_refused'>
  >;
  registerPin(
    tenant: string,
    device: string,
    pin: { readonly holder: string; readonly commitment: string },
    now: number,
  ): Promise<Device | undefined>;
  /** Keeps a fresh key and nonce for a new PIN; an earlier one is gone. Nothing happens unless the device is active. */
  beginPinChange(tenant: string, device: string, change: PinChange, now: number): Promise<void>;
  /** Hands the pending change out once: it is used up whether the proof then holds or not. */
  takePinChange(tenant: string, device: string, now: number): Promise<PinChange | undefined>;
  /** Key and commitment take the place of the old ones, if those are still `oldCommitment`; the counter goes to 0. */
  completePinChange(
    change: {
      readonly tenant: string;
      readonly device: string;
      readonly oldCommitment: string;
      readonly commitment: string;
      readonly evaluationKey: Sealed;
    },
    now: number,
  ): Promise<Device | undefined>;
  /** Keeps a challenge for the next passkey; an earlier one is gone. Nothing happens unless the device is active. */
  beginPasskey(tenant: string, device: string, challenge: Uint8Array, now: number): Promise<void>;
  /** Hands the challenge out once, within `BOUNDS.passkeyChallengeSeconds`. */
  takePasskeyChallenge(tenant: string, device: string, now: number): Promise<Uint8Array | undefined>;
  /**
   * Adds a passkey to an active device that has fewer than `MAX_PASSKEYS` and whose PIN is still the one that was proven
   * for it: the tries go to 0. False otherwise, and where the tenant has a passkey with this id.
   */
  addPasskey(passkey: Omit<Passkey, 'createdAt'>, provenCommitment: string, now: number): Promise<boolean>;
  /** Oldest first. */
  passkeys(tenant: string, device: string): Promise<readonly Passkey[]>;
  removePasskey(tenant: string, device: string, passkey: string, now: number): Promise<boolean>;
  /** Revokes a device of the tenant, removes its passkeys, and voids its unclaimed passes; false if there is none that is not revoked yet. */
  revokeDevice(tenant: string, device: string, actor: Actor, now: number): Promise<boolean>;
  /** Revokes a device of the same subject enrolled after `by`, within `BOUNDS.newDeviceSeconds`. */
  stopDevice(tenant: string, device: string, by: string, now: number): Promise<boolean>;

  // verifications
  /**
   * `created` is false when the idempotency key had made it before. With `reuse` it is made as `passed`, if that pass may
   * still stand in, or else as without.
   */
  createVerification(
    verification: NewVerification,
    actor: Actor,
    idempotency: Idempotency | undefined,
    reuse?: Reuse,
  ): Promise<
    { readonly row: VerificationRow; readonly created: boolean } | Extract<ErrorCode, 'idempotency_mismatch'>
  >;
  /**
   * Passes of the subject on this call, of verifications that are this operator's (`null`: the back end's), that may still
   * stand in for another, newest first. None does any more once the subject reported, declined or failed a verification
   * since, or its device is revoked.
   */
  reusablePasses(
    call: Pick<NewVerification, 'tenant' | 'subject' | 'operator' | 'callId'>,
    now: number,
  ): Promise<readonly VerificationRow[]>;
  /** Verifications of the subject that ended as `failed` or `reported` after this time. */
  failuresSince(tenant: string, subject: string, since: number): Promise<number>;
  /** Records that a start was refused because the subject lacks what it takes. */
  recordRefusedStart(
    start: { readonly tenant: string; readonly subject: string; readonly lacking: 'device' | 'passkey' },
    actor: Actor,
    now: number,
  ): Promise<void>;
  /** Expiry is applied before any verification is read or changed: a row given out is never over its time. */
  verification(tenant: string, verification: string, now: number): Promise<VerificationRow | undefined>;
  /** Those of the last hour that this operator started or claimed, newest first, at most 50. None that is open is older. */
  verificationsOfOperator(tenant: string, operator: string, now: number): Promise<readonly VerificationRow[]>;
  /** Open ones with this device in `aud` that no other device accepted, and its unclaimed pre-call passes. */
  verificationsOfDevice(
    tenant: string,
    device: string,
    thumbprint: string,
    now: number,
  ): Promise<readonly VerificationRow[]>;
  /** Opens the first attempt. The same device again gets the same answer, and `attempt` is not used. */
  accept(
    tenant: string,
    verification: string,
    device: string,
    attempt: Attempt,
    now: number,
  ): Promise<VerificationRow | DeviceRefusal>;
  /** Nothing changes once the verification is accepted. */
  later(
    tenant: string,
    verification: string,
    device: string,
    now: number,
  ): Promise<VerificationRow | DeviceRefusal>;
  decline(
    tenant: string,
    verification: string,
    device: string,
    now: number,
  ): Promise<VerificationRow | DeviceRefusal>;
  /**
   * Ends every open verification of the subject and voids unclaimed passes. Any device in `aud` may, whichever
   * accepted.
   */
  report(
    tenant: string,
    verification: string,
    device: string,
    now: number,
  ): Promise<VerificationRow | DeviceRefusal>;
  /** A verdict that stands stays; the row says which. */
  cancel(
    tenant: string,
    verification: string,
    actor: Actor,
    now: number,
  ): Promise<VerificationRow | undefined>;
  /**
   * Uses the open attempt and the `jti` up in one statement each, in one transaction. In the row that is given,
   * `attempt` is the one just used: its nonce goes into the challenges. A refusal uses nothing up.
   */
  consumeAttempt(
    use: {
      readonly tenant: string;
      readonly verification: string;
      readonly device: string;
      readonly attempt: string;
      readonly jti: string;
      readonly jtiExpiresAt: number;
    },
    now: number,
  ): Promise<
    VerificationRow | Extract<ErrorCode, 'attempt_used' | 'verification_over' | 'unauthorized' | 'not_found'>
  >;
  /**
   * Sets the verdict, or opens the next attempt, only where no verdict stands, the attempt is the one consumed last,
   * and the device is active; else changes nothing but the counter.
   */
  recordResult(result: AttemptResult, now: number): Promise<VerificationRow>;
  /** Claims the one open pass for which `matches` says yes; a wrong code costs every candidate a try. */
  claim(
    claim: {
      readonly tenant: string;
      readonly subject: string;
      readonly purpose: string;
      readonly direction: Direction;
      readonly matches: (verification: string) => boolean;
    },
    actor: Actor,
    now: number,
  ): Promise<VerificationRow | undefined>;
  /** Records, once per verification and operator, that a desk was shown the verdict. */
  recordSeen(tenant: string, verification: string, operator: string, now: number): Promise<void>;

  epoch(): Promise<Epoch>;
  /**
   * Makes a database that was put back safe to go on with: cancels what is open, voids passes, leaves every device one try
   * of its PIN, ends sessions, links and enrolments, and is of this epoch from now on.
   */
  beginEpoch(epoch: number, now: number): Promise<void>;

  // keys
  /** Every tenant. */
  tenants(): Promise<readonly string[]>;
  /** What the next devices after this one hold sealed, in the order of their ids; at most so many devices. */
  sealedOfDevices(tenant: string, afterDevice: string, limit: number): Promise<readonly SealedValue[]>;
  /** The requests of the next open verifications, of all tenants, in the order of their ends; at most so many. */
  sealedRequests(
    after: RequestPlace,
    limit: number,
  ): Promise<readonly (SealedValue & { readonly expiresAt: number })[]>;
  /** Puts each value under its new key where the old one still stands. How many did. */
  reseal(tenant: string, values: readonly ResealedValue[], actor: Actor, now: number): Promise<number>;

  // retention
  retention(tenant: string): Promise<Retention>;
  setRetention(tenant: string, retention: Retention, now: number): Promise<boolean>;
  /** How many rows of each table are over their time: up to 100,000 each. */
  countOver(tenant: string, now: number): Promise<RowCounts>;
  /**
   * Erases some of what is over its time, and records that it did. How many rows of each table; none: there is no more.
   * @throws AuditBroken where a chain that is to be cut does not hold
   */
  erase(tenant: string, kind: RetentionKind, now: number): Promise<RowCounts>;
  /** What a tenant's first entry follows from. */
  auditStart(tenant: string): Promise<AuditHead>;

  // upkeep; by default each waits while another verifier does the same
  /** Ends what is over its time and forgets what has served: jti, limits, links, sessions, challenges of passkeys. The number of verdicts set. */
  sweep(now: number, others?: Others): Promise<number>;
  /** Numbers entries not yet linked into each tenant's chain. The number linked. @throws AuditBroken on a gap */
  linkAudit(others?: Others): Promise<number>;
  /** The head of each tenant's chain. */
  auditHeads(): Promise<readonly (AuditHead & { readonly tenant: string })[]>;
  auditEntries(tenant: string, afterSeq: number, limit: number): Promise<readonly AuditEntry[]>;
  /**
   * Calls back after a commit that changed `verification:<id>` or `subject:<tenant>:<subject>`: on PostgreSQL whichever
   * verifier made it, and now and then when nothing changed.
   */
  subscribe(topic: string, listener: () => void): () => void;
  /** Throws when the database does not answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
