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
