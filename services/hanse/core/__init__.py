"""The pure heart: deterministic, without I/O, clock, randomness, logging or concurrency.

Read `events.py` (all that can enter), `effects.py` (all that can leave), then `region.py` (the door between them).
"""
