-- The tables of docs/protocol.md, sections 4 to 9. Times are UTC seconds. Columns named *_hash hold SHA-256, 32 bytes.
-- Sealed columns hold ciphertext under a key outside this database, as JSON {kek, iv, ciphertext}.
-- References between rows carry the tenant, so that a row can never point into another tenant's.

CREATE TABLE tenants (
  tenant     TEXT NOT NULL PRIMARY KEY,
  name       TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE origins (
  tenant TEXT NOT NULL REFERENCES tenants (tenant),
  origin TEXT NOT NULL,
  PRIMARY KEY (tenant, origin)
) STRICT, WITHOUT ROWID;
CREATE INDEX origins_by_origin ON origins (origin);

CREATE TABLE api_keys (
  key_hash   BLOB NOT NULL PRIMARY KEY CHECK (length(key_hash) = 32),
  tenant     TEXT NOT NULL REFERENCES tenants (tenant),
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE issuers (
  tenant     TEXT NOT NULL REFERENCES tenants (tenant),
  issuer     TEXT NOT NULL,
  jwk        TEXT NOT NULL CHECK (json_valid(jwk)),
  created_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, issuer)
) STRICT, WITHOUT ROWID;

CREATE TABLE policies (
  tenant     TEXT NOT NULL REFERENCES tenants (tenant),
  policy     TEXT NOT NULL,
  version    INTEGER NOT NULL CHECK (version >= 1),
  facts      TEXT NOT NULL CHECK (json_valid(facts)),
  purposes   TEXT NOT NULL CHECK (json_valid(purposes)),
  created_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, policy, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE operators (
  operator   TEXT NOT NULL PRIMARY KEY,
  tenant     TEXT NOT NULL REFERENCES tenants (tenant),
  name       TEXT NOT NULL,
  role       TEXT NOT NULL CHECK (role IN ('operator', 'admin')),
  created_at INTEGER NOT NULL,
  UNIQUE (tenant, operator)
) STRICT;

CREATE TABLE sign_in_links (
  token_hash BLOB NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
  tenant     TEXT NOT NULL,
  operator   TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  FOREIGN KEY (tenant, operator) REFERENCES operators (tenant, operator)
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_in_links_by_expiry ON sign_in_links (expires_at);

CREATE TABLE sessions (
  session_hash BLOB NOT NULL PRIMARY KEY CHECK (length(session_hash) = 32),
  tenant       TEXT NOT NULL,
  operator     TEXT NOT NULL,
  idle_seconds INTEGER NOT NULL CHECK (idle_seconds > 0),
  idle_at      INTEGER NOT NULL,
  ends_at      INTEGER NOT NULL,
  FOREIGN KEY (tenant, operator) REFERENCES operators (tenant, operator)
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_end ON sessions (ends_at);
CREATE INDEX sessions_by_idle ON sessions (idle_at);

CREATE TABLE limits (
  tenant  TEXT NOT NULL,
  key     TEXT NOT NULL,
  used    INTEGER NOT NULL CHECK (used >= 0),
  ends_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX limits_by_end ON limits (ends_at);

CREATE TABLE enrolments (
  token_hash BLOB NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
  tenant     TEXT NOT NULL REFERENCES tenants (tenant),
  subject    TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX enrolments_by_expiry ON enrolments (expires_at);

CREATE TABLE devices (
  device             TEXT NOT NULL PRIMARY KEY,
  tenant             TEXT NOT NULL REFERENCES tenants (tenant),
  subject            TEXT NOT NULL,
  thumbprint         TEXT NOT NULL UNIQUE,
  state              TEXT NOT NULL CHECK (state IN ('enrolling', 'active', 'revoked')),
  enrolled_at        INTEGER NOT NULL,
  pin_changed_at     INTEGER,
  holder             TEXT,
  commitment         TEXT,
  tries              INTEGER NOT NULL DEFAULT 0 CHECK (tries >= 0),
  enrol_evaluations  INTEGER NOT NULL DEFAULT 0 CHECK (enrol_evaluations >= 0),
  last_digest        BLOB CHECK (length(last_digest) = 32),
  evaluation_key     TEXT NOT NULL CHECK (json_valid(evaluation_key)),
  pending_key        TEXT CHECK (json_valid(pending_key)),
  pending_nonce      BLOB CHECK (length(pending_nonce) = 32),
  UNIQUE (tenant, device),
  CHECK ((pending_key IS NULL) = (pending_nonce IS NULL)),
  CHECK (state <> 'enrolling' OR (holder IS NULL AND commitment IS NULL AND pin_changed_at IS NULL)),
  CHECK (state <> 'active' OR (holder IS NOT NULL AND commitment IS NOT NULL AND pin_changed_at IS NOT NULL))
) STRICT;
CREATE INDEX devices_by_subject ON devices (tenant, subject);
CREATE INDEX devices_enrolling ON devices (enrolled_at) WHERE state = 'enrolling';

-- No reference to devices: one that never finished enrolling goes, and what it used stays used.
CREATE TABLE jtis (
  device     TEXT NOT NULL,
  jti        TEXT NOT NULL,
  tenant     TEXT NOT NULL REFERENCES tenants (tenant),
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (device, jti)
) STRICT, WITHOUT ROWID;
CREATE INDEX jtis_by_expiry ON jtis (expires_at);

CREATE TABLE verifications (
  verification  TEXT NOT NULL PRIMARY KEY,
  tenant        TEXT NOT NULL REFERENCES tenants (tenant),
  subject       TEXT NOT NULL,
  operator      TEXT,
  policy        TEXT NOT NULL,
  purpose       TEXT NOT NULL,
  mode          TEXT NOT NULL CHECK (mode IN ('call', 'precall')),
  direction     TEXT NOT NULL CHECK (direction IN ('inbound', 'outbound')),
  facts         TEXT NOT NULL CHECK (json_valid(facts)),
  audience      TEXT NOT NULL CHECK (json_valid(audience)),
  request       TEXT CHECK (json_valid(request)),
  request_hash  BLOB NOT NULL CHECK (length(request_hash) = 32),
  started_at    INTEGER NOT NULL,
  expires_at    INTEGER NOT NULL,
  state         TEXT NOT NULL CHECK (state IN ('pending', 'accepted', 'done')),
  later         INTEGER NOT NULL CHECK (later IN (0, 1)),
  device        TEXT,
  attempt       TEXT,
  attempt_nonce BLOB CHECK (length(attempt_nonce) = 32),
  attempts_used INTEGER NOT NULL CHECK (attempts_used >= 0),
  last_attempt  TEXT,
  verdict       TEXT CHECK (verdict IN ('passed', 'failed', 'declined', 'reported', 'expired', 'cancelled')),
  factors       TEXT NOT NULL CHECK (json_valid(factors)),
  decided_at    INTEGER,
  claim         TEXT CHECK (claim IN ('open', 'claimed', 'void')),
  claim_tries   INTEGER NOT NULL CHECK (claim_tries >= 0),
  claimed_by    TEXT,
  revision      INTEGER NOT NULL CHECK (revision >= 1),
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
  CHECK ((claim IS NOT NULL) = (mode = 'precall' AND verdict IS 'passed'))
) STRICT;
CREATE INDEX verifications_by_operator ON verifications (tenant, operator, started_at);
CREATE INDEX verifications_by_claimer ON verifications (tenant, claimed_by, started_at) WHERE claimed_by IS NOT NULL;
CREATE INDEX verifications_by_device ON verifications (tenant, device) WHERE device IS NOT NULL;
CREATE INDEX verifications_live ON verifications (tenant, subject) WHERE state <> 'done' OR claim = 'open';
CREATE INDEX verifications_by_expiry ON verifications (expires_at) WHERE state <> 'done';
CREATE INDEX verifications_by_claim_expiry ON verifications (decided_at) WHERE claim = 'open';

CREATE TABLE idempotency_keys (
  tenant       TEXT NOT NULL,
  caller       TEXT NOT NULL,
  key          TEXT NOT NULL,
  body_hash    BLOB NOT NULL CHECK (length(body_hash) = 32),
  verification TEXT NOT NULL,
  created_at   INTEGER NOT NULL,
  PRIMARY KEY (tenant, caller, key),
  FOREIGN KEY (tenant, verification) REFERENCES verifications (tenant, verification)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

CREATE TABLE views (
  tenant       TEXT NOT NULL,
  verification TEXT NOT NULL,
  operator     TEXT NOT NULL,
  PRIMARY KEY (tenant, verification, operator),
  FOREIGN KEY (tenant, verification) REFERENCES verifications (tenant, verification),
  FOREIGN KEY (tenant, operator) REFERENCES operators (tenant, operator)
) STRICT, WITHOUT ROWID;

-- SQLite writes one transaction at a time and a rolled-back one gives its number back, so `position` is the order of
-- commit and has no gap unless a row was removed.
CREATE TABLE audit_entries (
  position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  tenant   TEXT NOT NULL REFERENCES tenants (tenant),
  id       TEXT NOT NULL UNIQUE,
  at       INTEGER NOT NULL,
  content  TEXT NOT NULL CHECK (json_valid(content)),
  hash     BLOB NOT NULL CHECK (length(hash) = 32),
  seq      INTEGER CHECK (seq >= 1),
  link     BLOB CHECK (length(link) = 32),
  UNIQUE (tenant, seq),
  CHECK ((seq IS NULL) = (link IS NULL))
) STRICT;
CREATE INDEX audit_entries_unlinked ON audit_entries (position) WHERE seq IS NULL;

CREATE TABLE audit_heads (
  tenant   TEXT NOT NULL PRIMARY KEY REFERENCES tenants (tenant),
  seq      INTEGER NOT NULL CHECK (seq >= 1),
  link     BLOB NOT NULL CHECK (length(link) = 32),
  position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_heads_by_position ON audit_heads (position);

-- These stop mistakes of this program. Whoever can drop them is caught by the chain.
CREATE TRIGGER audit_entries_stay BEFORE DELETE ON audit_entries
BEGIN
  SELECT RAISE (ABORT, 'audit entries are never deleted');
END;

CREATE TRIGGER audit_entries_are_linked_once BEFORE UPDATE ON audit_entries
WHEN OLD.seq IS NOT NULL OR NEW.seq IS NULL
  OR NEW.position IS NOT OLD.position OR NEW.tenant IS NOT OLD.tenant OR NEW.id IS NOT OLD.id
  OR NEW.at IS NOT OLD.at OR NEW.content IS NOT OLD.content OR NEW.hash IS NOT OLD.hash
BEGIN
  SELECT RAISE (ABORT, 'audit entries are never changed');
END;

CREATE TRIGGER audit_entries_start_unlinked BEFORE INSERT ON audit_entries
WHEN NEW.seq IS NOT NULL
BEGIN
  SELECT RAISE (ABORT, 'audit entries are linked by the sequencer');
END;
