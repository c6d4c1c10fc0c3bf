-- Transactions and evidence (docs/protocol.md, sections 6 and 7). The figures stand in the sealed request and go with it;
-- what stays is a hash that tells nothing without a salt, which is derived and not stored.

ALTER TABLE policies ADD COLUMN transaction_rule TEXT CHECK (json_valid(transaction_rule));

ALTER TABLE verifications ADD COLUMN policy_version INTEGER NOT NULL DEFAULT 1 CHECK (policy_version >= 1);
ALTER TABLE verifications ADD COLUMN transaction_hash BLOB CHECK (length(transaction_hash) = 32);
ALTER TABLE verifications ADD COLUMN desk_figures INTEGER NOT NULL DEFAULT 0
  CHECK (desk_figures = 0 OR (desk_figures = 1 AND transaction_hash IS NOT NULL));

-- Versions of a policy are never removed, so what was in force at a start can still be told.
UPDATE verifications SET policy_version = coalesce(
  (SELECT max(version) FROM policies
   WHERE policies.tenant = verifications.tenant AND policies.policy = verifications.policy
     AND policies.created_at <= verifications.started_at),
  1);
