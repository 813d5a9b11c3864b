"""The gRPC services of a daemon. Any region answers for any job and about any region.

guard.py     around every call: bound in time and number, traced, counted; errors become statuses
members.py   the way to the other regions, for calls that they must answer
local.py     what this region answers by itself; served to peers as it is
jobs.py      JobService for callers: decides who answers; listing.py, watching.py, logs.py its longer parts
asking.py    whom to ask about a job: home, leader, copies; submitting.py where submissions go; leaders.py who leads
regions.py   RegionService
peers.py     PeerService: envelopes of other regions into the inbox
records.py   rows of the ledger -> protobuf
"""
