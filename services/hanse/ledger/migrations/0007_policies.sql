CREATE TABLE policies (
  version INTEGER NOT NULL PRIMARY KEY,
  digest TEXT NOT NULL,
  document TEXT NOT NULL,
  author TEXT NOT NULL,
  why TEXT NOT NULL,
  at_wall_us INTEGER NOT NULL
) STRICT;

CREATE TRIGGER policies_are_written_once BEFORE UPDATE ON policies
BEGIN
  SELECT RAISE(ABORT, 'a version of the policy is never changed');
END;
