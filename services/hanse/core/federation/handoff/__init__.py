"""The two-phase handoff: offers (soft), transfers (durable), and what a target decides.

`offers.py` finds a taker, `giver.py` passes the job on, `target.py` decides, `soliciting.py` asks for work. The tables
that these follow are in docs/protocol.md; the property that they keep is that owners + undecided transfers + terminals
of a job are always 1.
"""
