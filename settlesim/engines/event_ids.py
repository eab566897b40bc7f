"""Ids for events whose senders gave none."""

from __future__ import annotations

import uuid

__all__ = ["new_event_id"]


def new_event_id() -> str:
    """Return a unique id, which reveals neither the machine nor the time."""
    return uuid.uuid4().hex
