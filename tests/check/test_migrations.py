"""What the check finds in the steps between versions, each with a shortest run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from settlesim import Chart, migration
from settlesim.chart.report import CODES, Verdict
from settlesim.check import check_chart
from settlesim.versions import split
from tests.settling.driving import settled
from tests.versions.charts import NEW, OLD, OLDEST, order


def found(chart: Chart, **options: Any) -> list[tuple[str, str]]:
    """The findings that are about steps: codes and places."""
    findings = check_chart(chart, **options).findings
    return [(each.code, each.where) for each in findings if each.code.startswith("SET4")]


def test_steps_that_lead_everything_on_are_proved() -> None:
    """Renames, a split with its targets, events and delays, over two steps."""
    assert found(NEW) == found(OLD) == []
    assert check_chart(NEW).verdict is Verdict.PROVED


def test_a_configuration_without_a_place_is_shown_from_a_new_instance_on() -> None:
    """The path ends with the step."""
    chart = OLD.with_migrations(migration(OLDEST, events={"PAY": "CHARGE"}))
    (finding,) = check_chart(chart).errors
    assert (finding.code, finding.where) == ("SET401", "version 1 in paid")
    assert finding.message == "state 'paid' is not in version 2"
    assert finding.path == (
        "new instance in open",
        "PAY -> paid",
        "the step from version 1 to 2 -> paid",
    )


def test_a_chain_is_followed_to_its_end() -> None:
    """What the second step forgets is shown of the first version, too."""
    states = {"open": "waiting", "held": "cart"}
    chart = NEW.with_migrations(migration(OLD, states={**states, "charged": "cart"}))
    assert found(chart) == []
    chart = NEW.with_migrations(migration(OLD, states={"open": "waiting"}))
    assert found(chart) == [("SET401", "version 1 in held"), ("SET401", "version 2 in held")]


def test_every_target_of_a_split_is_followed() -> None:
    """One that is no place to rest is enough."""
    states = [settled("open"), settled("held"), {"name": "limbo"}]
    for targets, expected in ((("open", "held"), []), (("open", "limbo"), ["SET401"])):
        step = migration(
            OLDEST,
            states={"paid": split(lambda context: "open", *targets)},
            events={"PAY": None, "STOP": None},
            delays={"open.0": None},
        )
        chart = order(2, states, [["X", "open", "limbo"], ["X", "limbo", "open"]], step)
        assert [code for code, _ in found(chart)] == expected


def test_a_state_that_is_left_without_an_event_is_no_target() -> None:
    """An instance would be in it without ever taking the transition; a guard may keep it there."""
    states = [settled("open"), settled("held")]
    for guard, expected in (({}, ["SET401"]), ({"conditions": "ready"}, [])):
        step = migration(
            OLDEST,
            states={"paid": "held"},
            events={"PAY": None, "STOP": None},
            delays={"open.0": None},
        )
        onward = {"trigger": "", "source": "held", "dest": "open", **guard}
        chart = order(2, states, [["X", "open", "held"], onward], step)
        assert sorted({code for code, _ in found(chart)}) == expected


def test_a_function_whose_targets_nobody_knows_is_told() -> None:
    """The dry run shows where it leads."""
    step = migration(OLDEST, states={"paid": lambda context: "charged"}, events={"PAY": "CHARGE"})
    assert found(OLD.with_migrations(step)) == [("SET406", "version 1 in paid")]


def test_events_and_delays_have_to_be_mapped_or_dropped_by_name() -> None:
    """Each with a run in which it is taken, or in which its timer runs."""
    states = [settled("open", after={"30": "held"}), settled("held"), settled("paid")]
    ways = [["PAYS", "open", "paid"], ["STOP", "open", "held"]]

    def chart(**mappings: Any) -> Chart:
        return order(2, states, ways, migration(OLDEST, **mappings))

    event, delay = check_chart(chart()).errors
    assert (event.code, event.where) == ("SET402", "event 'PAY' of version 1")
    assert "events={'PAY': 'PAYS'}, or drop it with None" in event.message
    assert event.path == ("new instance in open", "PAY -> paid")
    assert (delay.code, delay.where) == ("SET403", "delay 'open.0' (after 60 s) of version 1")
    assert "delays={'open.0': NEW}" in delay.message
    assert "there are 'open.0' (after 30 s)" in delay.message
    assert delay.path == ("new instance in open",)
    for mappings in (
        {"events": {"PAY": "PAYS"}, "delays": {"open.0": "open.0"}},
        {"events": {"PAY": None}, "delays": {"open.0": None}},
    ):
        assert found(chart(**mappings)) == []


def test_frozen_versions_want_a_step_and_may_not_be_edited() -> None:
    """Those of other charts and of later versions say nothing."""
    other = Chart(["a"], [], "a", name="other")
    assert found(NEW, known=[OLDEST, OLD, NEW, other]) == []
    assert found(OLD, known=[NEW]) == []
    assert found(NEW.with_migrations(), known=[OLDEST, OLD]) == [
        ("SET404", "version 1"),
        ("SET404", "version 2"),
    ]
    edited = order(2, [settled("open"), settled("charged")], [])
    (finding,) = check_chart(NEW, known=[edited]).errors
    assert (finding.code, finding.where) == ("SET405", "version 2")
    assert "state held is new" in finding.message
    assert check_chart(NEW, known=[edited]).verdict is Verdict.REFUTED


def test_every_code_of_a_step_is_shown() -> None:
    """In one of the tests above."""
    text = Path(__file__).read_text(encoding="utf-8")
    assert [code for code in CODES if code.startswith("SET4") and f'"{code}"' not in text] == []
