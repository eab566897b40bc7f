"""What a store lists: instances by what they are in, settlements by a cursor, what is finished."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.strict_json import FrozenDict, freeze_object
from settlesim.errors import InvalidValueError, VersionConflictError
from settlesim.ports import Send, Timer, Timers, Transaction
from settlesim.store import FifoQueue, MemoryStore, PastSettlement, SqliteStore, TinyStore
from settlesim.testing import ManualTime
from settlesim.testing.openers import snapshot
from tests.examples import scaled

Listing: TypeAlias = MemoryStore | SqliteStore | TinyStore


def opened(kind: str, folder: Path, now: ManualTime, **options: Any) -> Listing:
    if kind == "memory":
        return MemoryStore(now, **options)
    if kind == "sqlite":
        return SqliteStore(folder / "store.db", now=now, **options)
    return TinyStore(folder / "store.json", now=now, **options)


@pytest.fixture
def now() -> ManualTime:
    return ManualTime()


@pytest.fixture(params=["memory", "sqlite", "tiny"])
def store(request: pytest.FixtureRequest, tmp_path: Path, now: ManualTime) -> Iterator[Listing]:
    """A fresh store, of one kind after the other."""
    with opened(request.param, tmp_path, now) as found:
        yield found


def state(*leaves: str, chart: str = "count", version: int = 1, revision: int = 1) -> Snapshot:
    return Snapshot(chart, version, leaves, freeze_object({}, where="context"), revision)


def record(**fields: Any) -> FrozenDict:
    return freeze_object({"outcome": "resolved", **fields}, where="record")


def settle(store: Listing, key: str, *, final: bool = False, **parts: Any) -> None:
    """Save the instance's next revision, with a record."""
    found = store.load(key)
    revision = 0 if found is None else found.revision
    new = snapshot(revision + 1, revision=revision + 1)
    store.commit(Transaction(key, new, revision, final=final, record=record(), **parts))


def keys(store: Listing, **wanted: Any) -> str:
    return "".join(each.key for each in store.find(**wanted))


# --- find -------------------------------------------------------------------------------------


def test_instances_are_found_by_chart_state_and_version(store: Listing) -> None:
    """A state is also found by a state within it, never by the beginning of its name."""
    for key, each in {
        "a": state("open"),
        "b": state("open.paid", "x"),
        "c": state("opened"),
        "d": state("open", version=2),
        "e": state("open", chart="other"),
        "f": state("x", "open.paid.fully"),
    }.items():
        store.commit(Transaction(key, each, 0))
    assert keys(store) == "abcdef"
    assert keys(store, chart="count") == "abcdf"
    assert keys(store, state="open") == "abdef"
    assert keys(store, state="open.paid") == "bf"
    assert keys(store, state="x") == "bf"
    assert keys(store, state="opened") == "c"
    assert keys(store, chart="count", state="open", version=1) == "abf"
    assert keys(store, state="open", after="b", limit=2) == "de"
    assert [keys(store, state=each) for each in ("paid", "open.", "op", "", "%", "_pen")] == [
        ""
    ] * 6
    assert keys(store, version=3) == keys(store, chart="") == ""
    assert store.find(state="x")[0].snapshot == state("open.paid", "x")


def test_an_instance_of_a_list_has_its_facts(store: Listing, now: ManualTime) -> None:
    """Whether it is finished, and when it was saved last; also as JSON."""
    settle(store, "a")
    now.step(5)
    settle(store, "a", final=True)
    (found,) = store.find()
    assert (found.key, found.final, found.saved_at) == ("a", True, now())
    assert found.snapshot == store.load("a")
    assert found.to_dict() == {
        "key": "a",
        "chart": "count",
        "version": 1,
        "revision": 2,
        "configuration": ["odd"],
        "context": {"count": 2},
        "final": True,
        "saved_at": now(),
    }


def test_an_instance_that_goes_on_is_finished_no_more(store: Listing) -> None:
    """What counts is its last save."""
    settle(store, "a", final=True)
    settle(store, "a")
    assert [each.final for each in store.find()] == [False]
    assert store.prune(older_than=0) == ()


def test_pages_have_every_instance_once(store: Listing) -> None:
    """Sorted by code point; what comes before the page's end is not missed."""
    names = ["b", "é", "B", "a", "10", "9", "日本", "\U0001f600", "a.b"]
    for key in names:
        settle(store, key)
    found: list[str] = []
    while page := store.find(after=found[-1] if found else None, limit=2):
        assert len(page) <= 2
        found += [each.key for each in page]
        if found[-1] == "9":
            settle(store, "91")
    assert found == sorted([*names, "91"])
    assert store.find(after="\U0010ffff") == ()


@pytest.mark.parametrize("limit", [0, -1, True, 1.0, None])
def test_a_limit_that_is_none_is_refused(store: Listing, limit: Any) -> None:
    """It is a whole number from 1."""
    with pytest.raises(InvalidValueError, match="limit"):
        store.find(limit=limit)
    with pytest.raises(InvalidValueError, match="limit"):
        store.settlements_since(limit=limit)


# --- settlements ------------------------------------------------------------------------------


def followed(store: Listing, cursor: int, limit: int = 2) -> list[PastSettlement]:
    """All settlements after a cursor, read a page at a time."""
    found: list[PastSettlement] = []
    while page := store.settlements_since(found[-1].number if found else cursor, limit=limit):
        found += page
    return found


def test_settlements_are_followed_by_a_cursor(store: Listing, now: ManualTime) -> None:
    """In the order of their saves, over all instances, each once."""
    for key in ("a", "a", "b", "a", "b"):
        now.step(1)
        settle(store, key)
    found = followed(store, 0)
    assert [(each.key, each.revision) for each in found] == [
        ("a", 1),
        ("a", 2),
        ("b", 1),
        ("a", 3),
        ("b", 2),
    ]
    assert [each.number for each in found] == [1, 2, 3, 4, 5]
    assert [found[-1].at - each.at for each in found] == [4, 3, 2, 1, 0]
    assert followed(store, 5) == []
    settle(store, "c")
    assert [(each.key, each.number) for each in followed(store, 5)] == [("c", 6)]
    assert store.settlements("a") == tuple(each for each in found if each.key == "a")


def test_a_cursor_is_never_used_again(store: Listing) -> None:
    """Not where the last settlements were pruned or deleted: whoever follows misses nothing."""
    settle(store, "a", final=True)
    settle(store, "b")
    cursor = followed(store, 0)[-1].number
    assert store.prune(older_than=0) == ("a",)
    store.delete("b", 1)
    assert followed(store, 0) == []
    settle(store, "a")
    (found,) = followed(store, cursor)
    assert (found.key, found.number) == ("a", cursor + 1)
    store.delete("a", 1)
    settle(store, "b")
    assert [each.number for each in followed(store, cursor)] == [cursor + 2]


@pytest.mark.parametrize("kind", ["sqlite", "tiny"])
def test_a_cursor_is_never_used_again_by_a_store_that_is_opened_later(
    kind: str, tmp_path: Path, now: ManualTime
) -> None:
    """The file knows it, although it has no settlement."""
    with opened(kind, tmp_path, now) as store:
        settle(store, "a", final=True)
        store.prune(older_than=0)
    with opened(kind, tmp_path, now) as store:
        settle(store, "a")
        assert [each.number for each in store.settlements_since()] == [2]


@pytest.mark.parametrize("kind", ["memory", "sqlite", "tiny"])
@pytest.mark.parametrize("history", [0, 1, 3])
def test_the_newest_settlements_are_remembered(
    kind: str, history: int, tmp_path: Path, now: ManualTime
) -> None:
    """As many as asked for, of each instance by itself; the others are left out of the cursor."""
    with opened(kind, tmp_path, now, history=history) as store:
        for key in "abaabaab":
            settle(store, key)
        assert [each.revision for each in store.settlements("a")] == [1, 2, 3, 4, 5][5 - history :]
        assert [each.revision for each in store.settlements("b")] == [1, 2, 3][3 - history :]
        numbers = {0: [], 1: [7, 8], 3: [2, 4, 5, 6, 7, 8]}[history]
        assert [each.number for each in store.settlements_since()] == numbers
        assert store.settlements("c") == ()


@pytest.mark.parametrize("cursor", [-1, 1.0, None, True])
def test_a_cursor_that_is_none_is_refused(store: Listing, cursor: Any) -> None:
    """It is a whole number from 0."""
    with pytest.raises(InvalidValueError, match="cursor"):
        store.settlements_since(cursor)


# --- prune ------------------------------------------------------------------------------------


def test_finished_instances_are_pruned_when_they_are_old(store: Listing, now: ManualTime) -> None:
    """With their settlements; those that are not finished only where that is asked for."""
    settle(store, "old", final=True)
    settle(store, "underway")
    now.step(100)
    settle(store, "new", final=True)
    assert store.prune(older_than=100.5) == ()
    assert store.prune(older_than=100) == ("old",)
    assert store.keys() == ["new", "underway"]
    assert store.load("old") is None
    assert store.settlements("old") == ()
    assert store.prune(older_than=0) == ("new",)
    assert store.prune(older_than=0, final=False) == ("underway",)
    assert (store.keys(), store.find(), store.settlements_since()) == ([], (), ())
    settle(store, "old")
    assert store.keys() == ["old"]


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), None, "1"])
def test_an_age_that_is_none_is_refused(store: Listing, seconds: Any) -> None:
    """Nothing is removed."""
    settle(store, "a", final=True)
    with pytest.raises(InvalidValueError, match="older_than"):
        store.prune(older_than=seconds)
    assert store.keys() == ["a"]


@pytest.fixture(params=["memory", "sqlite"])
def queues(
    request: pytest.FixtureRequest, tmp_path: Path, now: ManualTime
) -> Iterator[MemoryStore | SqliteStore]:
    """A store with queues."""
    with opened(request.param, tmp_path, now) as found:
        assert not isinstance(found, TinyStore)
        yield found


def test_an_instance_for_which_a_message_waits_is_not_pruned(
    queues: MemoryStore | SqliteStore, now: ManualTime
) -> None:
    """In flight or not, in any queue; afterwards it is."""
    for key in ("a", "b", "c"):
        settle(queues, key, final=True)
    count, mail = FifoQueue(queues, "count"), FifoQueue(queues, "mail")
    count.send(1, "a")
    (message,) = count.receive()
    mail.send(1, "b")
    assert queues.prune(older_than=0) == ("c",)
    assert queues.keys() == ["a", "b"]
    assert len(queues.settlements("a")) == 1
    count.delete(message.receipt)
    assert queues.prune(older_than=0) == ("a",)
    assert mail.status().depth == 1


def test_what_is_pruned_takes_marks_and_timers_with_it(
    queues: MemoryStore | SqliteStore, now: ManualTime
) -> None:
    """Of this instance only; deleting it would leave the marks."""
    timers = Timers((Timer("x", 10.0),))
    settle(queues, "a", final=True, mark="e1", timers=timers)
    settle(queues, "b", mark="e1", timers=timers)
    assert queues.prune(older_than=0) == ("a",)
    assert (queues.mark("a", "e1"), queues.timers("a")) == (None, ())
    assert queues.mark("b", "e1") is not None
    assert len(queues.timers("b")) == 1
    now.step(10)
    assert FifoQueue(queues, "count").release_timers() == 1


# --- names of queues --------------------------------------------------------------------------


def test_the_names_of_queues_are_those_that_hold_something(
    queues: MemoryStore | SqliteStore, now: ManualTime
) -> None:
    """Messages, dead letters, parked groups, or timers that will send into them."""
    assert queues.queue_names() == []
    FifoQueue(queues, "opened only")
    FifoQueue(queues, "b").send(1, "a")
    queues.commit(Transaction("k", snapshot(), 0, sends=(Send("a", 1, "k"),)))
    assert queues.queue_names() == ["a", "b"]
    halting = FifoQueue(queues, "b", policy="halt")
    (message,) = halting.receive()
    halting.fail(message.receipt, "no", final=True)
    assert queues.queue_names() == ["a", "b"]  # its dead letter
    halting.redrive()
    (message,) = FifoQueue(queues, "a").receive()
    FifoQueue(queues, "a").delete(message.receipt)
    assert queues.queue_names() == ["b"]
    halting.resume("a")
    (message,) = halting.receive()
    halting.delete(message.receipt)
    assert queues.queue_names() == []
    settle(queues, "t", timers=Timers((Timer("x", 10.0),)))
    assert queues.queue_names() == ["count"]
    now.step(10)
    FifoQueue(queues, "other", chart="count").release_timers()
    assert queues.queue_names() == ["other"]


# --- the stores agree -------------------------------------------------------------------------

KEYS = st.sampled_from(["a", "b", "a.b", "é"])
STATES = st.lists(
    st.sampled_from(["odd", "odd.x", "odd.x.y", "oddly", "x", "é"]), min_size=1, max_size=3
).map(tuple)


class AgreeingStores(RuleBasedStateMachine):
    """TinyStore and SqliteStore answer the same, whatever is done to both."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.cursor = 0

    @initialize(history=st.integers(0, 3))
    def open(self, history: int) -> None:
        self.now = ManualTime()
        self.folder = Path(self.stack.enter_context(TemporaryDirectory()))
        self.history = history
        self.reopen()

    @rule()
    def reopen(self) -> None:
        self.tiny = self.opened("tiny")
        self.sqlite = self.opened("sqlite")

    def opened(self, kind: str) -> Listing:
        found = opened(kind, self.folder, self.now, history=self.history)
        self.stack.callback(found.close)
        return found

    def teardown(self) -> None:
        self.stack.close()

    def both(self, call: Callable[[Listing], Any]) -> Any:
        """What both answer, or the error that both raise."""
        answers = []
        for store in (self.tiny, self.sqlite):
            try:
                answers.append(call(store))
            except VersionConflictError as error:
                answers.append((type(error), str(error), error.actual))
        assert answers[0] == answers[1]
        return answers[0]

    @rule(
        key=KEYS,
        leaves=STATES,
        chart=st.sampled_from(["count", "order"]),
        version=st.integers(1, 2),
        off=st.sampled_from([0, 0, 0, 1]),
        final=st.booleans(),
        kept=st.booleans(),
        saves=st.sampled_from([True, True, False]),
    )
    def commit(
        self,
        key: str,
        leaves: tuple[str, ...],
        chart: str,
        version: int,
        off: int,
        final: bool,
        kept: bool,
        saves: bool,
    ) -> None:
        found = self.sqlite.load(key)
        revision = (0 if found is None else found.revision) + off
        new = state(*leaves, chart=chart, version=version, revision=revision + 1)
        fields = record(leaves=list(leaves)) if kept else None
        transaction = Transaction(
            key, new if saves else None, revision, final=final and saves, record=fields
        )
        self.both(lambda store: store.commit(transaction))

    @rule(key=KEYS, off=st.sampled_from([0, 0, 1]))
    def delete(self, key: str, off: int) -> None:
        found = self.sqlite.load(key)
        revision = (0 if found is None else found.revision) + off
        self.both(lambda store: store.delete(key, revision))

    @rule(final=st.booleans(), seconds=st.sampled_from([0.0, 10.0, 15.0]))
    def prune(self, final: bool, seconds: float) -> None:
        self.both(lambda store: store.prune(older_than=seconds, final=final))

    @rule(seconds=st.sampled_from([1.0, 10.0]))
    def time_passes(self, seconds: float) -> None:
        self.now.step(seconds)

    @rule(
        chart=st.none() | st.sampled_from(["count", "order"]),
        wanted=st.none() | st.sampled_from(["odd", "odd.x", "x", "é", "od"]),
        version=st.none() | st.integers(1, 3),
        after=st.none() | KEYS,
        limit=st.integers(1, 3),
    )
    def find(self, **wanted: Any) -> None:
        wanted["state"] = wanted.pop("wanted")
        self.both(lambda store: store.find(**wanted))

    @rule(limit=st.integers(1, 3))
    def follow(self, limit: int) -> None:
        """Each number is greater than all that were seen before."""
        found = self.both(lambda store: store.settlements_since(self.cursor, limit=limit))
        for each in found:
            assert each.number > self.cursor
            self.cursor = each.number

    @invariant()
    def the_same(self) -> None:
        if hasattr(self, "tiny"):
            self.both(lambda store: store.keys())
            self.both(lambda store: [store.settlements(key) for key in ("a", "b", "a.b", "é")])


TestAgreeingStores = AgreeingStores.TestCase
TestAgreeingStores.settings = settings(
    max_examples=scaled(12), stateful_step_count=25, deadline=None
)


@settings(max_examples=scaled(20), deadline=None)
@given(
    leaves=st.lists(st.text(st.sampled_from("a.%_é\x00'\"\\"), min_size=1), min_size=1, max_size=3),
    wanted=st.text(st.sampled_from("a.%_é\x00'\"\\"), min_size=1),
)
def test_a_state_is_matched_as_text(leaves: list[str], wanted: str) -> None:
    """In SQL as in Python, whatever characters are in it."""
    with TemporaryDirectory() as folder:
        memory, tiny = MemoryStore(), TinyStore(Path(folder, "store.json"))
        memory.commit(Transaction("a", state(*leaves), 0))
        tiny.commit(Transaction("a", state(*leaves), 0))
        (instance,) = memory.find()
        assert bool(memory.find(state=wanted)) == instance.is_in(wanted)
        assert bool(tiny.find(state=wanted)) == instance.is_in(wanted)
        memory.close()
