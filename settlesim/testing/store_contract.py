"""What every `Store` promises."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis.stateful import run_state_machine_as_test

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.strict_json import FrozenDict, freeze_object
from settlesim.errors import InvalidValueError, VersionConflictError
from settlesim.ports import QueueStore, Send, Store, Timer, Timers, Transaction
from settlesim.testing.manual_time import ManualTime
from settlesim.testing.openers import Opened, StoreOpener, in_threads, same, save, snapshot
from settlesim.testing.store_machine import StoreMachine
from settlesim.testing.strategies import keys, snapshots

__all__ = ["StoreContract"]

_EMPTY: Final = freeze_object({}, where="context")
_UNREADABLE: Final[list[dict[str, Any]]] = [
    {"chart": b"count"},
    {"chart": None},
    {"version": True},
    {"version": 1.0},
    {"version": Decimal(1)},
    {"revision": 1.0},
    {"revision": True},
    {"configuration": ()},
    {"configuration": ("odd", 1)},
    {"configuration": (b"odd",)},
    {"context": {"count": 1}},
    {"context": FrozenDict({"set": {1, 2}})},
    {"context": FrozenDict({"bytes": b"1"})},
    {"fingerprint": b"1"},
    {"fingerprint": ""},
    {"fingerprint": "\ud800"},
    {"history_states": {"h": ["odd"]}},
    {"history_states": freeze_object({"h": []}, where="history_states")},
    {"history_states": freeze_object({"h": "odd"}, where="history_states")},
    {"history_states": freeze_object({"h": [1]}, where="history_states")},
]
_HISTORY: Final = freeze_object({"on.h": ["on.left", "on.right"]}, where="history_states")
_PARTS: Final[dict[str, Any]] = {
    "consumed": "count:1:1",
    "mark": "e1",
    "sends": (Send("count", 1, "a"),),
    "timers": Timers((Timer("after.x", 1.0),)),
}


class StoreContract(StoreOpener):
    """What every `settlesim.ports.Store` promises, as tests for a store of your own.

    A subclass defines `open_store`, and has a name that pytest collects::

        class TestMyStore(StoreContract):
            def open_store(self, folder, now):
                return MyStore(folder / "store.json")

    The promises:

    - What was saved is loaded again, equal as JSON text; what was never saved is None.
    - A save or a delete happens only at the expected revision. Otherwise it raises
      `VersionConflictError` with the actual one, and changes nothing. If a transaction says
      which state was loaded (`before`), that is compared too.
    - Of threads that save the same revision of an instance at the same time, one wins.
    - A transaction that could not be read back as it is, or that has a part which the store
      does not keep, is refused with `InvalidValueError`, and changes nothing.
    - Saved and loaded contexts are read-only, so nobody can change the store through them.

    Attributes
    ----------
    reopens : bool
        Whether a store that is opened on the same folder has the same data; True. The tests
        then open the store again for each call. False for a store in memory.
    examples : int
        How many examples Hypothesis tries of each property.

    See Also
    --------
    QueueStoreContract : for a store that also keeps marks, timers and messages
    """

    def test_it_has_the_methods_of_a_store(self, opened: Opened[Store]) -> None:
        """`load`, `keys`, `delete` and `commit`."""
        assert isinstance(opened(), Store)

    def test_a_fresh_store_has_no_keys_and_loads_none(self, opened: Opened[Store]) -> None:
        """A key that was never saved is None, not an error."""
        assert list(opened().keys()) == []
        assert opened().load("unknown") is None

    def test_what_was_saved_is_loaded(self, opened: Opened[Store]) -> None:
        """A save shows in the next load, revision included."""
        save(opened(), "a", snapshot(1))
        assert opened().load("a") == snapshot(1)
        save(opened(), "a", snapshot(2, revision=2))
        assert opened().load("a") == snapshot(2, revision=2)

    def test_keys_are_sorted_by_code_point(self, opened: Opened[Store]) -> None:
        """The order of the keys is that of their text, not of their saves."""
        for key in ("b", "é", "B", "a", "10", "9"):
            save(opened(), key, snapshot())
        assert list(opened().keys()) == ["10", "9", "B", "a", "b", "é"]

    def test_every_snapshot_comes_back_as_it_was(self) -> None:
        """Unicode, numbers at the limits, deep and empty contexts, order of keys included."""

        @self.settings()
        @given(key=keys(), new=snapshots(revision=1), other=snapshots(revision=2))
        def check(key: str, new: Snapshot, other: Snapshot) -> None:
            with self.fresh(ManualTime()) as opened:
                save(opened(), key, new)
                assert same(opened().load(key), new)
                save(opened(), key, other)
                assert same(opened().load(key), other)
                assert list(opened().keys()) == [key]

        check()

    def test_fingerprint_and_history_states_come_back_and_go(self, opened: Opened[Store]) -> None:
        """They belong to the state that was saved: the next save has its own, or none."""
        full = replace(snapshot(1), fingerprint="f1", history_states=_HISTORY)
        save(opened(), "a", full)
        loaded = opened().load("a")
        assert loaded == full
        assert loaded is not None
        assert loaded.fingerprint == "f1"
        assert loaded.history_states == {"on.h": ["on.left", "on.right"]}
        with pytest.raises(TypeError, match="read-only"):
            loaded.history_states.clear()
        save(opened(), "a", snapshot(2, revision=2))
        loaded = opened().load("a")
        assert loaded == snapshot(2, revision=2)
        assert loaded is not None
        assert (loaded.fingerprint, loaded.history_states) == (None, {})

    # --- compare-and-set --------------------------------------------------------------------

    def test_stale_save_is_refused_and_writes_nothing(self, opened: Opened[Store]) -> None:
        """The second of two workers that loaded the same revision gets a conflict."""
        save(opened(), "a", snapshot(1))
        save(opened(), "a", snapshot(2, revision=2))
        with pytest.raises(VersionConflictError) as caught:
            save(opened(), "a", snapshot(99, revision=2))
        assert (caught.value.key, caught.value.expected, caught.value.actual) == ("a", 1, 2)
        assert opened().load("a") == snapshot(2, revision=2)

    def test_first_save_of_a_key_that_exists_is_refused(self, opened: Opened[Store]) -> None:
        """Revision 0 means: not there yet."""
        save(opened(), "a", snapshot(1))
        with pytest.raises(VersionConflictError):
            save(opened(), "a", snapshot(99))
        assert opened().load("a") == snapshot(1)

    def test_later_save_of_a_key_that_does_not_exist_is_refused(
        self, opened: Opened[Store]
    ) -> None:
        """A deleted instance does not come back by a stale save."""
        with pytest.raises(VersionConflictError) as caught:
            save(opened(), "a", snapshot(1, revision=5))
        assert caught.value.actual == 0
        assert list(opened().keys()) == []

    def test_a_transaction_without_a_new_state_is_compared_too(self, opened: Opened[Store]) -> None:
        """Such as that of an event that is ignored: the instance stays as it is."""
        save(opened(), "a", snapshot(1))
        opened().commit(Transaction("a", None, 1))
        opened().commit(Transaction("b", None, 0))
        for stale in (0, 2):
            with pytest.raises(VersionConflictError):
                opened().commit(Transaction("a", None, stale))
        assert opened().load("a") == snapshot(1)
        assert list(opened().keys()) == ["a"]

    def test_a_save_from_a_state_that_was_deleted_and_created_anew_is_refused(
        self, opened: Opened[Store]
    ) -> None:
        """Its revision is the same again, so the state is compared too, as JSON text."""
        old, new = snapshot(1), snapshot(True)
        save(opened(), "a", old)
        opened().delete("a", 1)
        save(opened(), "a", new)
        with pytest.raises(VersionConflictError):
            opened().commit(Transaction("a", snapshot(2, revision=2), 1, before=old))
        assert same(opened().load("a"), new)
        opened().commit(Transaction("a", snapshot(2, revision=2), 1, before=opened().load("a")))
        assert opened().load("a") == snapshot(2, revision=2)

    @pytest.mark.parametrize(
        "fields",
        [
            {"fingerprint": None},
            {"fingerprint": "f2"},
            {"history_states": _EMPTY},
            {"history_states": freeze_object({"on.h": ["on.left"]}, where="history_states")},
        ],
        ids=repr,
    )
    def test_a_save_from_a_state_with_another_fingerprint_or_history_is_refused(
        self, opened: Opened[Store], fields: dict[str, Any]
    ) -> None:
        """They are part of the state that a transaction says was loaded."""
        there = replace(snapshot(1), fingerprint="f1", history_states=_HISTORY)
        save(opened(), "a", there)
        other = replace(there, **fields)
        with pytest.raises(VersionConflictError):
            opened().commit(Transaction("a", snapshot(2, revision=2), 1, before=other))
        assert opened().load("a") == there
        opened().commit(Transaction("a", snapshot(2, revision=2), 1, before=there))
        assert opened().load("a") == snapshot(2, revision=2)

    def test_exactly_one_of_many_racing_saves_wins_each_revision(
        self, opened: Opened[Store]
    ) -> None:
        """Threads that save the same revision: one wins, all others get a conflict."""
        workers, rounds = 6, 8
        stores = [opened() for _ in range(workers)]
        wins: list[list[int]] = [[] for _ in range(workers)]

        def work(number: int, wait: Callable[[], object]) -> None:
            for revision in range(1, rounds + 1):
                wait()
                try:
                    save(stores[number], "a", snapshot(number, revision=revision))
                    wins[number].append(revision)
                except VersionConflictError:
                    pass

        in_threads(work, workers)
        assert sorted(itertools.chain(*wins)) == list(range(1, rounds + 1))
        last = opened().load("a")
        assert last is not None
        assert last.revision == rounds
        assert rounds in wins[last.context["count"]]

    def test_threads_that_save_different_instances_lose_none(self, opened: Opened[Store]) -> None:
        """They wait for each other, and no save undoes another one."""
        workers, rounds = 4, 6
        stores = [opened() for _ in range(workers)]

        def work(number: int, wait: Callable[[], object]) -> None:
            for revision in range(1, rounds + 1):
                wait()
                save(stores[number], f"k{number}", snapshot(number, revision=revision))

        in_threads(work, workers)
        for number in range(workers):
            assert opened().load(f"k{number}") == snapshot(number, revision=rounds)

    # --- deletion ---------------------------------------------------------------------------

    def test_deleted_instance_is_gone_and_may_start_anew(self, opened: Opened[Store]) -> None:
        """After a delete the key is as if it had never been saved; others stay."""
        save(opened(), "a", snapshot(1))
        save(opened(), "b", snapshot(2))
        opened().delete("a", 1)
        assert opened().load("a") is None
        assert list(opened().keys()) == ["b"]
        save(opened(), "a", snapshot(3))
        assert opened().load("a") == snapshot(3)
        assert opened().load("b") == snapshot(2)

    def test_stale_delete_is_refused_and_deletes_nothing(self, opened: Opened[Store]) -> None:
        """A delete is a compare-and-set, like a save."""
        save(opened(), "a", snapshot(1))
        save(opened(), "a", snapshot(2, revision=2))
        with pytest.raises(VersionConflictError) as caught:
            opened().delete("a", 1)
        assert caught.value.actual == 2
        assert opened().load("a") == snapshot(2, revision=2)

    def test_delete_of_an_unknown_key_agrees_only_with_revision_zero(
        self, opened: Opened[Store]
    ) -> None:
        """An unknown instance is at revision 0, and deleting it does nothing."""
        opened().delete("a", 0)
        with pytest.raises(VersionConflictError) as caught:
            opened().delete("a", 1)
        assert caught.value.actual == 0

    # --- what is refused --------------------------------------------------------------------

    @pytest.mark.parametrize("revision", [1, 2, 4, 0])
    def test_snapshot_that_is_not_the_next_revision_is_refused(
        self, opened: Opened[Store], revision: int
    ) -> None:
        """A transaction goes one revision up; anything else is an error of the caller."""
        save(opened(), "a", snapshot(1))
        with pytest.raises(InvalidValueError):
            opened().commit(Transaction("a", snapshot(9, revision=revision), 2))
        assert opened().load("a") == snapshot(1)

    @pytest.mark.parametrize("fields", _UNREADABLE, ids=repr)
    def test_snapshot_that_could_not_be_read_back_as_it_is_is_refused(
        self, opened: Opened[Store], fields: dict[str, Any]
    ) -> None:
        """Even if a JSON encoder would write it."""
        good = {"chart": "count", "version": 1, "configuration": ("odd",), "context": _EMPTY}
        bad = Snapshot(**{**good, "revision": 1, **fields})
        with pytest.raises(InvalidValueError):
            opened().commit(Transaction("a", bad, 0))
        assert opened().load("a") is None

    @pytest.mark.parametrize("key", ["", "a\ud800", None, 1, b"a", ["a"]], ids=ascii)
    def test_key_that_is_no_text_is_refused_by_every_method(
        self, opened: Opened[Store], key: Any
    ) -> None:
        """It is never saved, found or deleted."""
        calls: list[Callable[[Store], object]] = [
            lambda store: store.load(key),
            lambda store: store.delete(key, 0),
            lambda store: store.commit(Transaction(key, snapshot(), 0)),
        ]
        for call in calls:
            with pytest.raises(InvalidValueError):
                call(opened())
        assert list(opened().keys()) == []

    @pytest.mark.parametrize("part", _PARTS)
    def test_part_that_the_store_does_not_keep_is_refused(
        self, opened: Opened[Store], part: str
    ) -> None:
        """The error names it; a `QueueStore` keeps all of them."""
        if isinstance(opened(), QueueStore):
            pytest.skip("a QueueStore keeps every part")
        transaction = Transaction("a", snapshot(), 0, **{part: _PARTS[part]})
        with pytest.raises(InvalidValueError, match=part):
            opened().commit(transaction)
        assert opened().load("a") is None

    def test_a_record_is_kept_or_left_out(self, opened: Opened[Store]) -> None:
        """A store may leave it out silently."""
        record = freeze_object({"event": {"name": "COUNT"}}, where="record")
        opened().commit(Transaction("a", snapshot(), 0, record=record, final=True))
        assert opened().load("a") == snapshot()

    def test_errors_pickle_with_their_facts(self, opened: Opened[Store]) -> None:
        """An error crosses a process boundary whole."""
        save(opened(), "a", snapshot(1))
        with pytest.raises(VersionConflictError) as caught:
            save(opened(), "a", snapshot(1))
        copy = pickle.loads(pickle.dumps(caught.value))
        assert type(copy) is VersionConflictError
        assert (str(copy), copy.actual) == (str(caught.value), 1)

    # --- immutability -----------------------------------------------------------------------

    def test_what_was_saved_cannot_change_the_store(self, opened: Opened[Store]) -> None:
        """A saved context is read-only at every level, and its source is a copy."""
        items = [1]
        new = snapshot(source={"list": items, "object": {"a": 1}})
        save(opened(), "a", new)
        items.append(2)
        changes: list[Callable[[], object]] = [
            lambda: new.context.update(count=9),
            lambda: new.context["source"]["list"].append(2),
            lambda: new.context["source"]["object"].pop("a"),
        ]
        for change in changes:
            with pytest.raises(TypeError, match="read-only"):
                change()
        assert opened().load("a") == snapshot(source={"list": [1], "object": {"a": 1}})

    def test_what_was_loaded_cannot_change_the_store(self, opened: Opened[Store]) -> None:
        """A loaded context is read-only at every level."""
        save(opened(), "a", snapshot(source={"list": [1]}))
        loaded = opened().load("a")
        assert loaded is not None
        changes: list[Callable[[], object]] = [
            loaded.context.clear,
            lambda: loaded.context["source"].update(b=1),
            lambda: loaded.context["source"]["list"].append(2),
        ]
        for change in changes:
            with pytest.raises(TypeError, match="read-only"):
                change()
        assert opened().load("a") == snapshot(source={"list": [1]})

    # --- any order of operations --------------------------------------------------------------

    def test_it_does_what_a_dict_of_snapshots_does(self) -> None:
        """In any order of saves, deletes and loads, right and stale ones."""
        machine = type("StoreMachine", (StoreMachine,), {"opener": self})
        run_state_machine_as_test(machine, settings=self.settings())
