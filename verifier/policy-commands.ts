import { AkashiError, type Policy, parse, policyBody, policyFaults, riskSignals } from '@akashi/circuits';
import { withStore } from './admin-commands.ts';
import { ConfigurationError, type Flags } from './configuration.ts';
import { explainPolicy, explanationLines } from './explanation.ts';
import { readPublicFile } from './key-file.ts';
import { checkPolicy } from './policy-facts.ts';
import type { Actor, Tenant } from './records.ts';
import { systemClock } from './service.ts';
import type { CommandContext } from './start-command.ts';
import type { Store } from './store.ts';

// What a tenant asks of its callers, from a file, and what a verification would ask for.

const CLI: Actor = { kind: 'cli' };

/** `akashi policy put TENANT FILE`: the policy's id and version. @throws ConfigurationError that names each fault */
export async function putPolicyCommand(
  flags: Flags,
  context: CommandContext,
  [tenant = '', file = '']: readonly string[],
): Promise<void> {
  const input = parseJson(await readPublicFile(file));
  const faults = policyFaults(input);
  if (faults.length > 0) {
    const lines = faults.map(({ path, fault }) => `${path === '' ? 'policy' : path}: ${fault}`);
    throw new ConfigurationError(['malformed', ...lines].join('\n'));
  }
  const policy = parse(policyBody, input);
  await withStore(flags, context, async (store) => {
    const now = systemClock();
    const { passkeys } = await tenantOf(store, tenant);
    await checkPolicy(policy, { passkeys, now });
    const { version } = await store.putPolicy(tenant, policy, CLI, now);
    context.out(`${policy.policy} ${version}`);
  });
}

/** `akashi policy list TENANT [--json]`: ids, versions, purposes; as JSON the policies themselves. */
export function listPoliciesCommand(
  flags: Flags,
  context: CommandContext,
  [tenant = '']: readonly string[],
): Promise<void> {
  return withStore(flags, context, async (store) => {
    await tenantOf(store, tenant);
    for (const policy of await store.policies(tenant)) {
      const purposes = policy.purposes.map(({ id }) => id).join(' ');
      context.out(flags.json ? JSON.stringify(policy) : `${policy.policy} ${policy.version} ${purposes}`);
    }
  });
}

/** `akashi policy explain TENANT POLICY [--signal NAMES] [--amount AMOUNT:CURRENCY] [--at TIME] [--failures N] [--json]` */
export function explainPolicyCommand(
  flags: Flags,
  context: CommandContext,
  [tenant = '', name = '']: readonly string[],
): Promise<void> {
  const circumstances = {
    now: timeFlag(flags),
    signals: signalsFlag(flags),
    transaction: undefined,
    failuresWithin: failuresFlag(flags),
  };
  return withStore(flags, context, async (store) => {
    const known = await tenantOf(store, tenant);
    const policies: readonly Policy[] = await store.policies(tenant);
    const policy = policies.find((one) => one.policy === name);
    if (policy === undefined) throw new AkashiError('policy_unknown');
    const explanation = await explainPolicy(policy, known, circumstances);
    if (flags.json) context.out(JSON.stringify(explanation));
    else for (const line of explanationLines(explanation)) context.out(line);
  });
}

async function tenantOf(store: Store, tenant: string): Promise<Tenant> {
  const known = await store.tenant(tenant);
  if (known === undefined) throw new TypeError('there is no such tenant');
  return known;
}

/** `numberWithheld=no,numberNotOnFile`: what a desk would say. What is left out it does not say. */
function signalsFlag({ signal, amount }: Flags) {
  const said = typeof signal === 'string' ? signal.split(',') : [];
  const signals = new Map<string, unknown>();
  for (const one of said) {
    const [name = '', value = 'yes', ...rest] = one.split('=');
    if (!['yes', 'no'].includes(value) || rest.length > 0 || signals.has(name)) throw signalError();
    signals.set(name, value === 'yes');
  }
  if (typeof amount === 'string') {
    const [units, currency] = amount.split(':');
    signals.set('amount', { amount: units, currency });
  }
  try {
    return parse(riskSignals, Object.fromEntries(signals));
  } catch {
    throw signalError();
  }
}

function signalError(): ConfigurationError {
  return new ConfigurationError(
    '--signal is a list of numberWithheld, numberNotOnFile, each perhaps with =no; --amount is MINOR-UNITS:CURRENCY',
  );
}

function timeFlag({ at }: Flags): number {
  if (typeof at !== 'string') return systemClock();
  const isTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2})?(?:Z|[+-]\d{2}:\d{2})$/.test(at);
  const time = isTime ? Date.parse(at) / 1000 : Number.NaN;
  if (!(time >= 0)) throw new ConfigurationError('--at is a time as 2026-11-22T23:30:00+09:00');
  return time;
}

function failuresFlag({ failures = '0' }: Flags): () => number {
  if (typeof failures !== 'string' || !/^[0-9]{1,4}$/.test(failures))
    throw new ConfigurationError('--failures is a number');
  return () => Number(failures);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AkashiError('malformed', { cause });
  }
}
