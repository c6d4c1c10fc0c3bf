-- How long a tenant keeps what names its customers by reference (docs/runbook.md, section 5). Null: for ever.

CREATE TABLE retention (
  tenant            TEXT NOT NULL PRIMARY KEY REFERENCES tenants (tenant),
  verification_days INTEGER CHECK (verification_days BETWEEN 30 AND 36500),
  device_days       INTEGER CHECK (device_days BETWEEN 30 AND 36500),
  audit_days        INTEGER CHECK (audit_days BETWEEN 30 AND 36500),
  set_at            INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Up to where a tenant's chain was cut: its first entry follows from this link.
CREATE TABLE audit_cuts (
  tenant TEXT NOT NULL PRIMARY KEY REFERENCES tenants (tenant),
  seq    INTEGER NOT NULL CHECK (seq >= 1),
  link   BLOB NOT NULL CHECK (length(link) = 32),
  cut_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE devices ADD COLUMN revoked_at INTEGER CHECK (revoked_at IS NULL OR state = 'revoked');
-- Nobody knows when it was: their time begins now.
UPDATE devices SET revoked_at = CAST(strftime('%s', 'now') AS INTEGER) WHERE state = 'revoked';

CREATE INDEX devices_revoked ON devices (tenant, revoked_at) WHERE state = 'revoked';
CREATE INDEX verifications_ended ON verifications (tenant, decided_at, verification) WHERE state = 'done';
CREATE UNIQUE INDEX idempotency_keys_by_verification ON idempotency_keys (tenant, verification);

DROP TRIGGER audit_entries_stay;
CREATE TRIGGER audit_entries_stay BEFORE DELETE ON audit_entries
WHEN OLD.seq IS NULL OR OLD.seq > coalesce((SELECT seq FROM audit_cuts WHERE audit_cuts.tenant = OLD.tenant), 0)
BEGIN
  SELECT RAISE (ABORT, 'audit entries are deleted behind a cut only');
END;
