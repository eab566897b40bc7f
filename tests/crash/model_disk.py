"""A disk that keeps no more than it must, for tests that cut its power.

What may be found after a power cut is all that POSIX and the usual file systems allow:

* What was written to a file is on the disk for sure only after a sync of that file. Before,
  any of the writes may be there without the others; the last one may be torn, or its place
  may hold zeros or an old block.
* A name that was made, moved or removed is on the disk for sure only after a sync of its
  folder. Before, any of these changes may be there without the others. A rename is one
  step: the name leads to the old file or to the new one.
* A sync that failed drops what it should have written, and a later one that succeeds does
  not bring it back, although every process still reads it until the power is cut (Linux).
  It is told once to each descriptor that was open then, and to none that is opened later.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Change", "Cut", "ModelDisk", "ModelFile", "Write", "contents"]

SUBSETS = 16
"""Up to so many subsets of pending changes are all tried; of more only the telling ones."""
COMBINATIONS = 64
"""So many combinations of what several files may hold are all tried; of more each file's with
all or nothing of the others."""


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes that were written at a place."""

    offset: int
    data: bytes

    def on(self, content: bytes) -> bytes:
        """Return the content with this change."""
        end = self.offset + len(self.data)
        return content[: self.offset].ljust(self.offset, b"\0") + self.data + content[end:]


@dataclass(frozen=True, slots=True)
class Cut:
    """A new length."""

    length: int

    def on(self, content: bytes) -> bytes:
        """Return the content with this change."""
        return content[: self.length].ljust(self.length, b"\0")


Change = Write | Cut


class ModelFile:
    """A file without its names: what processes read, and what the disk has of it."""

    __slots__ = ("changed", "disks", "failures", "number", "pending", "seen")

    def __init__(self, number: int, content: bytes = b"") -> None:
        self.number = number
        self.seen = content
        self.disks: tuple[bytes, ...] = (content,)
        """What the disk has; after a sync that failed there are two possibilities."""
        self.pending: list[Change] = []
        self.changed = 0
        """Counts the changes, as the time of the last one does on a real disk."""
        self.failures = 0
        """Counts the syncs that failed."""

    def change(self, change: Change) -> None:
        """Let every process see a change that the disk does not have yet."""
        self.seen = change.on(self.seen)
        self.pending.append(change)
        self.changed += 1

    def sync(self) -> None:
        """Bring the pending changes to the disk, and nothing else."""
        for change in self.pending:
            self.disks = tuple(change.on(disk) for disk in self.disks)
        self.pending.clear()

    def drop(self) -> None:
        """Forget what was pending, as the kernel does after a sync that failed.

        It may have come to the disk all the same.
        """
        self.failures += 1
        without = self.disks[0]
        self.sync()
        self.disks = tuple(dict.fromkeys([without, *self.disks]))

    def copy(self) -> ModelFile:
        """Return a file that changes for itself."""
        new = ModelFile(self.number)
        new.seen, new.disks, new.changed = self.seen, self.disks, self.changed
        new.failures = self.failures
        new.pending = list(self.pending)
        return new


Naming = tuple[tuple[str, ModelFile | None], ...]
"""Names that change in one step, each with the file it leads to afterwards or None."""


class ModelDisk:
    """Names and files, as processes see them and as the disk has them."""

    def __init__(self) -> None:
        self.names: dict[str, ModelFile] = {}
        self.kept: dict[str, ModelFile] = {}
        self.pending: list[Naming] = []
        self._files = 0

    def new_file(self, content: bytes = b"") -> ModelFile:
        """Return a file that has no name yet."""
        self._files += 1
        return ModelFile(self._files, content)

    def rename(self, *names: tuple[str, ModelFile | None]) -> None:
        """Change names in one step, which the disk does not know yet."""
        _apply(self.names, names)
        self.pending.append(names)

    def sync_names(self) -> None:
        """Bring the names to the disk."""
        self.kept = dict(self.names)
        self.pending.clear()

    def put(self, path: str, content: bytes) -> None:
        """Make a file that is on the disk with its name."""
        self.names[path] = self.kept[path] = self.new_file(content)

    def copy(self) -> ModelDisk:
        """Return a disk that changes for itself: the machine after a process was killed.

        Every call that the process finished can be seen; the disk may still not have it.
        """
        new = ModelDisk()
        new._files = self._files
        files = {file.number: file.copy() for file in self._all_files()}

        def twin(file: ModelFile | None) -> ModelFile | None:
            return None if file is None else files[file.number]

        new.names = {path: files[file.number] for path, file in self.names.items()}
        new.kept = {path: files[file.number] for path, file in self.kept.items()}
        new.pending = [tuple((path, twin(file)) for path, file in step) for step in self.pending]
        return new

    def _all_files(self) -> Iterator[ModelFile]:
        for names in (self.names, self.kept):
            yield from (names[path] for path in sorted(names))
        for step in self.pending:
            yield from (file for _, file in step if file is not None)

    def after_power_cut(self) -> Iterator[ModelDisk]:
        """Return every disk that may be found when the power comes back."""
        for kept in subsets(len(self.pending)):
            names = dict(self.kept)
            for index in kept:
                _apply(names, self.pending[index])
            files = {file.number: file for file in names.values()}
            found = [contents(file.disks, file.pending) for file in files.values()]
            for choice in combinations(found):
                yield self._image(names, dict(zip(files, choice, strict=True)))

    def after_the_worst_power_cut(self) -> ModelDisk:
        """Return the disk on which nothing is that did not have to be."""
        return self._image(self.kept, {file.number: file.disks[0] for file in self.kept.values()})

    def _image(self, names: dict[str, ModelFile], content: dict[int, bytes]) -> ModelDisk:
        new = ModelDisk()
        new._files = self._files
        files = {number: ModelFile(number, data) for number, data in content.items()}
        new.names = {path: files[file.number] for path, file in names.items()}
        new.kept = dict(new.names)
        return new

    def fingerprint(self) -> object:
        """Return a value that is equal for disks that are equal in every respect."""
        order: dict[int, int] = {}
        inside = []
        for file in self._all_files():
            if file.number not in order:
                order[file.number] = len(order)
                inside.append((file.seen, file.disks, tuple(file.pending)))

        def named(names: Iterable[tuple[str, ModelFile | None]]) -> tuple[object, ...]:
            return tuple((path, file and order[file.number]) for path, file in names)

        names, kept = sorted(self.names.items()), sorted(self.kept.items())
        pending = tuple(named(step) for step in self.pending)
        return named(names), named(kept), pending, tuple(inside)


def _apply(names: dict[str, ModelFile], step: Naming) -> None:
    for path, file in step:
        if file is None:
            names.pop(path, None)
        else:
            names[path] = file


def subsets(size: int) -> Iterator[tuple[int, ...]]:
    """Return subsets of the first whole numbers: all, or prefixes and all but one."""
    if 2**size <= SUBSETS:
        for length in range(size + 1):
            yield from itertools.combinations(range(size), length)
        return
    for length in range(size + 1):
        yield tuple(range(length))
    for missing in range(size):
        yield tuple(index for index in range(size) if index != missing)


def combinations(found: Sequence[Sequence[bytes]]) -> Iterator[tuple[bytes, ...]]:
    """Return combinations of what each of several files may hold.

    Parameters
    ----------
    found : of each file; the first one is nothing of what was pending, the last one all of it
    """
    if math.prod(map(len, found)) <= COMBINATIONS:
        yield from itertools.product(*found)
        return
    for index, own in enumerate(found):
        others = [[each[0], each[-1]] for each in found]
        others[index] = list(own)
        yield from itertools.product(*others)


def contents(disks: Sequence[bytes], pending: Sequence[Change]) -> list[bytes]:
    """Return what a power cut may leave of a file."""
    found = dict.fromkeys(disks)
    for disk, kept in itertools.product(disks, subsets(len(pending))):
        changes = [pending[index] for index in kept]
        before = disk
        for position, change in enumerate(changes):
            later = changes[position + 1 :]
            # Of many writes only the last one is torn, or any one where all the others are.
            few = not later or len(changes) in (2, len(pending))
            if isinstance(change, Write) and few:
                for damaged in _damages(change, before, torn=not later):
                    found[_applied(damaged, later)] = None
            before = change.on(before)
        found[before] = None
    return list(found)


def _applied(content: bytes, changes: Sequence[Change]) -> bytes:
    for change in changes:
        content = change.on(content)
    return content


def _damages(write: Write, before: bytes, *, torn: bool) -> Iterator[bytes]:
    """Return what is there of a write that arrived in part."""
    data, offset = write.data, write.offset
    half, third = len(data) // 2, len(data) // 3
    # Blocks are written in any order: the second half without the first.
    yield Write(offset + half, data[half:]).on(before)
    if torn:
        for part in (third, len(data) * 9 // 10, len(data) - 1):
            yield Write(offset, data[:part]).on(before)
        # The file has its new length, and zeros, or an old block that looks like text.
        yield Write(offset, b"\0" * len(data)).on(before)
        yield Write(offset, data[:third] + b"7" * third + data[2 * third :]).on(before)
    text = Write(offset, data.rstrip(b" "))
    if 0 < len(text.data) < len(data):  # most of it are blanks: the rest is to be torn, too
        yield text.on(before)
        yield from _damages(text, before, torn=torn)
