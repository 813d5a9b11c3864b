"""What the harness raises."""

from __future__ import annotations

from hanse.core.model.errors import EnvironmentFault


class HarnessError(EnvironmentFault):
    """The campaign could not be carried out as written: says nothing about the promises."""
