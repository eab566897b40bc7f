"""Receipts, each of which proves one reception of one message."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from settlesim.errors import InvalidValueError, shorten

__all__ = ["Receipt", "read_receipt"]

_FORM: Final = re.compile(r"(.+):([1-9][0-9]{0,17}):(~?)([1-9][0-9]{0,17})", re.DOTALL)


class Receipt(NamedTuple):
    """The parts of a receipt.

    Nothing in it is random: the same operations on a queue give the same receipts. That is
    enough to tell receptions apart, since a message's count of receptions only grows. A receipt
    need not be secret: to use it, one must be able to write to the store anyway.
    """

    queue: str
    message: int
    """The message's id."""
    receives: int
    """The ordinal of the reception that it proves, from 1."""
    ordered: bool = True
    """Whether its queue is a FIFO queue; in a standard queue a receipt stays valid."""

    def __str__(self) -> str:
        return f"{self.queue}:{self.message}:{'' if self.ordered else '~'}{self.receives}"


def read_receipt(text: object) -> Receipt:
    """Parse a receipt.

    Raises
    ------
    InvalidValueError
        The text is not a receipt.
    """
    found = _FORM.fullmatch(text) if type(text) is str else None
    if found is None:
        raise InvalidValueError(
            where="receipt", reason=f"is {shorten(text, 60)}; one that `receive` gave is needed"
        )
    queue, message, standard, receives = found.groups()
    return Receipt(queue, int(message), int(receives), not standard)
