"""Versions of a chart that are kept as JSON files beside it, like migration files of a database.

Later versions are checked against the frozen ones: there has to be a step from each of them, and
none of them may be edited.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Final
from urllib.parse import quote

from settlesim.chart import Chart, read_chart
from settlesim.errors import ChartEditedError, ReadError

__all__ = ["FOLDER", "freeze_chart", "frozen_charts", "frozen_path"]

FOLDER: Final = "charts"
"""The folder of frozen versions, relative to the current directory."""


def frozen_path(chart: Chart, folder: str | os.PathLike[str] = FOLDER) -> Path:
    """Return the path of the file for a version of a chart, such as ``charts/order.v1.json``."""
    return Path(folder) / f"{quote(chart.name, safe=' ')}.v{chart.version}.json"


def freeze_chart(
    chart: Chart, folder: str | os.PathLike[str] = FOLDER, *, replace: bool = False
) -> Path:
    """Write a version of a chart to its file; a file with the same definition is left as it is.

    Parameters
    ----------
    folder : is created if it does not exist
    replace : whether another definition of the same version may be replaced

    Returns
    -------
    path : of the file

    Raises
    ------
    ChartEditedError
        The version was frozen with another definition.
    ReadError
        The existing file is not a chart, or it cannot be written.
    """
    path = frozen_path(chart, folder)
    if path.exists() and not replace:
        before = read_chart(path)
        if before.fingerprint == chart.fingerprint:
            return path
        raise ChartEditedError(
            key=str(path),
            stored=f"{before.name} version {before.version}",
            current=f"{chart.name} version {chart.version}",
            reason=f"{'; '.join(map(str, before.diff(chart)))}. Give the chart a new version, or "
            "take the edit back",
        )
    text = json.dumps(chart.to_dict(), ensure_ascii=False, indent=2)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise ReadError(source=str(path), reason=f"cannot be written: {error.strerror}") from error
    return path


def frozen_charts(name: str, folder: str | os.PathLike[str] = FOLDER) -> tuple[Chart, ...]:
    """Return the versions of a chart that are frozen in a folder, the earliest first.

    Raises
    ------
    ReadError, DefinitionError
        A file with such a name does not hold a chart.
    """
    stem = re.escape(quote(name, safe=" "))
    found = []
    for path in sorted(Path(folder).glob("*.json")) if Path(folder).is_dir() else ():
        if re.fullmatch(rf"{stem}\.v[0-9]+\.json", path.name):
            found.append(read_chart(path))
    return tuple(sorted(found, key=lambda chart: chart.version))
