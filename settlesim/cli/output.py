"""Text output of the command line, with the control characters of terminals escaped.

`visible_output` replaces standard output and standard error while a command runs. It escapes
all text that is written to them: results, errors, usage errors of click that quote an argument,
warnings, log records and tracebacks. Commands do not have to take care of it.

A character is escaped as JSON escapes it, so JSON stays JSON with the same meaning.
"""

from __future__ import annotations

import io
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TextIO, cast

import click

__all__ = [
    "clear",
    "command_line",
    "escaped",
    "quoted",
    "unfiltered",
    "use_utf8",
    "visible",
    "visible_output",
]

_LAYOUT: Final = frozenset("\n\t")


def json_code(character: str) -> str:
    """Return a character as JSON escapes it."""
    units = character.encode("utf-16-be", "surrogatepass").hex()  # two of them beyond U+FFFF
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def escaped(text: str, *, layout: bool = True, code: Callable[[str], str] = json_code) -> str:
    """Return a text with every character escaped that a terminal might interpret.

    These are control characters, those that change the direction of writing, line separators,
    spaces other than the usual one, and what Unicode has not assigned.

    Parameters
    ----------
    layout : whether line feeds and tabs stay as they are
    code : returns the escape of a character
    """
    if text.isprintable():
        return text
    kept = _LAYOUT if layout else frozenset[str]()
    return "".join(each if each.isprintable() or each in kept else code(each) for each in text)


def command_line(*words: str) -> str:
    """Return a command of this program for a person to type into a shell.

    Parameters
    ----------
    words : the arguments after the program's name, not quoted
    """
    program = click.get_current_context().find_root().command_path
    return " ".join([program, *map(quoted, words)])


def quoted(word: str) -> str:
    """Quote a word for a shell; if it is not printable, for bash, zsh and ksh only."""
    if word.isprintable():
        return shlex.quote(word)
    text = word.encode("utf-8", "surrogateescape")  # as Python decoded it from the command line
    return "$'" + "".join(map(_shell_code, text.decode("latin-1"))) + "'"


def _shell_code(byte: str) -> str:
    plain = byte.isascii() and byte.isprintable() and byte not in "\\'"
    return byte if plain else f"\\{ord(byte):03o}"


class _VisibleText:
    """A text stream that escapes what is written to it; bytes for its buffer stay as they are."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text, escaped."""
        self._stream.write(escaped(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts, escaped."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    if sys.platform == "win32":

        def fileno(self) -> int:
            """Refuse: click would write to the console itself, without the escaping."""
            raise io.UnsupportedOperation("fileno")


@contextmanager
def visible_output() -> Iterator[None]:
    """Escape what is written to standard output and standard error as text."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(visible, before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def visible(stream: TextIO) -> TextIO:
    """Return a stream that escapes text and writes it to this one."""
    known: object = stream
    if known is None or isinstance(known, _VisibleText):  # a program without a console has none
        return stream
    return cast(TextIO, _VisibleText(stream))


def unfiltered(stream: TextIO) -> TextIO:
    """Return the stream without the escaping, for control sequences of our own."""
    known: object = stream
    return known._stream if isinstance(known, _VisibleText) else stream


def clear() -> None:
    """Clear the screen, where standard output is a terminal."""
    stream = unfiltered(sys.stdout)
    if stream.isatty():
        stream.write("\033[2J\033[1;1H")


def use_utf8() -> None:
    """Write UTF-8 whatever the locale says: charts and pictures are UTF-8."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
