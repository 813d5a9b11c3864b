"""Writing both reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hanse.demo.page import page_text
from hanse.demo.run import Performance

JSON_FILE = "report.json"
PAGE_FILE = "report.html"


def save(directory: Path, performance: Performance, document: dict[str, Any]) -> Path:
    """Write report.json and report.html; returns the path of the page."""
    (directory / JSON_FILE).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    page = directory / PAGE_FILE
    page.write_text(page_text(performance, document), encoding="utf-8")
    return page
