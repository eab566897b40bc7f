"""Damage is named, or it can not be told from a write that was cut short; it is never believed.

Every byte of a store of ten kilobytes is changed in several ways, and every length is tried.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from zlib import crc32

import pytest

from settlesim.errors import StoreDamagedError
from settlesim.ports import Transaction
from settlesim.store import TinyStore
from settlesim.store.journal.records import before_blanks
from settlesim.store.repair.verify import verify_store
from tests.crash.durable import PATH, Bench, dump, snapshot
from tests.crash.model_disk import ModelDisk
from tests.crash.model_files import ModelFiles

PATTERNS = (0x01, 0x20, 0x80)
"""Bits that are turned over: one digit for another, a letter's case, no ASCII any more."""
JOURNAL, TORN = f"{PATH}.journal", f"{PATH}.torn"


@dataclass(frozen=True)
class Written:
    """The files of a store, and what it holds."""

    files: dict[str, bytes]
    states: list[str]
    """After none, one, two ... of the transactions in the journal."""

    @property
    def snapshot(self) -> bytes:
        return self.files[PATH]

    @property
    def journal(self) -> bytes:
        return self.files[JOURNAL]

    def with_file(self, path: str, content: bytes) -> ModelFiles:
        """Return a disk on which one file is another."""
        disk = ModelDisk()
        for name, data in {**self.files, path: content}.items():
            disk.put(name, data)
        return ModelFiles(disk)


def store_on(files: ModelFiles) -> TinyStore:
    return TinyStore(PATH, files=files, now=lambda: 0.0)


@pytest.fixture(scope="module")
def written() -> Written:
    """A snapshot of about ten kilobytes, and a journal with settlements, sends and receptions."""
    files = ModelFiles(ModelDisk())
    bench = Bench(lambda now: store_on(files))
    for number in range(30):
        bench.settle(f"key-{number}", 0, None, text=f"{number} " * 12)
    bench.compact()
    states = [dump(bench.store)]

    def note() -> None:
        states.append(dump(bench.store))

    for number in range(3):
        bench.queue.send({"event": "E", "data": "é" * 20}, f"group-{number}", f"id-{number}")
        note()
        bench.settle(f"key-{number}", 1, None, text="later")
        note()
    # Not durable: nothing later says that the last of these were on the disk.
    for _ in range(3):
        bench.queue.receive(1)
        note()
    found = {path: file.seen for path, file in files.disk.names.items()}
    found[JOURNAL] = found[JOURNAL][: before_blanks(found[JOURNAL])]
    return Written(found, states)


def flips(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Return the data with each byte changed in each way, and where."""
    for position, byte in enumerate(data):
        for pattern in PATTERNS:
            changed = bytes([byte ^ pattern])
            yield position, data[:position] + changed + data[position + 1 :]


def found_in(files: ModelFiles) -> str:
    """Return what a store holds, or which file it says is damaged."""
    try:
        return dump(store_on(files))
    except StoreDamagedError as error:
        return f"damaged: {error.path if error.path in str(error) else 'not named'}"


def test_every_flip_and_every_truncation_of_a_snapshot_is_named(
    written: Written, finding: Callable[[object], None]
) -> None:
    """Never read as empty, as an older state or in part; the error has the file's name."""
    data = written.snapshot
    assert 9_000 < len(data) < 14_000
    changed = Counter(found_in(written.with_file(PATH, damaged)) for _, damaged in flips(data))
    cut = Counter(found_in(written.with_file(PATH, data[:size])) for size in range(len(data)))
    finding(
        f"corruption: {changed.total()} flips and {cut.total()} truncations of a snapshot of "
        f"{len(data)} bytes, all of them named"
    )
    assert changed == {f"damaged: {PATH}": len(data) * len(PATTERNS)}
    assert cut == {f"damaged: {PATH}": len(data)}


def test_a_missing_file_is_named_where_the_other_one_is_there(written: Written) -> None:
    """A journal without its snapshot is no empty store."""
    disk = ModelDisk()
    disk.put(JOURNAL, written.journal)
    assert found_in(ModelFiles(disk)) == f"damaged: {PATH}"


def lines_of(journal: bytes) -> list[tuple[int, int]]:
    """Return the transaction of each record, and the last one that it calls durable."""
    records = [json.loads(line[9:]) for line in journal.splitlines()[1:]]
    return [(record["seq"], record["d"]) for record in records]


def expected(written: Written, line: int) -> str:
    """Return what must be found where a line of the journal is damaged."""
    if line == 0:
        return f"damaged: {JOURNAL}"
    records = lines_of(written.journal)
    damaged = records[line - 1][0]
    if any(durable >= damaged for _, durable in records[line:]):
        return f"damaged: {JOURNAL}"
    return written.states[line - 1]


def test_every_flip_of_a_journal_is_named_or_the_tail_is_cut_and_kept_aside(
    written: Written, finding: Callable[[object], None]
) -> None:
    """Named where a later record says that the damaged one was on the disk."""
    data = written.journal
    classes = Counter[str]()
    for position, damaged in flips(data):
        line = data.count(b"\n", 0, position)
        files = written.with_file(JOURNAL, damaged)
        found = found_in(files)
        assert found == expected(written, line), (position, damaged[position])
        classes["named" if found.startswith("damaged") else "cut"] += 1
    finding(
        f"corruption: {len(data) * len(PATTERNS)} flips of a journal of {len(data)} bytes: "
        f"{classes['named']} named, {classes['cut']} cut off as a tail"
    )
    assert classes["named"] > classes["cut"] > 0


def test_every_truncation_of_a_journal_leaves_what_stood_before_it(
    written: Written, finding: Callable[[object], None]
) -> None:
    """A journal that ends early can not be told from one that was not written further."""
    data = written.journal
    start = data.index(b"\n") + 1
    for size in range(len(data)):
        found = found_in(written.with_file(JOURNAL, data[:size]))
        whole = data.count(b"\n", 0, size) - 1
        assert found == (written.states[whole] if size >= start else f"damaged: {JOURNAL}"), size
    finding(f"corruption: {len(data)} truncations of a journal: {start} named, the others cut")


def test_what_stands_in_the_blanks_behind_the_records_is_cut(
    written: Written, finding: Callable[[object], None]
) -> None:
    """It takes nothing from them, wherever it stands, and is no record that comes later."""
    data, blanks = written.journal, 40
    behind = [b"x", b"\n", b"x\n", b"\0" * 7, data[: data.index(b"\n") + 1], last_line(data)]
    for junk in behind:
        for place in range(blanks):
            damaged = data + (b" " * place + junk).ljust(blanks)
            files = written.with_file(JOURNAL, damaged)
            assert found_in(files) == written.states[-1], (place, junk)
            store_on(files).close()
            bench = Bench(lambda now, files=files: store_on(files))  # type: ignore[misc]
            bench.settle("new", 0, None)
            assert dump(store_on(files)) == dump(bench.store) != written.states[-1]
    finding(f"corruption: {blanks * len(behind)} times something in the blanks of a journal, cut")


def last_line(data: bytes) -> bytes:
    return data[data.rindex(b"\n", 0, -1) + 1 :]


def test_record_that_was_cut_never_comes_back_behind_the_one_in_its_place() -> None:
    """Of two that nobody called durable the disk may have had the second one only.

    It was made on the first one. When what is written in the place of that ends where the
    second one begins, the second one must be gone, whatever a power cut leaves.
    """
    files = ModelFiles(ModelDisk())
    store = store_on(files)
    for key in "abc":
        bench_save(store, key)
    journal = files.disk.names[JOURNAL].seen
    parts = journal[: before_blanks(journal)].splitlines(keepends=True)
    # A line end, the first record once more, as it is in doubt, and the new one take its place.
    parts[2] = b"0" * (len(parts[1]) + len(parts[2])) + b"\n"
    body = parts[3][9:-1].replace(b'"d":2', b'"d":1')
    parts[3] = b"%08x %b\n" % (crc32(body), body)
    disk = ModelDisk()
    disk.put(PATH, files.disk.names[PATH].seen)
    disk.put(JOURNAL, b"".join(parts).ljust(len(journal)))

    moments: list[ModelDisk] = []
    files = ModelFiles(disk, lambda call: moments.append(files.disk.copy()))
    store = store_on(files)
    assert store.keys() == ["a"]
    bench_save(store, "x")
    assert store.keys() == ["a", "x"]
    moments.append(files.disk.copy())
    seen = Counter[str]()
    for moment in moments:
        for image in [moment, *moment.after_power_cut()]:
            seen["".join(store_on(ModelFiles(image)).keys())] += 1
    assert seen.keys() == {"a", "ax"}


def bench_save(store: TinyStore, key: str) -> None:
    """Save an instance; the records of all keys have one length."""
    store.commit(Transaction(key, snapshot(1, count=1), 0))


def test_cut_tail_is_reported_kept_aside_and_in_nobodys_way(written: Written) -> None:
    """For each line that may be cut: `verify` tells of it before and after the next write."""
    data, reported = written.journal, 0
    starts = [0, *(index + 1 for index, byte in enumerate(data) if byte == 10)]
    for line in range(1, len(lines_of(data)) + 1):
        if expected(written, line).startswith("damaged"):
            continue
        reported += 1
        position = starts[line] + 20
        damaged = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
        files = written.with_file(JOURNAL, damaged)
        before = verify_store(PATH, files=files)
        assert before.is_whole
        assert before.unfinished is not None
        assert (before.unfinished.path, before.unfinished.start) == (JOURNAL, starts[line])
        bench = Bench(lambda now, files=files: store_on(files))  # type: ignore[misc]
        bench.settle("new", 0, None)
        assert damaged[starts[line] :] in files.disk.names[TORN].seen
        after = verify_store(PATH, files=files)
        assert (after.unfinished, after.set_aside[0]) == (None, 1)
        assert dump(store_on(files)) == dump(bench.store) != written.states[line - 1]
    assert reported > 1


@pytest.mark.parametrize("path", [PATH, JOURNAL])
def test_named_damage_is_reported_with_its_place_and_nothing_is_written(
    written: Written, path: str
) -> None:
    """Flips all over a file: the place is among those that `verify` names."""
    data, reported = written.files[path], 0
    for position in range(0, len(data), 61):
        damaged = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
        files = written.with_file(path, damaged)
        before = files.disk.fingerprint()
        if not found_in(files).startswith("damaged"):
            continue
        reported += 1
        report = verify_store(PATH, files=files)
        assert not report.is_whole
        assert {each.path for each in report.damage} == {path}
        # What is wrong in the first lines of a snapshot can not be told more exactly.
        assert any(
            each.start <= position < each.end or "first lines" in each.reason
            for each in report.damage
        ), position
        assert files.disk.fingerprint() == before
    assert reported > 30
