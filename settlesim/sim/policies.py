"""The options for failures in a batch, and for events that arrive at a busy instance."""

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
"""What happens when an event arrives while another one of its instance is not finished."""

EXCLUDED_WORDS: Final[Mapping[str, str]] = {
    "reject": "refused",
    "interrupt": "cancelled",
    "rollback": "rolled back",
    "drop_duplicate": "dropped",
}
"""By policy, the word for an event that is left out of the serial runs."""
