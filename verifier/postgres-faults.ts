import { AkashiError } from '@akashi/circuits';
import { DrizzleQueryError } from 'drizzle-orm';
import pg from 'pg';

// What can go wrong between the verifier and its server, and what follows from it.

const RETRY_SECONDS = 2;

/** Others were in the way, and nothing of the transaction stands: it may be run again. */
const CLASHES = ['40001', '40P01'];

/**
 * The server cannot serve just now: out of memory, disk or connections, over a timeout, stopping, starting, read-only after
 * a switch of primaries. Whole classes, by their first two characters, or single codes.
 */
const BUSY = ['08', '53', '57', '58', '55P03', '25P03', '25006'];

/** What lies under an error: drizzle's own would carry the parameters in its message. */
export function underlying(cause: unknown): unknown {
  return cause instanceof DrizzleQueryError && cause.cause !== undefined ? cause.cause : cause;
}

export function isClash(fault: unknown): boolean {
  return CLASHES.includes(codeOf(fault));
}

/** The connection is gone: the server did not answer, and will not. Another connection may. */
export function isCut(fault: unknown): boolean {
  if (isUnconnected(fault)) return false;
  if (fault instanceof pg.DatabaseError) return /^(?:08|57P0[1-3])/.test(codeOf(fault));
  return (
    fault instanceof Error &&
    !(fault instanceof TypeError) &&
    !(fault instanceof RangeError) &&
    isOfDriver(fault)
  );
}

/** The server refuses writes while it answers reads: no room on its disk, faults of it, read-only. */
export function isRefusedWrite(fault: unknown): boolean {
  return /^(?:53100|58|25006)/.test(codeOf(fault));
}

/** What callers are told: `busy` where waiting may help, else the fault itself, which is an `internal`. */
export function answerTo(fault: unknown): unknown {
  if (fault instanceof AkashiError) return fault;
  const busy =
    isCut(fault) ||
    isUnconnected(fault) ||
    isClash(fault) ||
    BUSY.some((code) => codeOf(fault).startsWith(code));
  return busy ? new AkashiError('busy', { retryAfter: RETRY_SECONDS, cause: fault }) : fault;
}

/** None could be had in time, from the server or from those that use them: who asks again waits as long again. */
function isUnconnected(fault: unknown): boolean {
  return fault instanceof Error && UNCONNECTED_TEXTS.test(fault.message);
}

/** Told early, before anything was asked of the server. */
export function poolFull(): AkashiError {
  return new AkashiError('busy', { retryAfter: RETRY_SECONDS });
}

function codeOf(fault: unknown): string {
  return fault instanceof Error && 'code' in fault && typeof fault.code === 'string' ? fault.code : '';
}

/** Errors of sockets have a code; those that the driver makes of a lost connection have only their texts. */
function isOfDriver(fault: Error): boolean {
  const socket = /^(?:ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_AGAIN|ENOENT)/.test(codeOf(fault));
  return socket || DRIVER_TEXTS.test(fault.message);
}

const DRIVER_TEXTS =
  /^(?:Connection terminated|Client has encountered a connection error|Client was closed|Query read timeout)/;
const UNCONNECTED_TEXTS =
  /^(?:Connection terminated due to connection timeout|timeout exceeded when trying to connect|timeout expired)/;
