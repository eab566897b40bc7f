"""What ``settlesim deploy aws`` writes: a template that cfn-lint has nothing against, and code."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from settlesim.chart import Chart
from settlesim.errors import InvalidValueError
from tests.cli.conftest import Run, here, run

__all__ = ["here", "run"]

pytest.importorskip("boto3", reason="settlesim[aws] is not installed")

TIMED = {
    "name": "timed",
    "initial": "a",
    "states": [
        {"name": "a", "tags": ["settled"], "after": {"5": "b"}},
        {"name": "b", "tags": ["settled"]},
    ],
    "transitions": [["GO", "a", "b"]],
}


def lint(text: str, *, everywhere: bool) -> list[str]:
    """Return what cfn-lint says of a template, in one region or in all."""
    if importlib.util.find_spec("cfnlint") is None:
        if os.environ.get("CI"):
            pytest.fail("no cfn-lint: CI has to install it")
        pytest.skip("no cfn-lint: pip install cfn-lint")
    from cfnlint import api
    from cfnlint.config import ManualArgs

    rules = ManualArgs(include_checks=["I"], include_experimental=True, regions=["us-east-1"])
    matches = api.lint_all(text) if everywhere else api.lint(text, config=rules)
    found = [f"{each.rule.id} {each.message}" for each in matches]
    return [each for each in found if not each.startswith("I")]  # hints, as on the command line


@pytest.mark.parametrize("everywhere", [False, pytest.param(True, marks=pytest.mark.nightly)])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_template_is_sound(here: Path, run: Run, everywhere: bool) -> None:
    """It is the same for all charts but for their names; nothing of it is public."""
    (here / "timed.json").write_text(json.dumps(TIMED))
    texts = []
    for chart in ("count", "timed.json"):
        done = run("deploy", "aws", chart, "-o", f"of-{chart}")
        assert done.exit_code == 0, done.stderr
        texts.append((here / f"of-{chart}" / "template.yaml").read_text())
    text = texts[0]
    assert texts[1] == text.replace('"The chart count,', '"The chart timed,')
    assert lint(text, everywhere=everywhere) == []
    assert lint(text.replace(" Timeout:", " TimeOut:"), everywhere=False) != []
    assert "FunctionUrl" not in text
    assert "@" not in text


def test_the_times_fit_each_other(here: Path, run: Run) -> None:
    """The function may try an event as often as it may fail; the queue waits six times longer."""
    run("deploy", "aws", "count", "-o", "out", "--deadline", "20", "--max-failures", "2")
    text = (here / "out" / "template.yaml").read_text()
    (timeout,) = map(int, re.findall(r" Timeout: (\d+)", text))
    (visibility,) = map(int, re.findall(r" VisibilityTimeout: (\d+)", text))
    assert timeout >= 2 * 20 + 1
    assert visibility == 6 * timeout


def test_more_than_a_function_may_run_is_refused(here: Path, run: Run) -> None:
    """Before anything is written."""
    done = run("deploy", "aws", "count", "-o", "out", "--deadline", "400")
    assert done.exit_code == 2
    assert "900" in done.stderr
    assert not (here / "out").exists()


def test_functions_are_imported_or_refused(here: Path, run: Run) -> None:
    """A file names functions and has none."""
    chart = TIMED | {"transitions": [
        {"trigger": "GO", "source": "a", "dest": "b", "conditions": "may"}
    ]}  # fmt: skip
    (here / "guarded.json").write_text(json.dumps(chart))
    done = run("deploy", "aws", "guarded.json", "-o", "out")
    assert done.exit_code == 2
    assert "may" in done.stderr


def test_files_that_are_there_are_left_alone(here: Path, run: Run) -> None:
    """But for --force."""
    assert run("deploy", "aws", "count", "-o", "out").exit_code == 0
    assert run("deploy", "aws", "count", "-o", "out").exit_code == 2
    assert run("deploy", "aws", "count", "-o", "out", "--force").exit_code == 0


def test_the_written_code_is_a_handler(
    here: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the environment that the template gives it."""
    from settlesim.engines.aws import QueueHandler

    run("deploy", "aws", "count", "-o", "out", "--policy", "halt")
    monkeypatch.setenv("SETTLESIM_TABLE", "t")
    monkeypatch.setenv("SETTLESIM_QUEUE_URL", "q")
    spec = importlib.util.spec_from_file_location("app", here / "out" / "src" / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert isinstance(module.handler, QueueHandler)
    assert module.handler.chart.name == "count"
    assert module.handler.options.policy == "halt"
    assert "app" not in sys.modules


def test_a_handler_without_a_table_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable."""
    from settlesim.engines.aws import handler

    monkeypatch.delenv("SETTLESIM_TABLE", raising=False)
    with pytest.raises(InvalidValueError, match="SETTLESIM_TABLE"):
        handler(Chart(["a"], [], "a", name="a"), queue_url="q")


def test_options_are_checked() -> None:
    """Numbers that make no sense are refused."""
    from settlesim.engines.aws.queue_handler import DEFAULTS

    with pytest.raises(InvalidValueError):
        replace(DEFAULTS, max_failures=0)
