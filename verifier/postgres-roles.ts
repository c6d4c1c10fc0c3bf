import { type ClientBase, escapeIdentifier } from 'pg';

// Two roles: the owner makes the tables (`akashi migrate`), the verifier's role works with them. Row-level security
// binds no superuser and no role with BYPASSRLS, and an owner could drop it: a verifier that runs as one of them is refused.

/**
 * What the verifier's role may do, and no more. Policies are never removed; verdicts and audit entries only where row-level
 * security finds their tenant's retention over.
 */
const PRIVILEGES: Readonly<Record<string, string>> = {
  migrations: 'SELECT',
  epochs: 'SELECT, UPDATE (epoch, copy, jtis_until)',
  tenants: 'SELECT, INSERT, UPDATE (rp_id, accept_screen_lock)',
  origins: 'SELECT, INSERT, DELETE',
  api_keys: 'SELECT, INSERT',
  issuers: 'SELECT, INSERT, DELETE',
  issuer_sources: 'SELECT, INSERT, DELETE',
  retention: 'SELECT, INSERT, UPDATE (verification_days, device_days, audit_days, set_at)',
  policies: 'SELECT, INSERT',
  operators: 'SELECT, INSERT',
  sign_in_links: 'SELECT, INSERT, DELETE',
  sessions: 'SELECT, INSERT, UPDATE (idle_at), DELETE',
  limits: 'SELECT, INSERT, UPDATE (used, ends_at), DELETE',
  // A row's lock takes the right to update it.
  enrolments: 'SELECT, INSERT, UPDATE (expires_at), DELETE',
  devices: 'SELECT, INSERT, UPDATE, DELETE',
  passkeys: 'SELECT, INSERT, UPDATE (counter, backed_up), DELETE',
  passkey_challenges: 'SELECT, INSERT, UPDATE (challenge, expires_at), DELETE',
  jtis: 'SELECT, INSERT, DELETE',
  verifications: 'SELECT, INSERT, UPDATE, DELETE',
  idempotency_keys: 'SELECT, INSERT, DELETE',
  views: 'SELECT, INSERT, DELETE',
  audit_entries: 'SELECT, INSERT, UPDATE (seq, link), DELETE',
  audit_heads: 'SELECT, INSERT, UPDATE (seq, link, position)',
  audit_cuts: 'SELECT, INSERT, UPDATE (seq, link, cut_at)',
};

/** Gives the verifier's role its rights, and takes others back. Run by the owner after each migration. */
export async function grantTo(client: ClientBase, role: string): Promise<void> {
  const grantee = escapeIdentifier(role);
  for (const [table, privileges] of Object.entries(PRIVILEGES)) {
    const name = escapeIdentifier(table);
    await client.query(`REVOKE ALL ON ${name} FROM ${grantee}; GRANT ${privileges} ON ${name} TO ${grantee}`);
  }
}

/** @throws Error when the wall between tenants would not hold for this connection's role */
export async function checkRole(client: ClientBase): Promise<void> {
  const { rows } = await client.query<{ unbound: boolean; owns: boolean; open: boolean }>(`
    SELECT
      (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user) AS unbound,
      bool_or(pg_has_role(current_user, relowner, 'MEMBER')) AS owns,
      bool_or(relname <> 'migrations' AND NOT (relrowsecurity AND relforcerowsecurity)) AS open
    FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace`);
  const [found] = rows;
  if (found === undefined || found.unbound)
    throw new Error('the verifier must not run as a superuser or with BYPASSRLS');
  if (found.owns)
    throw new Error('the verifier must not run as the owner of its tables: see "akashi migrate"');
  if (found.open) throw new Error('a table of the database has no row-level security');
}
