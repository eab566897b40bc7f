"""Ids for events whose senders gave none."""

from __future__ import annotations

import uuid

__all__ = ["new_event_id"]


def new_event_id() -> str:
    """Return an id that no other event has; it says nothing of machine or time."""
    return uuid.uuid4().hex
