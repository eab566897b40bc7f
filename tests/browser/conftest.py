"""A real JupyterLab, and a real Chromium that looks at it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page, Request

ROOT = Path(__file__).parent.parent.parent
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
STARTUP_SECONDS = 90


def find_chromium() -> str | None:
    """Return the path of a Chromium, or None."""
    chosen = os.environ.get("SETTLESIM_CHROMIUM")
    return chosen or next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of a Chromium; without one the test is skipped, but fails in CI."""
    found = find_chromium()
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium: CI has to install one")
        pytest.skip("no Chromium on this machine; SETTLESIM_CHROMIUM names one")
    return found


@pytest.fixture(scope="session")
def lab_server(chromium: str) -> Iterator[tuple[str, Path]]:
    """Start JupyterLab on a copy of the notebooks; return its address and its folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "notebooks", folder / "notebooks")
        process = start_lab(folder)
        try:
            yield process[1], folder / "notebooks"
        finally:
            os.killpg(process[0].pid, signal.SIGTERM)
            process[0].wait(30)


@pytest.fixture(scope="session")
def lab(lab_server: tuple[str, Path]) -> str:
    """Return the address of a JupyterLab."""
    return lab_server[0]


def start_lab(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start a JupyterLab on ``notebooks`` in a folder; return its process and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet), "utf-8")
    homes = {
        variable: str(folder / variable.lower())
        for variable in (
            "JUPYTER_CONFIG_DIR",
            "JUPYTER_DATA_DIR",
            "JUPYTER_RUNTIME_DIR",
            "JUPYTERLAB_WORKSPACES_DIR",
            "IPYTHONDIR",
        )
    }
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "jupyterlab",
            "--no-browser",
            "--ip=127.0.0.1",
            f"--port={port}",
            "--ServerApp.port_retries=0",
            "--IdentityProvider.token=",
            "--allow-root",
            "--expose-app-in-browser",
            "--JupyterNotebookApp.expose_app_in_browser=True",
            f"--ServerApp.root_dir={folder / 'notebooks'}",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--KernelManager.shutdown_wait_time=0.2",  # nothing is lost with it
        ],
        env={**os.environ, **homes, "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + STARTUP_SECONDS
    while True:
        try:
            urllib.request.urlopen(f"{address}/api/status", timeout=2).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return process, address


# For a module: as long as Playwright is there, an event loop counts as running in this thread,
# and tests elsewhere could not start one.
@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Start a Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium, headless=True, args=CHROMIUM_OPTIONS
        )
        try:
            yield started
        finally:
            started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Open a page in a profile of its own; afterwards end the kernel that it used."""
    context = browser.new_context(
        viewport={"width": 1300, "height": 6000}  # cells out of view have no elements
    )
    opened = context.new_page()
    try:
        yield opened
        opened.evaluate(SHUT_DOWN)
    finally:
        context.close()


SHUT_DOWN = """async () => {
    await window.jupyterapp?.shell.currentWidget?.sessionContext?.shutdown();
}"""
OURS = re.compile(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:")


def watch_for_problems(page: Page) -> list[str]:
    """Return a list that collects what may never happen: errors, dialogs, foreign requests."""
    found: list[str] = []

    def dialog(shown: Dialog) -> None:
        found.append(f"dialog: {shown.message}")
        shown.dismiss()

    def request(sent: Request) -> None:
        if not OURS.match(sent.url):
            found.append(f"request: {sent.url}")

    page.on("pageerror", lambda error: found.append(f"error: {error}"))
    page.on("dialog", dialog)
    page.on("request", request)
    return found


READY = """async () => {
    const widget = jupyterapp.shell.currentWidget;
    await widget.context.ready;
    await widget.sessionContext.ready;
    const kernel = widget.sessionContext.session.kernel;
    await kernel.info;
    while (kernel.connectionStatus !== 'connected' || kernel.status !== 'idle') {
        await new Promise(resolve => setTimeout(resolve, 50));
    }
}"""


class LabNotebook:
    """A notebook that is open in JupyterLab, or where else its pages are.

    Parameters
    ----------
    view : ``"lab/tree"``, or ``"notebooks"`` for Notebook 7, which has the same parts in it
    """

    def __init__(self, page: Page, address: str, name: str, view: str = "lab/tree") -> None:
        self.page = page
        page.goto(f"{address}/{view}/{name}?reset")
        page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
        page.wait_for_function("window.jupyterapp?.shell.currentWidget?.sessionContext")
        page.evaluate(READY)

    def run_all(self) -> None:
        """Run every cell, and wait for the last."""
        self.page.evaluate(
            "() => { jupyterapp.commands.execute('notebook:run-all-cells'); }"  # never awaited
        )
        self.page.wait_for_function(
            """() => {
                const cells = jupyterapp.shell.currentWidget.content.widgets
                    .filter(cell => cell.model.type === 'code');
                return cells.every(cell => cell.model.executionState !== 'running'
                    && !cell.promptNode?.textContent.includes('*')
                    && cell.model.executionCount !== null);
            }""",
            timeout=120_000,
        )
        self.page.evaluate(READY)

    def outputs(self) -> list[dict[str, Any]]:
        """Return the outputs of all cells, as JSON."""
        found: list[dict[str, Any]] = self.page.evaluate(
            """() => jupyterapp.shell.currentWidget.content.widgets
                .filter(cell => cell.model.type === 'code')
                .flatMap(cell => cell.model.outputs.toJSON())"""
        )
        return found

    def theme(self, name: str) -> None:
        """Change JupyterLab's theme."""
        self.page.evaluate(
            "name => { jupyterapp.commands.execute('apputils:change-theme', {theme: name}); }",
            name,
        )
        light = "false" if "Dark" in name else "true"
        self.page.wait_for_selector(f"body[data-jp-theme-light='{light}']", state="attached")


@pytest.fixture
def open_notebook(lab: str, page: Page) -> Any:
    """Return a function that opens a notebook by its file name."""
    return lambda name: LabNotebook(page, lab, name)


@pytest.fixture
def write_notebook(lab_server: tuple[str, Path], page: Page, tmp_path: Path) -> Any:
    """Return a function that writes a notebook of these code cells, and opens it."""
    address, folder = lab_server

    def write(*cells: str) -> LabNotebook:
        name = f"{tmp_path.name}.ipynb"
        record = {
            "cells": [
                {
                    "cell_type": "code",
                    "execution_count": None,
                    "id": f"cell-{number}",
                    "metadata": {},
                    "outputs": [],
                    "source": source,
                }
                for number, source in enumerate(cells)
            ],
            "metadata": {
                "kernelspec": {
                    "display_name": "Python 3 (ipykernel)",
                    "language": "python",
                    "name": "python3",
                }
            },
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        (folder / name).write_text(json.dumps(record), encoding="utf-8")
        return LabNotebook(page, address, name)

    return write
