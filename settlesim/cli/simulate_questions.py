"""The questions of ``settlesim simulate``: properties, what to find, and what to export."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from settlesim.chart.report import Verdict
from settlesim.chart.secrets import hide
from settlesim.cli.command_group import Refusal
from settlesim.cli.text import plain
from settlesim.errors import SimulationError

if TYPE_CHECKING:
    from settlesim.sim import Exploration, FoundSchedule, PropertyResult, Scenario

__all__ = [
    "export_options",
    "exported",
    "finding_record",
    "property_record",
    "property_text",
    "question_options",
    "scenario_record",
    "taken_questions",
    "with_properties",
    "worst_verdict",
]

_KINDS: Final = ("never", "always", "eventually", "sometimes")
_WITH_VALUES: Final = ("events", "start", "results")
"""The members of a scenario with data of events and results of services."""
_HELP: Final = {
    "never": "It holds in no state that can be reached, such as 'shipped & refund_card'.",
    "always": "It holds in every state that can be reached.",
    "eventually": "Every schedule reaches a state in which it holds.",
    "sometimes": "It holds in some state that can be reached.",
}


def question_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that ask a question."""
    command = click.option(
        "--find",
        "wanted",
        metavar="PREDICATE",
        help="Print the shortest schedule to a state in which it holds, and explore nothing.",
    )(command)
    for kind in reversed(_KINDS):
        command = click.option(f"--{kind}", metavar="PREDICATE", multiple=True, help=_HELP[kind])(
            command
        )
    return command


def export_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that write files for other tools."""
    path = click.Path(dir_okay=False, path_type=Path)
    command = click.option(
        "--export-pytest",
        metavar="FILE",
        type=path,
        help="Write a test of what is found: of the counterexample where there is one, and else "
        "that there is none. With --expect-fixed the test fails until there is none.",
    )(command)
    command = click.option(
        "--expect-fixed", is_flag=True, help="Let --export-pytest assert that no defect is there."
    )(command)
    return click.option(
        "--export-promela", metavar="FILE", type=path, help="Write a model for Spin, and go on."
    )(command)


def taken_questions(options: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Take the texts of the properties out of the options, by kind."""
    return {kind: options.pop(kind) for kind in _KINDS}


def with_properties(scenario: Scenario, texts: Mapping[str, tuple[str, ...]]) -> Scenario:
    """Return a scenario with the properties of the command line."""
    from settlesim.sim import Property, PropertyKind, parse_predicate

    asked = [
        Property(PropertyKind(kind), text, _read(f"--{kind}", text, scenario, parse_predicate))
        for kind, given in texts.items()
        for text in dict.fromkeys(given)
    ]
    names = [each.name for each in asked]
    asked = [
        Property(each.kind, f"{each.name} ({each.kind.value})", each.predicate)
        if names.count(each.name) > 1
        else each
        for each in asked
    ]
    return scenario.replace(properties=asked) if asked else scenario


def _read(option: str, text: str, scenario: Scenario, parse: Callable[..., Any]) -> Any:
    try:
        return parse(text, scenario.vocabulary)
    except SimulationError as error:
        raise Refusal(f"{option}: {error}") from error


# --- telling ------------------------------------------------------------------------------


def property_text(result: PropertyResult) -> list[str]:
    """Tell what was found out about a property."""
    lines = [f"{result.verdict.name}: {plain(str(result)).partition(': ')[2]}"]
    if result.schedule is not None:
        happens = result.verdict is Verdict.PROVED
        lines.append(f"  shortest {'witness' if happens else 'counterexample'}: {result.schedule}")
    return lines


def property_record(result: PropertyResult) -> dict[str, Any]:
    """Return what was found out about a property as plain JSON."""
    return {
        **result.about.to_dict(),
        "verdict": result.verdict.value,
        "vacuous": result.vacuous,
        "interleavings": result.interleavings,
        "note": result.note,
        "schedule": None if result.schedule is None else str(result.schedule),
    }


def scenario_record(scenario: Scenario) -> dict[str, Any]:
    """Return a scenario as plain JSON, without secret values."""
    found = scenario.to_dict()
    shown = {name: hide(found[name], scenario.chart.secret) for name in _WITH_VALUES}
    return found | shown


def finding_record(found: FoundSchedule) -> dict[str, Any]:
    """Return the result of ``--find`` as plain JSON."""
    return {
        "scenario": scenario_record(found.scenario),
        "verdict": found.verdict.value,
        "schedule": None if found.schedule is None else str(found.schedule),
        "states": found.states,
        "reason": found.reason,
    }


def worst_verdict(found: Exploration) -> str:
    """Return the verdict for the exit status: the worst of the properties, if there are any."""
    verdicts = [each.verdict for each in found.properties] or [found.verdict]
    ranks = [Verdict.PROVED, Verdict.UNDETERMINED, Verdict.REFUTED]
    return max(verdicts, key=ranks.index).value


# --- files for other tools ----------------------------------------------------------------


def exported(found: Exploration, pytest_file: Path | None, chart: str, *, fixed: bool) -> None:
    """Write the test that was asked for.

    Raises
    ------
    Refusal
        There is nothing to be tested, or the file cannot be written.
    """
    from settlesim.sim import to_pytest

    if pytest_file is None:
        return
    if not chart:
        raise Refusal(
            "--export-pytest: a test finds its chart by a name of the gallery or module:attribute, "
            "and this one is a file"
        )
    schedule = None if fixed else found.counterexample
    try:
        text = to_pytest(found.scenario, schedule, chart)
    except SimulationError as error:
        raise Refusal(f"--export-pytest: {error}") from error
    write_text(pytest_file, text)
    what = "that no defect is there" if schedule is None else "that the defect is there"
    click.echo(f"Wrote {plain(str(pytest_file))}: it asserts {what}.", err=True)


def write_text(path: Path, text: str) -> None:
    """Write a file.

    Raises
    ------
    Refusal
        It cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Refusal(f"{plain(str(path))} cannot be written: {error.strerror}") from error
