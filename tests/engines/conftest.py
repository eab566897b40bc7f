"""What the engines run on: a Restate server and an emulator of AWS, started once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.restate_server import RestateServer, find_restate_server


@pytest.fixture(scope="session")
def restate_binary() -> str:
    """Return the path of a restate-server; without one the test is skipped, but fails in CI."""
    found = find_restate_server()
    if found is None:
        reason = (
            "no restate-server: npm install @restatedev/restate-server; "
            "SETTLESIM_RESTATE_SERVER names its binary"
        )
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    pytest.importorskip("restate", reason="settlesim[restate] is not installed")
    return found


@pytest.fixture(scope="session")
def restate_server(
    restate_binary: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RestateServer]:
    """Run a server as long as the tests run."""
    folder: Path = tmp_path_factory.mktemp("restate")
    server = RestateServer(restate_binary, folder)
    server.start()
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.kill()
