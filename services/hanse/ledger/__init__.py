"""The region's ledger: a SQLite file, one writer, and everything that is read back from it.

ledger.py       Ledger: open, commit, read, back up, close. Start here
schema.sql      the tables; migrations/ makes them
transaction.py  what one commit does; statements.py, the SQL of it
boot.py         what happens at open, and what is refused
recovery.py     ledger -> Snapshot, from which a Region is rebuilt
queries.py      what the API reads; copies.py, what a guardian's copy of a shard says of a job
retention.py    which jobs are forgotten; disk.py, when the disk is nearly full
backup.py       online backup, verification, restore
anchor.py       how an old disk is noticed
"""
