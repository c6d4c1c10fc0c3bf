import { and, eq, gt, sql } from 'drizzle-orm';
import type { Tables } from './dialects.ts';
import type { Actor, Operator, Tenant } from './records.ts';
import { inserted, selection, type Transaction, together, updated, type Verb, within } from './statement.ts';
import type { Store } from './store.ts';
import { record } from './stored-audit.ts';
import { findTenant } from './stored-tenants.ts';

// Operators, the one-use links by which they sign in, and their sessions. The contract of each verb stands in store.ts.

const CLI: Actor = { kind: 'cli' };

/** Actions closer together than this prolong a session once: a busy desk does not write at each of them. */
const TOUCH_SECONDS = 30;

const insertOperator = inserted((tables) => tables.operators);
const insertLink = inserted((tables) => tables.signInLinks);
const insertSession = inserted((tables) => tables.sessions);

export function* addOperator(
  tx: Transaction,
  { tenant, operator, name, role }: Operator,
  now: number,
): Verb<void> {
  yield* insertOperator({ tenant, operator, name, role, createdAt: now });
  yield* record(tx, { tenant, at: now, actor: CLI, event: 'operator.added', about: { operator, role } });
}

export function* addSignInLink(
  tx: Transaction,
  tenant: string,
  operator: string,
  tokenHash: Uint8Array,
  expiresAt: number,
  now: number,
): Verb<void> {
  yield* insertLink({ tokenHash, tenant, operator, expiresAt });
  yield* record(tx, { tenant, at: now, actor: CLI, event: 'operator.link_added', about: { operator } });
}

const takeLink = selection(({ query, tables: { signInLinks } }) =>
  query
    .delete(signInLinks)
    .where(
      and(
        eq(signInLinks.tokenHash, sql.placeholder('tokenHash')),
        gt(signInLinks.expiresAt, sql.placeholder('now')),
      ),
    )
    .returning({ tenant: signInLinks.tenant, operator: signInLinks.operator }),
);

export function* openSession(
  tx: Transaction,
  { tokenHash, sessionHash, idleSeconds, endsAt }: Parameters<Store['openSession']>[0],
  now: number,
): Verb<Operator | undefined> {
  const used = yield* takeLink.one({ tokenHash, now });
  if (used === undefined) return undefined;
  const { tenant, operator } = used;
  yield* within({ tenant });
  yield* insertSession({ sessionHash, ...used, idleSeconds, idleAt: now + idleSeconds, endsAt });
  yield* record(tx, { tenant, at: now, actor: { kind: 'operator', id: operator }, event: 'session.opened' });
  return yield* findOperator(tenant, operator);
}

const isLive = ({ sessions }: Tables) =>
  and(
    eq(sessions.sessionHash, sql.placeholder('sessionHash')),
    gt(sessions.idleAt, sql.placeholder('now')),
    gt(sessions.endsAt, sql.placeholder('now')),
  );
const live = selection(({ query, tables }) => query.select().from(tables.sessions).where(isLive(tables)));

/** A live session: whose it is, and whether an action now would prolong it by enough to be written. */
export function* findSession(
  sessionHash: Uint8Array,
  now: number,
): Verb<{ readonly operator: Operator; readonly tenant: Tenant; readonly due: boolean } | undefined> {
  const found = yield* live.one({ sessionHash, now });
  if (found === undefined) return undefined;
  yield* within({ tenant: found.tenant });
  const [operator, tenant] = yield* together(
    findOperator(found.tenant, found.operator),
    findTenant(found.tenant),
  );
  const { idleAt, idleSeconds } = found;
  const due = now + idleSeconds - idleAt >= Math.min(TOUCH_SECONDS, idleSeconds / 2);
  return operator && tenant && { operator, tenant, due };
}

export function* isSessionLive(sessionHash: Uint8Array, now: number): Verb<boolean> {
  return (yield* live.one({ sessionHash, now })) !== undefined;
}

const updateSession = updated(
  (tables) => tables.sessions,
  (tables) => tables.sessions.sessionHash,
);
const endSession = selection(({ query, tables: { sessions } }) =>
  query
    .delete(sessions)
    .where(eq(sessions.sessionHash, sql.placeholder('sessionHash')))
    .returning(),
);

export function* touchSession(_tx: Transaction, sessionHash: Uint8Array, now: number): Verb<void> {
  const found = yield* live.one({ sessionHash, now });
  if (found !== undefined) yield* updateSession(sessionHash, { idleAt: now + found.idleSeconds });
}

export function* closeSession(tx: Transaction, sessionHash: Uint8Array, now: number): Verb<void> {
  const closed = yield* endSession.one({ sessionHash });
  if (closed === undefined) return;
  const { tenant, operator } = closed;
  yield* within({ tenant });
  yield* record(tx, { tenant, at: now, actor: { kind: 'operator', id: operator }, event: 'session.closed' });
}

const operatorById = selection(({ query, tables: { operators } }) =>
  query
    .select({
      tenant: operators.tenant,
      operator: operators.operator,
      name: operators.name,
      role: operators.role,
    })
    .from(operators)
    .where(
      and(
        eq(operators.tenant, sql.placeholder('tenant')),
        eq(operators.operator, sql.placeholder('operator')),
      ),
    ),
);

export function findOperator(tenant: string, operator: string): Verb<Operator | undefined> {
  return operatorById.one({ tenant, operator });
}
