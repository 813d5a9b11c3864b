-- Arrays: what has become of their elements, and those elements of which there is more to say than that.

ALTER TABLE jobs ADD COLUMN array BLOB NOT NULL DEFAULT x'';

CREATE TABLE elements (
  shard TEXT NOT NULL,
  job_id TEXT NOT NULL,
  element INTEGER NOT NULL,
  state INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  reason TEXT NOT NULL,
  reason_detail TEXT NOT NULL,
  allocation BLOB NOT NULL,
  started_wall_us INTEGER NOT NULL,
  ended_wall_us INTEGER NOT NULL,
  exit_code INTEGER NOT NULL,
  PRIMARY KEY (shard, job_id, element)
) STRICT;
