"""What every database promises to the rules that are written on it."""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from settlesim.store.database import Database, Document
from settlesim.store.journal.database import JournalDatabase
from settlesim.store.memory import MemoryDatabase
from tests.contracts.stores import Time

Open = Callable[[], Database]


@contextlib.contextmanager
def memory() -> Iterator[Open]:
    """One database in memory."""
    database = MemoryDatabase(Time())
    yield lambda: database


@contextlib.contextmanager
def journal() -> Iterator[Open]:
    """A file; each call opens it anew."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as opened:

        def open_one() -> Database:
            database = JournalDatabase(Path(folder, "store.json"), now=Time())
            opened.callback(database.close)
            return database

        yield open_one


KINDS: dict[str, Callable[[], contextlib.AbstractContextManager[Open]]] = {
    "memory": memory,
    "journal": journal,
}


@pytest.fixture(params=list(KINDS))
def opened(request: pytest.FixtureRequest) -> Iterator[Open]:
    """A fresh database."""
    with KINDS[request.param]() as found:
        yield found


class Mirror:
    """An index that remembers all that it is told."""

    def __init__(self) -> None:
        self.content: dict[tuple[str, int], Document] = {}
        self.cleared = 0

    def clear(self) -> None:
        self.content.clear()
        self.cleared += 1

    def update(self, table: str, id: int, new: Document | None) -> None:  # noqa: A002
        if new is None:
            self.content.pop((table, id), None)
        else:
            self.content[table, id] = dict(new)


def read(database: Database, table: str) -> dict[int, Any]:
    with database.reading() as reader:
        return {number: dict(reader.get(table, number) or {}) for number in reader.ids(table)}


def test_what_a_block_changed_is_kept_when_it_is_left(opened: Open) -> None:
    """Insert, put and remove, in several tables."""
    with opened().writing() as changes:
        first, second = changes.insert("a", {"n": 1}), changes.insert("a", {"n": 2})
        changes.insert("b", {"n": 3})
    with opened().writing() as changes:
        changes.put("a", first, {"n": 4})
        changes.remove("a", second)
        changes.remove("a", 99)
    assert read(opened(), "a") == {first: {"n": 4}}
    assert list(read(opened(), "b").values()) == [{"n": 3}]


def test_nothing_of_a_block_that_fails_is_kept(opened: Open) -> None:
    """Neither in the tables nor in the indexes; the database goes on."""
    database, mirror = opened(), Mirror()
    database.add_index(["a"], mirror)
    with database.writing() as changes:
        number = changes.insert("a", {"n": 1})

    def failing() -> None:
        with database.writing() as changes:
            changes.insert("a", {"n": 2})
            changes.remove("a", number)
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert read(database, "a") == {number: {"n": 1}}
    assert mirror.content == {("a", number): {"n": 1}}
    with database.writing() as changes:
        changes.insert("a", {"n": 3})
    assert len(read(opened(), "a")) == 2


def test_a_block_reads_its_own_changes_and_its_indexes_do_not(opened: Open) -> None:
    """An index is told of what is kept, and of nothing else."""
    database, mirror = opened(), Mirror()
    database.add_index(["a"], mirror)
    with database.writing() as changes:
        number = changes.insert("a", {"n": 1})
        assert dict(changes.get("a", number) or {}) == {"n": 1}
        assert list(changes.ids("a")) == [number]
        assert mirror.content == {}
    assert mirror.content == {("a", number): {"n": 1}}
    with database.writing() as changes:
        changes.remove("a", number)
        assert changes.get("a", number) is None
        assert list(changes.ids("a")) == []
        assert len(mirror.content) == 1
    assert mirror.content == {}


def test_an_id_is_never_given_twice(opened: Open) -> None:
    """Also where the document with the greatest id was removed, or put from outside."""
    with opened().writing() as changes:
        first = changes.insert("a", {})
        second = changes.insert("a", {})
    with opened().writing() as changes:
        changes.remove("a", second)
    with opened().writing() as changes:
        third = changes.insert("a", {})
        changes.put("a", third + 10, {})
        fourth = changes.insert("a", {})
    with opened().writing() as changes:
        changes.remove("a", fourth)
        changes.remove("a", third + 10)
        fifth = changes.insert("a", {})
    assert first < second < third < third + 10 < fourth < fifth


def test_an_old_document_can_come_back_to_its_id(opened: Open) -> None:
    """Ids stay in ascending order."""
    with opened().writing() as changes:
        numbers = [changes.insert("a", {"n": each}) for each in range(3)]
        changes.remove("a", numbers[0])
    with opened().writing() as changes:
        changes.put("a", numbers[0], {"n": 9})
    with opened().reading() as reader:
        assert list(reader.ids("a")) == numbers


def test_a_new_index_is_told_what_is_there(opened: Open) -> None:
    """In ascending order, only of its tables."""
    with opened().writing() as changes:
        number = changes.insert("a", {"n": 1})
        changes.insert("b", {"n": 2})
    mirror = Mirror()
    opened().add_index(["a"], mirror)
    assert mirror.content == {("a", number): {"n": 1}}


def test_an_index_is_told_what_others_write(opened: Open) -> None:
    """Another object, as of another process, changes the tables; the next look has it."""
    one, other, mirror = opened(), opened(), Mirror()
    one.add_index(["a", "b"], mirror)
    with other.writing() as changes:
        number = changes.insert("a", {"n": 1})
    with one.reading():
        assert mirror.content == {("a", number): {"n": 1}}
    with other.writing() as changes:
        changes.remove("a", number)
    with one.writing():
        assert mirror.content == {}


def test_writers_take_turns(opened: Open) -> None:
    """A counter that threads raise by reading and writing loses nothing."""
    with opened().writing() as changes:
        number = changes.insert("a", {"n": 0})
    threads, rounds = 4, 10

    def work(database: Database) -> None:
        for _ in range(rounds):
            with database.writing(durable=False) as changes:
                document = changes.get("a", number)
                assert document is not None
                changes.put("a", number, {"n": document["n"] + 1})

    running = [threading.Thread(target=work, args=(opened(),)) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(timeout=120)
    assert read(opened(), "a") == {number: {"n": threads * rounds}}


def test_an_interrupt_between_two_documents_leaves_no_half_transaction() -> None:
    """What was begun is done to its end, whatever an index raises."""
    database, mirror = MemoryDatabase(Time()), Mirror()

    class Interrupting(Mirror):
        def update(self, table: str, id: int, new: Document | None) -> None:  # noqa: A002
            super().update(table, id, new)
            if self.cleared == 1:
                raise KeyboardInterrupt

    database.add_index(["a"], Interrupting())
    database.add_index(["a"], mirror)

    def interrupted() -> None:
        with database.writing() as changes:
            changes.insert("a", {"n": 1})
            changes.insert("a", {"n": 2})

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert read(database, "a") == {1: {"n": 1}, 2: {"n": 2}}
    assert mirror.content == {("a", 1): {"n": 1}, ("a", 2): {"n": 2}}
    with database.writing() as changes:
        assert changes.insert("a", {}) == 3


def interrupted_at(database: Database, line: str) -> bool:
    """Read, with an interrupt at the first event of that kind in `enter`; say whether it came."""
    came: list[None] = []

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        if event == line and frame.f_code.co_name == "enter" and not came:
            came.append(None)
            signal.raise_signal(signal.SIGINT)
        return trace

    sys.settrace(trace)
    try:
        with database.reading():
            pass
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(None)
    return bool(came)


def test_an_interrupt_as_a_block_begins_keeps_nobody_out(opened: Open) -> None:
    """Also just behind the taking of the mutex, when no block is there to be left."""
    database = opened()
    with database.writing() as changes:
        number = changes.insert("a", {"n": 1})
    assert interrupted_at(database, "return")
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(read(database, "a")), daemon=True)
    thread.start()
    thread.join(timeout=60)
    assert found == [{number: {"n": 1}}]


def test_a_signal_handler_that_comes_upon_a_block_is_refused(opened: Open) -> None:
    """It would change the tables under the block, and one of the two would be lost."""
    database = opened()
    refused: list[str] = []

    def handler(number: int, frame: FrameType | None) -> None:
        try:
            with database.writing() as changes:
                changes.insert("a", {"n": 2})
        except RuntimeError as error:
            refused.append(str(error))

    previous = signal.signal(signal.SIGUSR1, handler)
    try:
        with database.writing() as changes:
            number = changes.insert("a", {"n": 1})
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert refused == ["one use of a store inside another one, by the same thread"]
    assert read(database, "a") == {number: {"n": 1}}


class DatabaseMachine(RuleBasedStateMachine):
    """Every database does what dicts do, and an index is a copy of it."""

    kind = staticmethod(memory)

    def __init__(self) -> None:
        super().__init__()
        self.stack = contextlib.ExitStack()
        self.model: dict[str, dict[int, Any]] = {"a": {}, "b": {}}
        self.last = {"a": 0, "b": 0}

    @initialize()
    def open(self) -> None:
        self.opened = self.stack.enter_context(type(self).kind())
        self.reopen()

    @rule()
    def reopen(self) -> None:
        self.database, self.mirror = self.opened(), Mirror()
        self.database.add_index(["a", "b"], self.mirror)

    def teardown(self) -> None:
        self.stack.close()

    @rule(
        steps=st.lists(
            st.tuples(
                st.sampled_from("ab"),
                st.sampled_from(["insert", "put", "remove"]),
                st.integers(1, 6),
            ),
            max_size=5,
        ),
        fails=st.booleans(),
        durable=st.booleans(),
    )
    def transaction(self, steps: list[tuple[str, str, int]], fails: bool, durable: bool) -> None:
        model = {table: dict(documents) for table, documents in self.model.items()}
        last = dict(self.last)
        with contextlib.suppress(ZeroDivisionError):
            with self.database.writing(durable=durable) as changes:
                for table, what, number in steps:
                    if what == "insert":
                        given = changes.insert(table, {"n": number})
                        assert given > last[table]
                        last[table] = given
                        model[table][given] = {"n": number}
                    elif what == "put":
                        changes.put(table, number, {"n": -number})
                        last[table] = max(last[table], number)
                        model[table][number] = {"n": -number}
                    else:
                        changes.remove(table, number)
                        model[table].pop(number, None)
                    assert list(changes.ids(table)) == sorted(model[table])
                if fails:
                    raise ZeroDivisionError
            self.model, self.last = model, last

    @invariant()
    def same_content(self) -> None:
        if not hasattr(self, "database"):
            return
        for table, documents in self.model.items():
            assert read(self.database, table) == documents
        flat = {
            (table, n): d for table, documents in self.model.items() for n, d in documents.items()
        }
        assert self.mirror.content == flat


class JournalMachine(DatabaseMachine):
    """On a file, with several databases open on it."""

    kind = staticmethod(journal)


TestMemoryDatabase = DatabaseMachine.TestCase
TestMemoryDatabase.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
TestJournalDatabase = JournalMachine.TestCase
TestJournalDatabase.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
