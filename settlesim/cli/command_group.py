"""Base classes of commands: errors as messages, exit statuses, escaped output."""

from __future__ import annotations

import importlib
import signal
from collections.abc import Iterator, Mapping, Sequence
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

__all__ = ["Command", "CommandGroup", "Failure", "Refusal", "interrupts_wait"]

_DEBUG: Final = "settlesim.debug"
_INPUT_ERRORS: Final = (
    ReadError,
    DefinitionError,
    InvalidEventError,
    InvalidValueError,
    SimulationError,
)


class Failure(click.ClickException):
    """Something went wrong; ends with status 1."""


class Refusal(click.ClickException):
    """The input is wrong; ends with status 2, like a usage error."""

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
            is_eager=True,  # set before CHART is read, which may fail
            expose_value=False,
            callback=_set_debug,
        )
        self.params.append(debug)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; an error that quotes one of them stays on one line."""
        with _in_one_line():
            return super().parse_args(ctx, args)


class CommandGroup(click.Group):
    """The group of all commands; it turns errors of settlesim into messages.

    Parameters
    ----------
    places : of commands that are imported when they are asked for: each as ``module:attribute``,
        with a module of `settlesim.cli`
    """

    def __init__(self, *args: Any, places: Mapping[str, str] | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._places = dict(places or {})
        # Else click would remove colour sequences; they are shown, escaped.
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

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, imported or not."""
        return sorted({*super().list_commands(ctx), *self._places})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; a name that there is not is compared with all names by click."""
        for name in [cmd_name] if cmd_name in self._places else self._places:
            self._load(name)
        return super().get_command(ctx, cmd_name)

    def load(self, words: Sequence[str]) -> None:
        """Import the command that the words of a command line name."""
        name = next((word for word in words if not word.startswith("-")), None)
        if name in self._places:
            self._load(name)

    def _load(self, name: str) -> None:
        if name not in self.commands:
            module, _, attribute = self._places[name].partition(":")
            command = getattr(importlib.import_module(f"settlesim.cli.{module}"), attribute)
            self.add_command(command, name)

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the program; everything that it prints is escaped."""
        with visible_output():
            return super().main(*args, **options)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options of the group itself, as `Command.parse_args` does."""
        with _in_one_line():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; show an error of settlesim as a message, without a traceback."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            # The terminal has printed ^C: begin a new line.
            click.echo("\nInterrupted.", err=True)
            ctx.exit(128 + signal.SIGINT)
        except SettlesimError as error:
            if ctx.meta.get(_DEBUG):
                raise
            kind = Refusal if isinstance(error, _INPUT_ERRORS) else Failure
            raise kind(str(error)) from error


@contextmanager
def interrupts_wait() -> Iterator[None]:
    """Delay Ctrl-C until the block has ended, so that what it did is reported in full."""
    before = signal.getsignal(signal.SIGINT)
    if not callable(before):  # Ctrl-C is ignored, as for a background job
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
    """Escape line feeds in arguments that click quotes: they could forge a second message."""
    try:
        yield
    except click.UsageError as error:
        if not error.message.isprintable():
            error.message = escaped(error.message, layout=False)  # type: ignore[misc]
        raise
