import { AkashiError } from '@akashi/circuits';
import Client from 'better-sqlite3';
import { DrizzleQueryError } from 'drizzle-orm';

// What can go wrong between the verifier and its file, and what follows from it.

const RETRY_SECONDS = 2;

/** The disk failed, is full or read-only, or the memory for its pages is not to be had. All of these may pass. */
const DISK = /^SQLITE_(?:IOERR|FULL|READONLY|CANTOPEN|NOMEM)/;
/** Another process holds the file for longer than any of ours does. */
const HELD = /^SQLITE_(?:BUSY|LOCKED|PROTOCOL)/;

export function isDiskFault(cause: unknown): boolean {
  return DISK.test(codeOf(cause));
}

/** What callers are told: `busy` where waiting may help, else the fault itself, which is an `internal`. */
export function answerTo(cause: unknown): unknown {
  const busy = isDiskFault(cause) || HELD.test(codeOf(cause));
  return busy ? new AkashiError('busy', { retryAfter: RETRY_SECONDS, cause: underlying(cause) }) : cause;
}

function codeOf(cause: unknown): string {
  const fault = underlying(cause);
  return fault instanceof Client.SqliteError ? fault.code : '';
}

function underlying(cause: unknown): unknown {
  return cause instanceof DrizzleQueryError && cause.cause !== undefined ? cause.cause : cause;
}
