"""The options of `settlesim simulate` that say what is simulated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import click

from settlesim.cli.stand_ins import parse_json
from settlesim.errors import SimulationError, shorten

__all__ = ["OPTION_NAMES", "scenario_options", "time_option"]

OPTION_NAMES: Final = {
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
"""Options of the command line, by the argument of `Scenario` that an error names."""
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


def _times(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    found = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{shorten(value, 40)} is not NAME=SECONDS")
        found[name] = _time(value, text)
    return found


def _time(value: str, text: str) -> Any:
    """Read how long something takes: seconds, a range, or a distribution by its name."""
    from settlesim.sim import Distribution

    kind, colon, numbers = text.rpartition(":")
    try:
        if not colon:
            least, dots, most = text.partition("..")
            return (float(least), float(most)) if dots else float(least)
        if kind == "exponential":
            return Distribution.exponential(float(numbers))
        if kind == "lognormal":
            median, spread = numbers.split(",")
            return Distribution.lognormal(float(median), float(spread))
    except SimulationError as error:
        raise click.BadParameter(f"{shorten(value, 40)} {error.reason}") from None
    except ValueError:
        pass
    raise click.BadParameter(
        f"{shorten(value, 40)} is not NAME=SECONDS, =LEAST..MOST, =exponential:MEAN or "
        "=lognormal:MEDIAN,SPREAD"
    )


time_option = click.option(
    "--time",
    "times",
    metavar="NAME=SECONDS",
    multiple=True,
    callback=_times,
    help="How long a service takes, for --sample to measure the model on a clock; or =LEAST..MOST, "
    "=exponential:MEAN, =lognormal:MEDIAN,SPREAD. NAME may also be step, arrival or a fault.",
)


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


_OPTIONS: Final = [
    click.option(
        "--queue",
        type=click.Choice(_QUEUES),
        default="standard",
        show_default=True,
        help="How the queue hands out events; direct is no queue.",
    ),
    click.option(
        "--workers",
        metavar="N",
        type=click.IntRange(1, 1_000),
        default=2,
        show_default=True,
        help="How many events may be handled concurrently; without a queue each has its handler.",
    ),
    click.option(
        "--protect",
        "protections",
        metavar="NAME,...",
        multiple=True,
        callback=_protections,
        help="cas, fence, inbox, idempotent, atomic, or several with commas.",
    ),
    _budget("crashes", "How often a worker may crash."),
    _budget("expiries", "How often a visibility time-out may pass."),
    _budget("duplicates", "How often the queue may deliver again what was deleted."),
    _budget("service-failures", "How often a service may fail."),
    click.option(
        "--error",
        "errors",
        metavar="SERVICE=TYPE",
        multiple=True,
        callback=_errors,
        help="What a service may raise, or =TYPE:MESSAGE. With TimeoutError, one that is given up "
        "may have had its effect.",
    ),
    click.option(
        "--timing",
        type=click.Choice(["any", "simulated"]),
        default="any",
        show_default=True,
        help="Services and delays of one handler complete in any order, or as their sleeps say.",
    ),
    click.option(
        "--duration",
        "durations",
        metavar="SERVICE=SECONDS",
        multiple=True,
        callback=_durations,
        help="How long a service takes, or =LEAST..MOST.",
    ),
    click.option(
        "--timers",
        metavar="N",
        type=click.IntRange(0, 1_000),
        help="How often each delay of a settled state may pass; by default once per event.",
    ),
    click.option(
        "--max-receives",
        metavar="N",
        type=click.IntRange(1, 1_000),
        help="After how many receives an event goes to the dead letters; never, if not given.",
    ),
    click.option(
        "--batch",
        metavar="N",
        type=click.IntRange(1, 1_000),
        default=1,
        show_default=True,
        help="How many messages of one group a worker may receive together; for fifo_group.",
    ),
    click.option(
        "--batch-failures",
        type=click.Choice(["whole", "partial", "stop_at_first"]),
        default="whole",
        show_default=True,
        help="A failure returns the whole batch; only what failed; or that and the rest.",
    ),
    click.option(
        "--while-running",
        type=click.Choice(["enqueue", "reject", "interrupt", "rollback", "drop_duplicate"]),
        default="enqueue",
        show_default=True,
        help="What happens to an event that arrives while another one of its instance is handled.",
    ),
    click.option(
        "--keys",
        metavar="N",
        type=click.IntRange(1, 1_000),
        default=1,
        help="How many instances get all the events.",
    ),
    click.option(
        "--start",
        metavar="STATE",
        help="The state in which the instances start; by default new.",
    ),
    click.option(
        "--data", metavar="EVENT=JSON", multiple=True, callback=_data, help="The data of an event."
    ),
    click.option(
        "--criterion",
        type=click.Choice(["fifo", "serializable"]),
        default="fifo",
        show_default=True,
        help="What an ending has to be: that of arrival order, or of any order.",
    ),
    click.option(
        "--old",
        metavar="OLD",
        help="An earlier version of CHART, which workers have until CHART takes over, at any "
        "point.",
    ),
]


def scenario_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what is simulated."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
