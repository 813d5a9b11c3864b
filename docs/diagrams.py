"""The job's state machine as a Mermaid diagram and as a table, from the tables that the core runs on."""

from __future__ import annotations

from collections.abc import Iterator

from hanse.core.model.lifecycle import OWNING_STATES, TERMINAL_STATES, TRANSITIONS, JobInput, JobState

# How a job gets into a region's books. (Books.admit, and Books.accept of a job that was never here.)
ENTRIES = (("SUBMIT", JobState.QUEUED), ("ACCEPT", JobState.QUEUED))
_CLOSINGS = (JobInput.CLOSE_SUCCEEDED, JobInput.CLOSE_FAILED, JobInput.CLOSE_CANCELLED)
# The three final states as one box, where a job is closed as another region ended it.
_CLOSED = "CLOSED"
_CLOSED_NAME = "SUCCEEDED, FAILED or CANCELLED, as the owner said"


def state_diagram() -> str:
    """A fenced Mermaid diagram: parallel edges share one arrow, and the three CLOSE inputs one box."""
    lines = ["```mermaid", "stateDiagram-v2", "    direction LR"]
    lines += [f"    classDef {name} {style}" for name, style in _STYLES.items()]
    lines.append(f'    state "{_CLOSED_NAME}" as {_CLOSED}')
    lines += [f"    [*] --> {state.name}: {label}" for label, state in ENTRIES]
    lines += [f"    {left} --> {right}: {label}" for left, right, label in _edges()]
    lines += [f"    class {state.name} {_style(state)}" for state in JobState]
    lines.append(f"    class {_CLOSED} final")
    return "\n".join([*lines, "```"])


def transition_table() -> str:
    """Every legal transition, with what the input means."""
    lines = ["| state | input | next | what happened |", "|---|---|---|---|"]
    for state, transitions in TRANSITIONS.items():
        for happened, following in transitions.items():
            lines.append(f"| {state.name} | {happened.name} | {following.name} | {happened.value} |")
    return "\n".join(lines)


_STYLES = {
    "owned": "fill:#dbeafe,stroke:#1d4ed8,color:#111827",
    "elsewhere": "fill:#fef3c7,stroke:#b45309,color:#111827",
    "final": "fill:#dcfce7,stroke:#15803d,color:#111827",
}


def _style(state: JobState) -> str:
    if state in TERMINAL_STATES:
        return "final"
    return "owned" if state in OWNING_STATES else "elsewhere"


def _edges() -> Iterator[tuple[str, str, str]]:
    """(from, to, label): one for each pair of states."""
    for state, transitions in TRANSITIONS.items():
        closes = all(happened in transitions for happened in _CLOSINGS)
        by_target: dict[JobState, list[str]] = {}
        for happened, following in transitions.items():
            if not (closes and happened in _CLOSINGS):
                by_target.setdefault(following, []).append(happened.name)
        for following, labels in by_target.items():
            yield state.name, following.name, ", ".join(labels)
        if closes:
            yield state.name, _CLOSED, "CLOSE"
