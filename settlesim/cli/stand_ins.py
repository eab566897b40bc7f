"""Stand-ins for a chart's functions, from options such as ``--service pay=done``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from settlesim.argument_checks import nearest
from settlesim.chart import Chart
from settlesim.chart.strict_json import decode, freeze
from settlesim.cli.output import quoted
from settlesim.cli.text import table
from settlesim.errors import SettlesimError, shorten

__all__ = ["bind_stubs", "function_options", "parse_json", "stub_options"]

Function = Callable[..., Any]

_DEFAULTS: Final = {"service": "done", "guard": "true", "assign": "{}"}


def parse_json(text: str) -> Any:
    """Read strict JSON from the command line.

    Raises
    ------
    click.BadParameter
        The text is not strict JSON; the message shows how to quote it.
    """
    try:
        return freeze(decode(text, source=shorten(text, 40)), where="the JSON")
    except SettlesimError as error:
        hint = """ Quote it for the shell, as in '{"amount": 20}'; a text is '"so"'."""
        raise click.BadParameter(f"{error}.{hint}") from None


def _service(name: str, answer: str) -> Function:
    word, colon, rest = answer.partition(":")
    if word == "done":
        result = parse_json(rest) if colon else None

        async def succeed(call: Any) -> Any:
            return result

        return succeed
    if word == "error":

        async def fail(call: Any) -> Any:
            raise RuntimeError(rest or f"{name} failed as asked")

        return fail
    raise click.BadParameter(
        f"{shorten(answer, 40)} is no answer of {name}: done, done:JSON, error or error:TEXT"
    )


def _guard(name: str, answer: str) -> Function:
    if answer not in {"true", "false"}:
        raise click.BadParameter(f"{shorten(answer, 40)} is no answer of {name}: true or false")
    return lambda context, event: answer == "true"


def _assign(name: str, answer: str) -> Function:
    changes = parse_json(answer)
    if not isinstance(changes, dict):
        raise click.BadParameter(
            f"{shorten(answer, 40)} is no JSON object: {name} gives the changes of the context"
        )
    return lambda context, event: changes


_MAKERS: dict[str, Callable[[str, str], Function]] = {
    "service": _service,
    "guard": _guard,
    "assign": _assign,
}


def _parse(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, Function]:
    assert param.name is not None  # every option of ours has one
    role = param.name
    stubs: dict[str, Function] = {}
    for value in values:
        name, equals, answer = value.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{shorten(value, 40)} is not NAME=ANSWER")
        if name in stubs:
            raise click.BadParameter(f"{name} is given twice")
        stubs[name] = _MAKERS[role](name, answer)
    return stubs


def stub_options(function: Function) -> Function:
    """Add the options that stand in for functions to a command, one for each role."""
    rest = click.option(
        "--stub",
        is_flag=True,
        help="Replace all unbound functions: services are done, guards true, assigns empty.",
    )
    service = click.option(
        "--service",
        "service",
        metavar="NAME=ANSWER",
        multiple=True,
        callback=_parse,
        help="Replace a service by an answer: done, done:JSON (its result), error or error:TEXT.",
    )
    return service(_function_options(rest(function)))


def function_options(function: Function) -> Function:
    """Add the options that stand in for guards and assigns to a command without services."""
    rest = click.option(
        "--stub",
        is_flag=True,
        help="Replace all unbound functions: guards are true, assigns empty.",
    )
    return _function_options(rest(function))


def _function_options(function: Function) -> Function:
    for role, metavar, text in (
        ("assign", "NAME=JSON", "Replace an assign by these changes of the context."),
        ("guard", "NAME=true|false", "Replace a guard by this answer."),
    ):
        option = click.option(
            f"--{role}", role, metavar=metavar, multiple=True, callback=_parse, help=text
        )
        function = option(function)
    return function


def bind_stubs(
    chart: Chart,
    stubs: Mapping[str, Mapping[str, Function]],
    *,
    rest: bool = False,
    services: bool = True,
) -> Chart:
    """Return the chart with the stand-ins bound; they replace functions that it has.

    Parameters
    ----------
    stubs : by role, then by name
    rest : whether to stand in for all functions that are still missing
    services : whether services have to be bound as well

    Raises
    ------
    click.UsageError
        A name that the chart does not use in that role, or functions that are still missing.
    """
    functions: dict[str, Function] = {}
    for role, named in stubs.items():
        known = [name for name, found in chart.roles.items() if found == role]
        for name, function in named.items():
            if name not in known:
                raise click.UsageError(_unknown(chart, role, name, known))
            functions[name] = function
    missing = {
        name: role
        for name, role in chart.roles.items()
        if name not in functions and name not in chart.functions and (services or role != "service")
    }
    if missing and not rest:
        raise click.UsageError(_missing(chart, missing))
    for name, role in missing.items():
        functions[name] = _MAKERS[role](name, _DEFAULTS[role])
    return chart.bind(functions)


def _unknown(chart: Chart, role: str, name: str, known: list[str]) -> str:
    message = f"chart {shorten(chart.name)} has no {role} {shorten(name)}"
    other = chart.roles.get(name)
    if other is not None:
        return f"{message}; {name} is one of its {other}s: use --{other}"
    if not known:
        return f"chart {shorten(chart.name)} has no {role}s, so no {shorten(name)}"
    close = nearest(name, known)
    return f"{message}; " + (f"did you mean {close!r}?" if close else f"it has {', '.join(known)}.")


def _missing(chart: Chart, missing: Mapping[str, str]) -> str:
    rows = []
    for name, role in missing.items():
        answer = quoted(f"{name}={_DEFAULTS[role]}")
        rows.append((f"{role} {name}", f"--{role} {answer}"))
    return "\n".join(
        [
            f"chart {shorten(chart.name)} names functions that are not bound. "
            "Options can stand in for them:",
            *table(rows, indent="  "),
            "--stub stands in for all of them. Real ones are bound in Python, with "
            "chart.bind({...}); give that chart as module:attribute.",
        ]
    )
