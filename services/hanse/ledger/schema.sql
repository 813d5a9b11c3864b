-- The ledger of one region, as it is after all migrations. For reading: a new ledger is made by the migrations, and a
-- test compares the two. Columns stand in the order of the row structs of core/effects.py, and are written from them.
-- Times are wall-clock microseconds since the epoch, 0: not yet. An empty text or blob: none.

-- Whose ledger this is, and how far it has come. One row.
CREATE TABLE ledger (
  singleton INTEGER NOT NULL PRIMARY KEY CHECK (singleton = 1),
  -- Drawn when the file was made: positions of different disks are never compared.
  ledger_id TEXT NOT NULL,
  region TEXT NOT NULL,
  -- One more at every open, durable before anything is read for use.
  incarnation INTEGER NOT NULL,
  -- Of the last step that is in here.
  write_sequence INTEGER NOT NULL,
  -- The position at which the anchor file was found ahead of this file (an old disk), until somebody resolves it.
  doubt_incarnation INTEGER NOT NULL DEFAULT 0,
  doubt_write_sequence INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What scheduling reads of a spec, once for all jobs that are alike. Swept at open.
CREATE TABLE shapes (
  key BLOB NOT NULL PRIMARY KEY,
  body BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- One row for each job that this region owns, owned, or is the home of. With a rowid: specs make rows long, and a
-- b-tree without rowids keeps whole rows in its inner pages.
CREATE TABLE jobs (
  id TEXT NOT NULL PRIMARY KEY,
  home TEXT NOT NULL,
  tenant TEXT NOT NULL,
  name TEXT NOT NULL,
  -- Only at the job's home.
  client_key TEXT NOT NULL,
  spec BLOB NOT NULL,
  spec_sha256 BLOB NOT NULL,
  shape_key BLOB NOT NULL,
  grace_us INTEGER NOT NULL,
  retries_max INTEGER NOT NULL,
  submitted_wall_us INTEGER NOT NULL,
  order_us INTEGER NOT NULL,
  traceparent TEXT NOT NULL,
  -- Regions that owned it before, home first, comma-separated.
  path TEXT NOT NULL,
  -- core/model/lifecycle.py: JobState.
  state INTEGER NOT NULL,
  reason TEXT NOT NULL,
  reason_detail TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  -- msgpack of core/model/jobs.py: Allocation.
  allocation BLOB NOT NULL,
  started_wall_us INTEGER NOT NULL,
  ended_wall_us INTEGER NOT NULL,
  exit_code INTEGER NOT NULL,
  transfer_to TEXT NOT NULL,
  transfer_epoch INTEGER NOT NULL,
  transfer_sequence INTEGER NOT NULL,
  cancel_id TEXT NOT NULL,
  settled INTEGER NOT NULL CHECK (settled IN (0, 1)),
  -- msgpack of core/model/jobs.py: RemoteView.
  remote BLOB NOT NULL,
  timeline_length INTEGER NOT NULL
) STRICT;

-- A client key names one job of its home and tenant, for as long as the row is kept.
CREATE UNIQUE INDEX jobs_client_key ON jobs (home, tenant, client_key) WHERE client_key <> '';
-- Listing a tenant's jobs page by page.
CREATE INDEX jobs_tenant ON jobs (home, tenant, id);
-- What recovery reads: everything that is still owed to somebody.
CREATE INDEX jobs_open ON jobs (id) WHERE settled = 0;
-- What retention reads, oldest first. A job that ended elsewhere and only passed through here never ended here.
CREATE INDEX jobs_settled ON jobs (max(ended_wall_us, submitted_wall_us), id) WHERE settled = 1;

-- What happened to a job in this region; `sequence` counts from 0. One job's entries lie together.
CREATE TABLE timeline (
  job_id TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  at_wall_us INTEGER NOT NULL,
  what TEXT NOT NULL,
  reason TEXT NOT NULL,
  detail TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  -- The input that caused it, across regions.
  cause TEXT NOT NULL,
  PRIMARY KEY (job_id, sequence)
) STRICT, WITHOUT ROWID;

-- A job that was settled here may come back, once its home has forgotten how it ended (an old disk): it begins anew.
CREATE TRIGGER jobs_begin_anew AFTER UPDATE OF spec ON jobs WHEN OLD.settled = 1 AND NEW.settled = 0
BEGIN
  DELETE FROM timeline WHERE job_id = NEW.id;
END;

-- What this region answered to a COMMIT or WITHDRAW, once and for ever: until the giver's STABLE has passed it.
CREATE TABLE decisions (
  giver_ledger_id TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  giver TEXT NOT NULL,
  job_id TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  -- 1 COMMITTED, 2 BURNED.
  verdict INTEGER NOT NULL CHECK (verdict IN (1, 2)),
  reason TEXT NOT NULL,
  reason_detail TEXT NOT NULL,
  PRIMARY KEY (giver_ledger_id, sequence)
) STRICT, WITHOUT ROWID;

-- No code path may change an answer that a peer may have seen.
CREATE TRIGGER decisions_are_written_once BEFORE UPDATE ON decisions
BEGIN
  SELECT RAISE(ABORT, 'a decision is never changed');
END;

-- Up to where each giver's ledger needs no answers any more.
CREATE TABLE channels (
  giver_ledger_id TEXT NOT NULL PRIMARY KEY,
  giver TEXT NOT NULL,
  stable_sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The next transfer sequence towards each peer.
CREATE TABLE outbound (
  peer TEXT NOT NULL PRIMARY KEY,
  next_sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Cancels that arrived before their job.
CREATE TABLE intents (
  job_id TEXT NOT NULL PRIMARY KEY,
  cancel_id TEXT NOT NULL,
  at_wall_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The newest position seen of each peer's ledger: it shows a peer that its disk is old.
CREATE TABLE peers_seen (
  peer TEXT NOT NULL PRIMARY KEY,
  ledger_id TEXT NOT NULL,
  incarnation INTEGER NOT NULL,
  write_sequence INTEGER NOT NULL,
  life INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Every version of the policy that was applied here, the newest in force. `document` is the text as it was applied, and
-- `digest` the SHA-256 of its bytes. Version 1 is what the region was started with, at 0. Empty: nothing else ever was.
CREATE TABLE policies (
  version INTEGER NOT NULL PRIMARY KEY,
  digest TEXT NOT NULL,
  document TEXT NOT NULL,
  author TEXT NOT NULL,
  why TEXT NOT NULL,
  at_wall_us INTEGER NOT NULL
) STRICT;

-- Reasons of decisions name versions.
CREATE TRIGGER policies_are_written_once BEFORE UPDATE ON policies
BEGIN
  SELECT RAISE(ABORT, 'a version of the policy is never changed');
END;

-- Small facts of the core by name, such as "draining".
CREATE TABLE meta (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
