"""What every store refuses before it writes."""

from __future__ import annotations

from settlesim.chart.values import FrozenDict
from settlesim.errors import InvalidValueError, shorten
from settlesim.ports import Transaction

__all__ = ["check_key", "check_transaction", "key_flaw"]


def key_flaw(key: object) -> str | None:
    """Say what is wrong with the key of an instance, or None."""
    if type(key) is not str:
        return f"is {shorten(key, 60)} of type {type(key).__name__}; a key is text"
    if not key:
        return "is empty; a key is text with at least one character"
    if not key.isascii():
        try:
            key.encode()
        except UnicodeEncodeError:
            return f"has a lone surrogate in {shorten(key, 60)}; a key is text that UTF-8 can carry"
    return None


def check_key(key: object) -> None:
    """Refuse what is no key of an instance.

    Raises
    ------
    InvalidValueError
        Not a string, an empty one, or one with a lone surrogate.
    """
    flaw = key_flaw(key)
    if flaw is not None:
        raise InvalidValueError(where="key", reason=flaw)


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
