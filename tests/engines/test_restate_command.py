"""``settlesim work --engine restate``, and what the document on engines says of it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run, here, run
from tests.documents import ROOT, blocks
from tests.engines.restate_server import RestateServer, free_port

__all__ = ["here", "run"]

pytest.importorskip("restate", reason="settlesim[restate] is not installed")

DOCUMENT = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")


@contextmanager
def working(server: RestateServer) -> Iterator[subprocess.Popen[str]]:
    """Run the command of the document, on other ports, until it serves."""
    command = next(each for each in blocks(DOCUMENT, "sh") if "--engine restate" in each)
    (line,) = [each for each in command.splitlines() if each.startswith("settlesim")]
    ports = ["--ingress", server.ingress, "--admin", server.admin]
    process = subprocess.Popen(
        [sys.executable, "-m", *line.split(), *ports, "--bind", f"127.0.0.1:{free_port()}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        first = process.stderr.readline()
        assert first.startswith("Serving count at "), first + process.stderr.read()
        yield process
    finally:
        process.kill()
        process.communicate()


def answer(server: RestateServer) -> Any:
    """Send what the document sends."""
    command = next(each for each in blocks(DOCUMENT, "sh") if each.startswith("curl"))
    url, body = re.findall(r"http\S+", command)[0], re.findall(r"-d '(.*)'", command)[0]
    headers = dict(each.split(": ") for each in re.findall(r"-H '([^']*)'", command))
    url = url.replace("http://127.0.0.1:8080", server.ingress)
    with urllib.request.urlopen(urllib.request.Request(url, body.encode(), headers)) as found:
        return json.load(found)


def test_the_commands_of_the_document_do_what_it_says(restate_server: RestateServer) -> None:
    """An event is answered; SIGTERM ends the work in an orderly way, and it is summed up."""
    with working(restate_server) as process:
        (printed,) = [each for each in blocks(DOCUMENT, "json") if "event_id" in each]
        assert answer(restate_server) == json.loads(printed)
        assert answer(restate_server) == json.loads(printed)  # a repetition
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0
        assert out.startswith("COUNT of 'c1': resolved at revision 1 in ")
        assert err.endswith("1 resolved\n")


def test_without_a_server_it_says_how_to_start_one(here: Path, run: Run) -> None:
    """On this machine, and in a container."""
    nobody = f"http://127.0.0.1:{free_port()}"
    bind = f"127.0.0.1:{free_port()}"
    done = run("work", "count", "--engine", "restate", "--stub", "--admin", nobody, "--bind", bind)
    assert done.exit_code == 1
    assert nobody in done.stderr
    assert "npx @restatedev/restate-server" in done.stderr
    assert "docker run" in done.stderr


@pytest.mark.parametrize("words", [("--store", "s.db"), ("--until-empty",)])
def test_what_belongs_to_a_store_is_refused(here: Path, run: Run, words: tuple[str, ...]) -> None:
    """Nothing is silently left out."""
    done = run("work", "count", "--engine", "restate", "--stub", *words)
    assert done.exit_code == 2
    assert "--engine restate" in done.stderr


def test_a_store_is_still_needed_without_an_engine(here: Path, run: Run) -> None:
    """As before."""
    done = run("work", "count", "--stub")
    assert done.exit_code == 2
    assert "--store" in done.stderr
