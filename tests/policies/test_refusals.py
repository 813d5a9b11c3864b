"""Every way in which a document can be wrong: the line and column of each mistake, its field, and the words."""

from __future__ import annotations

from pathlib import Path

import pytest

from hanse.core.model import limits
from hanse.policies.document import read_bytes, read_document
from hanse.policies.mapping import World
from hanse.policies.problems import DocumentRefused, Problem, lines_of, summary

WORLD = World(regions=("north", "east"), resource_kinds=frozenset({"licence"}))
TIERS = '[[tiers]]\nname = "standard"\n'
QUEUE = '[[cohorts]]\nname = "c"\n[[queues]]\nname = "q"\ntenants = ["t"]\ncohort = "c"\n'
RULE = '[[rules]]\nname = "r"\n'

# The document, and (path, line, column, width, part of the message, part of the hint) of each mistake.
Expected = tuple[str, int, int, int, str, str]
CASES: dict[str, tuple[str, list[Expected]]] = {
    "not TOML": ("tiers = [", [("", 1, 10, 1, "not TOML: invalid value", "texts need quotes")]),
    "no quotes": ("[fair_share]\norder = off", [("", 2, 9, 1, "not TOML: invalid value", "quotes")]),
    "a key twice": ("[backfill]\ndepth = 1\ndepth = 2", [("", 3, 10, 1, "not TOML: cannot overwrite", "")]),
    "unknown table": ("[fairshare]\n", [("fairshare", 1, 2, 9, "no field `fairshare`", "`fair_share`?")]),
    "unknown field": (
        '[[tiers]]\nname = "standard"\nshaer = "1%"',
        [("tiers[0].shaer", 3, 1, 5, "no field `shaer`", "did you mean `share`?")],
    ),
    "a version": ("version = 3\n", [("version", 1, 1, 7, "no field `version`", "the ledger counts")]),
    "a weight that is not built": (
        "[objective]\nfairness = 3",
        [("objective.fairness", 2, 1, 8, "no field `fairness`", "see [fair_share]")],
    ),
    "missing": (
        '[[queues]]\ntenants = ["t"]',
        [("queues[0]", 1, 3, 6, "`name` is missing", "it says: what a rule's")],
    ),
    "a table, not an array": (
        "[tiers]\n",
        [("tiers", 1, 2, 5, "an array of tables, not a table", "[[tiers]]")],
    ),
    "an array, not a table": (
        "[[backfill]]\n",
        [("backfill", 1, 3, 8, "this is a table, not a list", "[backfill]")],
    ),
    "a number for a text": (
        "[[tiers]]\nname = 7",
        [("tiers[0].name", 2, 8, 1, "must be a name ([A-Za-z0-9._-]), not the number 7", "")],
    ),
    "a text for a number": (
        '[backfill]\ndepth = "9"',
        [("backfill.depth", 2, 9, 3, 'a whole number, not the text "9"', "")],
    ),
    "a fraction": ("[backfill]\ndepth = 9.5", [("backfill.depth", 2, 9, 3, "not the number 9.5", "")]),
    "true for a number": ("[backfill]\ndepth = true", [("backfill.depth", 2, 9, 4, "not true", "")]),
    "out of bounds": ("[backfill]\ndepth = 0", [("backfill.depth", 2, 9, 1, "0 is outside 1 to 10,000", "")]),
    "no flag": ('[preemption]\nenabled = "yes"', [("preemption.enabled", 2, 11, 5, "true or false", "")]),
    "no choice": (
        '[fair_share]\norder = "before_prority"',
        [("fair_share.order", 2, 9, 16, 'one of "before_priority", "after', "`before_priority`?")],
    ),
    "a duration without a unit": (
        "[preemption]\npatience = 30",
        [("preemption.patience", 2, 12, 2, "a time with its unit", 'write "30s"')],
    ),
    "no duration": (
        '[preemption]\npatience = "soon"',
        [("preemption.patience", 2, 12, 6, "a time", "1h30m")],
    ),
    "a duration beyond reason": (
        '[preemption]\npatience = "400d"',
        [("preemption.patience", 2, 12, 6, "400d is outside 0s to 366d", "")],
    ),
    "no share": (TIERS + "share = 0.5", [("tiers[0].share", 3, 9, 3, 'a share, such as "95%"', "")]),
    "too large a share": (TIERS + 'share = "101%"', [("tiers[0].share", 3, 9, 6, "more than all", "")]),
    "a tier twice": (
        TIERS + TIERS,
        [("tiers[1].name", 4, 8, 10, "'standard' is given twice; first in tiers[0].name", "")],
    ),
    "no such tier": (
        TIERS + 'preemptible_by = ["premum"]\n[[tiers]]\nname = "premium"',
        [("tiers[0].preemptible_by[0]", 3, 19, 8, "no tier 'premum'", "did you mean `premium`?")],
    ),
    "a tier that is served later": (
        TIERS + 'preemptible_by = ["late"]\n[[tiers]]\nname = "late"',
        [("tiers[0].preemptible_by[0]", 3, 19, 6, "'late' is not served before 'standard'", "")],
    ),
    "too many levels": (
        '[[tenants]]\nname = "a/b/c/d"',
        [("tenants[0].name", 2, 8, 9, "4 levels; at most 3", "")],
    ),
    "a cycle of tenants": (
        '[[tenants]]\nname = "a"\nparent = "b"\n[[tenants]]\nname = "b"\nparent = "a"',
        [("tenants[0].parent", 3, 10, 3, "a cycle: a below b below a", "")],
    ),
    "a cycle of cohorts": (
        '[[cohorts]]\nname = "a"\nparent = "b"\n[[cohorts]]\nname = "b"\nparent = "a"',
        [("cohorts[0].parent", 3, 10, 3, "a cycle: a below b below a", "")],
    ),
    "lends more than it has": (
        QUEUE + '[[queues.quotas]]\nkind = "gpu"\nnominal = 1_000\nlending_limit = "2 devices"',
        [("queues[0].quotas[0].lending_limit", 10, 17, 11, "'q' lends 2000 and has 1000", "")],
    ),
    "borrows from nobody": (
        '[[queues]]\nname = "q"\ntenants = ["t"]\nquotas = [{ kind = "cpu", nominal = 0, borrowing_limit = 1_000 }]',
        [("queues[0].quotas[0].borrowing_limit", 4, 58, 5, "nobody to borrow from", "")],
    ),
    "a quota twice": (
        QUEUE + 'quotas = [{ kind = "cpu", nominal = 0 }, { kind = "cpu", nominal = 0 }]',
        [("queues[0].quotas[1].kind", 7, 51, 5, "'cpu' is given twice", "")],
    ),
    "a quota without a kind": (
        QUEUE + 'quotas = [{ nominal = "2 devices" }]',
        [("queues[0].quotas[0]", 7, 11, 25, "`kind` is missing", "")],
    ),
    "no such flavour": (
        QUEUE + 'quotas = [{ kind = "cpu", nominal = 0, flavour = "a100" }]',
        [("queues[0].quotas[0].flavour", 7, 50, 6, "no flavour 'a100'", "there are no flavours")],
    ),
    "no quantity": (
        QUEUE + 'quotas = [{ kind = "gpu", nominal = "two" }]',
        [("queues[0].quotas[0].nominal", 7, 37, 5, '"two" is no quantity of gpu', '"64 devices"')],
    ),
    "a negative quantity": (
        QUEUE + 'quotas = [{ kind = "gpu", nominal = -1 }]',
        [("queues[0].quotas[0].nominal", 7, 37, 2, "-1 is outside 0 to", "")],
    ),
    "no such kind": (
        QUEUE + 'quotas = [{ kind = "gpuu", nominal = 0 }]',
        [("queues[0].quotas[0].kind", 7, 20, 6, "no kind of resource `gpuu`", "did you mean `gpu`?")],
    ),
    "a tenant in two queues": (
        QUEUE + '[[queues]]\nname = "r"\ntenants = ["x", "t"]',
        [("queues[1].tenants[1]", 9, 17, 3, "'t' is given twice; first in queues[0].tenants[0]", "")],
    ),
    "a queue named as a cohort": (
        '[[cohorts]]\nname = "c"\n[[queues]]\nname = "c"\ntenants = ["t"]',
        [("queues[0].name", 4, 8, 3, "'c' is a cohort", "")],
    ),
    "no selector": (
        '[[flavours]]\nname = "f"\nconstraints = ["model in"]',
        [("flavours[0].constraints[0]", 3, 16, 10, "column", "")],
    ),
    "a text for a list": (
        '[[queues]]\nname = "q"\ntenants = "t"',
        [
            ("queues[0].tenants", 3, 11, 3, "must be a list", "put it into brackets"),
        ],
    ),
    "an undeclared variable": (
        RULE + "when = 'job.tenat == \"x\"'\nthen = { refuse = 'no' }",
        [("rules[0].when", 3, 9, 9, "no variable `job.tenat`", "did you mean `job.tenant`?")],
    ),
    "an undeclared variable behind escapes": (
        RULE + 'when = "\\"a\\" == job.named"\nthen = { refuse = "no" }',
        [("rules[0].when", 3, 18, 9, "no variable `job.named`", "did you mean `job.name`?")],
    ),
    "in the third line of an expression": (
        RULE + 'when = """\njob.gpus > 1 &&\n  job.gpuss < 9\n"""\nthen = { refuse = "no" }',
        [("rules[0].when", 5, 3, 9, "no variable `job.gpuss`", "did you mean `job.gpus`?")],
    ),
    "two mistakes in one expression": (
        RULE + "when = 'job.name == 3 || job.x'\nthen = { refuse = 'no' }",
        [
            ("rules[0].when", 3, 18, 2, "`==` does not go with string and int", "the same type"),
            ("rules[0].when", 3, 26, 5, "no variable `job.x`", ""),
        ],
    ),
    "an unknown function": (
        RULE + "when = 'job.name.beginsWith(\"a\")'\nthen = { refuse = 'no' }",
        [("rules[0].when", 3, 18, 10, "no function `beginsWith`", "did you mean `endsWith`?")],
    ),
    "not true or false": (
        RULE + "when = 'job.name'\nthen = { refuse = 'no' }",
        [("rules[0].when", 3, 9, 8, "this must be true or false; it is string", 'job.name == "..."')],
    ),
    "an expression that ends too early": (
        RULE + "when = 'job.gpus >'\nthen = { refuse = 'no' }",
        [("rules[0].when", 3, 19, 1, "ends too early", "missing")],
    ),
    "not CEL": (
        RULE + "when = 'job.gpus > 1 and true'\nthen = { refuse = 'no' }",
        [("rules[0].when", 3, 22, 3, "not CEL", "and is `&&`")],
    ),
    "an empty expression": (
        RULE + "when = ' '\nthen = { refuse = 'no' }",
        [("rules[0].when", 3, 9, 1, "an empty expression", '"true"')],
    ),
    "no regular expression": (
        RULE + "when = 'job.name.matches(\"a(b\")'\nthen = { refuse = 'no' }",
        [("rules[0].when", 3, 27, 3, "invalid regular expression: missing )", "")],
    ),
    "a pattern that is not written out": (
        RULE + "when = 'job.name.matches(job.tenant)'\nthen = { refuse = 'no' }",
        [("rules[0].when", 3, 18, 7, "must be written out", "")],
    ),
    "an expression that costs too much": (
        RULE + "when = 'job.labels.all(k, job.labels.all(l, k == l))'\nthen = { refuse = 'no' }",
        [("rules[0].when", 3, 9, 44, "units; at most 15,000", "a loop within a loop")],
    ),
    "an expression that is no text": (
        RULE + "when = true\nthen = { refuse = 'no' }",
        [("rules[0].when", 3, 8, 4, "a CEL expression in quotes, not true", "")],
    ),
    "a rule without effect": (
        RULE + "when = 'true'\nthen = { limits = {} }",
        [("rules[0].then", 4, 1, 4, "this rule does nothing", "give it tier")],
    ),
    "a rule twice": (
        2 * (RULE + "when = 'true'\nthen = { refuse = 'no' }\n"),
        [("rules[1].name", 6, 8, 3, "'r' is the rule of line 1 already", "")],
    ),
    "a tier that no rule can give": (
        RULE + "when = 'true'\nthen = { tier = 'basik', defaults = { tier = 'gold' } }",
        [
            ("rules[0].then.tier", 4, 17, 7, "there is no tier 'basik'", "did you mean `basic`?"),
            ("rules[0].then.defaults.tier", 4, 46, 6, "there is no tier 'gold'", "there are premium"),
        ],
    ),
    "a queue that no rule can choose": (
        RULE + "when = 'true'\n[rules.then]\nqueue = 'night'",
        [("rules[0].then.queue", 5, 9, 7, "there is no queue 'night'", "there are no queues")],
    ),
    "a region that is not there": (
        RULE + "when = 'true'\nthen = { regions = { deny = ['east', 'eest'] } }",
        [("rules[0].then.regions.deny[1]", 4, 38, 6, "no region 'eest'", "did you mean `east`?")],
    ),
    "a limit of an unknown kind": (
        RULE + "when = 'true'\nthen = { limits = { resources = { licenze = 1 } } }",
        [("rules[0].then.limits.resources.licenze", 4, 45, 1, "no kind of resource `licenze`", "`licence`?")],
    ),
    "a limit of nothing": (
        RULE + "when = 'true'\nthen = { limits = { resources = { gpu = 0 } } }",
        [("rules[0].then.limits.resources.gpu", 4, 41, 1, "a limit of 0", "say `refuse` instead")],
    ),
    "everything at once": (
        "[backfill]\ndepth = 0\n" + TIERS + "wait_max = 5\npreemptible_by = ['x']\n",
        [
            ("backfill.depth", 2, 9, 1, "outside", ""),
            ("tiers[0].wait_max", 5, 12, 1, "a time with its unit", ""),
            ("tiers[0].preemptible_by[0]", 6, 19, 3, "no tier 'x'", ""),
        ],
    ),
}


def refused(text: str) -> tuple[Problem, ...]:
    with pytest.raises(DocumentRefused) as caught:
        read_document(text, WORLD)
    return caught.value.problems


@pytest.mark.parametrize("case", CASES)
def test_each_mistake_is_found_where_it_stands(case: str) -> None:
    text, expected = CASES[case]
    found = [each for each in refused(text) if each.severity == "error"]
    assert [(each.path, each.line, each.column, each.width) for each in found] == [
        (path, line, column, width) for path, line, column, width, _, _ in expected
    ]
    for problem, (_, line, _, _, message, hint) in zip(found, expected, strict=True):
        assert message in problem.message
        assert hint in problem.hint
        assert problem.source == text.split("\n")[line - 1]


WARNINGS: dict[str, tuple[str, Expected]] = {
    "a label that may be missing": (
        RULE + "when = 'job.labels.team == \"x\"'\nthen = { refuse = 'no' }",
        ("rules[0].when", 3, 20, 4, "a job without the label 'team'", '"team" in job.labels && ...'),
    ),
    "a label by index": (
        RULE + "when = 'job.labels[\"team\"] == \"x\"'\nthen = { refuse = 'no' }",
        ("rules[0].when", 3, 21, 4, "a job without the label 'team'", ""),
    ),
    "a queue that nobody comes into": (
        '[[queues]]\nname = "q"',
        ("queues[0]", 1, 3, 6, "no job comes into the queue 'q'", "`then.queue`"),
    ),
    "a cohort of one": (
        QUEUE + '[[queues]]\nname = "r"\ntenants = ["u"]\ncohort = "cc"',
        ("queues[1].cohort", 10, 10, 4, "nobody else is in the cohort 'cc'", "did you mean `c`?"),
    ),
    "no standard tier": (
        '[[tiers]]\nname = "gold"',
        ("tiers", 1, 3, 5, "no tier is called 'standard'", "then.defaults.tier"),
    ),
    "less than one device": (
        QUEUE + 'quotas = [{ kind = "gpu", nominal = 64 }]',
        ("queues[0].quotas[0].nominal", 7, 37, 2, "less than one", '"64 devices" or 64_000'),
    ),
}


@pytest.mark.parametrize("case", WARNINGS)
def test_what_is_right_and_probably_not_meant_is_told(case: str) -> None:
    text, (path, line, column, width, message, hint) = WARNINGS[case]
    (found,) = read_document(text, WORLD).warnings
    assert (found.path, found.line, found.column, found.width) == (path, line, column, width)
    assert message in found.message
    assert hint in found.hint
    assert found.severity == "warning"


@pytest.mark.parametrize(
    "text",
    [
        RULE + "when = '\"team\" in job.labels && job.labels.team == \"x\"'\nthen = { refuse = 'no' }",
        RULE + "when = 'has(job.labels.team) && job.labels[\"team\"] == \"x\"'\nthen = { refuse = 'no' }",
        '[[queues]]\nname = "q"\n' + RULE + "when = 'true'\nthen = { queue = 'q' }",
        '[[tiers]]\nname = "gold"\n' + RULE + "when = 'true'\nthen = { defaults = { tier = 'gold' } }",
        "",
    ],
)
def test_what_is_meant_is_not_warned_of(text: str) -> None:
    assert read_document(text, WORLD).warnings == ()


def test_documents_have_a_largest_size() -> None:
    (problem,) = refused("#" * (limits.POLICY_BYTES_MAX + 1))
    assert (problem.line, problem.message) == (0, "more than 512 KiB")
    rules = "".join(
        f"[[rules]]\nname = 'r{n}'\nwhen = 'true'\nthen = {{ refuse = 'no' }}\n"
        for n in range(limits.POLICY_RULES_MAX + 1)
    )
    (problem,) = refused(rules)
    assert (problem.path, problem.line, problem.message) == ("rules", 1, "257 entries; at most 256")
    (problem,) = refused(RULE + f"when = '{'!' * 2_100}true'\nthen = {{ refuse = 'no' }}")
    assert problem.message == "2,104 characters; at most 2,048"
    (problem,) = refused("a = " + "[" * 2_000)
    assert problem.message == "nested too deeply"


def test_all_rules_together_have_a_largest_cost() -> None:
    loop = "job.datasets.exists(d, job.regions.exists(r, r == d) || d == 'x')"
    single = "job.datasets.map(d, d + 'a' + d + 'b' + d).size() > 9 || job.labels.all(k, k + k + k != 'a')"
    assert read_document(f"{RULE}when = \"{single}\"\nthen = {{ refuse = 'no' }}")
    rules = "".join(
        f"[[rules]]\nname = 'r{n}'\nwhen = \"{single}\"\nthen = {{ refuse = 'no' }}\n" for n in range(40)
    )
    (problem,) = refused(rules)
    assert problem.path == "rules"
    assert "at most 20,000" in problem.message
    assert refused(f"{RULE}when = \"{loop}\"\nthen = {{ refuse = 'no' }}")


def test_a_file_must_be_utf_8() -> None:
    with pytest.raises(DocumentRefused) as caught:
        read_bytes(b'[[tiers]]\nname = "\xff"')
    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.message) == (2, 9, "not UTF-8")


def test_windows_line_ends_are_line_ends() -> None:
    (problem,) = refused("[backfill]\r\n\r\ndepth = 0\r\n")
    assert (problem.line, problem.column, problem.source) == (3, 9, "depth = 0")
    assert read_document("[backfill]\r\n").digest == read_document("[backfill]\n").digest


def test_how_a_problem_is_shown() -> None:
    (problem,) = refused(RULE + "when = 'job.tenat == \"x\"'\nthen = { refuse = 'no' }")
    assert [line for _, line in lines_of(problem, "policy.toml")] == [
        "error: there is no variable `job.tenat`",
        "  --> policy.toml:3:9",
        "  |",
        "3 | when = 'job.tenat == \"x\"'",
        "  |         ^^^^^^^^^ rules[0].when",
        "  = did you mean `job.tenant`?",
    ]
    assert summary([problem, problem]) == "2 errors"
    (whole,) = refused("#" * (limits.POLICY_BYTES_MAX + 1))
    assert [line for _, line in lines_of(whole, "p")] == ["error: more than 512 KiB", "  --> p"]


def test_the_mark_stands_under_what_it_marks_behind_tabs() -> None:
    (problem,) = refused("[backfill]\n\tdepth =\t0")
    lines = [line for _, line in lines_of(problem, "p")]
    assert lines[3:5] == ["2 | \tdepth =\t0", "  | \t       \t^ backfill.depth"]


def test_the_sample_is_right() -> None:
    sample = Path(__file__).parents[2] / "deploy" / "policy" / "example.toml"
    document = read_document(sample.read_text(encoding="utf-8"))
    assert document.warnings == ()
    assert document.rules[0].name == "night shift"
