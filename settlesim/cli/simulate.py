"""``settlesim simulate``: every interleaving of some events, and what it proves."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from settlesim.chart import Chart
from settlesim.chart.secrets import hide
from settlesim.chart.strict_json import thaw
from settlesim.cli.charts import CHART_HELP, Source, chart_argument, find_chart
from settlesim.cli.command_group import Command, Refusal
from settlesim.cli.simulate_questions import (
    export_options,
    exported,
    finding_record,
    property_record,
    property_text,
    question_options,
    scenario_record,
    taken_questions,
    with_properties,
    worst_verdict,
    write_text,
)
from settlesim.cli.stand_ins import bind_stubs, parse_json, stub_options
from settlesim.cli.text import plain, table
from settlesim.errors import RenderError, SimulationError, shorten
from settlesim.sim import Criterion, Ending, Exploration, Replay, Sample, Scenario, Verdict
from settlesim.view.simulation.words import (
    allowed_words,
    claim_words,
    count_words,
    labels_of,
    plural,
    scenario_words,
    share_words,
)

if TYPE_CHECKING:
    from settlesim.sim import Replay, Scenario

__all__ = [
    "exploration_record",
    "exploration_text",
    "replay_record",
    "replay_text",
    "replay_verdict",
    "sample_record",
    "sample_text",
    "simulate",
]

_MOST: Final = 20  # endings in the table; --json has all
_NAMES: Final = 12  # events in the headline


# --- an exploration -----------------------------------------------------------------------


def exploration_text(
    found: Exploration,
    wrong: Replay | None,
    proof: Mapping[str, Any] | None,
    *,
    width: int | None = None,
) -> str:
    """Tell what was found.

    Parameters
    ----------
    wrong : the counterexample, where there is one
    proof : the certificate, where it was asked for
    width : to how many characters the lines of the table are cut; None for not at all
    """
    claim = claim_words(found.verdict, found.scenario.criterion)
    lines = [f"{found.verdict.name}: {claim}", _scenario(found.scenario), _counts(found)]
    if found.note:
        lines.append(f"Note: {plain(found.note)}.")
    if found.endings:
        lines += ["", *_cut(_endings(found), width)]
    for alone in found.instances:
        head = f"{plain(alone.scenario.instances[0])} alone: {alone.verdict.value}"
        lines += ["", head, *_cut(_endings(alone), width)]
    if wrong is not None:
        lines += ["", *_counterexample(wrong, shortest=found.complete)]
    for result in found.properties:
        lines += ["", *property_text(result)]
    if proof is not None:
        lines += ["", f"sha256 over all states: {proof['sha256']}"]
    return "\n".join(lines)


def _cut(lines: Sequence[str], width: int | None) -> list[str]:
    """Cut lines so that a table keeps its columns on a narrow terminal."""
    if width is None:
        return list(lines)
    return [
        line if len(line) <= width else line[: max(width - 1, 0)] + "\N{HORIZONTAL ELLIPSIS}"
        for line in lines
    ]


def _scenario(scenario: Scenario) -> str:
    several = len(scenario.instances) > 1
    names = [f"{each.key}:{each.words}" if several else each.words for each in scenario.events]
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    events = ", ".join(map(plain, names[:_NAMES]))
    return f"{plain(scenario.chart.name)} [{events}{more}], {scenario_words(scenario)}"


def _counts(found: Exploration) -> str:
    if found.instances:
        return str(found).partition(": ")[2]
    least = "" if found.complete else "at least "
    return ", ".join(
        f"{least}{words}"
        for words in (
            allowed_words(found),
            f"{count_words(found.interleavings)} interleaving{'s'[: found.interleavings != 1]}",
            plural(found.states, "state"),
        )
    )


def _endings(found: Exploration) -> list[str]:
    events = [each.words for each in found.scenario.messages]
    labels = labels_of(found.endings, events)
    whole = found.interleavings
    rows = [
        (
            count_words(ending.interleavings),
            share_words(ending.interleavings, whole) if found.complete else "not known",
            _mark(ending),
            plain(rests),
            plain(effects),
        )
        for ending, (rests, effects) in zip(found.endings[:_MOST], labels, strict=False)
    ]
    head = ("interleavings", "share of them", "serial order", "is in", "effects")
    lines = table(_numbers_right([head, *rows], 2))
    rest = found.endings[_MOST:]
    if rest:
        number = count_words(sum(each.interleavings for each in rest))
        lines.append(f"and {plural(len(rest), 'ending')} more, {number} interleavings: see --json")
    return [line.rstrip() for line in lines]


def _mark(ending: Ending) -> str:
    """Say in which order handling one event after another gives an ending."""
    if ending.fifo:
        return "arrival order"
    names = {True: "another order", False: "none", None: "not known"}
    return names[ending.serializable]


def _numbers_right(rows: Sequence[Sequence[str]], columns: int) -> list[list[str]]:
    widths = [max(len(row[at]) for row in rows) for at in range(columns)]
    return [
        [*(cell.rjust(width) for cell, width in zip(row, widths, strict=False)), *row[columns:]]
        for row in rows
    ]


def _counterexample(wrong: Replay, *, shortest: bool) -> list[str]:
    way = wrong.schedule
    cost = f"{plural(way.faults, 'fault')}, {plural(way.switches, 'switch', 'switches')}"
    anomalies = f": {', '.join(wrong.anomalies)}" if wrong.anomalies else ""
    # where the search stopped early a shorter one may be beyond
    name = "shortest counterexample" if shortest else "a counterexample"
    return [
        f"{name} ({cost}){anomalies}",
        f"  {way}",
        f"  {plain(wrong.sentence)}",
    ]


def exploration_record(
    found: Exploration, wrong: Replay | None, proof: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return an exploration as plain JSON; probabilities as text such as ``"3/5"``."""
    record = {
        "scenario": scenario_record(found.scenario),
        "verdict": found.verdict.value,
        "holds": None if found.holds is None else found.holds.value,
        "complete": found.complete,
        "note": found.note,
        "states": found.states,
        "transitions": found.transitions,
        "interleavings": found.interleavings,
        "endings": [_ending(each, found.scenario.chart.secret) for each in found.endings],
        "counterexample": None if wrong is None else replay_record(wrong, frames=False),
        "properties": [property_record(each) for each in found.properties],
    }
    if found.instances:
        record["instances"] = [exploration_record(each, None, None) for each in found.instances]
    return record if proof is None else {**record, "sha256": proof["sha256"]}


def sample_text(found: Sample, *, width: int | None = None) -> str:
    """Tell what schedules at random came to.

    Parameters
    ----------
    width : as `exploration_text`
    """
    labels = labels_of(found.endings, [each.words for each in found.scenario.messages])
    rows = [
        (count_words(ending.interleavings), _mark(ending), plain(rests), plain(effects))
        for ending, (rests, effects) in zip(found.endings[:_MOST], labels, strict=False)
    ]
    lines = table(_numbers_right([("runs", "serial order", "is in", "effects"), *rows], 1))
    told = [str(found), _scenario(found.scenario), "", *_cut(lines, width)]
    return "\n".join(line.rstrip() for line in told)


def sample_record(found: Sample) -> dict[str, Any]:
    """Return a sample as plain JSON."""
    return {
        "scenario": scenario_record(found.scenario),
        "verdict": found.verdict.value,
        "runs": found.runs,
        "wrong": found.wrong,
        "wrong_least": found.interval().least,
        "wrong_most": found.interval().most,
        "note": found.note,
        "endings": [_ending(each, found.scenario.chart.secret) for each in found.endings],
    }


def _ending(ending: Ending, secret: tuple[str, ...]) -> dict[str, Any]:
    excluded = {"excluded": list(ending.excluded)} if ending.excluded else {}
    return {
        "store": [
            {
                "key": key,
                "configuration": list(leaves),
                "context": thaw(hide(context, secret)),
                **({"history_states": thaw(remembered)} if remembered else {}),
            }
            for (key, leaves, context), remembered in zip(ending.store, ending.history, strict=True)
        ],
        "effects": [
            {"key": key, "service": service, "message": message}
            for key, service, message in ending.effects
        ],
        "dead": list(ending.dead),
        "interleavings": ending.interleavings,
        "probability": str(ending.probability),
        "fifo": ending.fifo,
        "serializable": ending.serializable,
        **excluded,
    }


# --- a replay -----------------------------------------------------------------------------


def replay_verdict(played: Replay) -> str:
    """Return the verdict on one schedule: whether the criterion allows where it ends."""
    if played.ending is None:
        return Verdict.UNDETERMINED.value
    fifo = played.scenario.criterion is Criterion.FIFO
    allowed = played.ending.fifo if fifo else played.ending.serializable
    verdicts = {True: Verdict.PROVED, False: Verdict.REFUTED, None: Verdict.UNDETERMINED}
    return verdicts[allowed].value


def replay_text(played: Replay, *, width: int | None = None) -> str:
    """Tell a schedule step by step.

    Parameters
    ----------
    width : as `exploration_text`
    """
    rows = [
        (
            "" if frame.step is None else frame.step.name,
            plain(frame.text),
            "".join(f"<- {name}" for name in [", ".join(frame.anomalies)] if name),
        )
        for frame in played.frames[1:]
    ]
    lines = _cut([line.rstrip() for line in table(rows)] if rows else [], width)
    after = played.frames[-1].enabled
    if after:
        head = "not at the end" if played.ending is None else "it may end here"
        lines.append(f"{head}: next could be {', '.join(step.name for step in after)}")
    return "\n".join([_scenario(played.scenario), "", *lines, "", plain(played.sentence)])


def replay_record(played: Replay, *, frames: bool = True) -> dict[str, Any]:
    """Return a replay as plain JSON."""
    ending, secret = played.ending, played.scenario.chart.secret
    record: dict[str, Any] = {
        "schedule": str(played.schedule),
        "faults": played.schedule.faults,
        "switches": played.schedule.switches,
        "anomalies": list(played.anomalies),
        "sentence": played.sentence,
        "ending": None if ending is None else _ending(ending, secret),
    }
    if frames:
        record["scenario"] = scenario_record(played.scenario)
        record["steps"] = [
            {
                "step": None if frame.step is None else frame.step.name,
                "text": frame.text,
                "anomalies": list(frame.anomalies),
                "enabled": [step.name for step in frame.enabled],
            }
            for frame in played.frames
        ]
    return record


_STATUS: Final = {"proved": 0, "refuted": 1, "undetermined": 3}
_OPTIONS: Final = {
    "protections": "--protect",
    "max_receives": "--max-receives",
    "start": "--start",
    "keys": "--keys",
    "faults['expiries']": "--expiries",
    "faults['duplicates']": "--duplicates",
    "faults['service_failures']": "--service-failures",
    "errors": "--error",
    "durations": "--duration",
    "timers": "--timers",
    "old": "--old",
    "batch": "--batch",
    "batch_failures": "--batch-failures",
    "while_running": "--while-running",
}
"""What the command line calls the parts of a scenario."""
_QUEUES: Final = ("direct", "standard", "fifo_dispatch", "mutex", "fifo_global", "fifo_group")


def _protections(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    names = [name.strip() for value in values for name in value.split(",")]
    return tuple(name for name in names if name)


def _data(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    found = {}
    for value in values:
        event, equals, text = value.partition("=")
        if not event or not equals:
            raise click.BadParameter(f"{shorten(value, 40)} is not EVENT=JSON")
        found[event] = parse_json(text)
    return found


def _durations(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, tuple[float, float]]:
    found = {}
    for value in values:
        service, equals, text = value.partition("=")
        least, dots, most = text.partition("..")
        try:
            found[service] = (float(least), float(most if dots else least))
        except ValueError:
            equals = ""
        if not service or not equals:
            raise click.BadParameter(f"{shorten(value, 40)} is not SERVICE=SECONDS or =LEAST..MOST")
    return found


def _errors(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for value in values:
        service, equals, text = value.partition("=")
        kind, _, message = text.partition(":")
        if not service or not equals or not kind:
            raise click.BadParameter(f"{shorten(value, 40)} is not SERVICE=TYPE or =TYPE:MESSAGE")
        found.setdefault(service, []).append({"type": kind, "message": message.strip()})
    return found


def _budget(name: str, text: str) -> Callable[[Any], Any]:
    return click.option(
        f"--{name}", metavar="N", type=click.IntRange(0, 1_000), default=0, help=text
    )


@click.command(
    cls=Command,
    short_help="Explore every interleaving of some events, and prove or refute their order.",
    help=f"""Handle EVENTS of CHART in every order in which things can happen at once.

    {CHART_HELP}

    EVENT is the name of an event, or KEY:EVENT for the instance called KEY; the key ends at
    the last colon. They arrive in the order in which they stand here, and stand in the
    schedules by number: r2 receives the second one.

    PROVED says that every schedule ends as handling the events one after another, in arrival
    order. Where one does not, the shortest schedule that shows it is printed: fewest faults, then
    fewest switches between handlers. --replay shows it step by step.

    A service runs once for each way to call it, on a simulated clock, to learn what it
    answers; --service, --guard, --assign and --stub stand in for functions, as in settle.
    Let none that does real work run.

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
@click.option(
    "--queue",
    type=click.Choice(_QUEUES),
    default="standard",
    show_default=True,
    help="How the queue hands out events; direct is no queue.",
)
@click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(1, 1_000),
    default=2,
    show_default=True,
    help="How many events may be handled concurrently; without a queue each has its handler.",
)
@click.option(
    "--protect",
    "protections",
    metavar="NAME,...",
    multiple=True,
    callback=_protections,
    help="cas, fence, inbox, idempotent, atomic, or several with commas.",
)
@_budget("crashes", "How often a worker may crash.")
@_budget("expiries", "How often a visibility time-out may pass.")
@_budget("duplicates", "How often the queue may deliver again what was deleted.")
@_budget("service-failures", "How often a service may fail.")
@click.option(
    "--error",
    "errors",
    metavar="SERVICE=TYPE",
    multiple=True,
    callback=_errors,
    help="What a service may raise, or =TYPE:MESSAGE. With TimeoutError, one that is given up may "
    "have had its effect.",
)
@click.option(
    "--timing",
    type=click.Choice(["any", "simulated"]),
    default="any",
    show_default=True,
    help="Services and delays of one handler complete in any order, or as their sleeps say.",
)
@click.option(
    "--duration",
    "durations",
    metavar="SERVICE=SECONDS",
    multiple=True,
    callback=_durations,
    help="How long a service takes, or =LEAST..MOST.",
)
@click.option(
    "--timers",
    metavar="N",
    type=click.IntRange(0, 1_000),
    help="How often each delay of a settled state may come; as often as events, if not given.",
)
@click.option(
    "--max-receives",
    metavar="N",
    type=click.IntRange(1, 1_000),
    help="After how many receives an event goes to the dead letters; never, if not given.",
)
@click.option(
    "--batch",
    metavar="N",
    type=click.IntRange(1, 1_000),
    default=1,
    show_default=True,
    help="How many messages of one group a worker may receive together; for fifo_group.",
)
@click.option(
    "--batch-failures",
    type=click.Choice(["whole", "partial", "stop_at_first"]),
    default="whole",
    show_default=True,
    help="A failure returns the whole batch; only what failed; or that and the rest.",
)
@click.option(
    "--while-running",
    type=click.Choice(["enqueue", "reject", "interrupt", "rollback", "drop_duplicate"]),
    default="enqueue",
    show_default=True,
    help="What becomes of an event that arrives while another one of its instance is handled.",
)
@click.option(
    "--keys",
    metavar="N",
    type=click.IntRange(1, 1_000),
    default=1,
    help="How many instances get all the events.",
)
@click.option(
    "--start", metavar="NODE", help="Where the instances are; they are new, if not given."
)
@click.option(
    "--data", metavar="EVENT=JSON", multiple=True, callback=_data, help="The data of an event."
)
@click.option(
    "--criterion",
    type=click.Choice(["fifo", "serializable"]),
    default="fifo",
    show_default=True,
    help="What an ending has to be: that of arrival order, or of any order.",
)
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=1),
    help="Find about this many states; beyond it nothing is proved.",
)
@click.option(
    "--old",
    metavar="OLD",
    help="An earlier version of CHART, which workers have until CHART takes over, at any point.",
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
    help="Try so many schedules at random instead: a wrong ending refutes; none proves nothing.",
)
@click.option("--seed", metavar="N", type=int, default=1, help="Of the dice of --sample.")
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
@click.option("--theme", type=click.Choice(["light", "dark"]), default="light", help="The paper.")
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
            status = _sample(scenario, runs, seed, as_json=as_json, output=output, theme=theme)
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
    """Return the earlier version of a chart, with those of the stand-ins that it names."""
    own = {
        role: {name: each for name, each in named.items() if chart.roles.get(name) == role}
        for role, named in functions.items()
    }
    return bind_stubs(chart, own, rest=rest)


@contextmanager
def _nothing_known() -> Iterator[None]:
    """End with 3 where Ctrl-C comes outside of the search: 1 would say REFUTED."""
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
        found.append(event if several else (key or f"{chart.name}-1", event, data.get(event)))
    for name in data:
        if name not in {event if several else event[1] for event in found}:
            raise click.UsageError(f"--data is for {shorten(name)}, and no such event is given")
    return found


def _check_options(output: Path | None, picture: str | None, schedule: str | None) -> None:
    """Refuse what would be left out of account."""
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
    """Refuse questions and exports that would be left out of account."""
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
    """Refuse what makes no sense of schedules at random."""
    if runs is None:
        if _given("seed"):
            raise click.UsageError("--seed is that of --sample RUNS")
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
    """Name an option of the command line where a scenario names its own."""
    try:
        yield
    except SimulationError as error:
        name = _OPTIONS.get(error.where)
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
    with suppress(KeyboardInterrupt):  # what was found is told without a schedule
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
    """Return where a test finds the chart, as `to_pytest` takes it; empty where it cannot."""
    if source.origin == "gallery":
        return f"settlesim.gallery:{source.chart.name}"
    return source.reference or ""


def _first(endings: tuple[Any, ...]) -> Any:
    if not endings:
        raise RenderError("no ending was found, so there is no schedule to draw")
    return endings[0]


def _sample(
    scenario: Scenario, runs: int, seed: int, *, as_json: bool, output: Path | None, theme: Any
) -> int:
    from settlesim.cli.text import json_page
    from settlesim.sim import sample

    found = sample(scenario, runs, seed)
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
    """Return how wide tables may be: as the terminal; None where nothing is cut."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _save(value: Replay | Any, output: Path, theme: Any) -> None:
    import settlesim.view  # so that values can draw themselves

    picture: settlesim.view.Picture = value.draw(output, theme=theme)
    _said(output, picture.alt)


def _said(output: Path, alt: str) -> None:
    """Say what was written, on standard error: standard output may be JSON."""
    click.echo(f"Wrote {plain(str(output))}. {plain(alt)}", err=True)
