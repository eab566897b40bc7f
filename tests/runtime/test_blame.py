"""Who has to act on an error."""

from __future__ import annotations

import pytest

from settlesim.errors import (
    ChartMismatchError,
    DeduplicationError,
    EventRepeatedError,
    InvalidValueError,
    ReceiptExpiredError,
    StalledError,
    StoreDamagedError,
    StoreUnavailableError,
    VersionConflictError,
)
from settlesim.runtime.blame import Blame, blame_of


@pytest.mark.parametrize(
    ("error", "blame"),
    [
        (StalledError(configuration=["a"]), Blame.EVENT),
        (ZeroDivisionError(), Blame.EVENT),
        (SystemExit(3), Blame.EVENT),
        (InvalidValueError(where="x", reason="y"), Blame.EVENT),
        (DeduplicationError(queue="q", group_id="k", deduplication_id="i"), Blame.EVENT),
        (StoreUnavailableError(path="p", reason="full"), Blame.STORE),
        (StoreUnavailableError(path="p", reason="closed", final=True), Blame.DAMAGE),
        (StoreDamagedError(path="p", reason="bit rot"), Blame.DAMAGE),
        (ChartMismatchError(key="k", stored="a", current="b", reason="c"), Blame.VERSION),
        (VersionConflictError(key="k", expected=1, actual=2), Blame.WRITER),
        (ReceiptExpiredError(queue="q", receipt="r", reason="gone"), Blame.LEASE),
        (EventRepeatedError(key="k", event_id="e", revision=1), Blame.DUPLICATE),
    ],
)
def test_every_error_has_one_who_has_to_act(error: BaseException, blame: Blame) -> None:
    """The store is never blamed for an event, nor the event for the store."""
    assert blame_of(error) is blame
