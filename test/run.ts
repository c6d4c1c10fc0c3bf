import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

// One folder for everything that a run of the tests leaves behind. Verifiers of the tests keep their databases and logs
// under `traces`; what must never be found there is listed in a file beside it. setup.ts makes the folder before
// the first test and searches it after the last.

/** Name of the environment variable that holds the folder of this run. */
export const RUN_FOLDER = 'AKASHI_TEST_RUN';

/**
 * What kind of secret a value is, which decides the forms it is looked for in. `digits`: PINs and account numbers, also
 * as hashes; `field`: decimal field elements; `token`: base64url of random bytes; `code`: six digits. `id`: of subjects, calls,
 * verifications, devices, which a database has and nothing that leaves the verifier for those who run it may have.
 */
export type SecretKind = 'digits' | 'field' | 'token' | 'code' | 'id';

/** Files of what a verifier tells those who run it. */
export const TOLD = /\.(?:log|metrics|spans)$/;

export interface Secret {
  readonly kind: SecretKind;
  readonly value: string;
}

function runFolder(): string {
  const folder = process.env[RUN_FOLDER];
  if (folder === undefined) throw new TypeError('tests are run by vitest, whose setup makes the run folder');
  return folder;
}

/** Where databases, logs, metrics and spans go. */
export function tracesFolder(run: string = runFolder()): string {
  return join(run, 'traces');
}

export function secretsFile(run: string = runFolder()): string {
  return join(run, 'secrets.jsonl');
}

let count = 0;

/** A new folder for one verifier, searched after the run. */
export function newTraceFolder(): string {
  count += 1;
  const folder = join(tracesFolder(), `${process.pid}-${count}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/** A new folder of this run that is not searched: for phones, which keep secrets, and for keys. */
export function newPrivateFolder(): string {
  count += 1;
  const folder = join(runFolder(), 'private', `${process.pid}-${count}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/** Lists a value that must be found in no database, log, metric or span of this run; an id in none but the database. */
export function keepSecret(kind: SecretKind, value: string): void {
  appendFileSync(secretsFile(), `${JSON.stringify({ kind, value } satisfies Secret)}\n`);
}

/** Everything listed so far, each once. */
export function listedSecrets(run: string = runFolder()): readonly Secret[] {
  const lines = new Set(readFileSync(secretsFile(run), 'utf8').split('\n').filter(Boolean));
  return [...lines].map((line) => JSON.parse(line) as Secret);
}
