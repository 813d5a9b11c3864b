"""The image's health check: whether the daemon of this container works, by its own /livez.

Exits with 1 if it does not answer with 200 (the reason goes to standard output, which Docker keeps). Standard library
only, and little of it: it runs every few seconds.
"""

from __future__ import annotations

import http.client
import os
import sys

# Docker's own limit for the check is longer.
_TIMEOUT_S = 3.0


def main() -> int:
    """The exit code. HANSE_HTTP_PORT: the port of listen.http."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", int(os.environ.get("HANSE_HTTP_PORT", "7103")), timeout=_TIMEOUT_S
    )
    try:
        connection.request("GET", "/livez")
        answer = connection.getresponse()
        text = answer.read(4096).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        text, alive = repr(error), False
    else:
        alive = answer.status == http.client.OK
    sys.stdout.write(text + "\n")
    return 0 if alive else 1


if __name__ == "__main__":
    sys.exit(main())
