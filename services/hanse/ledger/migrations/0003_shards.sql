-- Shards: the logs of adoptable jobs. A job may have several rows in one ledger from now on, one for each shard. What
-- the tables are for: schema.sql.
--
-- A primary key can't be changed in place: both tables are written anew. It takes as much room again as they have, which
-- what is written later uses again. Indexes come last, each sorted once.

ALTER TABLE jobs RENAME TO jobs_before;
CREATE TABLE jobs (
  id TEXT NOT NULL,
  home TEXT NOT NULL,
  tenant TEXT NOT NULL,
  name TEXT NOT NULL,
  client_key TEXT NOT NULL,
  spec BLOB NOT NULL,
  spec_sha256 BLOB NOT NULL,
  shape_key BLOB NOT NULL,
  grace_us INTEGER NOT NULL,
  retries_max INTEGER NOT NULL,
  submitted_wall_us INTEGER NOT NULL,
  order_us INTEGER NOT NULL,
  traceparent TEXT NOT NULL,
  path TEXT NOT NULL,
  state INTEGER NOT NULL,
  reason TEXT NOT NULL,
  reason_detail TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  allocation BLOB NOT NULL,
  started_wall_us INTEGER NOT NULL,
  ended_wall_us INTEGER NOT NULL,
  exit_code INTEGER NOT NULL,
  transfer_to TEXT NOT NULL,
  transfer_epoch INTEGER NOT NULL,
  transfer_sequence INTEGER NOT NULL,
  cancel_id TEXT NOT NULL,
  settled INTEGER NOT NULL CHECK (settled IN (0, 1)),
  remote BLOB NOT NULL,
  timeline_length INTEGER NOT NULL,
  shard TEXT NOT NULL,
  PRIMARY KEY (shard, id)
) STRICT;

INSERT INTO jobs SELECT *, '' FROM jobs_before;
DROP TABLE jobs_before;
CREATE UNIQUE INDEX jobs_client_key ON jobs (shard, home, tenant, client_key) WHERE client_key <> '';
CREATE INDEX jobs_tenant ON jobs (home, tenant, id);
CREATE INDEX jobs_adoptable ON jobs (id, home) WHERE shard <> '';
CREATE INDEX jobs_open ON jobs (id) WHERE settled = 0 AND shard = '';
CREATE INDEX jobs_settled ON jobs (max(ended_wall_us, submitted_wall_us), id) WHERE settled = 1 AND shard = '';
CREATE INDEX jobs_settled_adoptable ON jobs (max(ended_wall_us, submitted_wall_us), id)
  WHERE settled = 1 AND shard <> '';

ALTER TABLE timeline RENAME TO timeline_before;
CREATE TABLE timeline (
  shard TEXT NOT NULL,
  job_id TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  at_wall_us INTEGER NOT NULL,
  what TEXT NOT NULL,
  reason TEXT NOT NULL,
  detail TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  cause TEXT NOT NULL,
  PRIMARY KEY (shard, job_id, sequence)
) STRICT, WITHOUT ROWID;

INSERT INTO timeline SELECT '', * FROM timeline_before ORDER BY job_id, sequence;
DROP TABLE timeline_before;

CREATE TRIGGER jobs_begin_anew AFTER UPDATE OF spec ON jobs WHEN OLD.settled = 1 AND NEW.settled = 0
BEGIN
  DELETE FROM timeline WHERE shard = NEW.shard AND job_id = NEW.id;
END;

CREATE TABLE shard_states (
  shard TEXT NOT NULL PRIMARY KEY,
  promised_term INTEGER NOT NULL,
  log_term INTEGER NOT NULL,
  log_sequence INTEGER NOT NULL,
  committed_sequence INTEGER NOT NULL,
  "group" BLOB NOT NULL,
  blank INTEGER NOT NULL CHECK (blank IN (0, 1, 2, 3)),
  promised_to TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE shard_rows (
  shard TEXT NOT NULL,
  key TEXT NOT NULL,
  term INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY (shard, key)
) STRICT;
