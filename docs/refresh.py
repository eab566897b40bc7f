"""Refreshes everything that is generated: pictures, notebooks, and the outputs in pages.

Run ``python docs/refresh.py`` in the repository, with the ``dev`` extra installed, or
``python docs/refresh.py 03_why_fifo README.md`` for some of it. Check the result.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

import settlesim.view  # registers the pictures  # noqa: F401
from settlesim.gallery import CHARTS, order
from settlesim.sim import Scenario, compare, protection_grid, replay

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
from tests.documents import with_outputs  # noqa: E402  # the tests are not installed

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PICTURES = ROOT / "docs" / "pictures"
NOTEBOOKS = ROOT / "notebooks"


def draw_gallery() -> None:
    """Draw every chart of the gallery, light and dark."""
    for name, chart in CHARTS.items():
        chart.draw(PICTURES / f"{name}.png")
        chart.draw(PICTURES / f"{name}-dark.png", theme="dark")


def draw_simulator() -> None:
    """Draw results of the simulator for the order chart, light and dark."""
    clicks = Scenario(order, ["PAY", "CANCEL"])
    lost = replay(clicks, "r1 l1 r2 l2 c1 s1 d1 s2 d2")
    pictures = {
        "lost-update": lost,
        "disciplines": compare(order, ["PAY", "CANCEL"]),
        "protection-grid": protection_grid(order, ["PAY", "SHIP"]),
    }
    for name, value in pictures.items():
        value.draw(PICTURES / f"{name}.png")
        value.draw(PICTURES / f"{name}-dark.png", theme="dark")


def run_notebook(path: Path) -> None:
    """Run one notebook from top to bottom and save its outputs, without metadata that changes."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=120,
        kernel_name="python3",
        store_widget_state=False,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = joined(cell.outputs)
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {
                "display_name": "Python 3 (ipykernel)",
                "language": "python",
                "name": "python3",
            },
            "language_info": {"name": "python"},
        }
    )
    nbformat.write(notebook, path)


def joined(outputs: list[Any]) -> list[Any]:
    """Return the outputs with adjacent printed text joined, however the kernel has sent it.

    Outputs without content, such as a progress bar leaves, are left out.
    """
    found: list[Any] = []
    for each in outputs:
        if each.output_type == "display_data" and not each.data:
            continue
        last = found[-1] if found else None
        if last and each.output_type == last.output_type == "stream" and each.name == last.name:
            last.text += each.text
        else:
            found.append(each)
    return found


def run_page(path: Path) -> None:
    """Run the examples of one page and update what they print."""
    with tempfile.TemporaryDirectory() as folder:
        path.write_text(with_outputs(path.read_text("utf-8"), Path(folder)), encoding="utf-8")


def main() -> None:
    """Refresh everything, or only the notebooks and pages that are named."""
    names = sys.argv[1:]
    if not names:
        draw_gallery()
        draw_simulator()
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if not names or path.name in names or path.stem in names:
            run_notebook(path)
    for path in PAGES:
        if not names or path.name in names:
            run_page(path)


if __name__ == "__main__":
    main()
