import type { Direction, Factor, Mode, Requested, Verdict } from '@akashi/circuits';

// What a store keeps and gives back (store.ts), as its callers see it.

/** Ciphertext under a key-encryption key (see sealed.ts). */
export interface Sealed {
  readonly kek: string;
  readonly iv: Uint8Array;
  readonly ciphertext: Uint8Array;
}

/** Where a sealed value belongs. */
export interface SealedPlace {
  readonly kind: 'evaluation-key' | 'request';
  readonly tenant: string;
  /** Id of the device or verification. */
  readonly row: string;
}

/** A sealed value as it stands in the database. */
export interface SealedValue {
  readonly place: SealedPlace;
  readonly column: 'evaluationKey' | 'pendingKey' | 'request';
  readonly sealed: Sealed;
}

/** The same value under another key. */
export interface ResealedValue extends SealedValue {
  readonly anew: Sealed;
}

/** A place in the list of open verifications. */
export interface RequestPlace {
  readonly verification: string;
  readonly expiresAt: number;
}

/** Who did it, for the audit. */
export type Actor =
  | { readonly kind: 'backend' | 'system' | 'cli' }
  | { readonly kind: 'operator' | 'device'; readonly id: string };

/** Which database this is. */
export interface Epoch {
  /** Grows when a copy was put back; the keys' document knows the one that is in force. */
  readonly epoch: number;
  /** This is a copy that nobody has put back yet. */
  readonly copy: boolean;
}

/** For how many days what is over is kept; `null`: for ever. */
export interface Retention {
  /** Verifications, after their verdict. */
  readonly verifications: number | null;
  /** Devices, after they were revoked, and no less than their verifications. */
  readonly devices: number | null;
  readonly audit: number | null;
}
export type RetentionKind = keyof Retention;

/** Rows by the name of their table. */
export type RowCounts = Readonly<Record<string, number>>;

export interface NewTenant {
  readonly tenant: string;
  readonly name: string;
  readonly origins: readonly string[];
}

export interface Tenant extends NewTenant {
  /** `null`: this tenant uses no passkeys. */
  readonly passkeys: PasskeySettings | null;
}

export interface PasskeySettings {
  readonly rpId: string;
  /**
   * Whether a passkey with user verification counts as inherence although the phone may have taken its screen lock in
   * place of face or finger, which nobody but the phone can tell.
   */
  readonly acceptScreenLock: boolean;
}

/** A pinned key of an issuer, by its thumbprint. */
export interface Issuer {
  readonly issuer: string;
  readonly addedAt: number;
}

/** Where a tenant publishes the keys of its issuer and what that revoked. One of the two at least. */
export interface IssuerSource {
  /** Address of a JWK set. */
  readonly jwks: string | null;
  /** Address below which the status lists stand; then a credential must have its place in one of them. */
  readonly statusLists: string | null;
  /** How long a status list whose fresh copy cannot be had is still believed. */
  readonly staleSeconds: number;
}

export interface Operator {
  readonly tenant: string;
  readonly operator: string;
  readonly name: string;
  readonly role: 'operator' | 'admin';
}

export interface Device {
  readonly tenant: string;
  readonly subject: string;
  readonly device: string;
  readonly thumbprint: string;
  readonly state: 'enrolling' | 'active' | 'revoked';
  readonly enrolledAt: number;
  readonly pinChangedAt: number | null;
  /** `holder` and `commitment` as decimal field elements, once a PIN is registered. */
  readonly holder: string | null;
  readonly commitment: string | null;
  /** Counted evaluations since the last valid `pin` proof. */
  readonly tries: number;
  readonly evaluationKey: Sealed;
}

/** A passkey of a device, as it was registered, and how it was seen last. */
export interface Passkey {
  readonly tenant: string;
  readonly device: string;
  readonly passkey: string;
  /** WebAuthn's credential id. */
  readonly id: Uint8Array;
  readonly rpId: string;
  /** COSE. */
  readonly publicKey: Uint8Array;
  /** Signature counter; 0 where the authenticator has none. */
  readonly counter: number;
  /** Whether it can leave the authenticator, and whether it has. */
  readonly backupAble: boolean;
  readonly backedUp: boolean;
  readonly createdAt: number;
}

/** What a good assertion said of its passkey. */
export type PasskeyUse = Pick<Passkey, 'passkey' | 'counter' | 'backedUp'>;

export interface PinChange {
  readonly evaluationKey: Sealed;
  /** 32 bytes. */
  readonly nonce: Uint8Array;
}

/** An evaluation that is about to be answered. `digest` is SHA-256 of use, verification and blinded element. */
export type Evaluation = { readonly tenant: string; readonly device: string; readonly digest: Uint8Array } & (
  | { readonly use: 'enrol' }
  | { readonly use: 'current' }
  | { readonly use: 'verification'; readonly verification: string }
);

export interface Attempt {
  readonly attempt: string;
  /** 32 bytes. */
  readonly nonce: Uint8Array;
}

export interface NewVerification {
  readonly tenant: string;
  readonly verification: string;
  readonly subject: string;
  /** Id of the operator who started it; `null`: the tenant's back end. */
  readonly operator: string | null;
  readonly policy: string;
  /** The version that was in force at the start. */
  readonly policyVersion: number;
  readonly purpose: string;
  readonly mode: Mode;
  readonly direction: Direction;
  readonly facts: readonly Requested[];
  /** Thumbprints of the devices in the request's `aud`. */
  readonly audience: readonly string[];
  readonly request: Sealed;
  /** SHA-256 of the request JWS; stays after the request is erased. */
  readonly requestHash: Uint8Array;
  /** Salted hash of the request's transaction, where it has one; stays as well. */
  readonly transactionHash: Uint8Array | null;
  /** Whether desks are shown the figures of the transaction. */
  readonly deskFigures: boolean;
  /** Ways to meet `facts`, as places in it; `null`: all of it is needed. */
  readonly alternatives: readonly (readonly number[])[] | null;
  /** Whether what is shown must make two different factors. */
  readonly twoFactor: boolean;
  /** The step-up rules that raised it, by their place in the policy. */
  readonly raisedBy: readonly number[];
  /** The call's name at the desk. */
  readonly callId: string | null;
  /** For how long a pass may stand in for another verification of the same call; 0: not at all. */
  readonly reuseSeconds: number;
  readonly startedAt: number;
  readonly expiresAt: number;
}

export interface VerificationRow extends Omit<NewVerification, 'request'> {
  readonly state: 'pending' | 'accepted' | 'done';
  readonly later: boolean;
  /** Device that accepted. */
  readonly device: string | null;
  /** The open attempt, and how many were used. */
  readonly attempt: Attempt | null;
  readonly attemptsUsed: number;
  readonly verdict: Verdict | null;
  readonly factors: readonly Factor[];
  readonly decidedAt: number | null;
  /** Pre-call passes only. An open one becomes void when reported, over its time or tries, or its device is revoked. */
  readonly claim: 'open' | 'claimed' | 'void' | null;
  /** Operator who claimed the pass. */
  readonly claimedBy: string | null;
  /** Until the verdict stands. */
  readonly request: Sealed | null;
  /** Of a pass: the places in `facts` that were shown, and the verification in whose pass they were. */
  readonly shown: readonly number[] | null;
  readonly reusedFrom: string | null;
  /** Of a pass on a call: until when it may stand in for another verification. */
  readonly reusableUntil: number | null;
  /** Grows with every change: the ETag. */
  readonly revision: number;
}

/** Caller, key and keyed digest of the body of an idempotent start. */
export interface Idempotency {
  readonly caller: string;
  readonly key: string;
  readonly bodyHash: Uint8Array;
}

/** A pass of the same call that is to stand in for a new verification. */
export interface Reuse {
  readonly from: string;
  /** Of the new one: what counts as shown. */
  readonly shown: readonly number[];
  readonly factors: readonly Factor[];
}

export interface AttemptResult {
  readonly tenant: string;
  readonly verification: string;
  readonly device: string;
  readonly attempt: string;
  readonly passed: boolean;
  /** Reason code of a failed attempt, for the audit. */
  readonly reason: string | null;
  /**
   * The commitment for which a `pin` proof held, if one did: the counter goes to 0 whatever the rest says, and a
   * pass counts, only while this is still the commitment of an active device.
   */
  readonly provenCommitment: string | null;
  /**
   * The passkey whose assertion held, if one did: its counter moves on whatever the rest says. One that is gone, or whose
   * counter has moved on since, lets the attempt fail.
   */
  readonly passkey: PasskeyUse | null;
  readonly factors: readonly Factor[];
  /** The places in the request's list that were shown. */
  readonly shown: readonly number[];
  /** Opens if this one failed and attempts are left. */
  readonly next: Attempt;
}

export interface AuditEntry {
  readonly tenant: string;
  readonly id: string;
  readonly at: number;
  /** RFC 8785 JSON: `{actor, event, ...}`. */
  readonly content: string;
  /** SHA-256 of `content` with tenant, id and time (see audit.ts). */
  readonly hash: Uint8Array;
  readonly seq: number | null;
  readonly link: Uint8Array | null;
}
