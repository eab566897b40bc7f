"""``settlesim serve``: it answers, ends in an orderly way, and says what is wrong."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from settlesim.http.serving import listening_socket
from tests.cli.conftest import Run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


@contextmanager
def serving(*words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a server on a port that is free, and give it with its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "settlesim", "serve", *words, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process, process.stdout, process.stderr:
        try:
            line = process.stderr.readline()
            found = re.search(r"http://\S+(?=/ )", line)
            assert found, line + process.stderr.read()
            yield process, found[0]
        finally:
            if process.poll() is None:
                process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal(here: Path, number: signal.Signals) -> None:
    """The seed's call gets the seed's answer; the end is an orderly one."""
    with serving("count", "--store", "c.db", "--service", "wait=done") as (process, url):
        for expected in (0, 2):
            answer = httpx.post(f"{url}/?id=a", content='"COUNT"', timeout=60)
            assert answer.json()["body"]["context"] == {"count": expected}
        assert "<script" in httpx.get(url).text
        process.send_signal(number)
        out, errors = process.communicate(timeout=60)
        assert process.returncode == 0
        assert "COUNT of 'a': resolved at revision 2" in out
        assert "Stopping" in errors
        assert "2 resolved" in errors


def test_it_only_accepts_where_others_work(here: Path) -> None:
    """The event waits until a worker is there; the other root is that of entities."""
    words = ("donut", "--store", "d.db", "--no-work", "--root", "entities", "--log", "off")
    with serving(*words) as (process, url):
        answer = httpx.post(f"{url}/?id=d1", content='{"type": "EAT"}')
        assert answer.text == 'Event "EAT" sent to entity "d1".'
        assert httpx.get(f"{url}/status").json()["waiting"] == 1
        process.terminate()
        assert process.wait(60) == 0


def test_names_that_are_not_allowed_are_refused(here: Path) -> None:
    """Unless --allow-host and --allow-origin say otherwise."""
    words = ("--allow-host", "shop.example", "--allow-origin", "https://b.example")
    with serving("count", "--store", "c.db", *words) as (_, url):
        for headers, status in (
            ({"Host": "shop.example"}, 200),
            ({"Host": "other.example"}, 403),
            ({"Origin": "https://b.example"}, 200),
            ({"Origin": "https://c.example"}, 403),
        ):
            assert httpx.get(f"{url}/machines", headers=headers).status_code == status


def test_a_port_in_use_is_an_error(here: Path, run: Run) -> None:
    """It says which, and what to do."""
    with listening_socket("127.0.0.1", 0) as taken:
        taken.listen()
        port = str(taken.getsockname()[1])
        result = run("serve", "count", "--store", "c.db", "--port", port)
    assert result.exit_code == 1
    assert f"port {port}" in result.stderr
    assert "choose another --port" in result.stderr
    assert not Path("c.db").exists()
