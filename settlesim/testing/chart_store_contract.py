"""What every `ChartStore` and `ChartQueue` promises: charts that change while instances live."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.strict_json import freeze_object
from settlesim.errors import ChartMismatchError, InvalidValueError, LeastVersionError
from settlesim.ports import (
    ChartDefinition,
    ChartQueue,
    ChartStore,
    ChartVersion,
    QueueStore,
    Rewrite,
    Timer,
    Timers,
    Transaction,
)
from settlesim.testing.openers import Opened, QueueBench, QueueOpener, StoreOpener, snapshot

__all__ = ["ChartQueueContract", "ChartStoreContract"]


def _version(number: int, revision: int = 1, **context: Any) -> Snapshot:
    """Return an instance that a version of the chart has saved."""
    return replace(snapshot(revision=revision, **context), version=number, fingerprint=f"f{number}")


def _definition(number: int, fingerprint: str = "") -> ChartDefinition:
    return ChartDefinition("count", number, fingerprint or f"f{number}", f'{{"version":{number}}}')


def _save(store: Any, key: str, number: int, **more: Any) -> None:
    """Save the next revision of an instance in a version of the chart, with its definition."""
    stored = store.load(key)
    revision = 0 if stored is None else stored.revision
    new = _version(number, revision + 1)
    store.commit(Transaction(key, new, revision, definition=_definition(number), **more))


class ChartStoreContract(StoreOpener):
    """What every `settlesim.ports.ChartStore` promises, as tests for a store of your own.

    Use it in addition to `StoreContract`, with the same `open_store`:

    - Each chart that saves an instance is kept once, with its definition.
    - A new instance is refused from a version before the newest one that has saved something.
    - Versions below the least one are refused.
    - A rewrite replaces the state of an instance only if it is still the state that was read, and
      keeps its revision. An instance that has changed does not prevent the rewrites of others.
    """

    def test_it_has_the_methods_of_a_chart_store(self, opened: Opened[ChartStore]) -> None:
        """In addition to those of a store."""
        assert isinstance(opened(), ChartStore)

    def test_a_chart_is_kept_once_it_has_saved_something(
        self, opened: Opened[ChartStore], now: Any
    ) -> None:
        """By name, version and time, with its definition as JSON."""
        assert list(opened().charts()) == []
        assert opened().newest_version("count") is None
        began = now()
        for key, number in (("a", 2), ("b", 2)):
            _save(opened(), key, number)
            now.step(1)
        other = Snapshot("other", 1, ("x",), freeze_object({}, where="context"), 1)
        definition = ChartDefinition("other", 1, "f", "{}")
        opened().commit(Transaction("o", other, 0, definition=definition))
        first, second = opened().charts()
        assert (first.definition, first.since) == (_definition(2), began)
        assert second.definition == definition
        assert [each.definition for each in opened().charts("other")] == [definition]
        assert opened().newest_version("count") == 2
        assert dict(opened().instance_versions("count")) == {2: 2}

    def test_a_new_instance_is_of_the_newest_version(self, opened: Opened[ChartStore]) -> None:
        """An earlier version is refused, but continues with its own instances."""
        _save(opened(), "old", 1)
        _save(opened(), "new", 2)
        with pytest.raises(ChartMismatchError):
            _save(opened(), "later", 1)
        assert opened().load("later") is None
        _save(opened(), "old", 1)
        assert dict(opened().instance_versions("count")) == {1: 1, 2: 1}

    def test_instances_are_listed_by_version_a_page_at_a_time(
        self, opened: Opened[ChartStore]
    ) -> None:
        """Sorted by key."""
        for key, number in (("c", 1), ("a", 1), ("b", 1), ("x", 2)):
            _save(opened(), key, number)
        page = opened().find(chart="count", version=1, after=None, limit=2)
        assert [(each.key, each.snapshot.version) for each in page] == [("a", 1), ("b", 1)]
        page = opened().find(chart="count", version=1, after="b", limit=2)
        assert [each.key for each in page] == ["c"]

    def test_versions_below_the_least_one_are_refused(self, opened: Opened[ChartStore]) -> None:
        """Of this chart alone, and only until all are allowed again."""
        assert opened().least_version("count") == 0
        opened().check_version("count", 1)
        opened().require_version("count", 2)
        assert opened().least_version("count") == 2
        with pytest.raises(LeastVersionError):
            opened().check_version("count", 1)
        opened().check_version("count", 2)
        opened().check_version("other", 1)
        opened().require_version("count", 0)
        opened().check_version("count", 1)
        with pytest.raises(InvalidValueError):
            opened().require_version("count", -1)

    def test_an_instance_is_rewritten_if_it_is_as_it_was_read(
        self, opened: Opened[ChartStore]
    ) -> None:
        """Its revision stays; the keys of instances that have changed are returned."""
        for key in ("a", "b", "c"):
            _save(opened(), key, 1)
        _save(opened(), "b", 1)
        read, now = _version(1), _version(2)
        rewrites = [Rewrite(key, read, now) for key in ("a", "b", "c", "gone")]
        rewrites[2] = replace(rewrites[2], before=replace(read, fingerprint="other"))
        left = opened().rewrite(rewrites, _definition(2))
        assert list(left) == ["b", "c", "gone"]
        assert opened().load("a") == now
        assert opened().load("b") == _version(1, 2)
        assert opened().load("c") == read
        assert opened().newest_version("count") == 2
        assert list(opened().rewrite([Rewrite("a", now, now)])) == []
        assert opened().load("a") == now

    def test_a_rewrite_that_changes_the_revision_is_refused(
        self, opened: Opened[ChartStore]
    ) -> None:
        """Nothing of the call is written."""
        _save(opened(), "a", 1)
        good = Rewrite("a", _version(1), _version(2))
        bad = Rewrite("a", _version(1), _version(2, 2))
        with pytest.raises(InvalidValueError):
            opened().rewrite([good, bad])
        assert opened().load("a") == _version(1)


class ChartQueueContract(QueueOpener):
    """What every `settlesim.ports.ChartQueue` in a `ChartStore` promises.

    Use it in addition to `QueueContract`, with the same `open_store` and `open_queue`:

    - A message has the version of its instance when it was sent; for a new key the newest one.
    - Consumers get the groups of the versions that they have or can migrate, and new keys if they
      have the newest one.
    - Timers get new ids and keep their due times and messages.
    """

    def open_store(self, folder: Path, now: Callable[[], float]) -> QueueStore:
        """Return the store of a folder; see `StoreOpener.open_store`."""
        raise NotImplementedError

    def test_it_has_the_methods_of_a_chart_queue(self, bench: QueueBench) -> None:
        """In a store that keeps charts."""
        assert isinstance(bench.queue(), ChartQueue)
        assert isinstance(bench.store(), ChartStore)

    def test_a_message_has_the_version_and_fingerprint_that_its_sender_met(
        self, bench: QueueBench
    ) -> None:
        """The message keeps them, even if the instance is migrated."""
        bench.send("nobody knows", group="n")
        _save(bench.store(), "a", 1)
        bench.send("one")
        _save(bench.store(), "b", 2)
        bench.send("new", group="c")
        bench.store().rewrite([Rewrite("a", _version(1), _version(2))])  # type: ignore[attr-defined]
        versions = {"nobody knows": None, "one": 1, "new": 2}
        waiting = self._queue(bench).waiting_messages()
        assert {each.body: each.version for each in waiting} == versions
        assert [each.dead for each in waiting] == [False] * 3
        received = bench.queue().receive(10)
        assert {each.body: each.version for each in received} == versions
        definitions = {"nobody knows": None, "one": "f1", "new": "f2"}
        assert {each.body: each.fingerprint for each in waiting} == definitions
        assert {each.body: each.fingerprint for each in received} == definitions

    def test_a_consumer_gets_what_it_can_migrate_and_new_keys_of_the_newest_version(
        self, bench: QueueBench
    ) -> None:
        """Others are neither received nor counted."""
        for key, number in (("one", 1), ("two", 2)):
            _save(bench.store(), key, number)
        for group in ("one", "two", "new"):
            bench.send(group, group=group)
        old, migrating = ChartVersion("count", 1), ChartVersion("count", 2, (1,))
        assert bench.queue().left(chart_version=old) == (3, 1)
        assert bench.queue().left(chart_version=migrating) == (3, 3)
        assert bench.queue().left(chart_version=ChartVersion("count", 3)) == (3, 1)
        assert [each.body for each in bench.queue().receive(10, chart_version=old)] == ["one"]
        found = bench.queue().receive(10, chart_version=migrating)
        assert [each.body for each in found] == ["two", "new"]

    def test_timers_are_renamed_with_their_instance(self, bench: QueueBench) -> None:
        """Two may swap their ids; one whose message waits keeps the message."""
        timers = Timers((Timer("x", 5.0), Timer("y", 10.0), Timer("z", 20.0)))
        _save(bench.store(), "a", 1, timers=timers)
        before = {each.delay: (each.token, each.due) for each in bench.store().timers("a")}
        bench.now.step(5)
        assert bench.queue().release_timers() == 1
        renamed = (("x", "y"), ("y", "x"))
        timers = Timers((Timer("new", 1.0),), ("x", "y"), renamed)
        rewrite = Rewrite("a", _version(1), _version(2), timers=timers)
        assert list(bench.store().rewrite([rewrite])) == []  # type: ignore[attr-defined]
        after = {each.delay: (each.token, each.due) for each in self._queue(bench).chart_timers()}
        assert (after["y"], after["x"]) == (before["x"], before["y"])
        assert set(after) == {"x", "y", "new"}
        assert [each.sent for each in bench.store().timers("a") if each.delay == "y"] == [True]
        timers = Timers((), ("w",), (("x", "w"),))
        bench.store().commit(Transaction("a", _version(2, 2), 1, timers=timers, before=_version(2)))
        (last,) = bench.store().timers("a")
        assert (last.delay, last.token) == ("w", before["y"][0])

    def _queue(self, bench: QueueBench) -> ChartQueue:
        queue = bench.queue()
        assert isinstance(queue, ChartQueue)
        return queue
