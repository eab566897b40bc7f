"""Kills, failing writes and races at a TinyStore's file: the old or the new content, whole."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from settlesim.errors import StoreUnavailableError, VersionConflictError
from settlesim.store import whole_file
from settlesim.store.tinydb import TinyStore
from tests.store.tiny_children import count, save
from tests.store.watched_os import ERRORS, Failing, Short, WatchedOs

ROOT = Path(__file__).parent.parent.parent


def start(*words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.store.tiny_children", *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def result(process: subprocess.Popen[str]) -> Any:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return json.loads(output)


def names(path: Path) -> list[str]:
    """What is beside the file, without the lock."""
    return sorted(each.name for each in path.parent.iterdir() if each.suffix != ".lock")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.json"


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Callable[[WatchedOs], WatchedOs]:
    """Put a `WatchedOs` in the place of `os` for the file's module."""

    def put(watched: WatchedOs) -> WatchedOs:
        monkeypatch.setattr(whole_file, "os", watched)
        return watched

    return put


# --- killed -----------------------------------------------------------------------------------


@pytest.mark.parametrize("half", ["half", "nothing"])
@pytest.mark.parametrize("first", ["first", "later"])
def test_a_save_killed_at_any_system_call_leaves_the_old_or_the_new_content(
    tmp_path: Path, first: str, half: str, finding: Callable[[object], None]
) -> None:
    """Whole, its settlements with it; the next save works and leaves no temporary file."""
    found = result(start("kill", tmp_path, first, half))
    assert len(found) > 8
    assert [each["killed"] for each in found] == [True] * (len(found) - 1) + [False]
    assert all(each["whole"] and each["next"] == 1 for each in found)
    new = [each["new"] for each in found]
    assert set(new) == {0, 1}
    assert new == sorted(new)
    assert any(".store.json.tmp" in each["left"] for each in found)
    assert all(set(each["left_then"]) <= {"store.json", "store.json.lock"} for each in found)
    finding(f"{first} save killed at {len(found) - 1} system calls: {sum(new)} new, rest old")


# --- failing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("for_good", [False, True])
@pytest.mark.parametrize("code", ERRORS, ids=lambda code: errno.errorcode[code])
@pytest.mark.parametrize("old", [0, 1])
def test_a_system_call_that_fails_leaves_the_old_or_the_new_content(
    tmp_path: Path, watch: Callable[[WatchedOs], WatchedOs], old: int, code: int, for_good: bool
) -> None:
    """At every call of a save; the error says which, and the next save works."""
    at, failed = 0, True
    while failed:
        at += 1
        path = tmp_path / str(at) / "store.json"
        path.parent.mkdir()
        store = TinyStore(path)
        if old:
            save(store, "a", 1)
        watched = Failing(at, code, for_good=for_good)
        watch(watched)
        said = ""
        try:
            save(store, "a", old + 1, old + 1)
        except StoreUnavailableError as error:
            said = str(error)
        failed = len(watched.calls) >= at
        watch(WatchedOs())
        held = count(store, "a")
        assert held == (old + 1 if not said or "has the new content" in said else old), said
        assert count(TinyStore(path), "a") == held
        if not for_good:
            assert set(names(path)) <= {"store.json"}
        save(store, "a", held + 1, held + 1)
        assert names(path) == ["store.json"]
        assert count(TinyStore(path), "a") == held + 1
    assert at > 8


def test_a_write_that_takes_a_part_is_continued(
    path: Path, watch: Callable[[WatchedOs], WatchedOs]
) -> None:
    """The system may write less than it was given."""
    watched = watch(Short())
    with TinyStore(path) as store:
        save(store, "a", 1)
    assert watched.calls.count("write") > 20
    assert count(TinyStore(path), "a") == 1


def test_a_write_that_takes_nothing_is_an_error(
    path: Path, watch: Callable[[WatchedOs], WatchedOs]
) -> None:
    """Not a loop without end."""
    store = TinyStore(path)
    save(store, "a", 1)
    watched = watch(Short())
    save(store, "a", 2, 2)
    watch(Short(never=watched.calls.index("write") + 3))
    with pytest.raises(StoreUnavailableError, match="wrote nothing"):
        save(store, "a", 3, 3)
    assert count(store, "a") == 2


def test_an_interrupt_leaves_the_old_or_the_new_content(
    path: Path, watch: Callable[[WatchedOs], WatchedOs]
) -> None:
    """At every system call, as Ctrl-C does it; nothing stays locked."""

    class Interrupting(WatchedOs):
        def around(self, number: int, name: str, make: Callable[[], Any], args: Any) -> Any:
            made = make()
            if number == at:
                if name == "open":
                    os.close(made)
                raise KeyboardInterrupt
            return made

    store = TinyStore(path, lock_timeout=1.0)
    save(store, "a", 1)
    at, held, done = 0, 1, False
    while not done:
        at += 1
        watched = watch(Interrupting())
        with suppress(KeyboardInterrupt):
            save(store, "a", held + 1, held + 1)
        done = len(watched.calls) < at
        watch(WatchedOs())
        assert count(store, "a") in (held, held + 1)
        held = count(store, "a")
        assert names(path) == ["store.json"]
    assert at > 8


def test_a_file_that_cannot_be_read_is_never_an_empty_store(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is it written over."""
    store = TinyStore(path)
    save(store, "a", 1)
    before = path.read_bytes()

    def fail(*args: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(whole_file, "open", fail, raising=False)
    calls: list[Callable[[], object]] = [
        lambda: store.load("a"),
        lambda: save(store, "a", 2, 2),
        lambda: TinyStore(path),
    ]
    for call in calls:
        with pytest.raises(StoreUnavailableError, match="cannot be read"):
            call()
    assert path.read_bytes() == before


# --- the order of the calls -------------------------------------------------------------------


def test_the_content_is_synced_before_it_gets_the_name_and_the_folder_after(
    path: Path, watch: Callable[[WatchedOs], WatchedOs]
) -> None:
    """What a power cut leaves depends on this order."""
    watched = watch(WatchedOs())
    save(TinyStore(path), "a", 1)
    calls = [name for name in watched.calls if name in ("write", "fsync", "replace")]
    assert calls == ["write", "fsync", "replace", "fsync"]


def test_opening_and_reading_write_nothing(path: Path) -> None:
    """Also where there is a file."""

    def written() -> tuple[int, ...]:
        """Return what a write changes; the time of the last reading is the system's matter."""
        found = path.stat()
        return found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    with TinyStore(path) as store:
        assert store.keys() == []
    assert list(path.parent.iterdir()) == []
    save(TinyStore(path), "a", 1)
    (path.parent / "store.json.lock").unlink()
    before = written()
    with TinyStore(path) as store:
        assert store.load("a") is not None
        assert store.db.table("instances").all()
    assert written() == before
    assert names(path) == ["store.json"]


def test_windows_is_asked_again_while_a_reader_has_the_file_open(
    path: Path, watch: Callable[[WatchedOs], WatchedOs], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There a file that is open cannot be replaced."""

    class Busy(WatchedOs):
        def around(self, number: int, name: str, make: Callable[[], Any], args: Any) -> Any:
            if name == "replace" and self.calls.count(name) < 4:
                raise PermissionError(errno.EACCES, "somebody has it open")
            return make()

    monkeypatch.setattr(whole_file, "_ATTEMPTS", 5)
    monkeypatch.setattr(whole_file, "_POLL", 0.0)
    watch(Busy())
    save(TinyStore(path), "a", 1)
    assert count(TinyStore(path), "a") == 1


# --- permissions and links --------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="it has other permissions")
def test_a_new_file_is_for_its_owner_and_an_old_one_keeps_its_mode(path: Path) -> None:
    """Whatever the umask says."""
    store = TinyStore(path)
    save(store, "a", 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o664)
    save(store, "a", 2, 2)
    assert stat.S_IMODE(path.stat().st_mode) == 0o664


def test_a_read_only_file_is_not_replaced(
    path: Path, watch: Callable[[WatchedOs], WatchedOs]
) -> None:
    """Though the folder would allow it."""

    class Unprivileged(WatchedOs):
        def around(self, number: int, name: str, make: Callable[[], Any], args: Any) -> Any:
            return bool(os.stat(args[0]).st_mode & stat.S_IWUSR) if name == "access" else make()

    store = TinyStore(path)
    save(store, "a", 1)
    path.chmod(0o400)
    watch(Unprivileged())
    with pytest.raises(StoreUnavailableError, match="read-only"):
        save(store, "a", 2, 2)
    assert count(store, "a") == 1
    path.chmod(0o600)


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    """Under one lock, whichever of the names a store was opened by."""
    target, link = tmp_path / "real" / "store.json", tmp_path / "link.json"
    target.parent.mkdir()
    link.symlink_to(target)
    store = TinyStore(link)
    assert store.keys() == []
    save(store, "a", 1)
    save(TinyStore(target), "a", 2, 2)
    assert link.is_symlink()
    assert count(store, "a") == 2
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link.json", "real"]


def test_what_stands_under_the_temporary_name_is_not_written_through(path: Path) -> None:
    """A link that somebody planted there is removed, not followed."""
    victim = path.with_name("victim")
    victim.write_text("mine")
    path.with_name(".store.json.tmp").symlink_to(victim)
    save(TinyStore(path), "a", 1)
    assert victim.read_text() == "mine"
    assert names(path) == ["store.json", "victim"]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A folder, a pipe, and a folder that is not there."""
    with pytest.raises(StoreUnavailableError, match="no regular file"):
        TinyStore(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StoreUnavailableError, match="no regular file"):
        TinyStore(tmp_path / "pipe")
    with pytest.raises(StoreUnavailableError, match=r"missing does not exist; make it first"):
        TinyStore(tmp_path / "missing" / "store.json")
    assert not (tmp_path / "missing").exists()


def test_a_folder_that_went_away_is_not_made_again(tmp_path: Path) -> None:
    """Nor is the store taken for an empty one."""
    other = tmp_path / "other"
    other.mkdir()
    store = TinyStore(other / "store.json")
    other.rmdir()
    with pytest.raises(StoreUnavailableError, match="does not exist"):
        store.keys()
    with pytest.raises(StoreUnavailableError, match="does not exist"):
        save(store, "a", 1)
    assert not other.exists()


# --- others -----------------------------------------------------------------------------------


def test_a_lock_that_is_held_is_waited_for_and_then_told(path: Path) -> None:
    """Readers need none."""
    with TinyStore(path, lock_timeout=0.05) as store:
        save(store, "a", 1)
        with whole_file.locked(str(path), 1.0):
            with pytest.raises(StoreUnavailableError, match=r"store.json.lock for 0.05 seconds"):
                save(store, "a", 2, 2)
            assert count(store, "a") == 1
            assert store.db.table("instances").all()
        save(store, "a", 2, 2)


def test_a_lock_that_cannot_be_made_is_told(path: Path) -> None:
    """As in a folder that is read-only."""
    path.with_name("store.json.lock").mkdir()
    with pytest.raises(StoreUnavailableError, match=r"its lock .* cannot be taken"):
        save(TinyStore(path), "a", 1)


def test_processes_that_race_lose_no_update(path: Path) -> None:
    """Exactly one of them wins each revision of each instance."""
    racers, rounds, keys = 4, 25, 2
    processes = [start("race", path, number, rounds, keys) for number in range(racers)]
    won = Counter((key, revision) for each in processes for key, revision in result(each))
    assert set(won.values()) == {1}
    with TinyStore(path) as store:
        found = {each.key: each.snapshot for each in store.find()}
        last = store.settlements_since()[-1]
    assert sum(each.revision for each in found.values()) == racers * rounds == last.number
    for key, snapshot in found.items():
        assert snapshot.context["count"] == snapshot.revision
        assert all((key, revision) in won for revision in range(1, snapshot.revision + 1))


def test_threads_with_stores_of_their_own_lose_no_update(path: Path) -> None:
    """Two objects on one file exclude each other in one process, too."""

    def work() -> None:
        with TinyStore(path) as store:
            for _ in range(10):
                while True:
                    number = count(store, "a")
                    try:
                        save(store, "a", number + 1, number + 1)
                        break
                    except VersionConflictError:
                        continue

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert count(TinyStore(path), "a") == 40


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_may_use_the_store(path: Path) -> None:
    """Both sides save with the object that was there before."""
    assert result(start("fork", path)) == [3, 3]
