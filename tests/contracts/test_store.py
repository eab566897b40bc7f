"""What every store promises, run on each of them."""

from __future__ import annotations

import contextlib
import itertools
import pickle
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.values import FrozenDict, encode, freeze_object
from settlesim.errors import InvalidValueError, VersionConflictError
from settlesim.ports import Store, Transaction
from tests.contracts.stores import FACTORIES, Access, Factory, memory, reopened
from tests.strategies import keys, snapshots


@pytest.fixture(scope="module", params=list(FACTORIES))
def make(request: pytest.FixtureRequest) -> Factory:
    """A factory of fresh stores, of one kind after the other."""
    return FACTORIES[request.param]


@pytest.fixture
def access(make: Factory) -> Iterator[Access]:
    """A fresh store."""
    with make() as found:
        yield found


def snapshot(count: int = 0, revision: int = 1, **context: Any) -> Snapshot:
    value = freeze_object({"count": count, **context}, where="context")
    return Snapshot("count", 1, ("odd",), value, revision)


def save(store: Store, key: str, new: Snapshot) -> None:
    store.commit(Transaction(key, new, new.revision - 1))


def same(one: Snapshot | None, other: Snapshot | None) -> bool:
    """Equal as JSON text too: 1, 1.0 and true are equal in Python, -0.0 and 0.0 as well."""
    return one == other and (
        one is None or other is None or encode(one.to_dict()) == encode(other.to_dict())
    )


def test_every_store_is_a_store(access: Access) -> None:
    """The adapters have all methods of the port."""
    assert isinstance(access(), Store)


def test_a_fresh_store_has_no_keys_and_loads_none(access: Access) -> None:
    """A key that was never saved is None, not an error."""
    assert list(access().keys()) == []
    assert access().load("unknown") is None


def test_what_was_saved_is_loaded(access: Access) -> None:
    """A save shows in the next load, revision included."""
    save(access(), "a", snapshot(1))
    assert access().load("a") == snapshot(1)
    save(access(), "a", snapshot(2, revision=2))
    assert access().load("a") == snapshot(2, revision=2)


def test_keys_are_sorted_by_code_point(access: Access) -> None:
    """The order of the keys is that of their text, not of their saves."""
    for key in ("b", "é", "B", "a", "10", "9"):
        save(access(), key, snapshot())
    assert list(access().keys()) == ["10", "9", "B", "a", "b", "é"]


def test_stale_save_is_refused_and_writes_nothing(access: Access) -> None:
    """The second of two workers that loaded the same revision gets a conflict."""
    save(access(), "a", snapshot(1))
    save(access(), "a", snapshot(2, revision=2))
    with pytest.raises(VersionConflictError) as caught:
        save(access(), "a", snapshot(99, revision=2))
    assert (caught.value.key, caught.value.expected, caught.value.actual) == ("a", 1, 2)
    assert access().load("a") == snapshot(2, revision=2)


def test_first_save_of_a_key_that_exists_is_refused(access: Access) -> None:
    """Revision 0 means: not there yet."""
    save(access(), "a", snapshot(1))
    with pytest.raises(VersionConflictError):
        save(access(), "a", snapshot(99))
    assert access().load("a") == snapshot(1)


def test_later_save_of_a_key_that_does_not_exist_is_refused(access: Access) -> None:
    """A deleted instance does not come back by a stale save."""
    with pytest.raises(VersionConflictError) as caught:
        save(access(), "a", snapshot(1, revision=5))
    assert caught.value.actual == 0
    assert list(access().keys()) == []


@pytest.mark.parametrize("revision", [1, 2, 4, 0])
def test_snapshot_that_is_not_the_next_revision_is_refused(access: Access, revision: int) -> None:
    """A transaction goes one revision up, or it is a fault of the caller."""
    save(access(), "a", snapshot(1))
    with pytest.raises(InvalidValueError, match="goes to 3"):
        access().commit(Transaction("a", snapshot(9, revision=revision), 2))
    assert access().load("a") == snapshot(1)


def test_context_that_can_still_be_changed_is_refused(access: Access) -> None:
    """A plain dict would be shared with the caller."""
    bad = Snapshot("count", 1, ("odd",), {"count": 1}, 1)  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="can still be changed"):
        access().commit(Transaction("a", bad, 0))
    assert access().load("a") is None


def test_snapshot_without_an_active_state_is_refused(access: Access) -> None:
    """It could not be read back."""
    bad = Snapshot("count", 1, (), freeze_object({}, where="context"), 1)
    with pytest.raises(InvalidValueError, match="no active state"):
        access().commit(Transaction("a", bad, 0))


FROZEN = freeze_object({}, where="context")


@pytest.mark.parametrize(
    ("where", "fields"),
    [
        ("chart", {"chart": b"count"}),
        ("chart", {"chart": None}),
        ("version", {"version": True}),
        ("version", {"version": 1.0}),
        ("version", {"version": Decimal(1)}),
        ("transaction", {"revision": 1.0}),
        ("transaction", {"revision": True}),
        ("configuration", {"configuration": ("odd", 1)}),
        ("configuration", {"configuration": (b"odd",)}),
        ("context", {"context": FrozenDict({"set": {1, 2}})}),
        ("context", {"context": FrozenDict({"bytes": b"1"})}),
    ],
)
def test_snapshot_that_could_not_be_read_back_as_it_is_is_refused(
    access: Access, where: str, fields: dict[str, Any]
) -> None:
    """Whatever a writer of JSON would make of it."""
    good = {"chart": "count", "version": 1, "configuration": ("odd",), "context": FROZEN}
    bad = Snapshot(**{**good, "revision": 1, **fields})
    with pytest.raises(InvalidValueError) as caught:
        access().commit(Transaction("a", bad, 0))
    assert caught.value.where == where
    assert access().load("a") is None


@pytest.mark.parametrize("key", ["", "a\ud800", None, 1, b"a", ["a"]])
def test_key_that_is_no_text_is_refused_by_every_method(access: Access, key: Any) -> None:
    """A bad key is named as such, and never saved, found or deleted."""
    store = access()
    calls: list[Callable[[], object]] = [
        lambda: store.load(key),
        lambda: store.delete(key, 0),
        lambda: store.commit(Transaction(key, snapshot(), 0)),
    ]
    for call in calls:
        with pytest.raises(InvalidValueError, match="a key is text"):
            call()
    assert list(store.keys()) == []


def test_deleted_instance_is_gone_and_may_start_anew(access: Access) -> None:
    """After a delete the key is as if it had never been saved; others stay."""
    save(access(), "a", snapshot(1))
    save(access(), "b", snapshot(2))
    access().delete("a", 1)
    assert access().load("a") is None
    assert list(access().keys()) == ["b"]
    save(access(), "a", snapshot(3))
    assert access().load("a") == snapshot(3)
    assert access().load("b") == snapshot(2)


def test_a_save_from_a_state_that_was_deleted_and_begun_anew_is_refused(access: Access) -> None:
    """Its revision is the same again, so the state is compared too, as exactly as JSON is."""
    old, new = snapshot(1), snapshot(True)
    save(access(), "a", old)
    access().delete("a", 1)
    save(access(), "a", new)
    with pytest.raises(VersionConflictError, match="at revision 1 again"):
        access().commit(Transaction("a", snapshot(2, revision=2), 1, before=old))
    assert same(access().load("a"), new)
    access().commit(Transaction("a", snapshot(2, revision=2), 1, before=access().load("a")))
    assert access().load("a") == snapshot(2, revision=2)


def test_stale_delete_is_refused_and_deletes_nothing(access: Access) -> None:
    """A delete is compared and set like a save."""
    save(access(), "a", snapshot(1))
    save(access(), "a", snapshot(2, revision=2))
    with pytest.raises(VersionConflictError) as caught:
        access().delete("a", 1)
    assert caught.value.actual == 2
    assert access().load("a") == snapshot(2, revision=2)


def test_delete_of_an_unknown_key_agrees_only_with_revision_zero(access: Access) -> None:
    """What is not there is at revision 0, and its delete does nothing."""
    access().delete("a", 0)
    with pytest.raises(VersionConflictError) as caught:
        access().delete("a", 1)
    assert caught.value.actual == 0


def test_errors_pickle_with_their_facts(access: Access) -> None:
    """An error crosses a process boundary whole."""
    save(access(), "a", snapshot(1))
    with pytest.raises(VersionConflictError) as caught:
        save(access(), "a", snapshot(1))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert type(copy) is VersionConflictError
    assert (str(copy), copy.actual) == (str(caught.value), 1)


def test_what_was_saved_can_not_change_the_store(access: Access) -> None:
    """A saved context is read-only at every level, and its source is a copy."""
    source = {"list": [1], "object": {"a": 1}}
    new = snapshot(source=source)
    save(access(), "a", new)
    source["list"].append(2)  # type: ignore[attr-defined]
    changes: list[Callable[[], object]] = [
        lambda: new.context.update(count=9),
        lambda: new.context["source"]["list"].append(2),
        lambda: new.context["source"]["object"].pop("a"),
    ]
    for change in changes:
        with pytest.raises(TypeError, match="read-only"):
            change()
    assert access().load("a") == snapshot(source={"list": [1], "object": {"a": 1}})


def test_what_was_loaded_can_not_change_the_store(access: Access) -> None:
    """A loaded context is read-only at every level."""
    save(access(), "a", snapshot(source={"list": [1]}))
    loaded = access().load("a")
    assert loaded is not None
    changes: list[Callable[[], object]] = [
        loaded.context.clear,
        lambda: loaded.context["source"].update(b=1),
        lambda: loaded.context["source"]["list"].append(2),
    ]
    for change in changes:
        with pytest.raises(TypeError, match="read-only"):
            change()
    assert access().load("a") == snapshot(source={"list": [1]})


@settings(max_examples=60)
@given(key=keys(), new=snapshots(revision=1), other=snapshots(revision=2))
def test_every_snapshot_comes_back_as_it_was(
    make: Factory,
    key: str,
    new: Snapshot,
    other: Snapshot,
) -> None:
    """Unicode, numbers at the limits, deep and empty contexts, order of keys included."""
    with make() as access:
        save(access(), key, new)
        assert same(access().load(key), new)
        save(access(), key, other)
        assert same(access().load(key), other)
        assert list(access().keys()) == [key]


def test_exactly_one_of_many_racing_saves_wins_each_revision(access: Access) -> None:
    """Threads that save the same revision: one wins, all others get a conflict."""
    workers, rounds = 6, 8
    store = access()
    barrier = threading.Barrier(workers)
    wins: list[list[int]] = [[] for _ in range(workers)]
    losses: list[list[int]] = [[] for _ in range(workers)]

    def work(number: int) -> None:
        for revision in range(1, rounds + 1):
            barrier.wait(timeout=60)
            try:
                save(store, "a", snapshot(number, revision=revision))
                wins[number].append(revision)
            except VersionConflictError:
                losses[number].append(revision)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert sorted(itertools.chain(*wins)) == list(range(1, rounds + 1))
    assert sum(map(len, losses)) == (workers - 1) * rounds
    last = store.load("a")
    assert last is not None
    assert last.revision == rounds
    assert rounds in wins[last.context["count"]]


class StoreModel(RuleBasedStateMachine):
    """Every store does what a dict of snapshots does."""

    factory: Factory = staticmethod(memory)
    names = Bundle("names")

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[str, Snapshot] = {}
        self.stack = contextlib.ExitStack()

    @initialize()
    def open(self) -> None:
        self.access = self.stack.enter_context(type(self).factory())
        self.store = self.access()

    def teardown(self) -> None:
        self.stack.close()

    def revision(self, key: str) -> int:
        return self.model[key].revision if key in self.model else 0

    @rule(target=names, key=keys())
    def name(self, key: str) -> str:
        return key

    @rule(key=names, new=snapshots(), off=st.sampled_from([0, 0, 0, -1, 1]))
    def save(self, key: str, new: Snapshot, off: int) -> None:
        expected = self.revision(key) + off
        new = Snapshot(new.chart, new.version, new.configuration, new.context, expected + 1)
        if off:
            with pytest.raises(VersionConflictError):
                self.store.commit(Transaction(key, new, expected))
        else:
            self.store.commit(Transaction(key, new, expected))
            self.model[key] = new

    @rule(key=names, off=st.sampled_from([0, 0, 1]))
    def delete(self, key: str, off: int) -> None:
        expected = self.revision(key) + off
        if off:
            with pytest.raises(VersionConflictError):
                self.store.delete(key, expected)
        else:
            self.store.delete(key, expected)
            self.model.pop(key, None)

    @rule(key=names)
    def load(self, key: str) -> None:
        assert same(self.store.load(key), self.model.get(key))

    @rule()
    def reopen(self) -> None:
        """With the reopened store the next calls go through another object."""
        self.store = self.access()

    @invariant()
    def same_keys(self) -> None:
        if hasattr(self, "store"):
            assert list(self.store.keys()) == sorted(self.model)


class TinyModel(StoreModel):
    """The same on a file that is opened anew by a rule."""

    factory = staticmethod(reopened)


TestMemoryModel = StoreModel.TestCase
TestMemoryModel.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestTinyModel = TinyModel.TestCase
TestTinyModel.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
