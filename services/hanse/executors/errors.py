"""What can go wrong with an engine itself. (What goes wrong with a task is a TaskEnded, never an exception.)

ExecutorError
    DirectoryInUse    another daemon runs tasks from this directory
    LauncherError     the process from which tasks are forked does not start
    LeaseNotTold      tasks can't be told that they may live longer
"""

from __future__ import annotations


class ExecutorError(Exception):
    """The engine can't do its work: the environment's fault, or the operator's."""


class DirectoryInUse(ExecutorError):  # noqa: N818 - reads as what it says
    """Another daemon runs tasks from this directory."""


class LauncherError(ExecutorError):
    """The process from which tasks are forked does not start."""


class LeaseNotTold(ExecutorError):  # noqa: N818 - reads as what it says
    """Tasks can't be told that they may live longer: they end with the lease that they know."""
