"""The same core under virtual time: regions, network, disks and engines that misbehave as a seed says.

`run.run_seed` is the door; `world` puts the parts together, `host` is one region's daemon, and `record` is what
the checkers read.
"""
