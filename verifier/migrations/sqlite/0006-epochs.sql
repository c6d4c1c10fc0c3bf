-- Which database this is, so that one that was put back from a copy is known for it (docs/runbook.md, section 4).
CREATE TABLE epochs (
  one   INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
  epoch INTEGER NOT NULL CHECK (epoch >= 1),
  -- This is a copy, and nothing may be verified on it.
  copy  INTEGER NOT NULL CHECK (copy IN (0, 1))
) STRICT;
INSERT INTO epochs (one, epoch, copy) VALUES (1, 1, 0);
