import { bigint, boolean, customType, integer, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
import { bytesCodec, type Codec, jsonCodecs, sealedCodec } from './columns.ts';
import type { Sealed } from './records.ts';

// The tables as drizzle sees them in PostgreSQL. What makes them is migrations/postgres; a test compares the two. Those of
// SQLite (sqlite-schema.ts) have the same names and types of rows (dialects.ts). JSON is kept as text, since it is read
// whole and parsed here: a column of jsonb would be parsed twice.

const bytes = customType<{ data: Uint8Array; driverData: Buffer }>({
  dataType: () => 'bytea',
  ...bytesCodec,
});
const sealed = customType<{ data: Sealed; driverData: string }>({ dataType: () => 'text', ...sealedCodec });

function json<T>(name: string, codec: Codec<T, string>) {
  return customType<{ data: T; driverData: string }>({ dataType: () => 'text', ...codec })(name);
}

export const tenants = pgTable('tenants', {
  tenant: text('tenant').primaryKey(),
  name: text('name').notNull(),
  createdAt: bigint('created_at', { mode: 'number' }).notNull(),
  rpId: text('rp_id'),
  acceptScreenLock: boolean('accept_screen_lock').notNull().default(false),
});

export const epochs = pgTable('epochs', {
  one: integer('one').primaryKey(),
  epoch: integer('epoch').notNull(),
  copy: boolean('copy').notNull(),
  jtisUntil: bigint('jtis_until', { mode: 'number' }).notNull(),
});

export const origins = pgTable(
  'origins',
  { tenant: text('tenant').notNull(), origin: text('origin').notNull() },
  (table) => [primaryKey({ columns: [table.tenant, table.origin] })],
);

export const apiKeys = pgTable('api_keys', {
  keyHash: bytes('key_hash').primaryKey(),
  tenant: text('tenant').notNull(),
  createdAt: bigint('created_at', { mode: 'number' }).notNull(),
});

export const issuers = pgTable(
  'issuers',
  {
    tenant: text('tenant').notNull(),
    issuer: text('issuer').notNull(),
    jwk: json('jwk', jsonCodecs.jwk).notNull(),
    createdAt: bigint('created_at', { mode: 'number' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.issuer] })],
);

export const issuerSources = pgTable('issuer_sources', {
  tenant: text('tenant').primaryKey(),
  jwks: text('jwks'),
  statusLists: text('status_lists'),
  staleSeconds: integer('stale_seconds').notNull(),
  setAt: bigint('set_at', { mode: 'number' }).notNull(),
});

export const retention = pgTable('retention', {
  tenant: text('tenant').primaryKey(),
  verificationDays: integer('verification_days'),
  deviceDays: integer('device_days'),
  auditDays: integer('audit_days'),
  setAt: bigint('set_at', { mode: 'number' }).notNull(),
});

export const policies = pgTable(
  'policies',
  {
    tenant: text('tenant').notNull(),
    policy: text('policy').notNull(),
    version: integer('version').notNull(),
    facts: json('facts', jsonCodecs.requirements).notNull(),
    purposes: json('purposes', jsonCodecs.purposes).notNull(),
    createdAt: bigint('created_at', { mode: 'number' }).notNull(),
    transaction: json('transaction_rule', jsonCodecs.transactionRule),
    demands: json('demands', jsonCodecs.demands).notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.policy, table.version] })],
);

export const operators = pgTable('operators', {
  operator: text('operator').primaryKey(),
  tenant: text('tenant').notNull(),
  name: text('name').notNull(),
  role: text('role', { enum: ['operator', 'admin'] }).notNull(),
  createdAt: bigint('created_at', { mode: 'number' }).notNull(),
});

export const signInLinks = pgTable('sign_in_links', {
  tokenHash: bytes('token_hash').primaryKey(),
  tenant: text('tenant').notNull(),
  operator: text('operator').notNull(),
  expiresAt: bigint('expires_at', { mode: 'number' }).notNull(),
});

export const sessions = pgTable('sessions', {
  sessionHash: bytes('session_hash').primaryKey(),
  tenant: text('tenant').notNull(),
  operator: text('operator').notNull(),
  idleSeconds: integer('idle_seconds').notNull(),
  /** When it ends unless it is touched. */
  idleAt: bigint('idle_at', { mode: 'number' }).notNull(),
  /** When it ends whatever happens. */
  endsAt: bigint('ends_at', { mode: 'number' }).notNull(),
});

export const limits = pgTable(
  'limits',
  {
    tenant: text('tenant').notNull(),
    key: text('key').notNull(),
    used: integer('used').notNull(),
    endsAt: bigint('ends_at', { mode: 'number' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.key] })],
);

export const enrolments = pgTable('enrolments', {
  tokenHash: bytes('token_hash').primaryKey(),
  tenant: text('tenant').notNull(),
  subject: text('subject').notNull(),
  expiresAt: bigint('expires_at', { mode: 'number' }).notNull(),
});

export const devices = pgTable('devices', {
  device: text('device').primaryKey(),
  tenant: text('tenant').notNull(),
  subject: text('subject').notNull(),
  thumbprint: text('thumbprint').notNull(),
  state: text('state', { enum: ['enrolling', 'active', 'revoked'] }).notNull(),
  enrolledAt: bigint('enrolled_at', { mode: 'number' }).notNull(),
  pinChangedAt: bigint('pin_changed_at', { mode: 'number' }),
  holder: text('holder'),
  commitment: text('commitment'),
  tries: integer('tries').notNull().default(0),
  enrolEvaluations: integer('enrol_evaluations').notNull().default(0),
  lastDigest: bytes('last_digest'),
  evaluationKey: sealed('evaluation_key').notNull(),
  pendingKey: sealed('pending_key'),
  pendingNonce: bytes('pending_nonce'),
  revokedAt: bigint('revoked_at', { mode: 'number' }),
});

export const passkeys = pgTable('passkeys', {
  passkey: text('passkey').primaryKey(),
  tenant: text('tenant').notNull(),
  device: text('device').notNull(),
  id: bytes('id').notNull(),
  rpId: text('rp_id').notNull(),
  publicKey: bytes('public_key').notNull(),
  counter: bigint('counter', { mode: 'number' }).notNull(),
  backupAble: boolean('backup_able').notNull(),
  backedUp: boolean('backed_up').notNull(),
  createdAt: bigint('created_at', { mode: 'number' }).notNull(),
});

export const passkeyChallenges = pgTable('passkey_challenges', {
  device: text('device').primaryKey(),
  tenant: text('tenant').notNull(),
  challenge: bytes('challenge').notNull(),
  expiresAt: bigint('expires_at', { mode: 'number' }).notNull(),
});

export const jtis = pgTable(
  'jtis',
  {
    device: text('device').notNull(),
    jti: text('jti').notNull(),
    tenant: text('tenant').notNull(),
    expiresAt: bigint('expires_at', { mode: 'number' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.device, table.jti] })],
);

export const verifications = pgTable('verifications', {
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
  startedAt: bigint('started_at', { mode: 'number' }).notNull(),
  expiresAt: bigint('expires_at', { mode: 'number' }).notNull(),
  state: text('state', { enum: ['pending', 'accepted', 'done'] }).notNull(),
  later: boolean('later').notNull(),
  device: text('device'),
  attempt: text('attempt'),
  attemptNonce: bytes('attempt_nonce'),
  attemptsUsed: integer('attempts_used').notNull(),
  lastAttempt: text('last_attempt'),
  verdict: text('verdict', {
    enum: ['passed', 'failed', 'declined', 'reported', 'expired', 'cancelled'],
  }),
  factors: json('factors', jsonCodecs.factors).notNull(),
  decidedAt: bigint('decided_at', { mode: 'number' }),
  claim: text('claim', { enum: ['open', 'claimed', 'void'] }),
  claimTries: integer('claim_tries').notNull(),
  claimedBy: text('claimed_by'),
  revision: integer('revision').notNull(),
  policyVersion: integer('policy_version').notNull(),
  transactionHash: bytes('transaction_hash'),
  deskFigures: boolean('desk_figures').notNull(),
  alternatives: json('alternatives', jsonCodecs.alternatives),
  twoFactor: boolean('two_factor').notNull(),
  raisedBy: json('raised_by', jsonCodecs.places).notNull(),
  callId: text('call_id'),
  reuseSeconds: integer('reuse_seconds').notNull(),
  shown: json('shown', jsonCodecs.places),
  reusedFrom: text('reused_from'),
  reusableUntil: bigint('reusable_until', { mode: 'number' }),
});

export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    tenant: text('tenant').notNull(),
    caller: text('caller').notNull(),
    key: text('key').notNull(),
    bodyHash: bytes('body_hash').notNull(),
    verification: text('verification').notNull(),
    createdAt: bigint('created_at', { mode: 'number' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.caller, table.key] })],
);

export const views = pgTable(
  'views',
  {
    tenant: text('tenant').notNull(),
    verification: text('verification').notNull(),
    operator: text('operator').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.verification, table.operator] })],
);

export const auditEntries = pgTable('audit_entries', {
  position: bigint('position', { mode: 'number' }).primaryKey().generatedByDefaultAsIdentity(),
  tenant: text('tenant').notNull(),
  id: text('id').notNull(),
  at: bigint('at', { mode: 'number' }).notNull(),
  content: text('content').notNull(),
  hash: bytes('hash').notNull(),
  seq: bigint('seq', { mode: 'number' }),
  link: bytes('link'),
});

export const auditHeads = pgTable('audit_heads', {
  tenant: text('tenant').primaryKey(),
  seq: bigint('seq', { mode: 'number' }).notNull(),
  link: bytes('link').notNull(),
  position: bigint('position', { mode: 'number' }).notNull(),
});

export const auditCuts = pgTable('audit_cuts', {
  tenant: text('tenant').primaryKey(),
  seq: bigint('seq', { mode: 'number' }).notNull(),
  link: bytes('link').notNull(),
  cutAt: bigint('cut_at', { mode: 'number' }).notNull(),
});
