"""Who has to act on an error of one event: `blame_of`, for every engine.

| error | who is to blame | what an engine does with the message |
|---|---|---|
| ReceiptExpiredError | nobody: another worker has the message | nothing; the result is discarded |
| EventRepeatedError | nobody: the event was settled before | deletes it |
| VersionConflictError | another writer was first | settles it again, from the new state |
| ChartMismatchError | the chart: this version cannot continue the instance | releases it with a growing delay and logs that; no attempt is counted |
| another StoreError | the store | the same |
| a StoreError that is `final` | the store, and a person has to look | releases it, and ends |
| DeduplicationError, and any other error | the event, the chart or a service | counts the attempt; after too many the message is a dead letter |
"""  # noqa: E501

from __future__ import annotations

import enum

from settlesim.errors import (
    ChartMismatchError,
    DeduplicationError,
    EventRepeatedError,
    ReceiptExpiredError,
    StoreError,
    VersionConflictError,
)

__all__ = ["Blame", "blame_of"]


class Blame(enum.Enum):
    """Who has to act on an error."""

    EVENT = "event"
    """The event, the chart or a service: the attempt counts."""
    STORE = "store"
    """The store: a later attempt may succeed."""
    DAMAGE = "damage"
    """The store, and a retry cannot help."""
    VERSION = "version"
    """This chart cannot continue the instance; another version of it may."""
    WRITER = "writer"
    """Somebody else saved the instance: load it again."""
    LEASE = "lease"
    """Another consumer may have the message."""
    DUPLICATE = "duplicate"
    """The event was settled before."""


def blame_of(error: BaseException) -> Blame:
    """Say who has to act on an error of settling one event or of committing it.

    Do not call it for a cancellation or an interrupt of the engine itself: raise that again.
    """
    if not isinstance(error, StoreError) or isinstance(error, DeduplicationError):
        return Blame.EVENT
    if error.final:
        return Blame.DAMAGE
    for kind, blame in (
        (ReceiptExpiredError, Blame.LEASE),
        (EventRepeatedError, Blame.DUPLICATE),
        (VersionConflictError, Blame.WRITER),
        (ChartMismatchError, Blame.VERSION),
    ):
        if isinstance(error, kind):
            return blame
    return Blame.STORE
