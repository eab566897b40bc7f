"""The checks that every store makes before it writes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from settlesim.argument_checks import MAX_NAME, check_seconds, check_text
from settlesim.chart import Chart
from settlesim.chart.event import unknown_event
from settlesim.chart.snapshot import Snapshot, check_key, history_flaw
from settlesim.chart.strict_json import FrozenDict, freeze
from settlesim.errors import InvalidEventError, InvalidValueError, shorten
from settlesim.ports import ChartDefinition, Rewrite, Send, Timer, Timers, Transaction
from settlesim.store.entries import OWN_FIELDS

__all__ = [
    "check_key",
    "check_message",
    "check_rewrite",
    "check_transaction",
    "refuse_unknown_event",
]


def check_message(body: object, group_id: object, deduplication_id: object) -> None:
    """Refuse a message that no queue could carry.

    Raises
    ------
    InvalidValueError
        The body is not strict JSON, or the group id or deduplication id is not a text of 1 to
        1,000 characters.
    """
    freeze(body, where="body")
    check_text(group_id, where="group_id", most=MAX_NAME)
    if deduplication_id is not None:
        check_text(deduplication_id, where="deduplication_id", most=MAX_NAME)


def refuse_unknown_event(body: object, chart: Chart) -> None:
    """Refuse the message of an event for which the chart has no transition.

    Raises
    ------
    InvalidEventError
        The text names the most similar event of the chart.
    """
    name = body.get("event") if isinstance(body, dict) else None
    flaw = unknown_event(chart, name) if isinstance(name, str) else None
    if flaw is not None:
        reason = f"was not sent: {flaw} force=True sends it anyway"
        raise InvalidEventError(name=name, reason=reason)


def check_transaction(transaction: Transaction) -> None:
    """Refuse a transaction that no store could keep and read back.

    Raises
    ------
    InvalidValueError
        An invalid key; a snapshot whose revision is not `expected` + 1, whose context is not
        frozen, whose configuration is empty, or with a field of the wrong type; an invalid
        receipt, mark, message, timer or record.
    """
    check_key(transaction.key)
    snapshot, expected = transaction.snapshot, transaction.expected
    if snapshot is None:
        if type(expected) is not int or expected < 0:
            reason = f"expects revision {shorten(expected, 40)}; a whole number from 0 is needed"
            raise InvalidValueError(where="transaction", reason=reason)
    elif (
        type(snapshot.revision) is not int
        or snapshot.revision != expected + 1
        or type(snapshot.context) is not FrozenDict
        or not hasattr(snapshot.context, "size")
        or not _are_texts(snapshot.configuration)
        or type(snapshot.chart) is not str
        or type(snapshot.version) is not int
    ):
        _refuse_snapshot(transaction.key, snapshot, expected)
    else:
        _check_optional_fields(snapshot)
    if transaction.consumed is not None:
        check_text(transaction.consumed, where="receipt")
    if transaction.mark is not None:
        check_text(transaction.mark, where="mark")
    if transaction.sends:
        _check_sends(transaction.sends)
    if transaction.timers is not None:
        _check_timers(transaction.timers, snapshot)
    if transaction.definition is not None:
        _check_definition(transaction.definition, snapshot)
    if transaction.record is not None:
        _check_record(transaction.record)


def _check_optional_fields(snapshot: Snapshot) -> None:
    if snapshot.fingerprint is not None:
        check_text(snapshot.fingerprint, where="fingerprint")
    _check_frozen(snapshot.history_states, where="history_states")
    flaw = history_flaw(snapshot.history_states)
    if flaw is not None:
        raise InvalidValueError(where="history_states", reason=flaw)


def _are_texts(names: Iterable[object]) -> bool:
    for name in names:
        if type(name) is not str:
            return False
    return bool(names)


def _refuse_snapshot(key: str, snapshot: Snapshot, expected: int) -> NoReturn:
    if type(snapshot.revision) is not int or snapshot.revision != expected + 1:
        raise InvalidValueError(
            where="transaction",
            reason=f"takes instance {shorten(key)} from revision {expected} to "
            f"{snapshot.revision}; a save goes to {expected + 1}",
        )
    _check_frozen(snapshot.context, where="context")
    if not snapshot.configuration:
        raise InvalidValueError(where="configuration", reason="names no active state")
    for leaf in snapshot.configuration:
        if type(leaf) is not str:
            reason = f"has {shorten(leaf, 40)}; names of states are needed"
            raise InvalidValueError(where="configuration", reason=reason)
    if type(snapshot.chart) is not str:
        reason = f"is {shorten(snapshot.chart, 40)}; a text is needed"
        raise InvalidValueError(where="chart", reason=reason)
    reason = f"is {shorten(snapshot.version, 40)}; a whole number is needed"
    raise InvalidValueError(where="version", reason=reason)


def _check_frozen(value: object, *, where: str) -> None:
    # A mutable context would let its owner change what the store holds.
    if type(value) is not FrozenDict:
        reason = f"is a {type(value).__name__} and can still be changed; "
    elif not hasattr(value, "size"):
        reason = "was frozen by hand, and nobody has looked at what is in it; "
    else:
        return
    raise InvalidValueError(where=where, reason=f"{reason}freeze_object() makes it fit to be saved")


def _check_sends(sends: object) -> None:
    if not isinstance(sends, tuple):
        reason = f"is a {type(sends).__name__}; a tuple of Send is needed"
        raise InvalidValueError(where="sends", reason=reason)
    for send in sends:
        if not isinstance(send, Send):
            raise InvalidValueError(where="sends", reason=f"has {shorten(send, 40)}, no Send")
        check_text(send.queue, where="queue", most=MAX_NAME)
        check_message(send.body, send.group_id, send.deduplication_id)


def _check_definition(definition: object, snapshot: Snapshot | None) -> None:
    if not isinstance(definition, ChartDefinition):
        reason = f"is {shorten(definition, 40)}, no ChartDefinition"
        raise InvalidValueError(where="definition", reason=reason)
    check_text(definition.fingerprint, where="fingerprint")
    check_text(definition.text, where="the definition of a chart")
    name = definition.chart, definition.version
    if snapshot is not None and name != (snapshot.chart, snapshot.version):
        reason = f"is of {name[0]} version {name[1]}, and the state of {snapshot.chart} version "
        raise InvalidValueError(where="definition", reason=f"{reason}{snapshot.version}")


def check_rewrite(rewrite: Rewrite) -> None:
    """Refuse a rewrite that no store could keep.

    Raises
    ------
    InvalidValueError
        As `check_transaction`, or the revision changes.
    """
    if not isinstance(rewrite, Rewrite):
        raise InvalidValueError(where="rewrites", reason=f"has {shorten(rewrite, 40)}, no Rewrite")
    if rewrite.after.revision != rewrite.before.revision:
        reason = f"goes from revision {rewrite.before.revision} to {rewrite.after.revision}; "
        reason += "a rewrite keeps the revision"
        where = f"the rewrite of instance {shorten(rewrite.key, 60)}"
        raise InvalidValueError(where=where, reason=reason)
    expected, timers = rewrite.after.revision - 1, rewrite.timers
    check_transaction(Transaction(rewrite.key, rewrite.after, expected, timers=timers))


def _check_timers(timers: object, snapshot: Snapshot | None) -> None:
    if not isinstance(timers, Timers):
        raise InvalidValueError(where="timers", reason=f"is {shorten(timers, 40)}, no Timers")
    names = list(timers.kept)
    _check_renamed(timers.renamed)
    for timer in timers.started:
        if not isinstance(timer, Timer):
            raise InvalidValueError(where="timers", reason=f"has {shorten(timer, 40)}, no Timer")
        check_seconds(timer.seconds, where=f"timer {shorten(timer.id, 40)}")
        names.append(timer.id)
    for name in names:
        check_text(name, where="the id of a timer")
    if len(set(names)) < len(names):
        reason = f"name one timer twice: {', '.join(shorten(name, 40) for name in names)}"
        raise InvalidValueError(where="timers", reason=reason)
    if timers.started and snapshot is None:
        reason = "start with a state that is entered, and this transaction saves no state"
        raise InvalidValueError(where="timers", reason=reason)


def _check_renamed(renamed: tuple[tuple[str, str], ...]) -> None:
    for side in zip(*renamed, strict=True):
        for name in side:
            check_text(name, where="the id of a timer")
        if len(set(side)) < len(side):
            reason = f"rename one timer twice: {shorten(renamed, 200)}"
            raise InvalidValueError(where="timers", reason=reason)


def _check_record(record: object) -> None:
    _check_frozen(record, where="record")
    assert isinstance(record, FrozenDict)
    own = [name for name in record if name in OWN_FIELDS]
    if own:
        reason = f"has {', '.join(map(repr, own))}, which the store itself says"
        raise InvalidValueError(where="record", reason=reason)
