import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from '@akashi/circuits';
import {
  createDevelopmentKeys,
  createOperator,
  createSignInLink,
  createTenant,
  openKeys,
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
const readyShape = v.strictObject({ origin: v.string(), tenants: v.array(tenantShape) });
const usageShape = v.strictObject({ user: v.number(), system: v.number() });

export type BenchTenant = v.InferOutput<typeof tenantShape>;

export interface VerifierProcess extends v.InferOutput<typeof readyShape> {
  /** Milliseconds of processor time that it took so far, all its threads together. */
  processorMs(): Promise<number>;
  stop(): Promise<void>;
}

export interface VerifierAmounts {
  readonly tenants: number;
  readonly operatorsEach: number;
  /** Of the tenants' pages. */
  readonly origin?: string;
}

/**
 * Starts a verifier on this machine with tenants and their operators.
 * @param folder empty, for its database
 */
export async function startVerifierProcess(
  folder: string,
  { tenants, operatorsEach, origin = '' }: VerifierAmounts,
): Promise<VerifierProcess> {
  const args = [folder, String(tenants), String(operatorsEach), origin];
  const child = fork(fileURLToPath(import.meta.url), args, {
    execArgv: ['--conditions=akashi-source', '--import', 'tsx'],
  });
  const ended = once(child, 'exit');
  const [first]: unknown[] = await Promise.race([once(child, 'message'), ended]);
  if (!child.connected) throw new Error('the verifier ended before it was ready');
  const ready = parse(readyShape, first);
  return {
    ...ready,
    async processorMs() {
      child.send('usage');
      const [message]: unknown[] = await Promise.race([once(child, 'message'), ended]);
      const { user, system } = parse(usageShape, message);
      return (user + system) / 1000;
    },
    async stop() {
      child.disconnect();
      await ended;
    },
  };
}

async function run(folder: string, tenants: number, operatorsEach: number, page: string): Promise<void> {
  const random = (length: number) => new Uint8Array(randomBytes(length));
  const now = Math.floor(Date.now() / 1000);
  const verifier = await startVerifier({
    file: join(folder, 'akashi.db'),
    keys: async (origin) => openKeys((await createDevelopmentKeys(origin, now, random)).keys),
    port: 0,
    log: () => undefined,
  });
  const { origin, store } = verifier;
  const made: BenchTenant[] = [];
  for (let i = 1; i <= tenants; i++) {
    const tenant = `bench-${i}`;
    const origins = page === '' ? [] : [page];
    const { apiKey } = await createTenant(store, { tenant, name: `Bench ${i}`, origins }, now, random);
    const signIns: string[] = [];
    for (let n = 1; n <= operatorsEach; n++) {
      const role = 'operator';
      const operator = await createOperator(store, { tenant, name: `Operator ${n}`, role }, now, random);
      signIns.push(await createSignInLink(store, tenant, operator, now, random));
    }
    made.push({ tenant, apiKey, signIns });
  }
  process.once('disconnect', () => void verifier.close());
  process.on('message', () => process.send?.(process.cpuUsage()));
  process.send?.({ origin, tenants: made });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await run(process.argv[2] ?? '', Number(process.argv[3]), Number(process.argv[4]), process.argv[5] ?? '');
}
