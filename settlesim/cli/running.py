"""How the command line runs: clean errors, exit statuses, UTF-8 everywhere."""

from __future__ import annotations

import io
import sys
from typing import Any, Final

import click

from settlesim.errors import (
    DefinitionError,
    InvalidEventError,
    InvalidValueError,
    ReadError,
    SettlesimError,
    SimulationError,
)

__all__ = ["Command", "Failure", "Program", "Refusal", "use_utf8"]

_DEBUG: Final = "settlesim.debug"
_GIVEN: Final = (ReadError, DefinitionError, InvalidEventError, InvalidValueError, SimulationError)


class Failure(click.ClickException):
    """Something went wrong; ends with status 1."""


class Refusal(click.ClickException):
    """What was given is wrong; ends with status 2, as a usage error does."""

    exit_code = 2


def _set_debug(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta[_DEBUG] = True


class Command(click.Command):
    """A command that also takes ``--debug`` after its own name."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        debug = click.Option(
            ["--debug"],
            is_flag=True,
            hidden=True,  # the group's help shows it
            is_eager=True,  # a chart that can not be read is an error to debug, too
            expose_value=False,
            callback=_set_debug,
        )
        self.params.append(debug)


class Program(click.Group):
    """The group of all commands; it turns errors of settlesim into messages."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        debug = click.Option(
            ["--debug"],
            is_flag=True,
            is_eager=True,
            envvar="SETTLESIM_DEBUG",
            show_envvar=True,
            expose_value=False,
            callback=_set_debug,
            help="Show the traceback of an error.",
        )
        self.params.append(debug)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error that settlesim raised on purpose needs no traceback."""
        try:
            return super().invoke(ctx)
        except SettlesimError as error:
            if ctx.meta.get(_DEBUG):
                raise
            kind = Refusal if isinstance(error, _GIVEN) else Failure
            raise kind(str(error)) from error


def use_utf8() -> None:
    """Write UTF-8 whatever the locale says: charts and pictures are UTF-8."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
