"""Shards: every region's adoptable jobs are a log that a group of regions keeps, and that the next of them leads on.

`shard.py` decides who leads, by its parts: `seat.py` is what a member has (its copy is a `log.py`), `following.py` what
it answers, `elections.py` (`candidacy.py`, `quorum.py`) how it comes to lead, `leadership.py` (`lease.py`,
`replication.py`, `regroup.py`) what it does then, `rejoining.py` what it does after a lost disk. `leading.py` is what a
leader does with the jobs, behind a `gate.py`; `journal.py` turns them into records and back; `shards.py` holds all
shards of a region (`kept.py` says which), and `routes.py` knows the way to those that others lead.
"""
