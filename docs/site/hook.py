"""Pages of the site that are made from the repository: notebooks, commands, the Python reference.

MkDocs calls the functions named ``on_...`` (see https://www.mkdocs.org/dev-guide/plugins/).
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, get_args

import click
import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter

from settlesim.display import Paper
from settlesim.view.svg.page import in_theme

ROOT = Path(__file__).parent.parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

_PICTURE = re.compile(
    r"<div class='settlesim-picture'>.*?(?P<svg><svg\b.*?</svg>).*?"
    r"<img alt='(?P<words>[^']*)' style='[^']*' src='[^']*'></div>",
    re.DOTALL,
)

PYTHON = {
    "settlesim": "What most programs need",
    "settlesim.chart": "Charts",
    "settlesim.formats": "Formats of others",
    "settlesim.machine": "Machines of `transitions`",
    "settlesim.settling": "One event, step by step",
    "settlesim.check": "The settling check",
    "settlesim.versions": "Versions and migrations",
    "settlesim.runtime": "Interpreter, worker, clocks",
    "settlesim.ports": "Ports: store, queue, clock",
    "settlesim.store": "Stores and queues",
    "settlesim.engines": "Engines",
    "settlesim.http": "HTTP",
    "settlesim.sim": "The simulator",
    "settlesim.view": "Pictures",
    "settlesim.widgets": "Panels",
    "settlesim.testing": "Contract suites and test helpers",
    "settlesim.progress": "Progress and stopping",
    "settlesim.gallery": "The gallery",
    "settlesim.errors": "Errors",
}
"""The public packages in the order of the reference, with their titles."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the generated pages in the place of ``tutorial/`` and ``python/`` in the navigation."""
    pages = {
        "tutorial/": [f"tutorial/{path.stem}.md" for path in NOTEBOOKS],
        "python/": [{_plain(title): f"python/{name}.md"} for name, title in PYTHON.items()],
    }
    config.nav = _expanded(config.nav, pages)
    return config


def _expanded(nav: Any, pages: dict[str, list[Any]]) -> Any:
    if isinstance(nav, list):
        return [_expanded(each, pages) for each in nav]
    if isinstance(nav, dict):
        return {title: _expanded(each, pages) for title, each in nav.items()}
    return pages.get(nav, nav)


def _plain(title: str) -> str:
    return title.replace("`", "")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each notebook, with its pictures, for all commands, for each package."""
    for path in NOTEBOOKS:
        for name, content in _notebook_files(path):
            files.append(File.generated(config, f"tutorial/{name}", content=content))
    files.append(File.generated(config, "command-line.md", content=_commands_page()))
    for name, title in PYTHON.items():
        files.append(
            File.generated(config, f"python/{name}.md", content=_package_page(name, title))
        )
    return files


def _notebook_files(path: Path) -> Iterator[tuple[str, str | bytes]]:
    notebook = nbformat.read(path, as_version=4)
    yield from _pictures_taken_out(notebook, f"{path.stem}_files")
    exporter = MarkdownExporter()
    body, resources = exporter.from_notebook_node(
        notebook, resources={"unique_key": path.stem, "output_files_dir": f"{path.stem}_files"}
    )
    yield from resources["outputs"].items()
    source = "This page is the notebook `{}`: `settlesim lab` opens it, to be played with.\n"
    title, _, rest = re.sub(r"\.ipynb\)", ".md)", body.lstrip()).partition("\n")
    rest = rest.replace("](../docs/", "](../")
    yield f"{path.stem}.md", f"{title}\n\n{source.format(path.name)}{rest}"


def _pictures_taken_out(notebook: Any, folder: str) -> Iterator[tuple[str, str]]:
    """Replace every picture by links to two files, of which the site's theme shows one.

    Markdown keeps no inline SVG.
    """
    number = count()
    for output in (each for cell in notebook.cells for each in cell.get("outputs", ())):
        html = output.get("data", {}).get("text/html", "")
        for picture in _PICTURE.finditer(html):
            name = f"{folder}/picture_{next(number)}"
            words = picture["words"]
            links = ""
            for theme in get_args(Paper):
                yield f"{name}-{theme}.svg", in_theme(picture["svg"], theme)
                links += f'<img src="{name}-{theme}.svg#only-{theme}" alt="{words}">'
            html = html.replace(picture[0], links)
        if html:
            output["data"]["text/html"] = html


def _commands_page() -> str:
    """Return a page with the help of every command."""
    program = importlib.import_module("settlesim.cli.commands").program
    lines = ["# Command line", "", "Every command as `--help` shows it.", ""]
    for words, command in _commands(program, ["settlesim"]):
        context = click.Context(command, info_name=" ".join(words), max_content_width=88)
        context.terminal_width = 88
        title = " ".join(words)
        lines += [f"## {title}", "", "```text", command.get_help(context), "```", ""]
    return "\n".join(lines)


def _commands(command: Any, words: list[str]) -> Iterator[tuple[list[str], Any]]:
    yield words, command
    for name, each in sorted(getattr(command, "commands", {}).items()):
        yield from _commands(each, [*words, name])


def _package_page(name: str, title: str) -> str:
    """Return a page with the docstring of each public name, each on its package's own page."""
    module = importlib.import_module(name)
    lines = [f"# {title}", "", f"`import {name}`", ""]
    for each in module.__all__:
        found = getattr(module, each)
        home = getattr(found, "__module__", None)
        if name == "settlesim" and each in ("gallery", "widgets"):
            link = f"[`settlesim.{each}`](settlesim.{each}.md)"
            lines += [f"## {each}", "", f"The package {link}.", ""]
        elif home and home.startswith("settlesim") and hasattr(found, "__qualname__"):
            lines += [f"::: {home}.{found.__qualname__}", ""]
        else:
            lines += [f"::: {name}.{each}", ""]
    return "\n".join(lines)
