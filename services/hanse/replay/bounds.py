"""How much a replay takes in. Files come from anywhere, so each of these is checked before anything is believed."""

from __future__ import annotations

# Bytes of a file once it is unpacked: ten times the largest public trace of this kind.
FILE_BYTES_MAX = 2 * 1024 * 1024 * 1024
# A line; the longest real ones (accounting records with node lists) have some kilobytes.
LINE_BYTES_MAX = 64 * 1024
FIELDS_MAX = 256
JOBS_MAX = 5_000_000
POOLS_MAX = 100_000
REGIONS_MAX = 1_000
# Of instants within a trace: ten years.
INSTANT_S_MAX = 10 * 366 * 86_400
# As long as a job may run: a year, as estimates are bounded.
DURATION_S_MAX = 366 * 86_400
# Nodes that one region may get by --scale-nodes and what-if.
SCALE_MAX = 100.0
# Faults and changes of one replay.
FAULTS_MAX = 1_000
