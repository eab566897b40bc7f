"""``settlesim lab``: JupyterLab on copies of the notebooks."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

import click

from settlesim.cli.command_group import Command
from settlesim.cli.notebooks import (
    Copied,
    Notebooks,
    copy_notebooks,
    find_notebooks,
    trust,
    unchanged,
)
from settlesim.errors import MissingExtraError

__all__ = ["REQUIRED", "lab", "lab_command", "prepare", "require_lab"]

FOLDER: Final = Path("settlesim-notebooks")
"""Where the notebooks are copied to, in the current folder."""
REQUIRED: Final = ("jupyterlab", "ipywidgets", "anywidget")
"""The modules that the command needs, all of them in the ``lab`` extra."""


@click.command(
    cls=Command,
    short_help="Open JupyterLab on copies of the notebooks.",
    help=f"""Open JupyterLab on copies of the notebooks.

    They are copied to ./{FOLDER} first, so that playing changes nothing else; a file that
    exists is never overwritten. To work on the notebooks of a clone itself, name
    their folder with --dir.

    Arguments after -- are passed to JupyterLab. Ctrl-C ends it.""",
)
@click.option(
    "--dir",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Copy the notebooks to this folder instead, and open it.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), help="The server's port; 0 for any free one."
)
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@click.argument("extra", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGUMENTS...]")
def lab(folder: Path | None, port: int | None, no_browser: bool, extra: tuple[str, ...]) -> None:
    """Open JupyterLab."""
    require_lab()
    notebooks = find_notebooks(Path(__file__).parent.parent)
    if notebooks is None:
        raise click.ClickException(
            "this installation has no notebooks: install settlesim from its wheel, or clone it."
        )
    target = prepare(notebooks, folder)
    command = lab_command(
        target,
        first=notebooks.names[0],
        port=port,
        browser=not no_browser,
        as_root=hasattr(os, "geteuid") and os.geteuid() == 0,
        extra=extra,
    )
    click.echo(f"Opening {target} in JupyterLab; Ctrl-C ends it.")
    become(command, target)


def require_lab() -> None:
    """Refuse to run without JupyterLab and what the panels need.

    Raises
    ------
    MissingExtraError
        A module of `REQUIRED` is not installed.
    """
    for module in REQUIRED:
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError(extra="lab", feature="settlesim lab", module=module)


def prepare(notebooks: Notebooks, folder: Path | None) -> Path:
    """Copy the notebooks, mark them as trusted, and say so.

    Parameters
    ----------
    folder
        The folder to copy to; None for `FOLDER`. If it is the very folder of the notebooks,
        nothing is copied.

    Returns
    -------
    target : the folder to open, absolute

    Raises
    ------
    click.ClickException
        The folder cannot be written.
    """
    target = Path(os.path.abspath(folder or FOLDER))
    if not (target.exists() and target.samefile(notebooks.folder)):
        try:
            copied = copy_notebooks(notebooks.folder, target)
        except OSError as error:
            reason = error.strerror or error
            raise click.ClickException(
                f"the notebooks cannot be copied to {target}: {reason}"
            ) from error
        click.echo(_copied_text(copied, target))
    for problem in trust(unchanged(notebooks, target)):
        click.echo(problem, err=True)
    return target


def _copied_text(copied: Copied, target: Path) -> str:
    lines = []
    if copied.written:
        lines.append(f"Copied to {target}: {', '.join(copied.written)}.")
    if copied.same:
        lines.append(f"There already: {', '.join(copied.same)}.")
    if copied.kept:
        lines.append(
            f"There already and different, left as they are: {', '.join(copied.kept)}. "
            "Rename one to get settlesim's own beside it."
        )
    return "\n".join(lines)


def lab_command(
    folder: Path,
    *,
    first: str,
    port: int | None = None,
    browser: bool = True,
    as_root: bool = False,
    extra: Sequence[str] = (),
) -> list[str]:
    """Return the command that starts JupyterLab.

    Parameters
    ----------
    folder : what it serves, absolute
    first : the notebook that it opens
    as_root : whether to allow root, which Jupyter refuses by default
    extra : further arguments for JupyterLab; they come last, and so override the others
    """
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.default_url=/lab/tree/{quote(first)}",
        # One Ctrl-C ends it: notebooks are saved in the browser, not in the server.
        "--ServerApp.answer_yes=True",
    ]
    if port is not None:
        command.append(f"--ServerApp.port={port}")
    if not browser:
        command.append("--no-browser")
    if as_root:
        command.append("--allow-root")
    return [*command, *extra]


def become(command: list[str], folder: Path) -> None:
    """Replace this process by the command, which gets its signals and sets its exit status."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        os.chdir(folder)
        os.execv(command[0], command)
    # Windows has no exec that keeps the console; Ctrl-C reaches the server as well.
    process = subprocess.Popen(command, cwd=folder)
    while process.poll() is None:
        with contextlib.suppress(KeyboardInterrupt):
            process.wait()
    sys.exit(process.returncode)
