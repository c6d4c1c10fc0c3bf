import { and, eq, gt } from 'drizzle-orm';
import { operators, sessions, signInLinks } from './schema.ts';
import { record } from './sqlite-audit.ts';
import type { Query, Transaction } from './sqlite-database.ts';
import type { Actor, Operator, Store } from './store.ts';

// Operators, the one-use links by which they sign in, and their sessions. The contract of each verb stands in store.ts.

const CLI: Actor = { kind: 'cli' };

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

/** The operator of a live session; nothing is changed. */
export function findSession(query: Query, sessionHash: Uint8Array, now: number): Operator | undefined {
  const live = query
    .select({ tenant: sessions.tenant, operator: sessions.operator })
    .from(sessions)
    .where(isLive(sessionHash, now))
    .get();
  return live && findOperator(query, live.tenant, live.operator);
}

export function touchSession(tx: Transaction, sessionHash: Uint8Array, now: number): Operator | undefined {
  const live = tx.query.select().from(sessions).where(isLive(sessionHash, now)).get();
  if (live === undefined) return undefined;
  tx.query
    .update(sessions)
    .set({ idleAt: now + live.idleSeconds })
    .where(eq(sessions.sessionHash, sessionHash))
    .run();
  return findOperator(tx.query, live.tenant, live.operator);
}

export function closeSession(tx: Transaction, sessionHash: Uint8Array, now: number): void {
  const closed = tx.query.delete(sessions).where(eq(sessions.sessionHash, sessionHash)).returning().get();
  if (closed === undefined) return;
  const actor: Actor = { kind: 'operator', id: closed.operator };
  record(tx, { tenant: closed.tenant, at: now, actor, event: 'session.closed' });
}

function isLive(sessionHash: Uint8Array, now: number) {
  return and(eq(sessions.sessionHash, sessionHash), gt(sessions.idleAt, now), gt(sessions.endsAt, now));
}

function findOperator(query: Query, tenant: string, operator: string): Operator | undefined {
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
