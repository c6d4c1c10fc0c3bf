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

/** Id of the one tenant. */
export const TENANT = 'bench';

const readyShape = v.strictObject({
  origin: v.string(),
  apiKey: v.string(),
  /** One-use sign-in tokens, each of another operator. */
  signIns: v.array(v.string()),
});

export type VerifierProcess = v.InferOutput<typeof readyShape> & { stop(): Promise<void> };

/**
 * Starts a verifier on this machine with a tenant and operators.
 * @param folder empty, for its database
 */
export async function startVerifierProcess(folder: string, operators: number): Promise<VerifierProcess> {
  const child = fork(fileURLToPath(import.meta.url), [folder, String(operators)], {
    execArgv: ['--conditions=akashi-source', '--import', 'tsx'],
  });
  const ended = once(child, 'exit');
  const [first]: unknown[] = await Promise.race([once(child, 'message'), ended]);
  if (!child.connected) throw new Error('the verifier ended before it was ready');
  const ready = parse(readyShape, first);
  return {
    ...ready,
    async stop() {
      child.disconnect();
      await ended;
    },
  };
}

async function run(folder: string, operators: number): Promise<void> {
  const random = (length: number) => new Uint8Array(randomBytes(length));
  const now = Math.floor(Date.now() / 1000);
  const verifier = await startVerifier({
    file: join(folder, 'akashi.db'),
    keys: async (origin) => openKeys((await createDevelopmentKeys(origin, now, random)).keys),
    port: 0,
    log: () => undefined,
  });
  const { origin, store } = verifier;
  const { apiKey } = await createTenant(store, { tenant: TENANT, name: 'Bench', origins: [] }, now, random);
  const signIns: string[] = [];
  for (let i = 1; i <= operators; i++) {
    const operator = await createOperator(
      store,
      { tenant: TENANT, name: `Operator ${i}`, role: 'operator' },
      now,
      random,
    );
    signIns.push(await createSignInLink(store, TENANT, operator, now, random));
  }
  process.once('disconnect', () => void verifier.close());
  process.send?.({ origin, apiKey, signIns });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await run(process.argv[2] ?? '', Number(process.argv[3]));
}
