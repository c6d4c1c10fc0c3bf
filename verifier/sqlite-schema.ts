import { customType, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import { bytesCodec, type Codec, jsonCodecs, sealedCodec } from './columns.ts';
import type { Sealed } from './records.ts';

// The tables as drizzle sees them in SQLite. What makes them is migrations/sqlite; a test compares the two. Those of
// PostgreSQL (postgres-schema.ts) have the same names and types of rows (dialects.ts).

const bytes = customType<{ data: Uint8Array; driverData: Buffer }>({ dataType: () => 'blob', ...bytesCodec });
const sealed = customType<{ data: Sealed; driverData: string }>({ dataType: () => 'text', ...sealedCodec });

function json<T>(name: string, codec: Codec<T, string>) {
  return customType<{ data: T; driverData: string }>({ dataType: () => 'text', ...codec })(name);
}

export const tenants = sqliteTable('tenants', {
  tenant: text('tenant').primaryKey(),
  name: text('name').notNull(),
  createdAt: integer('created_at').notNull(),
  rpId: text('rp_id'),
  acceptScreenLock: integer('accept_screen_lock', { mode: 'boolean' }).notNull().default(false),
});

export const epochs = sqliteTable('epochs', {
  one: integer('one').primaryKey(),
  epoch: integer('epoch').notNull(),
  copy: integer('copy', { mode: 'boolean' }).notNull(),
  jtisUntil: integer('jtis_until').notNull(),
});

export const origins = sqliteTable(
  'origins',
  { tenant: text('tenant').notNull(), origin: text('origin').notNull() },
  (table) => [primaryKey({ columns: [table.tenant, table.origin] })],
);

export const apiKeys = sqliteTable('api_keys', {
  keyHash: bytes('key_hash').primaryKey(),
  tenant: text('tenant').notNull(),
  createdAt: integer('created_at').notNull(),
});

export const issuers = sqliteTable(
  'issuers',
  {
    tenant: text('tenant').notNull(),
    issuer: text('issuer').notNull(),
    jwk: json('jwk', jsonCodecs.jwk).notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.issuer] })],
);

export const issuerSources = sqliteTable('issuer_sources', {
  tenant: text('tenant').primaryKey(),
  jwks: text('jwks'),
  statusLists: text('status_lists'),
  staleSeconds: integer('stale_seconds').notNull(),
  setAt: integer('set_at').notNull(),
});

export const retention = sqliteTable('retention', {
  tenant: text('tenant').primaryKey(),
  verificationDays: integer('verification_days'),
  deviceDays: integer('device_days'),
  auditDays: integer('audit_days'),
  setAt: integer('set_at').notNull(),
});

export const policies = sqliteTable(
  'policies',
  {
    tenant: text('tenant').notNull(),
    policy: text('policy').notNull(),
    version: integer('version').notNull(),
    facts: json('facts', jsonCodecs.requirements).notNull(),
    purposes: json('purposes', jsonCodecs.purposes).notNull(),
    createdAt: integer('created_at').notNull(),
    transaction: json('transaction_rule', jsonCodecs.transactionRule),
    demands: json('demands', jsonCodecs.demands).notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.policy, table.version] })],
);

export const operators = sqliteTable('operators', {
  operator: text('operator').primaryKey(),
  tenant: text('tenant').notNull(),
  name: text('name').notNull(),
  role: text('role', { enum: ['operator', 'admin'] }).notNull(),
  createdAt: integer('created_at').notNull(),
});

export const signInLinks = sqliteTable('sign_in_links', {
  tokenHash: bytes('token_hash').primaryKey(),
  tenant: text('tenant').notNull(),
  operator: text('operator').notNull(),
  expiresAt: integer('expires_at').notNull(),
});

export const sessions = sqliteTable('sessions', {
  sessionHash: bytes('session_hash').primaryKey(),
  tenant: text('tenant').notNull(),
  operator: text('operator').notNull(),
  idleSeconds: integer('idle_seconds').notNull(),
  /** When it ends unless it is touched. */
  idleAt: integer('idle_at').notNull(),
  /** When it ends whatever happens. */
  endsAt: integer('ends_at').notNull(),
});

export const limits = sqliteTable(
  'limits',
  {
    tenant: text('tenant').notNull(),
    key: text('key').notNull(),
    used: integer('used').notNull(),
    endsAt: integer('ends_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.key] })],
);

export const enrolments = sqliteTable('enrolments', {
  tokenHash: bytes('token_hash').primaryKey(),
  tenant: text('tenant').notNull(),
  subject: text('subject').notNull(),
  expiresAt: integer('expires_at').notNull(),
});

export const devices = sqliteTable('devices', {
  device: text('device').primaryKey(),
  tenant: text('tenant').notNull(),
  subject: text('subject').notNull(),
  thumbprint: text('thumbprint').notNull(),
  state: text('state', { enum: ['enrolling', 'active', 'revoked'] }).notNull(),
  enrolledAt: integer('enrolled_at').notNull(),
  pinChangedAt: integer('pin_changed_at'),
  holder: text('holder'),
  commitment: text('commitment'),
  tries: integer('tries').notNull().default(0),
  enrolEvaluations: integer('enrol_evaluations').notNull().default(0),
  lastDigest: bytes('last_digest'),
  evaluationKey: sealed('evaluation_key').notNull(),
  pendingKey: sealed('pending_key'),
  pendingNonce: bytes('pending_nonce'),
  revokedAt: integer('revoked_at'),
});

export const passkeys = sqliteTable('passkeys', {
  passkey: text('passkey').primaryKey(),
  tenant: text('tenant').notNull(),
  device: text('device').notNull(),
  id: bytes('id').notNull(),
  rpId: text('rp_id').notNull(),
  publicKey: bytes('public_key').notNull(),
  counter: integer('counter').notNull(),
  backupAble: integer('backup_able', { mode: 'boolean' }).notNull(),
  backedUp: integer('backed_up', { mode: 'boolean' }).notNull(),
  createdAt: integer('created_at').notNull(),
});

export const passkeyChallenges = sqliteTable('passkey_challenges', {
  device: text('device').primaryKey(),
  tenant: text('tenant').notNull(),
  challenge: bytes('challenge').notNull(),
  expiresAt: integer('expires_at').notNull(),
});

export const jtis = sqliteTable(
  'jtis',
  {
    device: text('device').notNull(),
    jti: text('jti').notNull(),
    tenant: text('tenant').notNull(),
    expiresAt: integer('expires_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.device, table.jti] })],
);

export const verifications = sqliteTable('verifications', {
  verification: text('verification').primaryKey(),
  tenant: text('tenant').notNull(),
  subject: text('subject').notNull(),
  operator: text('operator'),
  policy: text('policy').notNull(),
  purpose: text('purpose').notNull(),
  mode: text('mode', { enum: ['call', 'precall'] }).notNull(),
  direction: text('direction', { enum: ['inbound', 'outbound'] }).notNull(),
  facts: json('facts', jsonCodecs.requested).notNull(),
  audience: json('audience', jsonCodecs.texts).notNull(),
  request: sealed('request'),
  requestHash: bytes('request_hash').notNull(),
  startedAt: integer('started_at').notNull(),
  expiresAt: integer('expires_at').notNull(),
  state: text('state', { enum: ['pending', 'accepted', 'done'] }).notNull(),
  later: integer('later', { mode: 'boolean' }).notNull(),
  device: text('device'),
  attempt: text('attempt'),
  attemptNonce: bytes('attempt_nonce'),
  attemptsUsed: integer('attempts_used').notNull(),
  lastAttempt: text('last_attempt'),
  verdict: text('verdict', {
    enum: ['passed', 'failed', 'declined', 'reported', 'expired', 'cancelled'],
  }),
  factors: json('factors', jsonCodecs.factors).notNull(),
  decidedAt: integer('decided_at'),
  claim: text('claim', { enum: ['open', 'claimed', 'void'] }),
  claimTries: integer('claim_tries').notNull(),
  claimedBy: text('claimed_by'),
  revision: integer('revision').notNull(),
  policyVersion: integer('policy_version').notNull(),
  transactionHash: bytes('transaction_hash'),
  deskFigures: integer('desk_figures', { mode: 'boolean' }).notNull(),
  alternatives: json('alternatives', jsonCodecs.alternatives),
  twoFactor: integer('two_factor', { mode: 'boolean' }).notNull(),
  raisedBy: json('raised_by', jsonCodecs.places).notNull(),
  callId: text('call_id'),
  reuseSeconds: integer('reuse_seconds').notNull(),
  shown: json('shown', jsonCodecs.places),
  reusedFrom: text('reused_from'),
  reusableUntil: integer('reusable_until'),
});

export const idempotencyKeys = sqliteTable(
  'idempotency_keys',
  {
    tenant: text('tenant').notNull(),
    caller: text('caller').notNull(),
    key: text('key').notNull(),
    bodyHash: bytes('body_hash').notNull(),
    verification: text('verification').notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.caller, table.key] })],
);

export const views = sqliteTable(
  'views',
  {
    tenant: text('tenant').notNull(),
    verification: text('verification').notNull(),
    operator: text('operator').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.verification, table.operator] })],
);

export const auditEntries = sqliteTable('audit_entries', {
  position: integer('position').primaryKey({ autoIncrement: true }),
  tenant: text('tenant').notNull(),
  id: text('id').notNull(),
  at: integer('at').notNull(),
  content: text('content').notNull(),
  hash: bytes('hash').notNull(),
  seq: integer('seq'),
  link: bytes('link'),
});

export const auditHeads = sqliteTable('audit_heads', {
  tenant: text('tenant').primaryKey(),
  seq: integer('seq').notNull(),
  link: bytes('link').notNull(),
  position: integer('position').notNull(),
});

export const auditCuts = sqliteTable('audit_cuts', {
  tenant: text('tenant').primaryKey(),
  seq: integer('seq').notNull(),
  link: bytes('link').notNull(),
  cutAt: integer('cut_at').notNull(),
});
