"""Stock TinyDB on the model disk: its own code, to see that the enumerator finds its faults."""

from __future__ import annotations

import io
import json
import os
from typing import Any

import pytest
from tinydb import TinyDB
from tinydb.storages import JSONStorage
from tinydb.table import Document

from tests.crash.model_files import FOLDER, ModelFiles

__all__ = ["StockProgram"]

PATH = f"{FOLDER}/stock.json"

FILES: dict[int, ModelFiles] = {}
"""Of every descriptor that stock TinyDB has open, the system that it belongs to."""


class _Raw(io.RawIOBase):
    """An open file of the model, as Python's own files want it."""

    def __init__(self, files: ModelFiles, path: str) -> None:
        self._files, self._position = files, 0
        self._descriptor = files.open(path, "write")
        FILES[self._descriptor] = files

    def fileno(self) -> int:
        return self._descriptor

    def readable(self) -> bool:
        return True

    writable = seekable = readable

    def readinto(self, buffer: Any) -> int:
        data = self._files.read(self._descriptor, len(buffer), self._position)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def write(self, data: Any) -> int:
        written = self._files.write(self._descriptor, data, self._position)
        self._position += written
        return written

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        size = self._files.size(self._descriptor)
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: size}[whence]
        self._position = base + offset
        return self._position

    def truncate(self, size: int | None = None) -> int:
        length = self._position if size is None else size
        self._files.truncate(self._descriptor, length)
        return length


class _StockStorage(JSONStorage):
    """Stock TinyDB's storage with another file under it; reading and writing are its own."""

    def __init__(self, files: ModelFiles) -> None:
        self.kwargs = {}
        self._mode = "r+"
        if PATH not in files.disk.names:
            files.close(files.create(PATH, 0o644))
            files.sync_folder(FOLDER)  # more than it does, so that only its writes are judged
        raw = _Raw(files, PATH)
        self._handle = io.TextIOWrapper(io.BufferedRandom(raw), encoding="utf-8")


class _Fsync:
    """Stands where TinyDB has the module `os`, to sync files of the model."""

    SEEK_END = os.SEEK_END

    @staticmethod
    def fsync(descriptor: int) -> None:
        FILES[descriptor].sync(descriptor)


class StockProgram:
    """Two documents that grow and shrink in a TinyDB as everybody uses it."""

    name = "stock TinyDB"
    errors = (OSError,)
    sizes = (("1", 40), ("2", 10), ("1", 80), ("1", 5), ("2", 60), ("2", 1))
    durable = tuple(True for _ in sizes)

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tinydb.storages.os", _Fsync)
        state: dict[str, str] = {}
        self.states = [self._text(state)]
        for key, size in self.sizes:
            state[key] = "x" * size
            self.states.append(self._text(state))
        self.probed = [self._text({**json.loads(text), "3": "probe"}) for text in self.states]

    def _text(self, state: dict[str, str]) -> str:
        return json.dumps(state, sort_keys=True)

    def open(self, files: ModelFiles) -> TinyDB:
        return TinyDB(files, storage=_StockStorage)

    def perform(self, running: TinyDB, step: int) -> TinyDB:
        key, size = self.sizes[step]
        running.upsert(Document({"text": "x" * size}, doc_id=int(key)))
        return running

    def state(self, running: TinyDB) -> str:
        return self._text({str(each.doc_id): each["text"] for each in running})

    def probe(self, running: TinyDB) -> None:
        running.upsert(Document({"text": "probe"}, doc_id=3))
