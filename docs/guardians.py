"""Which part of which model stands for which row of the guardians' and the roster's tables, which function of the core
does it, and what shows it: tests by name, and shortcuts that the hunt must find (docs/mutants.md)."""

from __future__ import annotations

import ast
from functools import cache

import msgspec

from docs.models import code_link
from docs.rows import ROOT, Row
from docs.words import cell

MODELS = ROOT / "chaos" / "models"
_SHARDS = "hanse.core.federation.shards"
_LEADING, _GATE = f"{_SHARDS}.leading.Leading", f"{_SHARDS}.gate.Gate"
_SEAT, _FOLLOWING = f"{_SHARDS}.seat.Seat", f"{_SHARDS}.following.Following"
_ELECTIONS, _LEADERSHIP = f"{_SHARDS}.elections.Elections", f"{_SHARDS}.leadership.Leadership"
_REJOINING, _SHARD_SET = f"{_SHARDS}.rejoining.Rejoining", f"{_SHARDS}.shards.Shards"
_RENEWALS, _REPLICATION = f"{_SHARDS}.lease.Renewals", f"{_SHARDS}.replication.Replication"
_LOG, _CANDIDACY = f"{_SHARDS}.log.ShardLog", f"{_SHARDS}.candidacy.Candidacy"
_ROSTER = "hanse.core.federation.roster"
_VOTING, _BALLOT = f"{_ROSTER}.voting.Voting", f"{_ROSTER}.ballot.Ballot"
_GATHERING, _ROSTERS = f"{_ROSTER}.gathering.Gathering", f"{_ROSTER}.keeper.Rosters"
_DESK, _TRACKING = "hanse.core.federation.desk.Desk", "hanse.core.federation.tracking.Tracking"
_TARGET = "hanse.core.federation.handoff.target.Target"
_GIVER, _RUNS = "hanse.core.federation.handoff.giver.Giver", "hanse.core.scheduling.runs.Runs"

_MEMBER, _REPLACED = "tests/core/shards/test_member.py", "tests/core/shards/test_replacement.py"
_SHARD, _LEASE = "tests/core/federation/shards/test_shard.py", "tests/core/federation/shards/test_lease.py"
_COPIES, _HELD = "tests/core/federation/shards/test_log.py", "tests/core/federation/shards/test_gate.py"
_TOGETHER = "tests/daemon/test_shards_together.py"
_KEEPER, _BALLOTS = "tests/core/roster/test_keeper.py", "tests/core/roster/test_ballot.py"
_CHAIN, _GATHERED = "tests/core/roster/test_chain.py", "tests/core/roster/test_gathering.py"


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """`line`: text that is in one line of `model` alone; empty: `note` says why the model has none. `tests` are
    (file, function without test_), `mutants` names of shortcuts."""

    model: str
    line: str
    code: tuple[str, ...]
    tests: tuple[tuple[str, str], ...] = ()
    mutants: tuple[str, ...] = ()
    note: str = ""


def _guardian(
    line: str, code: tuple[str, ...], **shown: tuple[str, ...] | tuple[tuple[str, str], ...]
) -> Link:
    return Link(model="guardian.pml", line=line, code=code, **shown)  # type: ignore[arg-type]


def _regroup(line: str, code: tuple[str, ...], *tests: str, mutants: tuple[str, ...] = ()) -> Link:
    shown = tuple((_REPLACED, name) for name in tests)
    return Link(model="regroup.pml", line=line, code=code, tests=shown, mutants=mutants)


def _rejoin(line: str, code: tuple[str, ...], *tests: str, mutants: tuple[str, ...] = ()) -> Link:
    shown = tuple((_MEMBER, name) for name in tests)
    return Link(model="rejoin.pml", line=line, code=code, tests=shown, mutants=mutants)


def _roster(
    line: str, code: tuple[str, ...], *tests: tuple[str, str], mutants: tuple[str, ...] = (), note: str = ""
) -> Link:
    return Link(model="roster.pml", line=line, code=code, tests=tests, mutants=mutants, note=note)


GUARDIANS: dict[Row, Link] = {
    ("leader", "none", "SUBMIT"): _guardian(
        "sub && !ackd && st[me]!=NONE && QS",
        (f"{_LEADING}.collect", f"{_LEADING}.release"),
        tests=(
            (_HELD, "what_left_is_what_a_prefix_of_the_log_led_to"),
            (_TOGETHER, "an_adoptable_job_is_federated_and_a_wait_job_regional"),
        ),
        mutants=("a submit is acknowledged before a majority", "one disk is a majority"),
    ),
    ("leader", "QUEUED", "a local slot, and a lease"): _guardian(
        "QR && !ex[me] && !vfin[me] && LEASE && !WISH(me)",
        (f"{_SHARD_SET}.reconcile", f"{_RENEWALS}.holds"),
        mutants=("launched without a lease",),
    ),
    ("leader", "QUEUED", "given to another shard"): _guardian(
        "st[me]==XFER && QX && !HAS(mCom[s],xe[me])",
        (f"{_GIVER}.give", f"{_LEADING}.release"),
        mutants=("COMMIT before a majority", "XFER is kept to oneself"),
    ),
    ("leader", "XFER", "COMMITTED, or BURNED"): _guardian(
        "st[me]==XFER && HAS(mOk[O],xe[me])", (f"{_GIVER}.on_decision",)
    ),
    ("leader", "undecided", "COMMIT"): _guardian(
        "HAS(acc[me],E) && QA && !HAS(mOk[s],E)",
        (f"{_TARGET}.on_commit", f"{_LEADING}.release"),
        mutants=("COMMITTED before a majority",),
    ),
    ("leader", "RUN", "its processes have ended"): _guardian(
        "st[me]==DONE && QD && !rep",
        (f"{_RUNS}.on_task_ended", f"{_LEADING}.release"),
        mutants=("TERMINAL before a majority", "rows are shown before a majority"),
    ),
    ("leader", "RUN", "the lease ends"): _guardian(
        "#define KILL(l) if :: !(GRANT",
        (f"{_LEADING}.set_startable",),
        tests=((_LEASE, "when_a_member_has_waited_the_tasks_are_dead"),),
        mutants=("no supervisor",),
    ),
    ("leader", "any", "a larger term"): _guardian(
        "#define COPY(x,xr,w)",
        (f"{_SEAT}.see", f"{_SHARD_SET}._close", f"{_LOG}.cut_to"),
        tests=(
            (_MEMBER, "what_a_former_leader_wrote_alone_is_cut_when_it_follows"),
            (_COPIES, "what_the_next_leader_never_had_is_taken_back"),
        ),
        mutants=("a leader that returns keeps its suffix",),
    ),
    ("leader", "its own term", "a restart"): _guardian(
        "home opens the next term by itself",
        (f"{_LEADERSHIP}.resume",),
        mutants=("a leader reopens alone", "what lives is queued again"),
    ),
    ("leader", "any", "a caller's CANCEL"): _guardian(
        "cr[me] && QC && !cack",
        (f"{_DESK}.cancel", f"{_LEADING}.release"),
        mutants=("a cancel is acknowledged before a majority",),
    ),
    ("leader", "RUN, with a wish", "its processes are confirmed dead"): _guardian(
        "CONFIRMED && !vfin[me] -> st[me]=CANC",
        (f"{_RUNS}._settle_stopped",),
        mutants=("a shard's CANCELLED before the processes are dead",),
    ),
    ("leader", "XFER, with a wish", "cancel"): _guardian(
        "cr[me] && st[me]==XFER && QX && !HAS(mWd",
        (f"{_GIVER}.withdraw",),
        mutants=("a shard settles a cancel during XFER",),
    ),
    ("leader", "MOVED, with a wish", "cancel"): _guardian(
        "cr[me] && st[me]==MOVED && QK && !mCan[s]", (f"{_TRACKING}.relay_cancel",)
    ),
    ("leader", "any", "CANCEL of another shard"): _guardian(
        "mCan[O] && cr[me] && QC && !mCak[s]",
        (f"{_TRACKING}.remember_intent", f"{_LEADING}.release"),
        mutants=("a relayed cancel is acknowledged before a majority",),
    ),
    ("member", "term t", "a record of t, in order"): _guardian(
        "COPY(Y,(r+1)%3,Z)",
        (f"{_FOLLOWING}._follow",),
        tests=((_COPIES, "a_member_that_takes_what_changed_since_its_position_has_all"),),
        mutants=("copies are not durable", "records are acknowledged before the write"),
    ),
    ("member", "term t", "a record or renewal below t"): _guardian(
        "#define MAYCPY(x) (tm[me]<tm[x] && (!lg[me]",
        (f"{_SEAT}.is_over",),
        tests=((_MEMBER, "records_and_renewals_of_a_larger_term_than_theirs_refuse_the_fenced"),),
        mutants=("records of a fenced term are taken", "a fenced leader is granted its lease"),
    ),
    ("member", "term t", "a renewal of t"): Link(
        model="glease.pml",
        line="guardian receives, wait restarts, acks",
        code=(f"{_FOLLOWING}.on_renew",),
        tests=((_MEMBER, "a_renewal_begins_the_wait_anew_and_is_acknowledged_by_its_number"),),
        mutants=("the wait is as long as the lease",),
    ),
    ("member", "a grant is out", "PREPARE"): _guardian(
        "#define VOTE(c,cr)",
        (f"{_FOLLOWING}._wait_before_promise", f"{_SEAT}.waited"),
        tests=(
            (_MEMBER, "nobody_is_promised_anything_while_a_grant_to_another_is_out"),
            (_SHARD, "nobody_leads_on_before_every_grant_has_run_out"),
        ),
        mutants=("a promise without waiting",),
    ),
    ("member", "own tasks live", "PREPARE, or a larger term"): _guardian(
        "candidate promises itself",
        (f"{_FOLLOWING}._wait_before_promise", f"{_FOLLOWING}._may_follow"),
        tests=((_MEMBER, "nobody_is_promised_or_followed_while_own_tasks_live"),),
        mutants=("own processes are not waited for",),
    ),
    ("member", "a grant is out", "a restart"): Link(
        model="glease.pml",
        line="guardian restarted: full wait from the start",
        code=(f"{_SEAT}.__init__",),
        tests=((_MEMBER, "a_member_that_starts_again_waits_in_full"),),
        mutants=("a restart skips the wait", "promises are not durable", "a promise before the write"),
    ),
    ("leader", "a lease", "a renewal is acknowledged"): Link(
        model="glease.pml",
        line="b[g]=p[g];",
        code=(f"{_RENEWALS}.on_ack",),
        tests=((_LEASE, "a_lease_counts_from_the_sending_of_the_renewal_that_was_acknowledged"),),
        mutants=("a lease counts from the answer", "renewals have no sequence"),
    ),
    ("candidate", "a trial", "the others miss the leader, too"): Link(
        model="guardian.pml",
        line="",
        code=(f"{_ELECTIONS}._stand",),
        tests=((_MEMBER, "who_is_heard_by_the_leader_is_no_candidate"),),
        note="trials promise nothing, and the model needs none",
    ),
    ("candidate", "its own copy", "promises of a majority"): _guardian(
        "inline take(v)",
        (f"{_CANDIDACY}.choose_copy", f"{_ELECTIONS}._take_best_copy"),
        tests=((_COPIES, "the_larger_copy_is_the_one_of_the_later_term"),),
        mutants=("one vote is enough", "the other copy is not looked at", "the longest copy wins"),
    ),
    ("candidate", "START", "a majority holds it"): _guardian(
        "inline start()",
        (f"{_LEADERSHIP}.start", f"{_LEADERSHIP}.on_append_ack"),
        mutants=("a term acts once it has begun",),
    ),
}

LOST_DISKS: dict[Row, Link] = {
    ("lost disk", "less than all others have told", "anything"): _rejoin(
        "losses>0 && HERE(r) && HERE(Y) && HERE(Z) -> losses--",
        (f"{_SEAT}.forget", f"{_FOLLOWING}.on_prepare"),
        "a_lost_disk_promises_grants_acknowledges_and_leads_nothing",
        mutants=("a lost disk votes at once", "shards write in doubt"),
    ),
    ("member", "any", "PREPARE of term 0"): _rejoin("#define ANSWER(v)", (f"{_FOLLOWING}._promise",)),
    ("lost disk", "all others have told, its own tasks are dead", "time"): _rejoin(
        "lost[r] && !dead[r] && ENOUGH && PROCESSES_DEAD",
        (f"{_REJOINING}.on_deadline", f"{_REJOINING}.on_append"),
        "it_learns_the_largest_term_and_the_longest_log_when_all_have_told",
        "nothing_is_taken_of_an_answer_to_an_earlier_life",
        mutants=("one copy is enough",),
    ),
    ("rejoined", "term t", "PREPARE of t"): _rejoin(
        "CAND(r) && HERE(v) && tm[v]==tm[r] && tm[v]>nl[v]",
        (f"{_FOLLOWING}._is_repeated",),
        "the_term_that_it_learnt_is_promised_to_nobody",
        mutants=("a lost disk is as good as ever",),
    ),
    ("rejoined", "term t", "PREPARE above t"): _rejoin(
        "#define VOTE(c) :: atomic { HERE(r) && prep[c]>tm[r]",
        (f"{_SEAT}.waited",),
        "it_waits_in_full_even_for_the_region_that_it_follows",
        mutants=("a lost disk waits for nothing",),
    ),
    ("rejoined", "term t, which was its own", "a restart"): _rejoin(
        "#ifndef M_RESUME",
        (f"{_LEADERSHIP}.resume",),
        mutants=("a lost disk resumes its own term",),
    ),
    ("home", "an empty disk", "nobody who may have kept the log has it"): Link(
        model="rejoin.pml",
        line="",
        code=(f"{_REJOINING}._may_found",),
        tests=(
            (_MEMBER, "a_home_begins_its_log_when_nobody_has_ever_held_it"),
            (_MEMBER, "a_home_with_an_empty_disk_does_not_begin_where_its_guardians_have_left"),
            (_MEMBER, "a_home_with_an_empty_disk_asks_all_who_may_have_kept_its_log"),
        ),
        note="the models begin with a log",
    ),
    ("home", "START of term 1", "all members keep the log"): Link(
        model="rejoin.pml",
        line="",
        code=(f"{_LEADERSHIP}._go_on",),
        tests=(
            (_SHARD, "the_home_founds_its_shard_and_leads_it_as_long_as_it_is_there"),
            (_MEMBER, "what_lost_disks_say_counts_for_nothing_where_the_home_has_begun_again"),
        ),
        note="the models begin with a log",
    ),
}

GROUPS: dict[Row, Link] = {
    ("leader", "a stable group", "the roster wants another member"): _regroup(
        "#define LEARNT(n) (!dead[n]",
        (f"{_REPLICATION}.listen",),
        "a_newcomer_holds_the_log_before_the_group_changes",
        "what_only_the_leader_and_a_newcomer_hold_is_not_committed",
    ),
    ("leader", "a stable group", "the newcomer holds the log"): _regroup(
        "#define CHANGE(d)",
        (f"{_LEADERSHIP}._regroup",),
        "a_joint_group_needs_a_majority_of_each",
        "one_guardian_after_the_other",
        mutants=("switch without joint", "a change during a change"),
    ),
    ("leader", "a joint group", "CHANGE is committed, and a lease has passed"): _regroup(
        "OLD_LEASE_OVER -> og[r]=ng[r]",
        (f"{_LEADERSHIP}._situation",),
        "final_waits_for_the_lease_while_tasks_live",
        "final_waits_in_full_again_after_a_restart",
        "final_waits_for_nothing_if_no_task_lives",
        mutants=("old grants are not waited out",),
    ),
    ("leader", "FINAL", "it is committed"): _regroup(
        "og[r]==ng[r] && QK(r) && settled!=ng[r]",
        (f"{_REPLICATION}.tell",),
        "who_was_away_learns_that_it_has_left",
    ),
    ("leader", "is to leave itself", "nothing of the shard runs here"): Link(
        model="regroup.pml",
        line="",
        code=(f"{_LEADERSHIP}.heirs", f"{_SHARD_SET}._returns"),
        tests=((_REPLACED, "a_leader_that_is_to_leave_lets_another_one_lead"),),
        note="a leader replaces others only",
    ),
    ("newcomer", "any copy", "the log, from nothing"): _regroup(
        "#define APPLY(x) follow(x)",
        (f"{_FOLLOWING}._begin",),
        "who_has_left_may_be_a_newcomer_again_and_begins_from_nothing",
        "an_old_copy_of_the_same_term_is_no_beginning",
        "a_region_whose_disk_was_lost_is_no_newcomer",
        mutants=("newcomer without the log",),
    ),
    ("member", "promised t to nobody", "PREPARE of t"): _regroup(
        "#define VOTE(c) :: atomic { r!=c",
        (f"{_FOLLOWING}._join", f"{_SEAT}.join"),
        "a_term_is_promised_to_one_candidate",
        "a_promise_is_repeated_to_the_same_life_only",
        mutants=("a term promised to two",),
    ),
    ("member", "promised t to x", "records of t of another"): _regroup(
        "#define LEAD(r) (!dead[r] && lt[r]==tm[r] && pt[r]==(r)+1)",
        (f"{_SEAT}.is_over",),
        "records_of_a_term_come_from_whom_it_was_promised_to",
    ),
    ("candidate", "its own group", "a better copy has another"): _regroup(
        "#define PROMISE(v)",
        (f"{_ELECTIONS}.on_fetched",),
        "a_candidate_counts_by_the_group_of_the_copy_that_it_takes",
        mutants=("the candidate's own group",),
    ),
    ("candidate", "a joint group", "promises of both majorities"): _regroup(
        "CAND(r) && BOTH(pv[r]|Bt(r),r) && IN(r,ng[r])",
        (f"{_CANDIDACY}.on_promise", f"{_LEADERSHIP}.start"),
        "whoever_leads_next_with_a_joint_group_ends_the_change",
        "a_change_that_nobody_else_has_seen_may_vanish",
    ),
    ("former member", "FINAL is committed, no task lives", "it is told"): _regroup(
        "#define LEFT(x)",
        (f"{_FOLLOWING}._leave_if_told", f"{_SEAT}.leave"),
        "who_has_left_drops_its_copy_and_keeps_its_promise",
        mutants=("a former member forgets its promise",),
    ),
    ("blank disk", "came by a change", "all members have told"): Link(
        model="regroup.pml",
        line="",
        code=(f"{_REJOINING}.on_deadline",),
        tests=((_REPLACED, "a_lost_disk_rejoins_the_group_that_the_others_tell_of"),),
        note="rejoin.pml has it, with one group",
    ),
}

ROSTERS: dict[Row, Link] = {
    ("member", "said nothing in w or later", "asked in w"): _roster(
        "#define ANSWER(p,w)",
        (f"{_BALLOT}.may_answer", f"{_VOTING}.on_proposal"),
        (_KEEPER, "a_member_that_two_operators_ask_answers_the_later_round_only"),
    ),
    ("member", "may sign in w", "asked to sign x in w"): _roster(
        "#define FREE(i,w) ((w)+1>=pw[i] && (w)+1>sw[i])",
        (f"{_BALLOT}.may_sign", f"{_VOTING}._sign"),
        (_KEEPER, "a_vote_is_on_disk_before_it_leaves"),
        mutants=("forked roster", "countersignatures are not read back"),
    ),
    ("gatherer", "asks in w", "a majority has answered"): _roster(
        "#define CHOICE(p,w) hd[Sl(p,w)]",
        (f"{_GATHERING}.choose",),
        (_KEEPER, "nobody_countersigns_before_a_majority_was_asked"),
        (_KEEPER, "what_a_member_countersigned_is_finished_before_anything_else_also_after_a_restart"),
        mutants=("a round without asking", "own roster all the same"),
    ),
    ("gatherer", "proposes in w", "a majority has signed in w"): _roster(
        "#define ELECTORS(p,d) MEM(p)",
        (f"{_GATHERING}.document", f"{_ROSTERS}._put_in_force"),
        (_KEEPER, "of_two_proposals_one_comes_into_force_and_the_other_never"),
        mutants=("majority of the new",),
    ),
    ("region", "epoch n in force", "a roster of n + 1, in force"): _roster(
        "#define TAKES(d) (PRED(d)==cur[i] && VALID(d))",
        (f"{_ROSTERS}._on_document",),
        (_KEEPER, "a_region_that_is_forty_rosters_behind_catches_up"),
        mutants=("no predecessor's hash",),
    ),
    ("region", "epoch n in force", "a roster above n + 1"): _roster(
        "#define TAKES(d) (EPOCH(d)>EPOCH(cur[i])",
        (f"{_ROSTERS}.on_envelope",),
        (_KEEPER, "a_member_that_was_away_is_told_not_heard_and_fetches_the_chain"),
        mutants=("jumps over an epoch",),
        note="only the mutant has such a step",
    ),
    ("region", "epoch n in force", "a roster of n, or older"): _roster(
        "#define TAKES(d) (cur[i]!=(d) && VALID(d))",
        (f"{_ROSTERS}._on_document",),
        (_CHAIN, "a_file_of_another_line_is_refused"),
        mutants=("goes back",),
        note="only the mutant has such a step",
    ),
    ("member", "another ledger than the roster names", "asked, or asked to sign"): _roster(
        "#define NAMED(i) (life[i]==0)",
        (f"{_VOTING}._obstacle",),
        (_KEEPER, "a_region_whose_ledger_is_not_the_one_that_the_roster_names_says_nothing"),
        mutants=("votes after a lost disk",),
    ),
}

TABLES = {"guardians": GUARDIANS, "lost disks": LOST_DISKS, "groups": GROUPS, "rosters": ROSTERS}


def guarded_rows() -> str:
    """One line for each row: where a model has it, what does it in the core, and what shows that it does."""
    lines = [
        "| table | has | event | model | core | tests, and shortcuts that are found |",
        "|---|---|---|---|---|---|",
    ]
    for links in TABLES.values():
        for (who, has, event), link in links.items():
            core = "<br>".join(code_link(name) for name in link.code)
            lines.append(
                f"| {who} | {cell(has)} | {cell(event)} | {_model_link(link)} | {core} | {_shown_by(link)} |"
            )
    return "\n".join(lines)


def line_number(link: Link) -> int:
    """The one line of the model that has this text. ValueError if it is not one."""
    lines = (MODELS / link.model).read_text(encoding="utf-8").splitlines()
    (number,) = [number for number, line in enumerate(lines, start=1) if link.line in line]
    return number


@cache
def tests_in(path: str) -> frozenset[str]:
    """Names of the tests of a file, without test_."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name.removeprefix("test_") for node in functions if node.name.startswith("test_"))


def _model_link(link: Link) -> str:
    if not link.line:
        return link.note
    found = f"[{link.model} {line_number(link)}](../chaos/models/{link.model})"
    return f"{found}: {link.note}" if link.note else found


def _shown_by(link: Link) -> str:
    tests = [f"[{name}](../{path})" for path, name in link.tests]
    return "<br>".join([*tests, *(f"*{name}*" for name in link.mutants)])
