"""``settlesim simulate``: every interleaving of some events, and what it proves."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from settlesim.chart import Chart
from settlesim.cli.charts import CHART_HELP, Source, chart_argument, find_chart
from settlesim.cli.command_group import Command, Refusal
from settlesim.cli.simulate_options import OPTION_NAMES, scenario_options, time_option
from settlesim.cli.simulate_questions import (
    export_options,
    exported,
    finding_record,
    question_options,
    taken_questions,
    with_properties,
    worst_verdict,
    write_text,
)
from settlesim.cli.simulation_text import (
    exploration_record,
    exploration_text,
    replay_record,
    replay_text,
    replay_verdict,
    sample_record,
    sample_text,
)
from settlesim.cli.stand_ins import bind_stubs, stub_options
from settlesim.cli.text import plain
from settlesim.errors import RenderError, SimulationError, shorten

if TYPE_CHECKING:
    from settlesim.sim import Exploration, Replay, Scenario

__all__ = ["simulate"]

_STATUS: Final = {"proved": 0, "refuted": 1, "undetermined": 3}
_STARTS: Final = "-"
"""Given instead of an event, it starts the instance without one."""


@click.command(
    cls=Command,
    short_help="Explore every interleaving of some events, and prove or refute their order.",
    help=f"""Handle EVENTS of CHART under every schedule: every interleaving of the handlers.

    {CHART_HELP}

    EVENT is the name of an event, or KEY:EVENT for the instance called KEY; the key ends at
    the last colon. They arrive in the order given, and schedules name them by number: r2
    receives the second one. In the place of an event, - starts the instance without one.
    Events that need data get it with --data.

    PROVED says that every schedule ends as handling the events one after another, in arrival
    order. Where one does not, the shortest schedule that shows it is printed: fewest faults, then
    fewest switches between handlers. --replay shows it step by step.

    The services of CHART are really called, once for each different call and on a simulated
    clock, to learn what they answer. Replace one that does real work with --service or --stub;
    --guard and --assign replace other functions, as in settle.

    Ctrl-C ends the search with what is known by then.

    --never, --always, --eventually and --sometimes ask questions of your own, with names of
    states and of services that have had their effect: 'shipped & refund_card'. They are combined
    by & | ~ and parentheses; refund_card>=2 says how often, dead:PAY and waiting:PAY are about
    messages, ended holds at the end, context:count==3 compares a field, and @KEY says which
    instance. With them the exit status is about them.

    \b
    Exit status: 0 for PROVED; 1 for REFUTED; 3 for UNDETERMINED; 2 for
    wrong arguments and charts, and where a picture cannot be written.
    With --replay it is about that schedule; 3 where it does not end.

    \b
    Examples:
      settlesim simulate order PAY SHIP --queue direct
      settlesim simulate order PAY SHIP --queue fifo_group --crashes 1 --protect idempotent
      settlesim simulate order PAY CANCEL --queue direct -o order.svg --picture lanes
      settlesim simulate order PAY SHIP CANCEL --never 'print_label & refund_card'
      settlesim simulate order PAY CANCEL --queue direct --replay "l1 c1 l2 s2 s1\"""",
)
@chart_argument
@click.argument("events", metavar="EVENT...", nargs=-1, required=True)
@scenario_options
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=1),
    help="Find about this many states; beyond it nothing is proved.",
)
@stub_options
@question_options
@export_options
@click.option(
    "--by-instance/--together",
    "by_instance",
    default=None,
    help="Explore each instance alone, with the whole budget: what that shows holds of all. If not "
    "given, where all together meet the limit.",
)
@click.option(
    "--sample",
    "runs",
    metavar="RUNS",
    type=click.IntRange(1, 1_000_000),
    help="Run this many random schedules instead: they can refute, and cannot prove.",
)
@click.option("--seed", metavar="N", type=int, default=1, help="The seed of --sample.")
@time_option
@click.option("--replay", "schedule", metavar="STEPS", help="Follow one schedule instead.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.option("--certificate", is_flag=True, help="Search again for a checksum over all states.")
@click.option(
    "-o",
    "--output",
    "--svg",
    "output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a picture, .svg or .png.",
)
@click.option(
    "--picture",
    type=click.Choice(["bars", "lanes", "states"]),
    help="The endings; one schedule: the counterexample, or that of --replay; or all states.",
)
@click.option(
    "--theme",
    type=click.Choice(["light", "dark"]),
    default="light",
    help="Colours of the picture.",
)
def simulate(
    *,
    source: Source,
    events: tuple[str, ...],
    data: Mapping[str, Any],
    keys: int,
    limit: int | None,
    stub: bool,
    service: Mapping[str, Callable[..., Any]],
    guard: Mapping[str, Callable[..., Any]],
    assign: Mapping[str, Callable[..., Any]],
    old: str | None,
    schedule: str | None,
    wanted: str | None,
    export_pytest: Path | None,
    expect_fixed: bool,
    export_promela: Path | None,
    by_instance: bool | None,
    runs: int | None,
    seed: int,
    times: Mapping[str, Any],
    as_json: bool,
    certificate: bool,
    output: Path | None,
    picture: str | None,
    theme: Any,
    **options: Any,
) -> None:
    """Simulate events."""
    from settlesim.sim import Scenario

    _check_options(output, picture, schedule)
    _check_questions(schedule, wanted, export_pytest, expect_fixed=expect_fixed)
    _check_sample(runs, picture)
    functions = {"service": service, "guard": guard, "assign": assign}
    chart = bind_stubs(source.chart, functions, rest=stub)
    faults = ("crashes", "expiries", "duplicates", "service_failures")
    budgets = {name: options.pop(name) for name in faults}
    asked = taken_questions(options)
    if old is not None:
        options["old"] = _earlier(find_chart(old).chart, functions, rest=stub)
    with _in_words_of_options():
        named = _events(chart, events, data, several=keys > 1)
        scenario = Scenario(chart, named, keys=keys, faults=budgets, **options)
    scenario = with_properties(scenario, asked)
    if export_promela is not None:
        _export_promela(scenario, export_promela)
    with _nothing_known():
        if wanted is not None:
            status = _find(scenario, wanted, limit, (output, theme), as_json=as_json)
        elif schedule is not None:
            status = _replay(scenario, schedule, as_json=as_json, output=output, theme=theme)
        elif runs is not None:
            drawn = (scenario, runs, seed, times or None)
            status = _sample(*drawn, as_json=as_json, output=output, theme=theme)
        else:
            drawing = (picture or "bars", output, theme)
            found = _explore(
                scenario,
                limit,
                drawing,
                by_instance=by_instance,
                as_json=as_json,
                certificate=certificate,
            )
            exported(found, export_pytest, _reference(source), fixed=expect_fixed)
            status = _STATUS[worst_verdict(found)]
    click.get_current_context().exit(status)


def _earlier(
    chart: Chart, functions: Mapping[str, Mapping[str, Callable[..., Any]]], *, rest: bool
) -> Chart:
    """Bind the stand-ins to the earlier version of a chart, except names that it does not have."""
    own = {
        role: {name: each for name, each in named.items() if chart.roles.get(name) == role}
        for role, named in functions.items()
    }
    return bind_stubs(chart, own, rest=rest)


@contextmanager
def _nothing_known() -> Iterator[None]:
    """End with status 3 after a Ctrl-C outside of the search: status 1 would mean REFUTED."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo("UNDETERMINED: it was interrupted.", err=True)
        click.get_current_context().exit(_STATUS["undetermined"])
    except RenderError as error:
        raise Refusal(str(error)) from error


# --- what was asked for -------------------------------------------------------------------


def _events(chart: Chart, texts: tuple[str, ...], data: Mapping[str, Any], *, several: bool) -> Any:
    """Return the events as a scenario takes them."""
    known = {each.trigger: None for each in chart.transitions}
    found: list[Any] = []
    for text in texts:
        key, _, event = ("", "", text) if text in known else text.rpartition(":")
        if several and (key or data):
            raise click.UsageError("--keys is for events without keys and data")
        if event == _STARTS and event not in known:
            found.append(None if several else (key or f"{chart.name}-1", None))
        else:
            found.append(event if several else (key or f"{chart.name}-1", event, data.get(event)))
    for name in data:
        if name not in {event if several else event[1] for event in found}:
            raise click.UsageError(f"--data is for {shorten(name)}, and no such event is given")
    return found


def _check_options(output: Path | None, picture: str | None, schedule: str | None) -> None:
    """Refuse options that would have no effect."""
    if output is None and picture is not None:
        raise click.UsageError("--picture says what to draw; give -o FILE as well")
    if output is None and _given("theme"):
        raise click.UsageError("--theme is that of a picture; give -o FILE as well")
    if output is not None and output.suffix.lower() not in {".svg", ".png"}:
        raise click.BadParameter(
            f"{shorten(str(output))}: a picture of a simulation is .svg or .png",
            param_hint="'-o'",
        )
    if schedule is not None:
        if picture not in {None, "lanes"}:
            raise click.UsageError("--replay is drawn as lanes; leave --picture out")
        for name in ("limit", "certificate"):
            if _given(name):
                raise click.UsageError(f"--replay follows one schedule; leave --{name} out")
    if _given("workers") and click.get_current_context().params["queue"] == "direct":
        click.echo(
            "Note: without a queue every event has a handler of its own; --workers is not used",
            err=True,
        )


def _check_questions(
    schedule: str | None, wanted: str | None, export_pytest: Path | None, *, expect_fixed: bool
) -> None:
    """Refuse questions and exports that would have no effect."""
    if wanted is not None:
        for name in ("never", "always", "eventually", "sometimes", "picture", "certificate"):
            if _given(name):
                raise click.UsageError(f"--find looks for one schedule; leave --{name} out")
    if schedule is not None and (wanted is not None or export_pytest is not None):
        raise click.UsageError(
            "--replay follows one schedule; leave --find and --export-pytest out"
        )
    if wanted is not None and export_pytest is not None:
        raise click.UsageError("--find explores nothing; leave --export-pytest out")
    if expect_fixed and export_pytest is None:
        raise click.UsageError("--expect-fixed is about a test; give --export-pytest FILE as well")
    if export_pytest is not None:
        for name in ("service", "guard", "assign", "stub"):
            if _given(name):
                raise click.UsageError(
                    f"--export-pytest writes no stand-ins into a test; leave --{name} out"
                )


def _check_sample(runs: int | None, picture: str | None) -> None:
    """Refuse options that make no sense for random schedules."""
    if runs is None:
        for name, option in (("seed", "--seed"), ("times", "--time")):
            if _given(name):
                raise click.UsageError(f"{option} is that of --sample RUNS")
        return
    if picture not in {None, "bars"}:
        raise click.UsageError("--sample is drawn as bars; leave --picture out")
    for name in ("limit", "certificate", "by_instance", "schedule"):
        if _given(name):
            option = "replay" if name == "schedule" else name.replace("_", "-")
            raise click.UsageError(f"--sample is no search; leave --{option} out")


def _given(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is not ParameterSource.DEFAULT


@contextmanager
def _in_words_of_options() -> Iterator[None]:
    """In errors of a scenario, name the command line's option instead of the argument."""
    try:
        yield
    except SimulationError as error:
        name = OPTION_NAMES.get(error.where)
        if name is None:
            raise
        raise Refusal(f"{name}: {error.reason}") from error


# --- doing it -----------------------------------------------------------------------------


def _explore(
    scenario: Scenario,
    limit: int | None,
    drawing: tuple[str, Path | None, Any],
    *,
    by_instance: bool | None,
    as_json: bool,
    certificate: bool,
) -> Exploration:
    from settlesim.cli.output import unfiltered
    from settlesim.cli.text import json_page
    from settlesim.progress import show_progress
    from settlesim.sim import explore, replay
    from settlesim.sim.explore import LIMIT

    limit = limit or LIMIT
    with show_progress(stream=unfiltered(sys.stderr)) as progress:
        found = explore(scenario, limit, progress or False, by_instance=by_instance)
    wrong = None
    with suppress(KeyboardInterrupt):  # the result is then shown without a schedule
        way = found.counterexample
        wrong = None if way is None else replay(scenario, way)
    proof = found.certificate if certificate else None
    if as_json:
        click.echo(json_page(exploration_record(found, wrong, proof)))
    else:
        click.echo(exploration_text(found, wrong, proof, width=_width()))
    kind, output, theme = drawing
    if output is not None:
        if kind == "lanes":
            shown = wrong or replay(scenario, found.way_to(_first(found.endings)))
            _save(shown, output, theme)
        elif kind == "states":
            from settlesim.view import state_graph

            _said(output, state_graph(found, output, theme=theme).alt)
        else:
            _save(found, output, theme)
    return found


def _find(
    scenario: Scenario,
    wanted: str,
    limit: int | None,
    drawing: tuple[Path | None, Any],
    *,
    as_json: bool,
) -> int:
    from settlesim.cli.text import json_page
    from settlesim.sim import find, parse_predicate
    from settlesim.sim.explore import LIMIT

    with _in_words_of_options():
        found = find(scenario, parse_predicate(wanted, scenario.vocabulary), limit=limit or LIMIT)
    click.echo(json_page(finding_record(found)) if as_json else plain(str(found)))
    output, theme = drawing
    if output is not None:
        _save(found, output, theme)
    return _STATUS[found.verdict.value]


def _export_promela(scenario: Scenario, path: Path) -> None:
    from settlesim.sim import to_promela

    try:
        text = to_promela(scenario)
    except SimulationError as error:
        raise Refusal(f"--export-promela: {error}") from error
    write_text(path, text)
    click.echo(f"Wrote {plain(str(path))}, a model for Spin.", err=True)


def _reference(source: Source) -> str:
    """Return the reference by which a test imports the chart; empty if it cannot."""
    if source.origin == "gallery":
        return f"settlesim.gallery:{source.chart.name}"
    return source.reference or ""


def _first(endings: tuple[Any, ...]) -> Any:
    if not endings:
        raise RenderError("no ending was found, so there is no schedule to draw")
    return endings[0]


def _sample(
    scenario: Scenario,
    runs: int,
    seed: int,
    times: Mapping[str, Any] | None,
    *,
    as_json: bool,
    output: Path | None,
    theme: Any,
) -> int:
    from settlesim.cli.text import json_page
    from settlesim.sim import sample

    try:
        found = sample(scenario, runs, seed, times)
    except SimulationError as error:
        if times is None or error.where != "durations":
            raise
        raise Refusal(f"--time: {error.reason}") from error
    text = json_page(sample_record(found)) if as_json else sample_text(found, width=_width())
    click.echo(text)
    if output is not None:
        _save(found, output, theme)
    return _STATUS[found.verdict.value]


def _replay(
    scenario: Scenario, schedule: str, *, as_json: bool, output: Path | None, theme: Any
) -> int:
    from settlesim.cli.text import json_page
    from settlesim.sim import replay

    played = replay(scenario, schedule)
    text = json_page(replay_record(played)) if as_json else replay_text(played, width=_width())
    click.echo(text)
    if output is not None:
        _save(played, output, theme)
    return _STATUS[replay_verdict(played)]


def _width() -> int | None:
    """Return the terminal's width, to which tables are cut; None without a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _save(value: Replay | Any, output: Path, theme: Any) -> None:
    import settlesim.view  # registers how values are drawn

    picture: settlesim.view.Picture = value.draw(output, theme=theme)
    _said(output, picture.alt)


def _said(output: Path, alt: str) -> None:
    """Say what was written, on standard error: standard output may be JSON."""
    click.echo(f"Wrote {plain(str(output))}. {plain(alt)}", err=True)
