import { and, eq, gt, sql } from 'drizzle-orm';
import type { Actor, Operator } from './records.ts';
import { operators, sessions, signInLinks } from './schema.ts';
import { record } from './sqlite-audit.ts';
import type { Query, Transaction } from './sqlite-database.ts';
import { prepared, updated } from './sqlite-statement.ts';
import type { Store } from './store.ts';

// Operators, the one-use links by which they sign in, and their sessions. The contract of each verb stands in store.ts.

const CLI: Actor = { kind: 'cli' };

/** Actions closer together than this prolong a session once: a busy desk does not write at each of them. */
const TOUCH_SECONDS = 30;

export function addOperator(tx: Transaction, { tenant, operator, name, role }: Operator, now: number): void {
  tx.query.insert(operators).values({ tenant, operator, name, role, createdAt: now }).run();
  record(tx, { tenant, at: now, actor: CLI, event: 'operator.added', about: { operator, role } });
}

export function addSignInLink(
  tx: Transaction,
  tenant: string,
  operator: string,
  tokenHash: Uint8Array,
  expiresAt: number,
  now: number,
): void {
  tx.query.insert(signInLinks).values({ tokenHash, tenant, operator, expiresAt }).run();
  record(tx, { tenant, at: now, actor: CLI, event: 'operator.link_added', about: { operator } });
}

export function openSession(
  tx: Transaction,
  link: Parameters<Store['openSession']>[0],
  now: number,
): Operator | undefined {
  const used = tx.query
    .delete(signInLinks)
    .where(and(eq(signInLinks.tokenHash, link.tokenHash), gt(signInLinks.expiresAt, now)))
    .returning({ tenant: signInLinks.tenant, operator: signInLinks.operator })
    .get();
  if (used === undefined) return undefined;
  const { sessionHash, idleSeconds, endsAt } = link;
  tx.query
    .insert(sessions)
    .values({ sessionHash, ...used, idleSeconds, idleAt: now + idleSeconds, endsAt })
    .run();
  const actor: Actor = { kind: 'operator', id: used.operator };
  record(tx, { tenant: used.tenant, at: now, actor, event: 'session.opened' });
  return findOperator(tx.query, used.tenant, used.operator);
}

const live = prepared((query) =>
  query
    .select({
      operator: {
        tenant: operators.tenant,
        operator: operators.operator,
        name: operators.name,
        role: operators.role,
      },
      idleSeconds: sessions.idleSeconds,
      idleAt: sessions.idleAt,
    })
    .from(sessions)
    .innerJoin(
      operators,
      and(eq(operators.tenant, sessions.tenant), eq(operators.operator, sessions.operator)),
    )
    .where(
      and(
        eq(sessions.sessionHash, sql.placeholder('sessionHash')),
        gt(sessions.idleAt, sql.placeholder('now')),
        gt(sessions.endsAt, sql.placeholder('now')),
      ),
    )
    .prepare(),
);

/** A live session: its operator, and whether an action now would prolong it by enough to be written. */
export function findSession(
  query: Query,
  sessionHash: Uint8Array,
  now: number,
): { readonly operator: Operator; readonly due: boolean } | undefined {
  const found = live(query).get({ sessionHash, now });
  if (found === undefined) return undefined;
  const { operator, idleAt, idleSeconds } = found;
  return { operator, due: now + idleSeconds - idleAt >= Math.min(TOUCH_SECONDS, idleSeconds / 2) };
}

const updateSession = updated(sessions, sessions.sessionHash);

export function touchSession(tx: Transaction, sessionHash: Uint8Array, now: number): void {
  const found = live(tx.query).get({ sessionHash, now });
  if (found === undefined) return;
  const idleAt = now + found.idleSeconds;
  updateSession(tx.query, sessionHash, { idleAt });
}

export function closeSession(tx: Transaction, sessionHash: Uint8Array, now: number): void {
  const closed = tx.query.delete(sessions).where(eq(sessions.sessionHash, sessionHash)).returning().get();
  if (closed === undefined) return;
  const actor: Actor = { kind: 'operator', id: closed.operator };
  record(tx, { tenant: closed.tenant, at: now, actor, event: 'session.closed' });
}

export function findOperator(query: Query, tenant: string, operator: string): Operator | undefined {
  return query
    .select({
      tenant: operators.tenant,
      operator: operators.operator,
      name: operators.name,
      role: operators.role,
    })
    .from(operators)
    .where(and(eq(operators.tenant, tenant), eq(operators.operator, operator)))
    .get();
}
