"""A worker in the foreground: what it prints, and how signals end it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

import click

from settlesim.cli.output import escaped
from settlesim.runtime import Worker
from settlesim.runtime.logs import JSONLines

__all__ = ["Counted", "run_worker"]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Counted(logging.Handler):
    """Counts what became of the messages, and prints the records.

    Parameters
    ----------
    form : how records are printed, if at all
    """

    def __init__(self, form: Literal["text", "json", "off"]) -> None:
        super().__init__()
        self.logger = logging.getLogger("settlesim.worker")
        self.logger.setLevel(logging.INFO)
        self.logger.propagate = False
        self.logger.handlers = [self]
        self._form = form
        self.setFormatter(JSONLines() if form == "json" else logging.Formatter("%(message)s"))
        self._outcomes: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """Count a record and print it; warnings of the store are printed in any case."""
        outcome = getattr(record, "outcome", None)
        if outcome is not None:
            self._outcomes[outcome] += 1
        if self._form == "off" and outcome is not None:
            return
        with contextlib.suppress(OSError):  # nobody reads it any more; the work goes on
            click.echo(escaped(self.format(record), layout=False), err=outcome is None)

    def told(self) -> str:
        """Say how many messages were handled, by what became of them."""
        if not self._outcomes:
            return "Nothing was handled."
        return ", ".join(f"{count} {outcome}" for outcome, count in sorted(self._outcomes.items()))


def run_worker(worker: Worker, *, until_empty: bool) -> None:
    """Run a worker; the first signal stops it in an orderly way, the second one immediately."""

    async def main() -> None:
        with _signals(worker.stop, worker.grace):
            await worker.run(until_empty)

    asyncio.run(main())


@contextlib.contextmanager
def _signals(stop: Callable[[], None], grace: float) -> Iterator[None]:
    seen: list[int] = []

    def handle(number: int, frame: Any = None) -> None:
        if seen:
            # Immediately, whatever the threads do: the store was made for that.
            os._exit(128 + number)
        seen.append(number)
        stop()
        text = f"Stopping: what is in flight has {grace:g} s. Once more ends it immediately.\n"
        os.write(sys.stderr.fileno(), text.encode())

    before = {each: signal.signal(each, handle) for each in _SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
