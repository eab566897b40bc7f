"""How the command line runs: clean errors, exit statuses, nothing that a terminal obeys."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

import click

from settlesim.cli.output import escaped, visible_output
from settlesim.errors import (
    DefinitionError,
    InvalidEventError,
    InvalidValueError,
    ReadError,
    SettlesimError,
    SimulationError,
)

__all__ = ["Command", "Failure", "Program", "Refusal", "interrupts_wait"]

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
            is_eager=True,  # a chart that cannot be read is an error to debug, too
            expose_value=False,
            callback=_set_debug,
        )
        self.params.append(debug)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; an error that repeats one of them stays in its line."""
        with _in_one_line():
            return super().parse_args(ctx, args)


class Program(click.Group):
    """The group of all commands; it turns errors of settlesim into messages."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Else click would take sequences for colours out; they are shown, escaped.
        self.context_settings["color"] = True
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

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the program; all that is printed meanwhile is escaped."""
        with visible_output():
            return super().main(*args, **options)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments before the name of a command, as `Command` does."""
        with _in_one_line():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error that settlesim raised on purpose needs no traceback."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            # The line feed ends the line of the ^C that the terminal shows.
            click.echo("\nInterrupted.", err=True)
            ctx.exit(128 + signal.SIGINT)
        except SettlesimError as error:
            if ctx.meta.get(_DEBUG):
                raise
            kind = Refusal if isinstance(error, _GIVEN) else Failure
            raise kind(str(error)) from error


@contextmanager
def interrupts_wait() -> Iterator[None]:
    """Let Ctrl-C wait until what is done here is done, so that it can be told whole."""
    before = signal.getsignal(signal.SIGINT)
    if not callable(before):  # it is ignored, as for a job in the background
        yield
        return
    seen: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda *signalled: seen.append(signalled))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if seen:
            before(*seen[0])


@contextmanager
def _in_one_line() -> Iterator[None]:
    """Escape the line feeds of arguments that click repeats: they could forge a second message."""
    try:
        yield
    except click.UsageError as error:
        if not error.message.isprintable():
            error.message = escaped(error.message, layout=False)  # type: ignore[misc]
        raise
