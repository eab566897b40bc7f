"""One log record for each settlement, with fields, through the standard ``logging``."""

from __future__ import annotations

import contextlib
import json
import logging
from typing import Any, Final

from settlesim.errors import error_message

__all__ = ["FIELDS", "LOGGER", "OUTCOMES", "JSONLines", "log_settlement"]

LOGGER: Final = "settlesim.worker"
"""The logger's name."""
FIELDS: Final = (
    "key",
    "event",
    "event_id",
    "outcome",
    "revision",
    "seconds",
    "receives",
    "error",
)
"""What a record has besides its text: attributes of the `logging.LogRecord`."""

OUTCOMES: Final = {
    "resolved": logging.INFO,
    "rejected": logging.INFO,
    "done": logging.INFO,
    "ignored": logging.INFO,
    "repeated": logging.INFO,
    "dropped": logging.INFO,
    "stale": logging.INFO,
    "failed": logging.WARNING,
    "lost": logging.WARNING,
    "released": logging.WARNING,
    "dead": logging.ERROR,
}
"""The possible outcomes of a message, with their log levels."""


def log_settlement(
    logger: logging.Logger | logging.LoggerAdapter[Any],
    *,
    key: str,
    event: str,
    event_id: str,
    outcome: str,
    revision: int | None,
    seconds: float,
    receives: int,
    error: BaseException | str | None = None,
) -> None:
    """Write one record.

    Parameters
    ----------
    outcome
        That of the settlement, or what else became of the message: ``repeated``, ``stale`` (a
        delay whose state was left), ``dropped`` (by a step to another version of the chart),
        ``failed``, ``dead``, ``lost`` or ``released``.
    revision : of the instance afterwards, where it is known
    seconds : from the reception on
    """
    level = OUTCOMES[outcome]
    if not logger.isEnabledFor(level):
        return
    text = None if error is None else error_message(error)
    fields = {
        "key": key,
        "event": event,
        "event_id": event_id,
        "outcome": outcome,
        "revision": revision,
        "seconds": round(seconds, 6),
        "receives": receives,
        "error": text,
    }
    where = "" if revision is None else f" at revision {revision}"
    why = "" if text is None else f": {text}"
    with contextlib.suppress(Exception):  # raised by a user's log handler
        logger.log(
            level, "%s of %r: %s%s in %.3f s%s", event, key, outcome, where, seconds, why,
            extra=fields,
        )  # fmt: skip


class JSONLines(logging.Formatter):
    """Writes a record as one line of JSON.

    It has `at` in seconds since the epoch, `level`, `message`, and the fields of the record.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "at": round(record.created, 3),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line |= {name: vars(record)[name] for name in FIELDS if name in vars(record)}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
