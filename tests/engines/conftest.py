"""What the engines run on: a Restate server and an emulator of AWS."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.ministack_server import Ministack
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


@pytest.fixture(scope="module")
def restate_server(
    restate_binary: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RestateServer]:
    """Run a server as long as the tests of a module run: it costs a lot where nobody asks it."""
    folder: Path = tmp_path_factory.mktemp("restate")
    server = RestateServer(restate_binary, folder)
    server.start()
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ministack]:
    """Run an emulator of AWS; without one the test is skipped, but fails in CI."""
    for module in ("boto3", "ministack", "hypercorn"):
        if importlib.util.find_spec(module) is None:
            if os.environ.get("CI"):
                pytest.fail(f"no {module}: CI has to install it")
            pytest.skip(f"no {module}: pip install settlesim[aws] ministack")
    server = Ministack(tmp_path_factory.mktemp("ministack"))
    try:
        server.start()
        yield server
    finally:
        server.stop()
