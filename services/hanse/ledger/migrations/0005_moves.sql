-- How often a job was stopped while it ran, to go on in another region.

ALTER TABLE jobs ADD COLUMN moves INTEGER NOT NULL DEFAULT 0;
