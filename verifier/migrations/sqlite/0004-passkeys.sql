-- Passkeys of devices (docs/protocol.md, section 5). A tenant without an rp_id uses none.

ALTER TABLE tenants ADD COLUMN rp_id TEXT;
ALTER TABLE tenants ADD COLUMN accept_screen_lock INTEGER NOT NULL DEFAULT 0
  CHECK (accept_screen_lock IN (0, 1));

CREATE TABLE passkeys (
  passkey       TEXT NOT NULL PRIMARY KEY,
  tenant        TEXT NOT NULL,
  device        TEXT NOT NULL,
  -- WebAuthn's credential id: one passkey stands for one device.
  id            BLOB NOT NULL CHECK (length(id) BETWEEN 1 AND 1023),
  rp_id         TEXT NOT NULL,
  public_key    BLOB NOT NULL,
  counter       INTEGER NOT NULL CHECK (counter BETWEEN 0 AND 4294967295),
  backup_able   INTEGER NOT NULL CHECK (backup_able IN (0, 1)),
  backed_up     INTEGER NOT NULL CHECK (backed_up IN (0, 1)),
  created_at    INTEGER NOT NULL,
  UNIQUE (tenant, id),
  FOREIGN KEY (tenant, device) REFERENCES devices (tenant, device)
) STRICT;
CREATE INDEX passkeys_by_device ON passkeys (tenant, device);

-- The challenge that a device was given last to make a passkey under.
CREATE TABLE passkey_challenges (
  device     TEXT NOT NULL PRIMARY KEY,
  tenant     TEXT NOT NULL,
  challenge  BLOB NOT NULL CHECK (length(challenge) = 32),
  expires_at INTEGER NOT NULL,
  FOREIGN KEY (tenant, device) REFERENCES devices (tenant, device)
) STRICT;
CREATE INDEX passkey_challenges_by_end ON passkey_challenges (expires_at);
