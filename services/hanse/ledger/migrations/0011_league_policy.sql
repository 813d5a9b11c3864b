-- The policy of the league: the largest document that this region has. One row.
CREATE TABLE league_policies (
  cluster_id TEXT NOT NULL PRIMARY KEY,
  number INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  -- JSON of core/model/league_policy.py: SignedPolicy.
  document BLOB NOT NULL,
  -- Of its text, once it was put in force here (policies). Empty: it was not.
  digest TEXT NOT NULL
) STRICT;

CREATE TRIGGER league_policies_grow BEFORE UPDATE ON league_policies
WHEN new.number < old.number OR (new.number = old.number AND new.sha256 < old.sha256)
BEGIN
  SELECT RAISE(ABORT, 'a league policy is never replaced by a smaller one');
END;
