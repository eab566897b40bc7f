"""Scenarios for Spin: the same verdicts as ours, with faults, protections and properties."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from settlesim.errors import SimulationError
from settlesim.gallery import append_log, counter, order
from settlesim.sim import (
    PropertyKind,
    Scenario,
    Verdict,
    always,
    context_is,
    dead_letter,
    effect,
    ended,
    eventually,
    explore,
    in_state,
    never,
    program_tables,
    sometimes,
    to_promela,
    waiting,
)

needs_spin = pytest.mark.skipif(
    not os.environ.get("CI") and not (shutil.which("spin") and shutil.which("cc")),
    reason="needs spin and a C compiler; CI installs them",
)
QUESTIONS = [
    eventually("paid", in_state("paid")),
    sometimes("refunded", in_state("refunded") & ~waiting("CANCEL")),
    always("paid is charged", effect("charge_card"), when=in_state("paid")),
    never("charged twice", effect("charge_card", 2)),
    never("lost", dead_letter() | context_is("charge", None) & in_state("paid"), at_end=True),
    eventually("over", ended(), when=effect("charge_card")),
]
CONDITIONS: list[dict[str, Any]] = [
    {},
    {"queue": "direct"},
    {"queue": "direct", "protections": ["cas"], "faults": {"crashes": 1}},
    {"queue": "fifo_group"},
    {"queue": "fifo_group", "faults": {"crashes": 1}, "protections": ["inbox", "idempotent"]},
    {"queue": "fifo_group", "faults": {"expiries": 1}, "protections": ["fence"]},
    {"queue": "fifo_group", "faults": {"crashes": 1}, "max_receives": 1},
    {"queue": "mutex", "faults": {"service_failures": 1}},
    {"queue": "fifo_dispatch", "protections": ["cas", "atomic"]},
    {"queue": "standard", "faults": {"duplicates": 1}, "protections": ["inbox", "atomic"]},
    {"queue": "fifo_global", "faults": {"expiries": 1}, "protections": ["atomic", "idempotent"]},
]

ASKED = {2, 5, 6, 9}
"""Conditions under which properties are asked for in each run, and not at night alone.

Without a queue, in order and without; each of the faults, and a dead letter.
"""


def pan(text: str, folder: Path, *flags: str) -> Path:
    """Make a verifier of a model."""
    folder.mkdir()
    (folder / "model.pml").write_text(text, encoding="utf-8")
    for command in (
        ["spin", "-a", *flags, "model.pml"],
        ["cc", "-O0", "-w", "-DNOREDUCE", "-o", "pan", "pan.c"],
    ):
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    return folder / "pan"


def found_by(verifier: Path, *options: str) -> tuple[bool, int]:
    """Whether Spin finds an error, and how many states it has stored."""
    done = subprocess.run(
        [str(verifier), "-m20000", "-w18", *options],
        cwd=verifier.parent,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    errors = re.search(r"errors: (\d+)", done.stdout)
    states = re.search(r"(\d+) states, stored", done.stdout)
    assert errors is not None
    assert states is not None
    assert "max search depth too small" not in done.stdout
    return errors[1] != "0", int(states[1])


@needs_spin
@pytest.mark.parametrize("conditions", CONDITIONS, ids=str)
def test_spin_gives_the_same_verdicts(conditions: dict[str, Any], tmp_path: Path) -> None:
    """On the criterion, for PAY and CANCEL of the order."""
    scenario = Scenario(order, ["PAY", "CANCEL"], **conditions)
    found = explore(scenario)
    refuted, states = found_by(pan(to_promela(scenario), tmp_path / "criterion"), "-c0")
    assert found.verdict is (Verdict.REFUTED if refuted else Verdict.PROVED)
    faults = scenario.faults
    if not faults.expiries and not faults.duplicates:  # which tell equal deliveries apart
        assert states == found.states


@needs_spin
@pytest.mark.parametrize(
    "conditions",
    [
        pytest.param(each, id=str(each), marks=[] if number in ASKED else [pytest.mark.nightly])
        for number, each in enumerate(CONDITIONS)
    ],
)
def test_spin_gives_the_same_verdicts_on_properties(
    conditions: dict[str, Any], tmp_path: Path
) -> None:
    """On properties of every kind, of every thing that can be asked for."""
    scenario = Scenario(order, ["PAY", "CANCEL"], properties=QUESTIONS, **conditions)
    found = explore(scenario)
    verifier = pan(to_promela(scenario), tmp_path / "properties", "-DPROPERTIES")
    for number, result in enumerate(found.properties, 1):
        error, _ = found_by(verifier, "-a", "-N", f"p{number}")
        happens = result.about.kind is PropertyKind.SOMETIMES
        assert result.verdict is (Verdict.PROVED if error is happens else Verdict.REFUTED), result


@needs_spin
def test_spin_refutes_two_instances_and_failures_that_add_up(tmp_path: Path) -> None:
    """Keys name instances; failures of one budget are counted over all of them."""
    scenario = Scenario(
        order,
        [("a", "PAY"), ("b", "PAY")],
        queue="fifo_group",
        faults={"service_failures": 1},
        properties=[
            never("both fail", in_state("new", "a") & in_state("new", "b"), at_end=True),
            sometimes("one fails", in_state("new", "a") & in_state("paid", "b"), at_end=True),
        ],
    )
    found = explore(scenario)
    text = to_promela(scenario)
    assert found_by(pan(text, tmp_path / "c"), "-c0") == (False, found.states)
    verifier = pan(text, tmp_path / "p", "-DPROPERTIES")
    assert [found_by(verifier, "-a", "-N", f"p{n}")[0] for n in (1, 2)] == [False, True]
    assert [each.verdict for each in found.properties] == [Verdict.PROVED, Verdict.PROVED]


def test_what_promela_cannot_say_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before anything is searched, where that can be told before."""
    events = ["E1", "E2"]
    monkeypatch.setattr(program_tables, "_MAX_WORK", 2_000)
    for reason, scenario in [
        ("monitors", Scenario(append_log(2), events, monitors=["lost update"])),
        ("256 events|257 processes", Scenario(counter(0), ["INC"] * 256)),
        ("more than 2000 situations", Scenario(counter(0), ["INC"] * 30)),
        (
            "property 'x' is asked by a function of Python",
            Scenario(order, ["PAY"], properties=[never("x", lambda seen: seen.ended)]),
        ),
        (
            "effects; 200 is the limit",
            Scenario(counter(3, effect=True), ["INC"] * 9, protections=["cas"], queue="fifo_group"),
        ),
    ]:
        with pytest.raises(SimulationError, match=reason):
            to_promela(scenario)


def test_names_cannot_leave_the_comments_of_a_model() -> None:
    """Keys are anybody's text."""
    text = to_promela(Scenario(order, [("*/ assert(false) /*", "PAY"), ("b", "PAY")]))
    assert "*/ assert" not in text
