"""What may be chosen for batches, and for events that arrive while another one is handled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["BATCH_FAILURES", "EXCLUDED_WORDS", "POLICIES"]

BATCH_FAILURES: Final[Mapping[str, str]] = {
    "whole": "the first failure releases the whole batch, what was handled as well",
    "partial": "a failed message is reported, and the rest of the batch is handled",
    "stop_at_first": "the first failure ends the handling; it is reported with the rest",
}
"""What a failed message of a batch does to the others."""

POLICIES: Final[Mapping[str, str]] = {
    "enqueue": "it waits for its turn",
    "reject": "it is refused",
    "interrupt": "what is handled is cancelled, and recorded as such",
    "rollback": "what is handled is cancelled, and nothing keeps its id",
    "drop_duplicate": "it is dropped where an equal event waits or is handled",
}
"""What becomes of an event that arrives while another one of its instance is not finished."""

EXCLUDED_WORDS: Final[Mapping[str, str]] = {
    "reject": "refused",
    "interrupt": "cancelled",
    "rollback": "rolled back",
    "drop_duplicate": "dropped",
}
"""What the events are that a policy keeps out of the serial runs."""
