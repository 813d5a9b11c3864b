"""Benchmarks: what a federation on this machine can do, measured from outside, with real daemons and durable ledgers.

figures.py  percentiles and the machine's load
league.py   daemons for one measurement, in processes of their own, with a default configuration
books.py    what really ran: from the tasks' own records, or from the ledgers of all regions
submit.py   durable acknowledgements per second
run.py      jobs from submit to their end, most of them handed off
handoff.py  from submit to start on another region while home is full
memory.py   resident memory and start-up with a long queue
result.py   the document that all of them print
machine.py  a region in this process, for those that measure the core alone
scale/      how cost grows
suite/      all of them, one after another

These measure; they assert nothing. A figure holds for the machine and the moment, so both are in the document.
"""
