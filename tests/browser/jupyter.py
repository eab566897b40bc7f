"""A real JupyterLab, and a notebook that is open in it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["LabNotebook", "serve", "write_notebook"]

STARTUP_SECONDS = 90


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Run a JupyterLab on ``notebooks`` in a folder; return its address.

    The server takes a free port and writes it down; nobody else has to guess one.
    """
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
            "--ServerApp.port=0",
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
    try:
        yield _address(Path(homes["JUPYTER_RUNTIME_DIR"]), process)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _address(runtime: Path, process: subprocess.Popen[bytes]) -> str:
    """Wait until a server has written down where it is, and answers."""
    deadline = time.monotonic() + STARTUP_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        for found in runtime.glob("jpserver-*.json"):
            with contextlib.suppress(OSError, ValueError):  # half written, or not yet listening
                address = f"http://127.0.0.1:{json.loads(found.read_bytes())['port']}"
                urllib.request.urlopen(f"{address}/api/status", timeout=2).close()
                return address
        time.sleep(0.1)
    raise RuntimeError(f"JupyterLab does not answer, exit status {process.poll()}")


def write_notebook(path: Path, *cells: str) -> None:
    """Write a notebook of these code cells."""
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
    path.write_text(json.dumps(record), encoding="utf-8")


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


OPEN_INSTEAD = """async path => {
    for (const widget of [...jupyterapp.shell.widgets('main')]) {
        await widget.sessionContext?.shutdown();
        if (widget.context) widget.context.model.dirty = false;
        widget.close();
    }
    await jupyterapp.commands.execute('docmanager:open', { path });
}"""
"""Opens a notebook in a JupyterLab, in the place of what is open there, which is not saved."""


class LabNotebook:
    """A notebook that is open in JupyterLab, or where else its pages are.

    Parameters
    ----------
    view : ``"lab/tree"``, or ``"notebooks"`` for Notebook 7, which has the same parts in it
    instead : open it in the JupyterLab that the page shows already, which takes a third of the time
    """

    def __init__(
        self,
        page: Page,
        address: str,
        name: str,
        view: str = "lab/tree",
        *,
        instead: bool = False,
    ) -> None:
        self.page = page
        if instead:
            page.evaluate(OPEN_INSTEAD, name)
        else:
            page.goto(f"{address}/{view}/{name}?reset")
        page.wait_for_function(
            "name => window.jupyterapp?.shell.currentWidget?.context?.path === name", arg=name
        )
        page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        page.evaluate(READY)

    def run_all(self) -> None:
        """Run every cell, and wait for the last."""
        self._run("notebook:run-all-cells")

    def run(self, index: int) -> None:
        """Run one code cell, and wait for it."""
        self.page.evaluate(
            "index => { jupyterapp.shell.currentWidget.content.activeCellIndex = index; }", index
        )
        self._run("notebook:run-cell")

    def _run(self, command: str) -> None:
        # The promise of the command is awaited in the page: it is kept when all is run.
        self.page.evaluate("command => jupyterapp.commands.execute(command)", command)
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

    def save(self) -> None:
        """Save the notebook, and wait until it is saved."""
        self.page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")

    def shut_down(self) -> None:
        """End the kernel; the page stays open."""
        self.page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.shutdown()")

    def is_trusted(self) -> bool:
        """Whether what the notebook brings along may be more than text and pictures."""
        return bool(
            self.page.evaluate(
                """() => jupyterapp.shell.currentWidget.content.widgets
                    .every(cell => cell.model.trusted)"""
            )
        )

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
        # JupyterLab takes its splash away once for each change, and fails if two overlap.
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")
