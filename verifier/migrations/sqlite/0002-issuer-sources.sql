-- Where a tenant publishes what its issuer signs with and what it revoked (docs/protocol.md, section 6).
CREATE TABLE issuer_sources (
  tenant        TEXT NOT NULL PRIMARY KEY REFERENCES tenants (tenant),
  jwks          TEXT,
  status_lists  TEXT,
  stale_seconds INTEGER NOT NULL CHECK (stale_seconds >= 0),
  set_at        INTEGER NOT NULL,
  CHECK (jwks IS NOT NULL OR status_lists IS NOT NULL),
  CHECK (status_lists IS NOT NULL OR stale_seconds = 0)
) STRICT, WITHOUT ROWID;
