CREATE TABLE rosters (
  epoch INTEGER NOT NULL PRIMARY KEY,
  sha256 TEXT NOT NULL,
  document BLOB NOT NULL,
  in_force INTEGER NOT NULL CHECK (in_force IN (0, 1)),
  round_number INTEGER NOT NULL
) STRICT;

CREATE TRIGGER rosters_follow_rounds BEFORE UPDATE ON rosters
WHEN old.sha256 <> new.sha256 AND (old.in_force = 1 OR (new.in_force = 0 AND new.round_number < old.round_number))
BEGIN
  SELECT RAISE(ABORT, 'a roster in force is never replaced, and one that was countersigned by none of an earlier round');
END;

CREATE TRIGGER rosters_stay_in_force BEFORE UPDATE ON rosters
WHEN old.in_force = 1 AND new.in_force = 0
BEGIN
  SELECT RAISE(ABORT, 'a roster in force is never taken back');
END;
