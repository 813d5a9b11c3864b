-- What a job's start and its attempts depend on besides room: other jobs, and which failures are worth a retry.

ALTER TABLE jobs ADD COLUMN terms BLOB NOT NULL DEFAULT x'';
