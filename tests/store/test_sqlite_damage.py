"""A damaged file is named, and never read as an empty or an older store.

SQLite keeps no checksums: a page whose text was changed by other text is read as it stands,
as long as it is strict JSON of the right form. What is tested here is damage as disks, copies
and wrong paths make it: a file that ends early, pages of something else, another file.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from settlesim.errors import StoreDamagedError, StoreError, StoreUnavailableError
from settlesim.store import FifoQueue, SqliteStore, TinyStore
from settlesim.store.schema import APPLICATION_ID, SCHEMA_VERSION
from tests.store.saving import save

PAGE = 4096


def content(path: Path) -> str:
    """Return all that the methods of a store and its queue say, whatever the time is."""
    with SqliteStore(path) as store:
        queue, keys = FifoQueue(store, "q"), store.keys()
        found = [
            [store.load(key) for key in keys],
            store.find(limit=1000),
            store.settlements_since(limit=1000),
            [store.timers(key) for key in keys],
            queue.dead_letters(),
            queue.parked(),
            queue.waiting("group 1"),
            queue.left(),
            store.queue_names(),
        ]
    return repr(found)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a store of some thirty pages, closed."""
    path = tmp_path_factory.mktemp("written") / "store.db"
    with SqliteStore(path) as store:
        for number in range(60):
            save(store, f"key-{number}", 1, text=f"{number} " * 60)
        queue = FifoQueue(store, "q", max_failures=1)
        queue.send_many(
            [({"n": number}, f"group {number % 7}", f"id {number}") for number in range(60)]
        )
        for message in queue.receive(3):
            queue.fail(message.receipt, "ValueError: no")
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture(scope="module")
def whole(written: bytes, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the store holds."""
    path = tmp_path_factory.mktemp("whole") / "store.db"
    path.write_bytes(written)
    return content(path)


def told(path: Path, damaged: bytes) -> str:
    """Return what a store finds in a file: its content, or ``"damaged"`` and its name."""
    path.write_bytes(damaged)
    try:
        found = content(path)
    except StoreDamagedError as error:
        found = "damaged" if str(path) in str(error) else str(error)
    assert path.read_bytes() == damaged, "reading has changed it"
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    return found


def lengths(size: int) -> Iterator[int]:
    """Return lengths within the header, and around the ends of pages."""
    yield from (1, 15, 16, 17, 18, 24, 63, 99, 100, 101, 511, 512, 513, 1024)
    for end in range(PAGE, size, PAGE):
        yield from (end - 1, end, end + 1, end + PAGE // 2)


def test_every_length_of_a_file_that_was_cut_is_named(
    path: Path, written: bytes, finding: Callable[[object], None]
) -> None:
    """As an interrupted copy leaves it."""
    found = Counter(told(path, written[:length]) for length in lengths(len(written) - PAGE))
    finding(f"damage: {found.total()} lengths of a file of {len(written):,} bytes, all named")
    assert set(found) == {"damaged"}


def is_whole(path: Path) -> bool:
    """Say what SQLite's integrity check finds; `settlesim verify` runs it."""
    connection = sqlite3.connect(f"file:{path}?immutable=1", uri=True)
    try:
        return bool(connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok")
    except sqlite3.DatabaseError:
        return False
    finally:
        connection.close()


FILLS: dict[str, Callable[[int], bytes]] = {
    "zeros": lambda number: bytes(PAGE),
    "ones": lambda number: b"\xff" * PAGE,
    "text": lambda number: b'{"key": "value"}\n' * (PAGE // 17 + 1),
    "dice": lambda number: random.Random(number).randbytes(PAGE),
    "half of it zeros": lambda number: bytes(PAGE // 2),
}


@pytest.mark.parametrize("fill", FILLS)
def test_every_page_that_was_overwritten_is_named_or_not_read(
    path: Path, written: bytes, whole: str, fill: str, finding: Callable[[object], None]
) -> None:
    """What is found is all of it or an error; indexes and free pages are not always read."""
    found = Counter[str]()
    for number in range(len(written) // PAGE):
        start = number * PAGE
        page = FILLS[fill](number)[:PAGE]
        damaged = written[:start] + page + written[start + len(page) :]
        seen = told(path, damaged)
        assert seen in ("damaged", whole), f"page {number + 1}: {seen}"
        if seen != "damaged":
            assert not is_whole(path), f"page {number + 1} is not noticed by an integrity check"
        found["named" if seen == "damaged" else "not read"] += 1
    finding(f"damage: each of {found.total()} pages overwritten ({fill}): {dict(found)}")
    assert found["named"] > found.total() / 3


def sqlite_file(path: Path, *statements: str) -> bytes:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    found = path.read_bytes()
    path.unlink()
    return found


OTHERS: dict[str, Callable[[Path], bytes]] = {
    "empty": lambda path: b"",
    "a byte": lambda path: b"\0",
    "zeros": lambda path: bytes(3 * PAGE),
    "JSON": lambda path: json.dumps({"_default": {}}).encode(),
    "the header only": lambda path: b"SQLite format 3\0",
    "a database without tables": lambda path: sqlite_file(path, "PRAGMA user_version=1"),
    "another program's": lambda path: sqlite_file(path, "CREATE TABLE t(x)"),
    "one with another application's number": lambda path: sqlite_file(
        path, "CREATE TABLE instances(key)", "PRAGMA application_id=252006673"
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_file_that_is_none_of_ours_is_refused_and_left_alone(path: Path, name: str) -> None:
    """Whatever it is; a path that was mistyped costs nobody his file."""
    assert told(path, OTHERS[name](path)) == "damaged"


def test_the_file_of_a_tinydb_store_is_refused(path: Path) -> None:
    """The other kind of store, under the name of this one."""
    with TinyStore(path.with_suffix(".json")) as store:
        assert store.keys() == []
    if path.with_suffix(".json").exists():
        path.with_suffix(".json").rename(path)
    else:
        path.write_text("{}")
    assert told(path, path.read_bytes()) == "damaged"


def test_our_number_without_our_tables_is_damage(path: Path) -> None:
    """Not an empty store, and not a fault of the system that may pass."""
    found = sqlite_file(
        path,
        "CREATE TABLE other(x)",
        f"PRAGMA application_id={APPLICATION_ID}",
        f"PRAGMA user_version={SCHEMA_VERSION}",
        "PRAGMA journal_mode=WAL",
    )
    assert told(path, found) == "damaged"


def test_a_store_of_a_newer_version_is_refused_and_left_alone(path: Path, written: bytes) -> None:
    """It is no damage: the error names both numbers and what to do."""
    path.write_bytes(written)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreUnavailableError, match="use a newer settlesim") as caught:
        SqliteStore(path)
    assert f"schema {SCHEMA_VERSION + 1}" in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("configuration", "'on'"),
        ("configuration", "'[]'"),
        ("configuration", "'[1]'"),
        ("context", "'{\"a\": NaN}'"),
        ("context", "'[]'"),
        ("context", "''"),
        ("context", "x'ff00'"),
        ("context", "cast(x'7b22ff223a317d' AS TEXT)"),
        ("revision", "'one'"),
        ("revision", "0"),
        ("revision", "-1"),
        ("revision", "1.5"),
        ("chart", "x'00'"),
        ("version", "'one'"),
        ("fingerprint", "x'00'"),
        ("fingerprint", "''"),
        ("history", "'[]'"),
        ("history", "'{\"h\": [1]}'"),
    ],
)
def test_a_row_that_holds_no_instance_is_named(
    path: Path, written: bytes, column: str, value: str
) -> None:
    """As an edit by hand can leave it: loading, listing and saving say so, and change nothing."""
    path.write_bytes(written)
    connection = sqlite3.connect(path)
    connection.execute(f"UPDATE instances SET {column} = {value} WHERE key = 'key-7'")
    connection.commit()
    connection.close()
    uses: list[Callable[[SqliteStore], object]] = [
        lambda store: store.load("key-7"),
        lambda store: store.find(limit=1000),
    ]
    for use in uses:
        with SqliteStore(path) as store, pytest.raises(StoreDamagedError, match=r"store\.db"):
            use(store)
    with SqliteStore(path) as store:
        assert store.load("key-8") is not None


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("settlements", "record = '{'"),
        ("settlements", "record = '[]'"),
        ("settlements", "snapshot = '{}'"),
        ("dead_letters", "body = 'NaN'"),
        ("dead_letters", "errors = 'x'"),
        ("dead_letters", "errors = '1'"),
        ("messages", "body = '{'"),
        ("messages", "body = cast(x'22ff22' AS TEXT)"),
    ],
)
def test_a_row_of_what_a_store_remembers_is_named(
    path: Path, written: bytes, table: str, change: str
) -> None:
    """Settlements, messages and dead letters."""
    path.write_bytes(written)
    connection = sqlite3.connect(path)
    connection.execute(f"UPDATE {table} SET {change}")
    connection.commit()
    connection.close()
    uses: dict[str, Callable[[SqliteStore], object]] = {
        "settlements": lambda store: store.settlements_since(),
        "dead_letters": lambda store: FifoQueue(store, "q").dead_letters(),
        "messages": lambda store: FifoQueue(store, "q").receive(),
    }
    with SqliteStore(path) as store, pytest.raises(StoreDamagedError, match=r"store\.db"):
        uses[table](store)


def test_damage_that_a_write_meets_leaves_the_file_as_it_was(path: Path, written: bytes) -> None:
    """A save that meets damage is refused as a whole."""
    zeroed = Counter[str]()
    for start in range(PAGE, len(written), PAGE):
        damaged = written[:start] + bytes(PAGE) + written[start + PAGE :]
        path.write_bytes(damaged)
        try:
            with SqliteStore(path) as store:
                save(store, "key-7", 2)
        except StoreError as error:
            zeroed[type(error).__name__] += 1
            assert path.read_bytes() == damaged
            assert [each.name for each in path.parent.iterdir()] == [path.name]
        path.unlink()
    assert set(zeroed) == {"StoreDamagedError"}
