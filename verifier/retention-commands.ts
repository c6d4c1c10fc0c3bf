import { setRetention } from './admin.ts';
import { withStore } from './admin-commands.ts';
import { ConfigurationError, type Flags } from './configuration.ts';
import type { RetentionKind } from './records.ts';
import { applyRetention } from './retention.ts';
import { systemClock } from './service.ts';
import type { CommandContext } from './start-command.ts';

// `akashi retention`: what a tenant keeps, and for how long (docs/runbook.md, section 5).

/** `akashi retention show TENANT` */
export function showRetentionCommand(
  flags: Flags,
  context: CommandContext,
  [tenant = '']: readonly string[],
): Promise<void> {
  return withStore(flags, context, async (store) => {
    const retention = await store.retention(tenant);
    for (const [kind, days] of Object.entries(retention))
      context.out(`${kind} ${days === null ? 'for ever' : `${days} days`}`);
  });
}

/** `akashi retention set TENANT [--verifications DAYS] [--devices DAYS] [--audit DAYS]`: what is not named is kept for ever. */
export function setRetentionCommand(
  flags: Flags,
  context: CommandContext,
  [tenant = '']: readonly string[],
): Promise<void> {
  const retention = {
    verifications: daysFlag(flags, 'verifications'),
    devices: daysFlag(flags, 'devices'),
    audit: daysFlag(flags, 'audit'),
  };
  return withStore(flags, context, (store) => setRetention(store, tenant, retention, systemClock()));
}

/** `akashi retention run [--dry-run]`: rows by tenant and table that went, or would. */
export function runRetentionCommand(flags: Flags, context: CommandContext): Promise<void> {
  return withStore(flags, context, async (store) => {
    if (flags['dry-run'] === true) {
      for (const tenant of await store.tenants()) {
        for (const [table, rows] of Object.entries(await store.countOver(tenant, systemClock())))
          if (rows > 0) context.out(`${tenant} ${table} ${rows}`);
      }
      return;
    }
    for (const [tenant, tables] of await applyRetention({ store, now: systemClock }))
      for (const [table, rows] of tables) if (rows > 0) context.out(`${tenant} ${table} ${rows}`);
  });
}

function daysFlag(flags: Flags, kind: RetentionKind): number | null {
  const { [kind]: text } = flags;
  if (text === undefined) return null;
  if (typeof text !== 'string' || !/^[0-9]{1,5}$/.test(text))
    throw new ConfigurationError(`--${kind} are days`);
  return Number(text);
}
