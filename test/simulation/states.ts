import type { Database as Connection, Statement } from 'better-sqlite3';

// What the database says of verifications and devices, read past the store.

export interface VerificationState {
  readonly verification: string;
  readonly tenant: string;
  readonly subject: string;
  readonly mode: string;
  readonly state: string;
  readonly device: string | null;
  readonly attempt: string | null;
  readonly lastAttempt: string | null;
  readonly attemptsUsed: number;
  readonly verdict: string | null;
  readonly factors: string;
  readonly decidedAt: number | null;
  readonly expiresAt: number;
  readonly claim: string | null;
  readonly claimTries: number;
}

export interface DeviceState {
  readonly device: string;
  readonly tenant: string;
  readonly subject: string;
  readonly state: string;
  readonly tries: number;
  readonly commitment: string | null;
}

const VERIFICATIONS = `SELECT verification, tenant, subject, mode, state, device, attempt, last_attempt AS lastAttempt,
  attempts_used AS attemptsUsed, verdict, factors, decided_at AS decidedAt, expires_at AS expiresAt, claim,
  claim_tries AS claimTries FROM verifications WHERE tenant IN (?, ?)`;
const DEVICES = `SELECT device, tenant, subject, state, tries, commitment FROM devices WHERE tenant IN (?, ?)`;

/** Reads what belongs to two tenants. */
export class States {
  readonly #verifications: Statement<unknown[], VerificationState>;
  readonly #devices: Statement<unknown[], DeviceState>;

  constructor(reader: Connection) {
    this.#verifications = reader.prepare(VERIFICATIONS);
    this.#devices = reader.prepare(DEVICES);
  }

  verifications(tenants: readonly string[]): readonly VerificationState[] {
    return this.#verifications.all(...tenants);
  }

  devices(tenants: readonly string[]): readonly DeviceState[] {
    return this.#devices.all(...tenants);
  }
}
