"""A pytest plugin: a store of ours in the place of the TinyDB of TinyDB's own tests.

`conformance_tinydb.py` loads it into a run of the test suite of TinyDB. Its fixture ``db`` is
the one of their ``conftest.py`` with another database in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tinydb import TinyDB

from settlesim.store.journal.tinydb_form import JournalDB, JournalStorage

outcomes: dict[str, str] = {}


@pytest.fixture(params=["journal", "storage"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TinyDB]:
    """Three documents, as the tests expect them, in a database of ours."""
    path = tmp_path / "test.db"
    if request.param == "journal":
        made: TinyDB = JournalDB(path)
    else:
        made = TinyDB(path, storage=JournalStorage)
    made.drop_tables()
    made.insert_multiple({"int": 1, "char": char} for char in "abc")
    yield made
    made.close()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the outcome: a test has failed if any of its phases has."""
    if report.failed:
        outcomes[report.nodeid] = "failed"
    elif report.skipped:
        outcomes.setdefault(report.nodeid, "skipped")
    elif report.when == "call":
        outcomes.setdefault(report.nodeid, "passed")


def pytest_sessionfinish() -> None:
    """Leave the outcomes where `conformance_tinydb.py` looks for them."""
    Path(os.environ["CONFORMANCE_REPORT"]).write_text(json.dumps(outcomes), "utf-8")
