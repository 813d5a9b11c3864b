"""The shell around the core: configuration, the driver loop, gRPC servers, peer links, telemetry, and their wiring."""

import os

# gRPC's core writes lines of its own between ours whenever a peer goes away. It asks when it is imported, hence here.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
# Images of the Region are written by forked children (snapshots.py), which never touch gRPC. Without this it would stop
# its threads at every fork, and complain where it can't.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
