"""Which part of the model stands for which row of the tables, and which function of the core does it."""

from __future__ import annotations

import importlib
import inspect

import msgspec

from docs.rows import ROOT, Row, tests_of_rows
from docs.words import cell

MODEL = ROOT / "chaos" / "models" / "handoff.pml"
TABLES = ("giver", "target", "owner", "recovery")
_HANDOFF = "hanse.core.federation.handoff"
_OFFERS, _GIVER, _TARGET = f"{_HANDOFF}.offers.Offers", f"{_HANDOFF}.giver.Giver", f"{_HANDOFF}.target.Target"
_INTAKE = f"{_HANDOFF}.intake.Intake"
_RUNS, _LOCAL = "hanse.core.scheduling.runs.Runs", "hanse.core.scheduling.local.LocalSide"
_BOOKS, _DESK = "hanse.core.books.Books", "hanse.core.federation.desk.Desk"
_REPORTS, _TRACKING = "hanse.core.federation.reports.Reports", "hanse.core.federation.tracking.Tracking"

# Lines of the model, each by a piece of text that is in no other line.
_SOFT = "phase 1 (OFFER/ACCEPT) is soft state"
_REFUSED = "#define T_REF(d,E) :: atomic { FRESH(d,E) && HAS(mCom[CH(SRC(d),i)],E) -> burn"
_ACCEPTED_AGAIN = "HAS(acc[i],E) && !HAS(mOk[CH(i,SRC(d))],E)"
_RESTART = "kill -9 / power loss + restart"
_TERMINAL = "(st[i]==DONE || st[i]==CANC) && !mTerm[i]"


class Part(msgspec.Struct, frozen=True):
    """`line`: text of the model's line; empty: `note` says why the model has none."""

    line: str
    code: tuple[str, ...]
    note: str = ""


PARTS: dict[Row, Part] = {
    ("giver", "QUEUED", "cannot start soon"): Part(_SOFT, (f"{_OFFERS}.look_abroad",)),
    ("giver", "QUEUED", "solicited"): Part(_SOFT, (f"{_OFFERS}.on_solicit",)),
    ("giver", "QUEUED", "ACCEPT, and still queued"): Part(
        "st[i]=XFER; xe[i]=ep[i]+1; to[i]=(i+1)%N", (f"{_OFFERS}.on_answer", f"{_GIVER}.give")
    ),
    ("giver", "QUEUED", "ACCEPT, and not queued any more"): Part(_SOFT, (f"{_OFFERS}.on_answer",)),
    ("giver", "QUEUED", "a local slot"): Part("durable BEFORE launch", (f"{_RUNS}.start",)),
    ("giver", "XFER", "timer"): Part(
        "st[i]==XFER && !HAS(mCom[CH(i,to[i])],xe[i])", (f"{_GIVER}.on_deadline",)
    ),
    ("giver", "XFER", "COMMITTED"): Part("HAS(mOk[CH(to[i],i)],xe[i])", (f"{_GIVER}.on_decision",)),
    ("giver", "XFER", "a COMMIT with a higher epoch"): Part(
        "#define ADMIT(E)", (f"{_TARGET}._accept", f"{_GIVER}.imply_committed")
    ),
    ("giver", "XFER", "a STATUS with its epoch, or a higher one"): Part(
        "mSta>=Bt(xe[i])", (f"{_TRACKING}.on_status", f"{_GIVER}.imply_committed")
    ),
    ("giver", "XFER", "BURNED"): Part(
        "HAS(mNo[CH(to[i],i)],xe[i])", (f"{_GIVER}.on_decision", f"{_BOOKS}.burned")
    ),
    ("giver", "XFER", "30 s in doubt"): Part(
        "st[i]==XFER && !HAS(mWd[CH(i,to[i])],xe[i])", (f"{_GIVER}._send_again",)
    ),
    ("giver", "XFER", "cancel"): Part(
        "st[i]==XFER && !HAS(mWd[CH(i,to[i])],xe[i])", (f"{_DESK}._end", f"{_GIVER}.withdraw")
    ),
    ("giver", "XFER", "time alone"): Part(
        "#ifdef M_TIMEOUT_REVERT", (f"{_GIVER}.on_deadline",), "only the mutant has such a step"
    ),
    ("giver", "MOVED", "cancel"): Part("creq[i] && st[i]==MOVED", (f"{_TRACKING}.relay_cancel",)),
    ("giver", "MOVED", "the outcome is stable at home"): Part(
        "", (f"{_TRACKING}.on_status", f"{_BOOKS}.settle"), "specs are not modelled"
    ),
    ("giver", "any", "at most 256 undecided transfers per peer"): Part(
        "", (f"{_GIVER}.room",), "the model has one job"
    ),
    ("giver", "any", "COMMITs are resent in order, only after HELLO"): Part(
        "", (f"{_GIVER}.on_session",), "any order, at any time: more than the core does"
    ),
    ("target", "nothing", "OFFER"): Part(_SOFT, (f"{_INTAKE}.on_offer",)),
    ("target", "undecided", "COMMIT that it admits"): Part(
        "&& ADMIT(E) -> WR_ACC(E)", (f"{_TARGET}._accept", f"{_BOOKS}.accept")
    ),
    ("target", "undecided", "COMMIT: no room and no queueing"): Part(
        _REFUSED, (f"{_TARGET}._commit_refusal", f"{_BOOKS}.burn")
    ),
    ("target", "undecided", "COMMIT: bad spec"): Part(_REFUSED, (f"{_TARGET}.on_commit", f"{_BOOKS}.burn")),
    ("target", "undecided", "COMMIT: unknown required feature"): Part(
        _REFUSED, (f"{_TARGET}._commit_refusal", f"{_BOOKS}.burn")
    ),
    ("target", "undecided", "WITHDRAW"): Part(
        "FRESH(d,E) && HAS(mWd[CH(SRC(d),i)],E)", (f"{_TARGET}.on_withdraw", f"{_BOOKS}.burn")
    ),
    ("target", "accepted", "COMMIT again"): Part(_ACCEPTED_AGAIN, (f"{_TARGET}.on_commit",)),
    ("target", "accepted", "WITHDRAW"): Part(_ACCEPTED_AGAIN, (f"{_TARGET}.on_withdraw",)),
    ("target", "accepted", "whatever happened since"): Part(
        _ACCEPTED_AGAIN, (f"{_TARGET}.on_commit", f"{_TARGET}.on_withdraw")
    ),
    ("target", "burned", "again"): Part(
        "HAS(burn[CH(SRC(d),i)],E) && !HAS(mNo[CH(i,SRC(d))],E)",
        (f"{_TARGET}.on_commit", f"{_TARGET}.on_withdraw"),
    ),
    ("target", "below the STABLE mark", "anything"): Part(
        "#define FRESH(d,E)", (f"{_TARGET}.on_stable", f"{_BOOKS}.make_stable")
    ),
    ("target", "a hold that expired", "COMMIT"): Part(_SOFT, (f"{_TARGET}.on_commit",)),
    ("owner", "RUNNING", "the workload ended"): Part(
        "st[i]==RUN && vfin[i] -> st[i]=DONE", (f"{_RUNS}.on_task_ended", f"{_REPORTS}.on_change")
    ),
    ("owner", "RUNNING", "cancel"): Part(
        "kill and confirm dead", (f"{_DESK}._end", f"{_RUNS}._settle_stopped")
    ),
    ("owner", "QUEUED", "cancel"): Part("creq[i] && st[i]==QUEUED", (f"{_BOOKS}.cancel_queued",)),
    ("owner", "unknown job", "CANCEL"): Part("!creq[i] && (mCan[", (f"{_TRACKING}.remember_intent",)),
    ("owner", "RUNNING", "a retry touches only the attempt"): Part(
        "", (f"{_RUNS}._settle_failed",), "attempts are not modelled"
    ),
    ("recovery", "QUEUED", "schedule again"): Part(_RESTART, (f"{_LOCAL}.__init__",)),
    ("recovery", "XFER", "COMMIT again"): Part(_RESTART, (f"{_GIVER}.__init__", f"{_GIVER}.on_session")),
    ("recovery", "RUNNING", "adopt the process"): Part(_RESTART, (f"{_RUNS}.on_recovered",)),
    ("recovery", "RUNNING", "the process is gone: attempt + 1"): Part(
        "exec[i]==0 && !vfin[i] && !creq[i]", (f"{_RUNS}.on_recovered",)
    ),
    ("recovery", "RUNNING", "it ended meanwhile"): Part(
        "",
        (f"{_RUNS}.on_recovered",),
        "an end is lost with its daemon in the model, and the job starts again",
    ),
    ("recovery", "DONE", "TERMINAL again"): Part(_TERMINAL, (f"{_REPORTS}.__init__",)),
    ("recovery", "CANCELLED", "TERMINAL again"): Part(_TERMINAL, (f"{_REPORTS}.__init__",)),
    ("recovery", "MOVED", "STABLE again"): Part(
        "(st[i]==MOVED) && !HAS(mSt[CH(i,to[i])],xe[i])", (f"{_GIVER}.on_session",)
    ),
}


def modelled_rows() -> str:
    """One line for each row: where the model has it, what does it in the core, who tests it."""
    tests = tests_of_rows()
    lines = ["| table | has | event | model | core | tests |", "|---|---|---|---|---|---|"]
    for row, part in PARTS.items():
        table, has, event = row
        core = "<br>".join(code_link(name) for name in part.code)
        shown = "<br>".join(tests.get(row, []))
        lines.append(f"| {table} | {cell(has)} | {cell(event)} | {_model_link(part)} | {core} | {shown} |")
    return "\n".join(lines)


def line_number(text: str) -> int:
    """The one line of the model that has this text. ValueError if it is not one."""
    lines = MODEL.read_text(encoding="utf-8").splitlines()
    (number,) = [number for number, line in enumerate(lines, start=1) if text in line]
    return number


def _model_link(part: Part) -> str:
    if not part.line:
        return part.note
    link = f"[line {line_number(part.line)}](../chaos/models/handoff.pml)"
    return f"{link}: {part.note}" if part.note else link


def code_link(name: str) -> str:
    """A method by its full name. AttributeError if there is none."""
    module_name, class_name, method_name = name.rsplit(".", 2)
    owner = getattr(importlib.import_module(module_name), class_name)
    path = inspect.getsourcefile(inspect.unwrap(getattr(owner, method_name)))
    assert path is not None
    relative = path[path.rindex("services/hanse") :]
    return f"[`{class_name}.{method_name}`](../{relative})"
