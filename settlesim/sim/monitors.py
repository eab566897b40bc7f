"""The anomalies that monitors watch for: name, definition, source.

A monitor adds to the state of the model only if the scenario asks for it, so counts without
monitors are those of the bare model. `settlesim.sim.replay` always uses all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

__all__ = ["MONITORS", "Monitor"]


class Monitor(NamedTuple):
    """One anomaly."""

    bit: int
    """Its bit in the state of an instance."""
    definition: str
    source: str
    """Where the notion comes from, or how to prevent the anomaly."""


_TABLE: Final = (
    (
        "lost update",
        "a save over a revision that the handler has not loaded",
        "P4: Berenson et al., A Critique of ANSI SQL Isolation Levels, SIGMOD 1995",
    ),
    (
        "stale read",
        "a service comes back, or an event is skipped, while the instance is at another "
        "revision than the handler has loaded",
        "after P2, non-repeatable read: Berenson et al. 1995",
    ),
    (
        "dirty read",
        "a handler loads an instance that is not settled; never here, where only settled "
        "states are saved",
        "P1: Berenson et al. 1995",
    ),
    (
        "reordering",
        "a save after a later event of the instance was handled",
        "Resequencer: Hohpe and Woolf, Enterprise Integration Patterns, 2003",
    ),
    (
        "duplicate apply",
        "a save for an event that the instance has in it already",
        "Idempotent Receiver: Hohpe and Woolf 2003",
    ),
    (
        "duplicate effect",
        "a service has its effect a second time for one event",
        "at-least-once delivery; an idempotency key cures it",
    ),
    (
        "zombie write",
        "a save by a handler whose message was received again since",
        "fencing tokens: Kleppmann, Designing Data-Intensive Applications, 2017, chapter 8",
    ),
    (
        "gap after dead letter",
        "an event is handled although an earlier one of the instance is a dead letter",
        "the warning of the SQS guide about dead-letter queues and order",
    ),
    (
        "head-of-line blocking",
        "a message is received again while later ones have to wait for it",
        "the price of order; Dead Letter Channel: Hohpe and Woolf 2003",
    ),
    (
        "ignored out of order",
        "an event is ignored before all earlier events of the instance were handled, or after "
        "a later one was",
        "a symptom of reordering, as a chart shows it",
    ),
    (
        "partly cancelled",
        "an event is cancelled after a save or an effect of it, or has one after that",
        "what cancelling cannot undo; a save that deletes the message in one write, and services "
        "that can be undone, cure it",
    ),
)

MONITORS: Final[Mapping[str, Monitor]] = {
    name: Monitor(1 << index, definition, source)
    for index, (name, definition, source) in enumerate(_TABLE)
}
"""Every anomaly by name."""
