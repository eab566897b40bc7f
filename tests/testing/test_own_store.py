"""The store of ``docs/your-own-store.md`` keeps the contract, as it stands on the page."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from settlesim.errors import StoreDamagedError
from settlesim.ports import Queue, Store, Transaction
from settlesim.testing import QueueContract, QueueStoreContract
from settlesim.testing.openers import save, snapshot
from tests.documents import ROOT, blocks, run

PAGE = (ROOT / "docs" / "your-own-store.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```python file=(\S+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))


def module(name: str) -> Any:
    """Run a file of the page as the module that it is there."""
    found = ModuleType(name)
    exec(compile(FILES[f"{name}.py"], f"{name}.py", "exec"), found.__dict__)
    return found


with pytest.MonkeyPatch.context() as patch:
    FOLDER_STORE = module("folder_store")
    patch.setitem(sys.modules, "folder_store", FOLDER_STORE)
    TestFolderStore = module("test_folder_store").TestFolderStore


def test_the_store_has_sixty_lines_and_its_test_six() -> None:
    """More would hide what matters."""
    assert len(FILES["folder_store.py"].splitlines()) <= 60
    assert len(re.findall(r"^.+$", FILES["test_folder_store.py"], re.MULTILINE)) <= 6


def test_the_page_says_how_the_contract_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are collected by the command of the page, and the interpreter takes the store."""
    # Plugins that take seconds to import, and that a reader need not have.
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:nbval -p no:schemathesis")
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (commands,) = blocks(PAGE, "sh")
    assert commands.splitlines()[1] == "python -m pytest -q test_folder_store.py"
    options = ["--collect-only", "-q", "-p", "no:cacheprovider", "test_folder_store.py"]
    done = run([sys.executable, "-m", "pytest", *options], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "TestFolderStore::test_stale_save_is_refused_and_writes_nothing" in done.stdout
    done = run([sys.executable, "count.py"], tmp_path)
    assert (done.stderr, [done.stdout]) == ("", blocks(PAGE, "text"))


def test_damage_is_told(tmp_path: Path) -> None:
    """It is not taken for a missing instance."""
    store = FOLDER_STORE.FolderStore(tmp_path)
    assert isinstance(store, Store)
    save(store, "a", snapshot(1))
    (path,) = tmp_path.glob("*.json")
    for text in ("", "[]", "{}", '{"key":"a"}', "\xff"):
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(StoreDamagedError, match="it is no instance"):
            store.load("a")
        with pytest.raises(StoreDamagedError, match="it is no instance"):
            store.commit(Transaction("a", snapshot(2, revision=2), 1))


def test_the_files_for_a_queue_name_both_contracts() -> None:
    """With every attribute that they ask for."""
    text = FILES["test_my_queue.py"]
    for name in ("open_store", "open_queue", "max_failures"):
        assert f"{name}" in text
        assert hasattr(QueueContract, name)
    assert all(each.__name__ in text for each in (QueueContract, QueueStoreContract))


def test_the_page_names_every_contract_and_method() -> None:
    """Of the ports, each in the table."""
    for port, suite in (("Store", "StoreContract"), ("QueueStore", "QueueStoreContract")):
        assert f"| `{port}` |" in PAGE
        assert f"| `{suite}` |" in PAGE
    methods = [name for name in vars(Queue) if not name.startswith("_")]
    (row,) = re.findall(r"^\| `Queue` \|.*$", PAGE, re.MULTILINE)
    assert [name for name in methods if f"`{name}`" not in row] == []
