-- The ledger of one region, as it is after all migrations. For reading: a new ledger is made by the migrations, and a
-- test compares the two. Columns are the fields of the row structs of core/effects.py, in their order; but a table
-- without rowids begins with its key, because the checks of SQLite 3.40 take any other order for damage.
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

-- One row for each `wait` job that this region owns, owned, or is the home of; its truth is here. Rows of adoptable
-- jobs (shard <> '') only serve queries: the region that leads a shard writes them once a majority holds the record in
-- shard_rows, and recovery never reads them. With a rowid: specs make rows long, and a b-tree without rowids keeps whole
-- rows in its inner pages.
CREATE TABLE jobs (
  id TEXT NOT NULL,
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
  timeline_length INTEGER NOT NULL,
  -- Whose log it is in. Empty: a `wait` job.
  shard TEXT NOT NULL,
  -- How often it was stopped while it ran, to go on in another region.
  moves INTEGER NOT NULL DEFAULT 0,
  -- msgpack of core/model/jobs.py: JobTerms; empty: none.
  terms BLOB NOT NULL DEFAULT x'',
  -- msgpack of core/model/arrays.py: ArrayRecord. Empty: it is no array.
  array BLOB NOT NULL DEFAULT x'',
  PRIMARY KEY (shard, id)
) STRICT;

-- A client key names one job of its home and tenant, for as long as the row is kept.
CREATE UNIQUE INDEX jobs_client_key ON jobs (shard, home, tenant, client_key) WHERE client_key <> '';
-- Listing a tenant's jobs page by page.
CREATE INDEX jobs_tenant ON jobs (home, tenant, id);
-- Adoptable jobs by id, in whichever shards they are; a home's among them without a look at the row.
CREATE INDEX jobs_adoptable ON jobs (id, home) WHERE shard <> '';
-- What recovery reads: everything that is still owed to somebody.
CREATE INDEX jobs_open ON jobs (id) WHERE settled = 0 AND shard = '';
-- What retention reads, oldest first. A job that ended elsewhere and only passed through here never ended here. Apart
-- from each other: adoptable jobs go only as far as their shards have a leader and a majority.
CREATE INDEX jobs_settled ON jobs (max(ended_wall_us, submitted_wall_us), id) WHERE settled = 1 AND shard = '';
CREATE INDEX jobs_settled_adoptable ON jobs (max(ended_wall_us, submitted_wall_us), id)
  WHERE settled = 1 AND shard <> '';

-- Elements of arrays that hold capacity, wait after an attempt, or have failed for good. What has become of all others is
-- in the array's own row.
CREATE TABLE elements (
  shard TEXT NOT NULL,
  job_id TEXT NOT NULL,
  -- Its index.
  element INTEGER NOT NULL,
  state INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  reason TEXT NOT NULL,
  reason_detail TEXT NOT NULL,
  -- msgpack of core/model/jobs.py: Allocation.
  allocation BLOB NOT NULL,
  started_wall_us INTEGER NOT NULL,
  ended_wall_us INTEGER NOT NULL,
  exit_code INTEGER NOT NULL,
  PRIMARY KEY (shard, job_id, element)
) STRICT;

-- What happened to a job in this region; `sequence` counts from 0 per job and shard. One job's entries lie together, and
-- stay when its row goes because another region leads the shard.
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
  -- The input that caused it, across regions.
  cause TEXT NOT NULL,
  PRIMARY KEY (shard, job_id, sequence)
) STRICT, WITHOUT ROWID;

-- A job that was settled here may come back, once its home has forgotten how it ended (an old disk): it begins anew.
CREATE TRIGGER jobs_begin_anew AFTER UPDATE OF spec ON jobs WHEN OLD.settled = 1 AND NEW.settled = 0
BEGIN
  DELETE FROM timeline WHERE shard = NEW.shard AND job_id = NEW.id;
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

-- Capacity that is set aside for tenants, from when it was acknowledged until it was cancelled or is long over.
CREATE TABLE reservations (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  tenant TEXT NOT NULL,
  -- msgpack of core/model/reservations.py: CapacityReservation.
  body BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Small facts of the core by name, such as "draining".
CREATE TABLE meta (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Rosters by epoch: those that are in force, and the successor of the newest that this member has countersigned last.
CREATE TABLE rosters (
  epoch INTEGER NOT NULL PRIMARY KEY,
  -- Of the document without signatures, in hexadecimal.
  sha256 TEXT NOT NULL,
  -- JSON of core/model/roster.py: SignedRoster.
  document BLOB NOT NULL,
  in_force INTEGER NOT NULL CHECK (in_force IN (0, 1)),
  -- Of the round in which its countersignatures were given.
  round_number INTEGER NOT NULL
) STRICT;

-- No code path may make a fork: what is in force stays, and rounds only go on.
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

-- This member's standing in each shard whose log it keeps.
CREATE TABLE shard_states (
  shard TEXT NOT NULL PRIMARY KEY,
  -- The largest term that it has joined or promised.
  promised_term INTEGER NOT NULL,
  -- The position of its copy: the term of the last record and its sequence.
  log_term INTEGER NOT NULL,
  log_sequence INTEGER NOT NULL,
  -- Up to where a majority is known to hold the log.
  committed_sequence INTEGER NOT NULL,
  -- msgpack of core/model/regions.py: Group.
  "group" BLOB NOT NULL,
  -- What its disk is worth. core/federation/shards/shard.py: Standing.
  blank INTEGER NOT NULL CHECK (blank IN (0, 1, 2, 3)),
  -- Whom that term was promised; empty: nobody any more.
  promised_to TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- This member's copy of each shard's log, and what a region that leads it recovers from: the newest record of each key.
-- With a rowid, as jobs.
CREATE TABLE shard_rows (
  shard TEXT NOT NULL,
  -- What it is a record of: core/federation/shards/journal.py.
  key TEXT NOT NULL,
  term INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  -- msgpack of a row. Empty: the key is gone, and not all members know it yet.
  value BLOB NOT NULL,
  PRIMARY KEY (shard, key)
) STRICT;

-- The quota documents that this region goes by.
CREATE TABLE quota_documents (
  number INTEGER NOT NULL PRIMARY KEY,
  sha256 TEXT NOT NULL,
  -- JSON of core/model/quota.py: SignedQuotas.
  document BLOB NOT NULL
) STRICT;

CREATE TRIGGER quota_documents_stay BEFORE UPDATE ON quota_documents
WHEN old.sha256 <> new.sha256
BEGIN
  SELECT RAISE(ABORT, 'a quota document in force is never replaced');
END;

-- The account of rights of this region's `wait` jobs: one row. (Those of shards are in shard_rows.)
CREATE TABLE accounts (
  name TEXT NOT NULL PRIMARY KEY,
  -- Its life.
  id INTEGER NOT NULL,
  -- The newest document that it has minted and burned by, if it is the keeper's.
  taken INTEGER NOT NULL,
  document BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- What it has of each quota.
CREATE TABLE balances (
  tenant TEXT NOT NULL,
  resource TEXT NOT NULL,
  held INTEGER NOT NULL CHECK (held >= 0),
  debt INTEGER NOT NULL CHECK (debt >= 0),
  minted INTEGER NOT NULL,
  written_off INTEGER NOT NULL,
  lost INTEGER NOT NULL,
  PRIMARY KEY (tenant, resource)
) STRICT, WITHOUT ROWID;

-- Its newest transfer to each other account, in the lives of both.
CREATE TABLE rights_sent (
  giver_id INTEGER NOT NULL,
  "to" TEXT NOT NULL,
  to_id INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  -- msgpack of core/model/quota.py: Rights. Empty: it is decided.
  rights BLOB NOT NULL,
  PRIMARY KEY (giver_id, "to", to_id)
) STRICT, WITHOUT ROWID;

-- What it has decided about the newest transfer of each other account.
CREATE TABLE rights_taken (
  taker_id INTEGER NOT NULL,
  giver TEXT NOT NULL,
  giver_id INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  -- core/messages.py: RightsVerdict.
  verdict INTEGER NOT NULL CHECK (verdict IN (1, 2)),
  PRIMARY KEY (taker_id, giver, giver_id)
) STRICT, WITHOUT ROWID;

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
