"""What a store or a queue could not do."""

from __future__ import annotations

from settlesim.errors.base import SettlesimError, shorten

__all__ = [
    "ChartMismatchError",
    "DeduplicationError",
    "EventRepeatedError",
    "ReceiptExpiredError",
    "StoreDamagedError",
    "StoreError",
    "StoreUnavailableError",
    "VersionConflictError",
]


class StoreError(SettlesimError):
    """The store could not do what was asked."""

    final: bool = False
    """Whether it is no use to try again: a person has to look first."""


class VersionConflictError(StoreError):
    """A save expected another revision than the stored one; nothing was written."""

    key: str
    expected: int
    actual: int

    def __init__(self, *, key: str, expected: int, actual: int) -> None:
        if actual == expected:
            what = f"at revision {actual} again: it was deleted and begun anew meanwhile, or its "
            what += "timer was ended"
        else:
            what = f"at revision {actual}, not {expected}: another worker saved it first"
        super().__init__(
            f"instance {shorten(key)} is {what}. Load it again.",
            key=key,
            expected=expected,
            actual=actual,
        )


class ReceiptExpiredError(StoreError):
    """The receipt of a message is no longer valid: another consumer may have the message."""

    queue: str
    receipt: str
    reason: str

    def __init__(self, *, queue: str, receipt: str, reason: str) -> None:
        super().__init__(
            f"receipt {shorten(receipt, 60)} of queue {shorten(queue, 60)} is no longer valid: "
            f"{reason}. Nothing was changed.",
            queue=queue,
            receipt=receipt,
            reason=reason,
        )


class EventRepeatedError(StoreError):
    """The event was settled before, with the same id; nothing was written."""

    key: str
    event_id: str
    revision: int
    """The instance's revision after the event."""
    outcome: str | None
    """How it ended, such as ``"resolved"``, where the store knows it."""

    def __init__(
        self, *, key: str, event_id: str, revision: int, outcome: str | None = None
    ) -> None:
        ended = "" if outcome is None else f" and was {outcome}"
        super().__init__(
            f"event {shorten(event_id, 60)} of instance {shorten(key, 60)} was settled before, at "
            f"revision {revision}{ended}. Nothing was written; its message needs only be deleted.",
            key=key,
            event_id=event_id,
            revision=revision,
            outcome=outcome,
        )


class DeduplicationError(StoreError):
    """A deduplication id that was used for another message of the same group."""

    queue: str
    group_id: str
    deduplication_id: str

    def __init__(self, *, queue: str, group_id: str, deduplication_id: str) -> None:
        super().__init__(
            f"queue {shorten(queue, 60)}: the deduplication id {shorten(deduplication_id, 60)} of "
            f"group {shorten(group_id, 60)} was sent before with another body. Nothing was sent; "
            "an id is for one event and its repetitions.",
            queue=queue,
            group_id=group_id,
            deduplication_id=deduplication_id,
        )


class ChartMismatchError(StoreError):
    """A stored instance belongs to another chart, version, or set of nodes."""

    key: str
    stored: str
    current: str
    reason: str

    def __init__(self, *, key: str, stored: str, current: str, reason: str) -> None:
        super().__init__(
            f"instance {shorten(key)} was saved by {stored}, this is {current}: {reason}",
            key=key,
            stored=stored,
            current=current,
            reason=reason,
        )


class StoreDamagedError(StoreError):
    """A store's file or record is not what this library wrote."""

    path: str
    reason: str
    final = True

    def __init__(self, *, path: str, reason: str) -> None:
        super().__init__(
            f"store {path} is damaged: {reason}. It was not changed.", path=path, reason=reason
        )


class StoreUnavailableError(StoreError):
    """A store's file can not be read or written as things are; `reason` says why.

    It is `final` where this store object was closed, so that it never can again.
    """

    path: str
    reason: str

    def __init__(self, *, path: str, reason: str, final: bool = False) -> None:
        super().__init__(
            f"store {path} can not be used: {reason}", path=path, reason=reason, final=final
        )
