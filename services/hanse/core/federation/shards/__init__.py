"""Shards: every region's adoptable jobs are a log that a group of regions keeps, and that the next of them leads on.

`shard.py` decides who leads (`candidacy.py`, `lease.py`, `quorum.py`), `replication.py` brings every copy (`log.py`) to
the end; `leading.py` is what a leader does with the jobs, behind a `gate.py`; `journal.py` turns them into records and
back; `shards.py` holds all shards of a region and knows the way to those of others.
"""
