import type { Verdict } from '@akashi/circuits';

// What a verifier tells of its own working: numbers and times. Never of whom, with one exception: verdicts are counted by
// tenant and policy.

/** The parts of a call that take time worth knowing. */
export const PHASES = ['authenticate', 'credentials', 'queue', 'consume', 'check', 'record'] as const;
export type Phase = (typeof PHASES)[number];

/** Pieces of the upkeep that may fail, and a chain that does not hold. */
export const UPKEEP_FAILURES = [
  'sweep.failed',
  'audit.failed',
  'audit.broken',
  'retention.failed',
  'checkpoint.failed',
] as const;
export type UpkeepFailure = (typeof UPKEEP_FAILURES)[number];

export interface CallReport {
  readonly method: string;
  /** The pattern of the route, never the path. */
  readonly route: string;
  readonly status: number;
  readonly seconds: number;
}

/** A verdict that was set, once, by whichever verifier set it. */
export interface SetVerdict {
  readonly tenant: string;
  readonly policy: string;
  readonly verdict: Verdict;
}

export interface Instruments {
  /** Runs a call; its phases are inside of it. */
  call<R>(work: () => Promise<R>, report: () => Omit<CallReport, 'seconds'>): Promise<R>;
  phase<R>(name: Phase, work: () => Promise<R>): Promise<R>;
  /** A call was refused at the door, unread: it shows in no `call`. */
  refused(): void;
  /** Proofs that were checked in one equation. */
  batch(proofs: number): void;
  verdict(verdict: SetVerdict): void;
  /** A piece of the upkeep failed. */
  upkeepFailed(event: UpkeepFailure): void;
}

/** For embedding programs that measure by themselves, and for tests. */
export const silentInstruments: Instruments = {
  call: (work) => work(),
  phase: (_, work) => work(),
  refused: () => {},
  batch: () => {},
  verdict: () => {},
  upkeepFailed: () => {},
};
