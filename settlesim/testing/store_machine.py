"""Random operations on a store, compared with a dict of snapshots."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from settlesim.chart.snapshot import Snapshot
from settlesim.errors import VersionConflictError
from settlesim.ports import Store, Transaction
from settlesim.testing.manual_time import ManualTime
from settlesim.testing.openers import Opened, StoreOpener, same
from settlesim.testing.strategies import keys, snapshots

__all__ = ["StoreMachine"]


class StoreMachine(RuleBasedStateMachine):
    """Every store does what a dict of snapshots does."""

    opener: ClassVar[StoreOpener]
    """Opens the store; `StoreContract` sets it."""
    names: Bundle[str] = Bundle("names")

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[str, Snapshot] = {}
        self.stack = contextlib.ExitStack()

    @initialize()
    def open(self) -> None:
        """Open a fresh store."""
        self.opened: Opened[Store] = self.stack.enter_context(self.opener.fresh(ManualTime()))
        self.store = self.opened()

    def teardown(self) -> None:
        """Close what was opened."""
        self.stack.close()

    def revision(self, key: str) -> int:
        """Return the revision that the store must have."""
        return self.model[key].revision if key in self.model else 0

    @rule(target=names, key=keys())
    def name(self, key: str) -> str:
        """Choose a key, so that several rules meet on it."""
        return key

    @rule(key=names, new=snapshots(), off=st.sampled_from([0, 0, 0, -1, 1]))
    def save(self, key: str, new: Snapshot, off: int) -> None:
        """Save on the right revision, or on another one, which is refused."""
        expected = self.revision(key) + off
        new = dataclasses.replace(new, revision=expected + 1)
        if off:
            with pytest.raises(VersionConflictError):
                self.store.commit(Transaction(key, new, expected))
        else:
            self.store.commit(Transaction(key, new, expected))
            self.model[key] = new

    @rule(key=names, off=st.sampled_from([0, 0, 1]))
    def delete(self, key: str, off: int) -> None:
        """Delete at the right revision, or at another one, which is refused."""
        expected = self.revision(key) + off
        if off:
            with pytest.raises(VersionConflictError):
                self.store.delete(key, expected)
        else:
            self.store.delete(key, expected)
            self.model.pop(key, None)

    @rule(key=names)
    def load(self, key: str) -> None:
        """Load what was saved last."""
        assert same(self.store.load(key), self.model.get(key))

    @rule()
    def reopen(self) -> None:
        """Make the next calls on another store object, if the store can be reopened."""
        self.store = self.opened()

    @invariant()
    def same_keys(self) -> None:
        """Compare the keys, which are sorted."""
        if hasattr(self, "store"):
            assert list(self.store.keys()) == sorted(self.model)
