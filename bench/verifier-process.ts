import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from '@akashi/circuits';
import {
  createDevelopmentKeys,
  createOperator,
  createSignInLink,
  createTenant,
  openKeys,
  parseKeysDocument,
  type Store,
  startVerifier,
} from '@akashi/verifier';
import * as v from 'valibot';

// The verifier in a process of its own, as it runs in earnest: its event loop, garbage collector and disk writes are
// not those of the load. This file is both sides: who starts it, and the process itself.

const tenantShape = v.strictObject({
  tenant: v.string(),
  apiKey: v.string(),
  /** One-use sign-in tokens, each of another operator. */
  signIns: v.array(v.string()),
});
const readyShape = v.strictObject({ origin: v.string(), port: v.number(), tenants: v.array(tenantShape) });
const optionsShape = v.strictObject({
  folder: v.string(),
  tenants: v.number(),
  operatorsEach: v.number(),
  page: v.optional(v.string()),
  databaseUrl: v.optional(v.string()),
  origin: v.optional(v.string()),
});
const usageShape = v.strictObject({ processorMs: v.number(), writtenKb: v.number() });

/** What the process took so far, all its threads together: milliseconds of processors, and kB given to the disk. */
export type VerifierUsage = v.InferOutput<typeof usageShape>;

/** Blocks in which the system counts what is written (getrusage(2)). */
const BLOCK_BYTES = 512;

export type BenchTenant = v.InferOutput<typeof tenantShape>;

export interface VerifierProcess extends v.InferOutput<typeof readyShape> {
  readonly pid: number;
  usage(): Promise<VerifierUsage>;
  stop(): Promise<void>;
}

export interface VerifierAmounts {
  /** Those that this process makes; one beside others finds theirs in the database. */
  readonly tenants: number;
  readonly operatorsEach: number;
  /** Origin of the tenants' pages. */
  readonly page?: string;
  /** A PostgreSQL database in the place of a file. */
  readonly databaseUrl?: string;
  /** The public origin; by default the address that it listens at. */
  readonly origin?: string;
}

/**
 * Starts a verifier on this machine with tenants and their operators.
 * @param folder for its database and its keys; several on one database share it
 */
export async function startVerifierProcess(
  folder: string,
  amounts: VerifierAmounts,
): Promise<VerifierProcess> {
  const options: Options = { folder, ...amounts };
  const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(options)], {
    execArgv: ['--conditions=akashi-source', '--import', 'tsx'],
  });
  const ended = once(child, 'exit');
  const [first]: unknown[] = await Promise.race([once(child, 'message'), ended]);
  if (!child.connected) throw new Error('the verifier ended before it was ready');
  const ready = parse(readyShape, first);
  return {
    ...ready,
    pid: child.pid ?? 0,
    async usage() {
      child.send('usage');
      const [message]: unknown[] = await Promise.race([once(child, 'message'), ended]);
      return parse(usageShape, message);
    },
    async stop() {
      child.disconnect();
      await ended;
    },
  };
}

type Options = v.InferOutput<typeof optionsShape>;

const random = (length: number) => new Uint8Array(randomBytes(length));
const now = () => Math.floor(Date.now() / 1000);

async function run({ folder, databaseUrl, origin, ...amounts }: Options): Promise<void> {
  const keysFile = join(folder, 'keys.json');
  const verifier = await startVerifier({
    ...(databaseUrl === undefined ? { file: join(folder, 'akashi.db') } : { databaseUrl }),
    ...(origin === undefined ? {} : { origin }),
    async keys(own) {
      if (!existsSync(keysFile)) {
        const { keys } = await createDevelopmentKeys(own, now(), random);
        writeFileSync(keysFile, JSON.stringify(keys), { mode: 0o600 });
      }
      return openKeys(parseKeysDocument(readFileSync(keysFile, 'utf8')));
    },
    port: 0,
    log: () => undefined,
  });
  const tenants = await makeTenants(verifier.store, amounts);
  process.once('disconnect', () => void verifier.close());
  process.on('message', () => process.send?.(ownUsage()));
  process.send?.({ origin: verifier.origin, port: verifier.port, tenants });
}

function ownUsage(): VerifierUsage {
  const { userCPUTime, systemCPUTime, fsWrite } = process.resourceUsage();
  return { processorMs: (userCPUTime + systemCPUTime) / 1000, writtenKb: (fsWrite * BLOCK_BYTES) / 1000 };
}

async function makeTenants(
  store: Store,
  { tenants, operatorsEach, page }: Pick<Options, 'tenants' | 'operatorsEach' | 'page'>,
): Promise<readonly BenchTenant[]> {
  const made: BenchTenant[] = [];
  for (let i = 1; i <= tenants; i++) {
    const tenant = `bench-${i}`;
    const origins = page === undefined ? [] : [page];
    const { apiKey } = await createTenant(store, { tenant, name: `Bench ${i}`, origins }, now(), random);
    const signIns: string[] = [];
    for (let n = 1; n <= operatorsEach; n++) {
      const role = 'operator';
      const operator = await createOperator(store, { tenant, name: `Operator ${n}`, role }, now(), random);
      signIns.push(await createSignInLink(store, tenant, operator, now(), random));
    }
    made.push({ tenant, apiKey, signIns });
  }
  return made;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await run(parse(optionsShape, JSON.parse(process.argv[2] ?? '')));
}
