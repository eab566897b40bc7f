"""Hypothesis strategies for values that are saved, from `settlesim.testing`."""

from __future__ import annotations

from settlesim.testing.strategies import contexts, json_values, keys, snapshots, texts

__all__ = ["contexts", "json_values", "keys", "snapshots", "texts"]
