"""Progress of work that takes minutes, for those who wait for it."""

from __future__ import annotations

import sys
import time

# Progress is told at most this often where it cannot be drawn over, and where it can.
_PLAIN_INTERVAL_S = 5.0
_LIVE_INTERVAL_S = 0.1
_BAR_WIDTH = 30


class Told:
    """Progress on standard error: one line that is drawn over on a terminal, now and then a line elsewhere."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._told_s = 0.0

    def __call__(self, text: str) -> None:
        """Tell this now, or leave it out if something was told a moment ago."""
        now_s = time.monotonic()
        if now_s - self._told_s < (_LIVE_INTERVAL_S if self._live else _PLAIN_INTERVAL_S):
            return
        self._told_s = now_s
        sys.stderr.write(f"\r\x1b[K{text}" if self._live else f"{text}\n")
        sys.stderr.flush()

    def bar(self, text: str, share: float) -> None:
        """As a call, with a bar that says how much is done."""
        filled = round(_BAR_WIDTH * share)
        self(f"[{'#' * filled}{'.' * (_BAR_WIDTH - filled)}] {text}")

    def end(self) -> None:
        """Leave no half line behind."""
        if self._live:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
