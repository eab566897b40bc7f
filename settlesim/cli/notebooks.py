"""The notebooks that come with settlesim: find them, copy them, mark them as trusted.

A clone has them beside the package, an installation from a wheel inside it. They are copied
before they are opened, so that these originals stay as they are.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["Copied", "Notebooks", "copy_notebooks", "find_notebooks", "trust", "unchanged"]

_OURS: Final = "[0-9][0-9]_*.ipynb"


@dataclass(frozen=True, slots=True)
class Notebooks:
    """Where the notebooks of this installation are."""

    folder: Path

    @property
    def names(self) -> list[str]:
        """The notebooks in reading order."""
        return sorted(path.name for path in self.folder.glob(_OURS))


def find_notebooks(package: Path) -> Notebooks | None:
    """Find the notebooks that belong to a package folder; None where it has none.

    Parameters
    ----------
    package : the folder of the imported ``settlesim``
    """
    root = package.parent
    is_clone = (root / "pyproject.toml").is_file() and (root / "notebooks").is_dir()
    found = Notebooks((root if is_clone else package) / "notebooks")
    return found if found.names else None


@dataclass(frozen=True, slots=True)
class Copied:
    """What copying did; paths are relative to the folder."""

    written: tuple[str, ...]
    same: tuple[str, ...]
    """Were there already, as they are in the package."""
    kept: tuple[str, ...]
    """Were there already and are different: the user's work, or an older version."""


def copy_notebooks(source: Path, target: Path) -> Copied:
    """Copy the files that `target` does not have; an existing file is never overwritten.

    Raises
    ------
    OSError
        The folder or a file cannot be written.
    """
    written: list[str] = []
    same: list[str] = []
    kept: list[str] = []
    for path in _files(source):
        name = path.relative_to(source).as_posix()
        content = path.read_bytes()
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write_new(copy, content)
        except FileExistsError:
            is_same = copy.is_file() and copy.read_bytes() == content
            (same if is_same else kept).append(name)
        else:
            written.append(name)
    return Copied(tuple(written), tuple(same), tuple(kept))


def _files(source: Path) -> list[Path]:
    """Return what is to be copied: no checkpoints, caches or hidden files."""
    return sorted(
        path
        for path in source.rglob("*")
        if path.is_file()
        and not any(part.startswith((".", "__")) for part in path.relative_to(source).parts)
    )


def _write_new(path: Path, content: bytes) -> None:
    # Mode "x" rather than a check before: it has no race, and follows no link.
    with open(path, "xb") as file:
        try:
            file.write(content)
            file.flush()
        except BaseException:
            path.unlink()  # next time, half a notebook would count as the user's own
            raise


def unchanged(notebooks: Notebooks, folder: Path) -> list[Path]:
    """Return the notebooks in `folder` that are identical to those of settlesim.

    In a clone's own folder these are all of them. It is safe to trust them: whoever can write
    there can also change the code of settlesim.
    """
    found = []
    for name in notebooks.names:
        path = folder / name
        if path.is_file() and path.read_bytes() == (notebooks.folder / name).read_bytes():
            found.append(path)
    return found


def trust(paths: Iterable[Path]) -> list[str]:
    """Sign notebooks, so that Jupyter shows the pictures in them before they are run.

    Returns
    -------
    problems : one message for each that could not be signed; Jupyter opens those, too
    """
    # They have no annotations, and are slow to import.
    nbformat: Any = importlib.import_module("nbformat")
    sign: Any = importlib.import_module("nbformat.sign")

    problems = []
    notary = sign.NotebookNotary()
    try:
        for path in paths:
            try:
                notebook = nbformat.read(path, as_version=4)
                if not notary.check_signature(notebook):
                    notary.sign(notebook)
            except (OSError, ValueError, nbformat.ValidationError) as error:
                problems.append(f"{path.name} could not be marked as trusted: {error}")
    finally:
        notary.store.close()
    return problems
