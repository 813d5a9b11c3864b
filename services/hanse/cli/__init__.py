"""The `hanse` command. `main.py` is the door; one module per command group; gRPC is imported only by what needs it."""
