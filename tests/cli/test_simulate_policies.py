"""``settlesim simulate`` with batches, and with policies for events that arrive."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Run


def test_batches_are_explored_from_the_command_line(run: Run) -> None:
    """The conditions name the batch and what a failure does to it."""
    result = run(
        "simulate", "order", "PAY", "SHIP", "CANCEL", "--queue", "fifo_group",
        "--batch", "3", "--batch-failures", "stop_at_first",
    )  # fmt: skip
    assert result.exit_code == 0
    assert "batches of up to 3: stops at its first failure, and returns the rest" in result.stdout


def test_a_policy_is_explored_from_the_command_line(run: Run) -> None:
    """Its endings say in JSON which events were cancelled."""
    arguments = ["simulate", "order", "PAY", "CANCEL", "--while-running", "interrupt", "--json"]
    result = run(*arguments, "--queue", "fifo_group", "--protect", "atomic")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["scenario"]["while_running"] == "interrupt"
    assert [1] in [each.get("excluded") for each in found["endings"]]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--batch", "2"], "--batch: is of the messages of one group"),
        (["--batch-failures", "partial"], "--batch-failures: is about batches"),
    ],
)
def test_what_makes_no_sense_is_told_in_words_of_options(
    run: Run, arguments: list[str], told: str
) -> None:
    """With exit status 2, as for any wrong argument."""
    result = run("simulate", "order", "PAY", *arguments)
    assert result.exit_code == 2
    assert told in result.stderr
