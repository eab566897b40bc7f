"""The project's own files agree with each other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

IN_THE_ENVIRONMENT = ("lab", "testing", "formats", "http", "docs", "fast", "dev")
"""The extras for everybody who works on the project; the others are installed on request."""

CONDA_NAMES = {"graphviz": "python-graphviz", "transitions[diagrams]": "transitions"}


def _requirements(*extras: str) -> dict[str, str]:
    project = PYPROJECT["project"]
    optional = project["optional-dependencies"]
    lists = [project["dependencies"], *(optional[extra] for extra in extras or optional)]
    found: dict[str, str] = {}
    for line in (each for group in lists for each in group):
        requirement = line.partition(";")[0].strip()
        found_parts = re.fullmatch(r"([A-Za-z0-9_.\[\]-]+?)((?:[<>=!~].*)?)", requirement)
        assert found_parts is not None, requirement
        name, bounds = found_parts.groups()
        if not name.startswith("settlesim"):
            found[CONDA_NAMES.get(name, name)] = bounds
    return found


def _environment() -> dict[str, str]:
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    listed = re.findall(
        r"^\s+- ([a-z][A-Za-z0-9_-]*)([<>=!~][^\s]*)?(?:\s+#.*)?$", text, re.MULTILINE
    )
    return {name: bounds for name, bounds in listed if bounds}


def test_environment_and_pyproject_ask_for_the_same() -> None:
    """environment.yml has the requirements of some extras with the same bounds."""
    environment = _environment()
    assert environment.pop("python") == PYPROJECT["project"]["requires-python"]
    assert environment == _requirements(*IN_THE_ENVIRONMENT)


def test_environment_says_which_extras_it_leaves_out() -> None:
    """By their names, so that nobody looks for them in vain."""
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    comment = " ".join(line for line in text.splitlines() if line.startswith("#"))
    extras = PYPROJECT["project"]["optional-dependencies"]
    assert [extra for extra in extras if f"`{extra}`" not in comment] == []


def test_every_requirement_has_a_lower_bound() -> None:
    """No requirement is open at the bottom."""
    assert all(bounds.startswith(">=") for bounds in _requirements().values())


def test_changelog_has_an_entry_for_this_version() -> None:
    """CHANGELOG.md says what a user notices of this version."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {PYPROJECT['project']['version']}" in text


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_links_to_files_lead_somewhere(name: str) -> None:
    """Every relative link in a document names a file that is there."""
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / target).exists(), target


def test_ci_runs_the_test_command_of_the_readme() -> None:
    """Word for word; CI may add options."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [command] = re.findall(r"\.venv/bin/(pytest [^`\n]+)", readme)
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert f"{command} " in script.replace('"$bin/pytest"', "pytest")
