-- Policies with alternatives, factors and step-up rules (docs/protocol.md, section 6).

-- {twoFactor, reuseSeconds, stepUp}, as far as the policy has them.
ALTER TABLE policies ADD COLUMN demands TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(demands));

-- Places in `facts`; null: all of them are needed.
ALTER TABLE verifications ADD COLUMN alternatives TEXT CHECK (json_valid(alternatives));
ALTER TABLE verifications ADD COLUMN two_factor INTEGER NOT NULL DEFAULT 0 CHECK (two_factor IN (0, 1));
ALTER TABLE verifications ADD COLUMN raised_by TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(raised_by));
ALTER TABLE verifications ADD COLUMN call_id TEXT;
ALTER TABLE verifications ADD COLUMN reuse_seconds INTEGER NOT NULL DEFAULT 0 CHECK (reuse_seconds >= 0);
-- Of a pass: the places that were shown, in whose pass they were, and until when this one may stand in for another.
ALTER TABLE verifications ADD COLUMN shown TEXT CHECK (shown IS NULL OR (json_valid(shown) AND verdict IS 'passed'));
ALTER TABLE verifications ADD COLUMN reused_from TEXT CHECK (reused_from IS NULL OR verdict IS 'passed');
ALTER TABLE verifications ADD COLUMN reusable_until INTEGER
  CHECK (reusable_until IS NULL
    OR (verdict IS 'passed' AND mode = 'call' AND call_id IS NOT NULL AND reused_from IS NULL));

UPDATE verifications SET shown = (SELECT json_group_array(key) FROM json_each(facts)) WHERE verdict IS 'passed';

CREATE INDEX verifications_reusable ON verifications (tenant, subject, reusable_until) WHERE reusable_until IS NOT NULL;
CREATE INDEX verifications_failed ON verifications (tenant, subject, decided_at) WHERE verdict IN ('failed', 'reported');
