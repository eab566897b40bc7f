"""``settlesim serve`` over Restate and AWS: the same routes, the same orderly end."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.conftest import Run, here, run
from tests.engines.ministack_server import Ministack
from tests.engines.restate_server import RestateServer, free_port
from tests.engines.serve_process import Serving, serving, serving_over_restate

__all__ = ["here", "run"]


@pytest.fixture
def over_restate(restate_server: RestateServer) -> Callable[[], AbstractContextManager[Serving]]:
    """Return what serves over the server."""
    pytest.importorskip("restate", reason="settlesim[restate] is not installed")
    return lambda: serving_over_restate(restate_server)


@pytest.fixture
def over_aws(ministack: Ministack) -> Callable[[], AbstractContextManager[Serving]]:
    """Return what serves over the emulator."""
    resources = ministack.resources("serve-command")
    names = ("--table", resources.table, "--queue-url", resources.queue_url)
    return lambda: serving(
        *("--engine", "aws", "--service", "wait=done", *names),
        AWS_ENDPOINT_URL=ministack.client["endpoint_url"],
        AWS_DEFAULT_REGION=ministack.client["region_name"],
        AWS_ACCESS_KEY_ID=ministack.client["aws_access_key_id"],
        AWS_SECRET_ACCESS_KEY=ministack.client["aws_secret_access_key"],
    )


@pytest.mark.parametrize("engine", ["restate", "aws"])
def test_an_engine_is_served_and_ends_in_an_orderly_way(
    request: pytest.FixtureRequest, engine: str
) -> None:
    """Events are settled, a stream follows them, what is not promised is said; SIGTERM ends it."""
    opened: Any = request.getfixturevalue(f"over_{engine}")
    key = f"c-{engine}"
    with opened() as (url, process), httpx.Client(base_url=url, timeout=90) as client:
        assert client.get("/readyz").json() == {"status": "ready"}
        place = f"/machines/{key}/events"
        headers = {"Idempotency-Key": "e1"}
        sent = client.post(place, params={"wait": 30}, json={"type": "COUNT"}, headers=headers)
        assert (sent.status_code, sent.json()["outcome"]) == (200, "resolved")
        again = client.post(place, params={"wait": 30}, json={"type": "COUNT"}, headers=headers)
        assert (again.json()["new"], again.json()["revision"]) == (False, 1)
        seed = client.post("/", params={"id": key}, content='"COUNT"').json()
        assert seed["body"]["revision"] == 2
        found = client.get(f"/machines/{key}")
        assert found.headers["etag"] == '"2.1"'
        stream = client.get(
            f"/machines/{key}/settlements", params={"limit": 2}, headers={"Last-Event-ID": "1"}
        )
        assert stream.text.count("event: settled") == 1
        assert client.get("/settlements").status_code == 501
        assert client.post(place, json={"type": "COUNT"}, headers={"If-Match": '"2"'}).status_code
        assert f'engine="{engine}"' in client.get("/metrics").text
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=90)
        assert process.returncode == 0, err
        assert "Stopping" in err


@pytest.mark.parametrize("command", ["serve", "work"])
def test_without_a_server_it_says_how_to_start_one(here: Path, run: Run, command: str) -> None:
    """And ends with 1, without a traceback."""
    pytest.importorskip("restate", reason="settlesim[restate] is not installed")
    nobody = f"http://127.0.0.1:{free_port()}"
    words = ("--engine", "restate", "--admin", nobody, "--bind", f"127.0.0.1:{free_port()}")
    port = ("--port", "0") if command == "serve" else ()
    done = run(command, "count", *words, *port)
    assert done.exit_code == 1
    assert nobody in done.stderr
    assert "npx @restatedev/restate-server" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--engine", "aws"), "SETTLESIM_TABLE"),
        (("--engine", "restate", "--store", "s.db"), "--engine restate"),
        ((), "--store"),
    ],
)
def test_what_is_missing_or_too_much_is_refused(
    here: Path, run: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    """As a usage error, before anything listens."""
    monkeypatch.delenv("SETTLESIM_TABLE", raising=False)
    monkeypatch.delenv("SETTLESIM_QUEUE_URL", raising=False)
    done = run("serve", "count", "--port", "0", *words)
    assert done.exit_code == 2
    assert said in done.stderr
