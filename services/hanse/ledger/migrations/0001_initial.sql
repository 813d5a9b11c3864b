-- The first schema. What the tables are for: schema.sql.

-- "HANS": this file is a ledger, and no other application's database.
PRAGMA application_id = 0x48414E53;

CREATE TABLE ledger (
  singleton INTEGER NOT NULL PRIMARY KEY CHECK (singleton = 1),
  ledger_id TEXT NOT NULL,
  region TEXT NOT NULL,
  incarnation INTEGER NOT NULL,
  write_sequence INTEGER NOT NULL,
  doubt_incarnation INTEGER NOT NULL DEFAULT 0,
  doubt_write_sequence INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE shapes (
  key BLOB NOT NULL PRIMARY KEY,
  body BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
  id TEXT NOT NULL PRIMARY KEY,
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
  timeline_length INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX jobs_client_key ON jobs (home, tenant, client_key) WHERE client_key <> '';
CREATE INDEX jobs_tenant ON jobs (home, tenant, id);
CREATE INDEX jobs_open ON jobs (id) WHERE settled = 0;
CREATE INDEX jobs_settled ON jobs (max(ended_wall_us, submitted_wall_us), id) WHERE settled = 1;

CREATE TABLE timeline (
  job_id TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  at_wall_us INTEGER NOT NULL,
  what TEXT NOT NULL,
  reason TEXT NOT NULL,
  detail TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  cause TEXT NOT NULL,
  PRIMARY KEY (job_id, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE decisions (
  giver_ledger_id TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  giver TEXT NOT NULL,
  job_id TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  verdict INTEGER NOT NULL CHECK (verdict IN (1, 2)),
  reason TEXT NOT NULL,
  reason_detail TEXT NOT NULL,
  PRIMARY KEY (giver_ledger_id, sequence)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER decisions_are_written_once BEFORE UPDATE ON decisions
BEGIN
  SELECT RAISE(ABORT, 'a decision is never changed');
END;

CREATE TABLE channels (
  giver_ledger_id TEXT NOT NULL PRIMARY KEY,
  giver TEXT NOT NULL,
  stable_sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE outbound (
  peer TEXT NOT NULL PRIMARY KEY,
  next_sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE intents (
  job_id TEXT NOT NULL PRIMARY KEY,
  cancel_id TEXT NOT NULL,
  at_wall_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE peers_seen (
  peer TEXT NOT NULL PRIMARY KEY,
  ledger_id TEXT NOT NULL,
  incarnation INTEGER NOT NULL,
  write_sequence INTEGER NOT NULL,
  life INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE meta (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
