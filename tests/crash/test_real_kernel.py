"""The same program on a real kernel: killed at every system call, power cut on a real ext4.

Both need rights and tools that not every machine has; the model needs neither.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from settlesim.store.journal.files import FileSystem
from tests.crash.durable import STEPS, DurableProgram
from tests.documents import ROOT

CALLS = ("write", "pwrite64", "fsync", "fdatasync", "ftruncate", "rename", "unlink")
"""What Python makes of the store's calls that change a disk, on Linux."""
STRACED = 18
"""How many of the steps are done under strace, which takes its time."""


def missing(*programs: str) -> str | None:
    """Say what this machine lacks to run the programs; None where it lacks nothing."""
    if not sys.platform.startswith("linux"):
        return "only on Linux"
    absent = [program for program in programs if shutil.which(program) is None]
    return f"not installed: {', '.join(absent)}" if absent else None


def look(program: DurableProgram) -> tuple[str, str]:
    """Open the store, and return its state, and that after one more transaction."""
    running = program.open(FileSystem())
    state = program.state(running)
    program.probe(running)
    running.close()
    running = program.open(FileSystem())
    probed = program.state(running)
    running.close()
    return state, probed


def fault(program: DurableProgram, least: int, done: int) -> str | None:
    """Say what is wrong with the store where `done` steps were acknowledged."""
    try:
        state, probed = look(program)
    except Exception as error:
        return f"does not open: {type(error).__name__}: {error}"
    for step in range(least, min(done + 2, len(program.states))):
        if state == program.states[step] and probed == program.probed[step]:
            return None
    lost = state in program.states[:least]
    return "acknowledged step lost" if lost else "half a transaction"


# --- SIGKILL at every system call --------------------------------------------------------------


def kill_at(call: str, number: int, folder: Path) -> tuple[bool, str | None]:
    """Kill the program at a call; say whether it got there, and what is wrong then."""
    folder.mkdir()
    path, acknowledged = folder / "store.json", folder / "acknowledged"
    inject = f"inject={call}:signal=SIGKILL:when={number}"
    strace = ["strace", "-f", "-o", os.devnull]
    # -B: Python's own writes of compiled modules would be counted too.
    program = [sys.executable, "-B", "-m", "tests.crash.real", path, acknowledged, STRACED]
    done = subprocess.run(
        [*strace, "-e", f"trace={call}", "-e", inject, *map(str, program)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode == 0:
        return False, None
    assert done.returncode in (-9, 137), done.stderr
    steps = acknowledged.stat().st_size if acknowledged.exists() else 0
    return True, fault(DurableProgram(path=str(path), steps=STRACED), steps, steps)


def strace_flaw() -> str | None:
    """Say why strace can not be used here."""
    lacks = missing("strace")
    if lacks is not None:
        return lacks
    command = ["strace", "-f", "-o", os.devnull, "-e", "trace=write", "true"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return None if done.returncode == 0 else f"strace may not trace here: {done.stderr.strip()}"


def test_sigkill_at_every_system_call_leaves_the_store_whole(
    tmp_path: Path, finding: Callable[[object], None]
) -> None:
    """The first, second, ... call of each kind, until the program ends before it."""
    flaw = strace_flaw()
    if flaw is not None:
        pytest.skip(flaw)
    killed: Counter[str] = Counter()
    faults: list[str] = []

    def kill_at_each(call: str) -> None:
        number = 0
        reached = True
        while reached:
            number += 1
            reached, wrong = kill_at(call, number, tmp_path / f"{call}-{number}")
            killed[call] += reached
            faults.extend([] if wrong is None else [f"{call} {number}: {wrong}"])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(kill_at_each, CALLS))
    points = ", ".join(f"{number} {call}" for call, number in killed.items())
    finding(f"strace: SIGKILL at {sum(killed.values())} system calls ({points}), {len(faults)} bad")
    assert min(killed["pwrite64"], killed["fdatasync"], killed["rename"]) > 0
    assert sum(killed.values()) > STRACED
    assert not faults, faults


# --- power cut on ext4 ------------------------------------------------------------------------


def sh(*command: object) -> None:
    """Run a program that has to succeed."""
    subprocess.run([str(word) for word in command], check=True, capture_output=True, timeout=60)


@contextmanager
def mounted(image: Path, folder: Path, *options: str) -> Iterator[Path]:
    """Mount an image at a folder while the block runs."""
    folder.mkdir(exist_ok=True)
    sh("mount", "-o", ",".join(["loop", *options]), image, folder)
    try:
        yield folder
    finally:
        sh("umount", folder)


class Filmed(FileSystem):
    """Real files; before each call that changes the disk its image is copied.

    What the kernel has in memory is not in the image: that is what a power cut takes.
    """

    def __init__(self, image: Path, copies: Path) -> None:
        self.image, self.copies = image, copies
        self.done = 0
        self.moments: list[tuple[Path, str, int]] = []

    def shoot(self, name: str) -> None:
        """Copy the image."""
        copy = self.copies / f"{len(self.moments)}.img"
        sh("cp", "--sparse=always", self.image, copy)
        self.moments.append((copy, name, self.done))

    def create(self, path: str, mode: int) -> int:
        self.shoot("create")
        return super().create(path, mode)

    def write(self, descriptor: int, data: bytes | memoryview, offset: int | None = None) -> int:
        self.shoot("write")
        return super().write(descriptor, data, offset)

    def truncate(self, descriptor: int, size: int) -> None:
        self.shoot("truncate")
        super().truncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        self.shoot("sync")
        super().sync(descriptor)

    def replace(self, source: str, target: str) -> None:
        self.shoot("replace")
        super().replace(source, target)

    def remove(self, path: str) -> None:
        self.shoot("remove")
        super().remove(path)

    def sync_folder(self, path: str) -> None:
        self.shoot("sync_folder")
        super().sync_folder(path)


class Careless(Filmed):
    """Promises that all is on the disk, and does nothing for it."""

    def sync(self, descriptor: int) -> None:
        self.shoot("sync")

    def sync_folder(self, path: str) -> None:
        self.shoot("sync_folder")


def film(folder: Path, kind: type[Filmed], every: int) -> tuple[int, list[str]]:
    """Run the program on an ext4 of its own and look at each how-manieth power cut.

    Returns
    -------
    cuts : how many there were
    faults : of those that did harm
    """
    image, copies = folder / "disk.img", folder / "copies"
    copies.mkdir()
    with image.open("wb") as file:
        file.truncate(16 << 20)
    sh("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", image)
    faults = []
    # Without a commit of its own in between, which could save what the store forgot to sync.
    with mounted(image, folder / "running", "commit=300") as mount:
        program = DurableProgram(path=str(mount / "store.json"))
        files = kind(image, copies)
        running = program.open(files)
        for step in range(len(STEPS)):
            running = program.perform(running, step)
            files.done = step + 1
        files.shoot("end")
        running.close()
    for copy, name, done in files.moments[::every]:
        with mounted(copy, folder / "after") as mount:
            program.path = str(mount / "store.json")
            durable = [step + 1 for step in range(done) if program.durable[step]]
            wrong = fault(program, max(durable, default=0), done)
        if wrong is not None:
            faults.append(f"before {name} after {done} steps: {wrong}")
        copy.unlink()
    return len(files.moments[::every]), faults


def loop_flaw(folder: Path) -> str | None:
    """Say why an ext4 can not be mounted here."""
    lacks = missing("mount", "umount", "losetup", "mkfs.ext4", "cp")
    if lacks is not None:
        return lacks
    if os.geteuid() != 0:
        return "needs root to mount"
    image = folder / "trial.img"
    with image.open("wb") as file:
        file.truncate(4 << 20)
    try:
        sh("mkfs.ext4", "-q", "-F", image)
        with mounted(image, folder / "trial"):
            return None
    except subprocess.CalledProcessError as error:
        return f"an ext4 can not be mounted here: {error.stderr.decode().strip()}"


def test_power_cut_on_ext4_loses_nothing_that_was_acknowledged(
    tmp_path: Path, finding: Callable[[object], None]
) -> None:
    """Before each call the device is copied, mounted, and looked at. Without syncs it is bad."""
    flaw = loop_flaw(tmp_path)
    if flaw is not None:
        pytest.skip(flaw)
    found = {}
    for name, kind, every in (("as it is", Filmed, 1), ("without syncs", Careless, 10)):
        folder = tmp_path / name.replace(" ", "-")
        folder.mkdir()
        cuts, faults = film(folder, kind, every)
        found[name] = faults
        finding(f"ext4: {cuts} power cuts, the store {name}: {len(faults)} bad")
        assert cuts > len(STEPS) // every
    assert not found["as it is"], found["as it is"]
    assert found["without syncs"]
