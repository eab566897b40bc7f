"""What every store refuses before it writes."""

from __future__ import annotations

from settlesim.chart.snapshot import check_key, key_flaw
from settlesim.chart.values import FrozenDict
from settlesim.errors import InvalidValueError, shorten
from settlesim.ports import Transaction

__all__ = ["check_key", "check_transaction", "key_flaw"]


def check_transaction(transaction: Transaction) -> None:
    """Refuse a transaction that no store could keep and read back.

    Raises
    ------
    InvalidValueError
        A bad key, a snapshot whose revision is not `expected` + 1, whose context is not
        frozen, or whose configuration is empty.
    """
    check_key(transaction.key)
    snapshot, expected = transaction.snapshot, transaction.expected
    if snapshot.revision != expected + 1:
        raise InvalidValueError(
            where="transaction",
            reason=f"takes instance {shorten(transaction.key)} from revision {expected} to "
            f"{snapshot.revision}; a save goes to {expected + 1}",
        )
    # A context that can still be changed would let its owner change the store afterwards.
    if type(snapshot.context) is not FrozenDict:
        raise InvalidValueError(
            where="context",
            reason=f"is a {type(snapshot.context).__name__} and can still be changed; "
            "freeze_object() makes it fit to be saved",
        )
    if not snapshot.configuration:
        raise InvalidValueError(where="configuration", reason="names no active state")
