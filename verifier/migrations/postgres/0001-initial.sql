-- The tables of docs/protocol.md, sections 4 to 9: those of migrations/sqlite, as of its newest file, with the same names.
-- Times are UTC seconds. Columns named *_hash hold SHA-256, 32 bytes. Sealed columns hold ciphertext under a key outside this
-- database, as JSON {kek, iv, ciphertext}. References between rows carry the tenant, so that a row can never point into
-- another tenant's. Texts compare by their bytes ("C"): several rows are locked in the order of their ids, and that order
-- must be the program's.

CREATE TABLE tenants (
  tenant             text COLLATE "C" NOT NULL PRIMARY KEY CHECK (tenant <> ''),
  name               text NOT NULL,
  created_at         bigint NOT NULL,
  rp_id              text,
  accept_screen_lock boolean NOT NULL DEFAULT false
);

CREATE TABLE origins (
  tenant text COLLATE "C" NOT NULL REFERENCES tenants (tenant),
  origin text COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant, origin)
);
CREATE INDEX origins_by_origin ON origins (origin);

CREATE TABLE api_keys (
  key_hash   bytea NOT NULL PRIMARY KEY CHECK (length(key_hash) = 32),
  tenant     text COLLATE "C" NOT NULL REFERENCES tenants (tenant),
  created_at bigint NOT NULL
);

CREATE TABLE issuers (
  tenant     text COLLATE "C" NOT NULL REFERENCES tenants (tenant),
  issuer     text COLLATE "C" NOT NULL,
  jwk        text NOT NULL CHECK (jwk::json IS NOT NULL),
  created_at bigint NOT NULL,
  PRIMARY KEY (tenant, issuer)
);

CREATE TABLE issuer_sources (
  tenant        text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES tenants (tenant),
  jwks          text,
  status_lists  text,
  stale_seconds integer NOT NULL CHECK (stale_seconds >= 0),
  set_at        bigint NOT NULL,
  CHECK (jwks IS NOT NULL OR status_lists IS NOT NULL),
  CHECK (status_lists IS NOT NULL OR stale_seconds = 0)
);

-- How long a tenant keeps what names its customers by reference (docs/runbook.md, section 5). Null: for ever.
CREATE TABLE retention (
  tenant            text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES tenants (tenant),
  verification_days integer CHECK (verification_days BETWEEN 30 AND 36500),
  device_days       integer CHECK (device_days BETWEEN 30 AND 36500),
  audit_days        integer CHECK (audit_days BETWEEN 30 AND 36500),
  set_at            bigint NOT NULL
);

CREATE TABLE epochs (
  one   integer NOT NULL PRIMARY KEY CHECK (one = 1),
  epoch integer NOT NULL CHECK (epoch >= 1),
  copy  boolean NOT NULL
);
INSERT INTO epochs (one, epoch, copy) VALUES (1, 1, false);

CREATE TABLE policies (
  tenant           text COLLATE "C" NOT NULL REFERENCES tenants (tenant),
  policy           text COLLATE "C" NOT NULL,
  version          integer NOT NULL CHECK (version >= 1),
  facts            text NOT NULL CHECK (facts::json IS NOT NULL),
  purposes         text NOT NULL CHECK (purposes::json IS NOT NULL),
  created_at       bigint NOT NULL,
  transaction_rule text CHECK (transaction_rule IS NULL OR transaction_rule::json IS NOT NULL),
  demands          text NOT NULL CHECK (demands::json IS NOT NULL),
  PRIMARY KEY (tenant, policy, version)
);

CREATE TABLE operators (
  operator   text COLLATE "C" NOT NULL PRIMARY KEY,
  tenant     text COLLATE "C" NOT NULL REFERENCES tenants (tenant),
  name       text NOT NULL,
  role       text NOT NULL CHECK (role IN ('operator', 'admin')),
  created_at bigint NOT NULL,
  UNIQUE (tenant, operator)
);

CREATE TABLE sign_in_links (
  token_hash bytea NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
  tenant     text COLLATE "C" NOT NULL,
  operator   text COLLATE "C" NOT NULL,
  expires_at bigint NOT NULL,
  FOREIGN KEY (tenant, operator) REFERENCES operators (tenant, operator)
);
CREATE INDEX sign_in_links_by_expiry ON sign_in_links (expires_at);

CREATE TABLE sessions (
  session_hash bytea NOT NULL PRIMARY KEY CHECK (length(session_hash) = 32),
  tenant       text COLLATE "C" NOT NULL,
  operator     text COLLATE "C" NOT NULL,
  idle_seconds integer NOT NULL CHECK (idle_seconds > 0),
  idle_at      bigint NOT NULL,
  ends_at      bigint NOT NULL,
  FOREIGN KEY (tenant, operator) REFERENCES operators (tenant, operator)
);
CREATE INDEX sessions_by_end ON sessions (ends_at);
CREATE INDEX sessions_by_idle ON sessions (idle_at);

CREATE TABLE limits (
  tenant  text COLLATE "C" NOT NULL,
  key     text COLLATE "C" NOT NULL,
  used    integer NOT NULL CHECK (used >= 0),
  ends_at bigint NOT NULL,
  PRIMARY KEY (tenant, key)
);
CREATE INDEX limits_by_end ON limits (ends_at);

CREATE TABLE enrolments (
  token_hash bytea NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
  tenant     text COLLATE "C" NOT NULL REFERENCES tenants (tenant),
  subject    text COLLATE "C" NOT NULL,
  expires_at bigint NOT NULL
);
CREATE INDEX enrolments_by_expiry ON enrolments (expires_at);

CREATE TABLE devices (
  device            text COLLATE "C" NOT NULL PRIMARY KEY,
  tenant            text COLLATE "C" NOT NULL REFERENCES tenants (tenant),
  subject           text COLLATE "C" NOT NULL,
  thumbprint        text COLLATE "C" NOT NULL UNIQUE,
  state             text NOT NULL CHECK (state IN ('enrolling', 'active', 'revoked')),
  enrolled_at       bigint NOT NULL,
  pin_changed_at    bigint,
  holder            text,
  commitment        text,
  tries             integer NOT NULL DEFAULT 0 CHECK (tries >= 0),
  enrol_evaluations integer NOT NULL DEFAULT 0 CHECK (enrol_evaluations >= 0),
  last_digest       bytea CHECK (length(last_digest) = 32),
  evaluation_key    text NOT NULL CHECK (evaluation_key::json IS NOT NULL),
  pending_key       text CHECK (pending_key IS NULL OR pending_key::json IS NOT NULL),
  pending_nonce     bytea CHECK (length(pending_nonce) = 32),
  revoked_at        bigint,
  UNIQUE (tenant, device),
  CHECK ((pending_key IS NULL) = (pending_nonce IS NULL)),
  CHECK ((revoked_at IS NOT NULL) = (state = 'revoked')),
  CHECK (state <> 'enrolling' OR (holder IS NULL AND commitment IS NULL AND pin_changed_at IS NULL)),
  CHECK (state <> 'active' OR (holder IS NOT NULL AND commitment IS NOT NULL AND pin_changed_at IS NOT NULL))
);
CREATE INDEX devices_by_subject ON devices (tenant, subject);
CREATE INDEX devices_revoked ON devices (tenant, revoked_at) WHERE state = 'revoked';
CREATE INDEX devices_enrolling ON devices (enrolled_at) WHERE state = 'enrolling';

CREATE TABLE passkeys (
  passkey      text COLLATE "C" NOT NULL PRIMARY KEY,
  tenant       text COLLATE "C" NOT NULL,
  device       text COLLATE "C" NOT NULL,
  -- WebAuthn's credential id: one passkey stands for one device.
  id           bytea NOT NULL CHECK (length(id) BETWEEN 1 AND 1023),
  rp_id        text NOT NULL,
  public_key   bytea NOT NULL,
  counter      bigint NOT NULL CHECK (counter BETWEEN 0 AND 4294967295),
  backup_able  boolean NOT NULL,
  backed_up    boolean NOT NULL,
  created_at   bigint NOT NULL,
  UNIQUE (tenant, id),
  FOREIGN KEY (tenant, device) REFERENCES devices (tenant, device)
);
CREATE INDEX passkeys_by_device ON passkeys (tenant, device);

-- The challenge that a device was given last to make a passkey under.
CREATE TABLE passkey_challenges (
  device     text COLLATE "C" NOT NULL PRIMARY KEY,
  tenant     text COLLATE "C" NOT NULL,
  challenge  bytea NOT NULL CHECK (length(challenge) = 32),
  expires_at bigint NOT NULL,
  FOREIGN KEY (tenant, device) REFERENCES devices (tenant, device)
);
CREATE INDEX passkey_challenges_by_end ON passkey_challenges (expires_at);

-- No reference to devices: one that never finished enrolling goes, and what it used stays used.
CREATE TABLE jtis (
  device     text COLLATE "C" NOT NULL,
  jti        text COLLATE "C" NOT NULL,
  tenant     text COLLATE "C" NOT NULL REFERENCES tenants (tenant),
  expires_at bigint NOT NULL,
  PRIMARY KEY (device, jti)
);
CREATE INDEX jtis_by_expiry ON jtis (expires_at);

CREATE TABLE verifications (
  verification     text COLLATE "C" NOT NULL PRIMARY KEY,
  tenant           text COLLATE "C" NOT NULL REFERENCES tenants (tenant),
  subject          text COLLATE "C" NOT NULL,
  operator         text COLLATE "C",
  policy           text COLLATE "C" NOT NULL,
  purpose          text NOT NULL,
  mode             text NOT NULL CHECK (mode IN ('call', 'precall')),
  direction        text NOT NULL CHECK (direction IN ('inbound', 'outbound')),
  facts            text NOT NULL CHECK (facts::json IS NOT NULL),
  audience         text NOT NULL CHECK (audience::json IS NOT NULL),
  request          text CHECK (request IS NULL OR request::json IS NOT NULL),
  request_hash     bytea NOT NULL CHECK (length(request_hash) = 32),
  started_at       bigint NOT NULL,
  expires_at       bigint NOT NULL,
  state            text NOT NULL CHECK (state IN ('pending', 'accepted', 'done')),
  later            boolean NOT NULL,
  device           text COLLATE "C",
  attempt          text COLLATE "C",
  attempt_nonce    bytea CHECK (length(attempt_nonce) = 32),
  attempts_used    integer NOT NULL CHECK (attempts_used >= 0),
  last_attempt     text COLLATE "C",
  verdict          text CHECK (verdict IN ('passed', 'failed', 'declined', 'reported', 'expired', 'cancelled')),
  factors          text NOT NULL CHECK (factors::json IS NOT NULL),
  decided_at       bigint,
  claim            text CHECK (claim IN ('open', 'claimed', 'void')),
  claim_tries      integer NOT NULL CHECK (claim_tries >= 0),
  claimed_by       text COLLATE "C",
  revision         integer NOT NULL CHECK (revision >= 1),
  policy_version   integer NOT NULL CHECK (policy_version >= 1),
  transaction_hash bytea CHECK (length(transaction_hash) = 32),
  desk_figures     boolean NOT NULL CHECK (NOT desk_figures OR transaction_hash IS NOT NULL),
  alternatives     text CHECK (alternatives IS NULL OR alternatives::json IS NOT NULL),
  two_factor       boolean NOT NULL,
  raised_by        text NOT NULL CHECK (raised_by::json IS NOT NULL),
  call_id          text COLLATE "C",
  reuse_seconds    integer NOT NULL CHECK (reuse_seconds >= 0),
  shown            text CHECK (shown IS NULL OR shown::json IS NOT NULL),
  reused_from      text COLLATE "C",
  reusable_until   bigint,
  UNIQUE (tenant, verification),
  FOREIGN KEY (tenant, operator) REFERENCES operators (tenant, operator),
  FOREIGN KEY (tenant, claimed_by) REFERENCES operators (tenant, operator),
  FOREIGN KEY (tenant, device) REFERENCES devices (tenant, device),
  CHECK ((verdict IS NOT NULL) = (state = 'done')),
  CHECK ((decided_at IS NOT NULL) = (state = 'done')),
  CHECK ((request IS NULL) = (state = 'done')),
  CHECK ((attempt IS NULL) = (attempt_nonce IS NULL)),
  CHECK (attempt IS NULL OR state = 'accepted'),
  CHECK (state <> 'accepted' OR device IS NOT NULL),
  CHECK ((claim IS NOT NULL) = (mode = 'precall' AND verdict IS NOT DISTINCT FROM 'passed')),
  CHECK (verdict IS NOT DISTINCT FROM 'passed' OR (shown IS NULL AND reused_from IS NULL AND reusable_until IS NULL)),
  CHECK (reusable_until IS NULL OR (mode = 'call' AND call_id IS NOT NULL AND reused_from IS NULL))
);
CREATE INDEX verifications_by_operator ON verifications (tenant, operator, started_at);
CREATE INDEX verifications_by_claimer ON verifications (tenant, claimed_by, started_at) WHERE claimed_by IS NOT NULL;
CREATE INDEX verifications_by_device ON verifications (tenant, device) WHERE device IS NOT NULL;
CREATE INDEX verifications_live ON verifications (tenant, subject) WHERE state <> 'done' OR claim = 'open';
CREATE INDEX verifications_ended ON verifications (tenant, decided_at, verification) WHERE state = 'done';
CREATE INDEX verifications_by_expiry ON verifications (expires_at) WHERE state <> 'done';
CREATE INDEX verifications_reusable ON verifications (tenant, subject, reusable_until) WHERE reusable_until IS NOT NULL;
CREATE INDEX verifications_failed ON verifications (tenant, subject, decided_at) WHERE verdict IN ('failed', 'reported');
CREATE INDEX verifications_by_claim_expiry ON verifications (decided_at) WHERE claim = 'open';

CREATE TABLE idempotency_keys (
  tenant       text COLLATE "C" NOT NULL,
  caller       text COLLATE "C" NOT NULL,
  key          text COLLATE "C" NOT NULL,
  body_hash    bytea NOT NULL CHECK (length(body_hash) = 32),
  verification text COLLATE "C" NOT NULL,
  created_at   bigint NOT NULL,
  PRIMARY KEY (tenant, caller, key),
  FOREIGN KEY (tenant, verification) REFERENCES verifications (tenant, verification)
);
CREATE UNIQUE INDEX idempotency_keys_by_verification ON idempotency_keys (tenant, verification);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

CREATE TABLE views (
  tenant       text COLLATE "C" NOT NULL,
  verification text COLLATE "C" NOT NULL,
  operator     text COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant, verification, operator),
  FOREIGN KEY (tenant, verification) REFERENCES verifications (tenant, verification),
  FOREIGN KEY (tenant, operator) REFERENCES operators (tenant, operator)
);

-- Positions are given before the commit, and those of transactions that were undone are lost: they only say which of the
-- entries not yet linked come first.
CREATE TABLE audit_entries (
  position bigint NOT NULL PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY,
  tenant   text COLLATE "C" NOT NULL REFERENCES tenants (tenant),
  id       text COLLATE "C" NOT NULL UNIQUE,
  at       bigint NOT NULL,
  content  text NOT NULL CHECK (content::json IS NOT NULL),
  hash     bytea NOT NULL CHECK (length(hash) = 32),
  seq      bigint CHECK (seq >= 1),
  link     bytea CHECK (length(link) = 32),
  UNIQUE (tenant, seq),
  CHECK ((seq IS NULL) = (link IS NULL))
);
CREATE INDEX audit_entries_unlinked ON audit_entries (position) WHERE seq IS NULL;

CREATE TABLE audit_heads (
  tenant   text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES tenants (tenant),
  seq      bigint NOT NULL CHECK (seq >= 1),
  link     bytea NOT NULL CHECK (length(link) = 32),
  position bigint NOT NULL
);

-- Up to where a tenant's chain was cut: its first entry follows from this link.
CREATE TABLE audit_cuts (
  tenant text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES tenants (tenant),
  seq    bigint NOT NULL CHECK (seq >= 1),
  link   bytea NOT NULL CHECK (length(link) = 32),
  cut_at bigint NOT NULL
);

-- These stop mistakes of this program. Whoever can drop them is caught by the chain.
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%', TG_ARGV[0];
END $$;

CREATE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.seq IS NULL OR NOT EXISTS (SELECT FROM audit_cuts WHERE tenant = OLD.tenant AND seq >= OLD.seq) THEN
    RAISE EXCEPTION 'audit entries are deleted behind a cut only';
  END IF;
  RETURN OLD;
END $$;

CREATE TRIGGER audit_entries_stay BEFORE DELETE ON audit_entries FOR EACH ROW EXECUTE FUNCTION audit_stays();

CREATE TRIGGER audit_entries_stay_all BEFORE TRUNCATE ON audit_entries
FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse('audit entries are deleted behind a cut only');

CREATE TRIGGER audit_entries_are_linked_once BEFORE UPDATE ON audit_entries FOR EACH ROW
WHEN (OLD.seq IS NOT NULL OR NEW.seq IS NULL
  OR NEW.position IS DISTINCT FROM OLD.position OR NEW.tenant IS DISTINCT FROM OLD.tenant
  OR NEW.id IS DISTINCT FROM OLD.id OR NEW.at IS DISTINCT FROM OLD.at
  OR NEW.content IS DISTINCT FROM OLD.content OR NEW.hash IS DISTINCT FROM OLD.hash)
EXECUTE FUNCTION audit_refuse('audit entries are never changed');

CREATE TRIGGER audit_entries_start_unlinked BEFORE INSERT ON audit_entries FOR EACH ROW
WHEN (NEW.seq IS NOT NULL)
EXECUTE FUNCTION audit_refuse('audit entries are linked by the sequencer');

-- Row-level security: the second wall between tenants, behind the conditions of each statement. It stops a statement that
-- forgot its condition, not whoever can make this program's connection say what they like: that one sets the scope as well.
-- A transaction says its scope in one of three settings. akashi.tenant: rows of this tenant. akashi.key: what is found before
-- its tenant is known, by something secret or global, as hex: rows with exactly that. akashi.upkeep: what the upkeep looks
-- for in all tenants.
CREATE FUNCTION scope_key() RETURNS bytea STABLE LANGUAGE sql
RETURN decode(nullif(current_setting('akashi.key', true), ''), 'hex');

CREATE FUNCTION scope_upkeep() RETURNS boolean STABLE LANGUAGE sql
RETURN coalesce(current_setting('akashi.upkeep', true), '') = 'on';

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY[
    'tenants', 'origins', 'api_keys', 'issuers', 'issuer_sources', 'policies', 'operators', 'sign_in_links', 'sessions',
    'limits', 'enrolments', 'devices', 'passkeys', 'passkey_challenges', 'jtis', 'verifications', 'idempotency_keys',
    'views', 'audit_entries', 'audit_heads', 'audit_cuts', 'retention']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
    EXECUTE format(
      'CREATE POLICY of_tenant ON %I USING (tenant = current_setting(''akashi.tenant'', true))', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY[
    'sign_in_links', 'sessions', 'limits', 'enrolments', 'passkey_challenges', 'jtis', 'idempotency_keys']
  LOOP
    EXECUTE format('CREATE POLICY upkeep_sees ON %I FOR SELECT USING (scope_upkeep())', name);
    EXECUTE format('CREATE POLICY upkeep_forgets ON %I FOR DELETE USING (scope_upkeep())', name);
  END LOOP;
END $$;

ALTER TABLE epochs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY upkeep_keeps ON epochs USING (scope_upkeep());
CREATE POLICY upkeep_sees ON tenants FOR SELECT USING (scope_upkeep());
CREATE POLICY upkeep_sees ON devices FOR SELECT USING (scope_upkeep() AND state = 'enrolling');
CREATE POLICY upkeep_sees ON verifications FOR SELECT USING (scope_upkeep() AND (state <> 'done' OR claim = 'open'));
CREATE POLICY upkeep_sees ON audit_entries FOR SELECT USING (scope_upkeep());
CREATE POLICY upkeep_links ON audit_entries FOR UPDATE USING (scope_upkeep());
CREATE POLICY upkeep_keeps ON audit_heads USING (scope_upkeep());

-- What a tenant keeps, the verifier's role cannot remove: not before its days are over by this server's clock, and never
-- within the 30 that are the least. Nor can it move a cut of the audit there.
CREATE FUNCTION days_ago(days integer) RETURNS numeric STABLE LANGUAGE sql
RETURN extract(epoch FROM now()) - days::numeric * 86400;

CREATE POLICY kept ON verifications AS RESTRICTIVE FOR DELETE USING (
  state = 'done' AND decided_at <= (SELECT days_ago(r.verification_days) FROM retention r WHERE r.tenant = verifications.tenant));
CREATE POLICY kept ON views AS RESTRICTIVE FOR DELETE USING (EXISTS (
  SELECT FROM verifications v JOIN retention r ON r.tenant = v.tenant
  WHERE v.tenant = views.tenant AND v.verification = views.verification
    AND v.state = 'done' AND v.decided_at <= days_ago(r.verification_days)));
CREATE POLICY kept ON devices AS RESTRICTIVE FOR DELETE USING (
  state = 'enrolling'
  OR revoked_at <= (SELECT days_ago(r.device_days) FROM retention r WHERE r.tenant = devices.tenant));
CREATE POLICY kept ON audit_entries AS RESTRICTIVE FOR DELETE USING (
  seq <= (SELECT c.seq FROM audit_cuts c WHERE c.tenant = audit_entries.tenant));
CREATE POLICY kept ON audit_cuts AS RESTRICTIVE USING (true) WITH CHECK (EXISTS (
  SELECT FROM audit_entries e JOIN retention r ON r.tenant = e.tenant
  WHERE e.tenant = audit_cuts.tenant AND e.seq = audit_cuts.seq AND e.link = audit_cuts.link
    AND e.at <= days_ago(r.audit_days)));

CREATE POLICY by_key ON api_keys FOR SELECT USING (key_hash = scope_key());
CREATE POLICY by_key ON origins FOR SELECT USING (convert_to(origin, 'UTF8') = scope_key());
CREATE POLICY by_key ON devices FOR SELECT USING (convert_to(thumbprint, 'UTF8') = scope_key());
CREATE POLICY by_key ON sign_in_links FOR SELECT USING (token_hash = scope_key());
CREATE POLICY by_key_used ON sign_in_links FOR DELETE USING (token_hash = scope_key());
CREATE POLICY by_key ON enrolments FOR SELECT USING (token_hash = scope_key());
-- Taking a row's lock counts as an update.
CREATE POLICY by_key_held ON enrolments FOR UPDATE USING (token_hash = scope_key()) WITH CHECK (false);
CREATE POLICY by_key ON sessions FOR SELECT USING (session_hash = scope_key());
CREATE POLICY by_key_touched ON sessions FOR UPDATE USING (session_hash = scope_key());
CREATE POLICY by_key_ended ON sessions FOR DELETE USING (session_hash = scope_key());
