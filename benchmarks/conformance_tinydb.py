"""Run the tests of TinyDB against `JournalDB` and `JournalStorage`.

The test suite is taken from the source distribution of the installed version of TinyDB, which
pip downloads, or from a file that you have::

    python -m benchmarks.conformance_tinydb
    python -m benchmarks.conformance_tinydb --sdist tinydb-4.9.0.tar.gz

Its tests of tables, of the database and of operations run twice: on a `JournalDB`, whose
tables are ours too, and on a plain ``TinyDB(path, storage=JournalStorage)``. `EXPECTED` lists
what is expected to differ, each with its reason. The exit status is 0 when nothing but those
differs, 1 when anything else does, and 2 when the tests could not be run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 600.0
"""A run that takes longer is given up."""
FILES = ("test_tables.py", "test_tinydb.py", "test_operations.py")
FLOOR = 100
"""The fewest tests that must have run on a store of ours."""

_REPR = "names the storage by its class, and ours by its path"
_CACHE = "looks into the query cache, which is off: another process may have written"
EXPECTED = {
    "test_tables.py::test_table_repr[journal]": _REPR,
    "test_tables.py::test_table_repr[storage]": _REPR,
    "test_tables.py::test_query_cache[journal]": _CACHE,
    "test_tinydb.py::test_search[journal]": _CACHE,
    "test_tinydb.py::test_search_path[journal]": _CACHE,
    "test_tables.py::test_next_id[journal]": "asks for ids without inserting; ours are not "
    "reserved before the lock is held, so that two processes never get the same",
}


class CannotRunError(Exception):
    """The tests could not be run at all."""


def download(folder: Path, wanted: str) -> Path:
    """Let pip fetch the source distribution of a version of TinyDB."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    command += ["--no-deps", "--no-binary", ":all:", "--dest", str(folder), f"tinydb=={wanted}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = sorted(folder.glob("tinydb-*.tar.gz"))
    if done.returncode or not found:
        raise CannotRunError(f"pip could not download it; use --sdist\n{done.stderr.strip()}")
    return found[0]


def unpack(sdist: Path, folder: Path, wanted: str) -> None:
    """Write the tests of a source distribution into a folder, and nothing else of it.

    The files are written by name, never extracted. Their ``conftest.py`` is left: the plugin
    has another fixture ``db``.
    """
    tests = folder / "tests"
    tests.mkdir()
    (tests / "__init__.py").touch()
    missing = set(FILES)
    with tarfile.open(sdist) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content is None:
                continue
            match PurePosixPath(member.name).parts[1:]:
                case ["tests", name] if name in FILES:
                    (tests / name).write_bytes(content.read())
                    missing.discard(name)
                case ["PKG-INFO"]:
                    lines = content.read().decode("utf-8").splitlines()
                    if "Name: tinydb" not in lines or f"Version: {wanted}" not in lines:
                        raise CannotRunError(f"{sdist.name} is not that of TinyDB {wanted}")
    if missing:
        raise CannotRunError(f"{sdist.name} has no tests/{', tests/'.join(sorted(missing))}")


def run(folder: Path) -> dict[str, str]:
    """Run the tests in a process of their own; return their outcomes."""
    report = folder / "report.json"
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "CONFORMANCE_REPORT": str(report),
        "PYTEST_ADDOPTS": "",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
    }
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-c", "pytest.ini", "--tb=short", "-q"]
    command += ["-p", "no:cacheprovider", "-p", "benchmarks.conformance_tinydb_plugin"]
    command += [f"tests/{name}" for name in FILES]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise CannotRunError(f"the run took more than {SECONDS:g} s") from None
    if done.returncode not in (0, 1) or not report.exists():
        raise CannotRunError(f"pytest could not run:\n{done.stdout}\n{done.stderr}")
    outcomes: dict[str, str] = json.loads(report.read_text("utf-8"))
    if problems_of(outcomes):
        print(done.stdout)
    return {test.removeprefix("tests/"): outcome for test, outcome in outcomes.items()}


def problems_of(outcomes: dict[str, str]) -> list[str]:
    """Return what is wrong, in words; nothing if the store conforms."""
    outcomes = {test.removeprefix("tests/"): outcome for test, outcome in outcomes.items()}
    failed = [test for test, outcome in outcomes.items() if outcome == "failed"]
    problems = [f"{test} fails and is not expected to" for test in failed if test not in EXPECTED]
    problems += [
        f"{test} is expected to fail ({EXPECTED[test]}) and "
        + ("passes" if test in outcomes else "did not run")
        for test in EXPECTED
        if test not in failed
    ]
    if (ours := len(_ours(outcomes))) < FLOOR:
        problems.append(f"only {ours} tests ran on a store of ours; {FLOOR} are the least")
    return problems


def _ours(outcomes: dict[str, str]) -> list[str]:
    return [test for test in outcomes if "[journal" in test or "[storage" in test]


def summary(outcomes: dict[str, str]) -> str:
    """Return the report for the reader."""
    ours = _ours(outcomes)
    passed = sum(outcomes[test] == "passed" for test in ours)
    lines = [
        f"TinyDB {version('tinydb')}: {len(ours)} tests ran on a store of ours, {passed} passed",
        f"not counted: {len(outcomes) - len(ours)} tests that make a database of their own",
        "expected differences:",
    ]
    lines += [f"  {test}  {reason}" for test, reason in EXPECTED.items()]
    return "\n".join(lines)


def conform(sdist: Path | None) -> int:
    """Run everything; print the report; return the exit status."""
    wanted = version("tinydb")
    with tempfile.TemporaryDirectory(prefix="conformance-") as name:
        folder = Path(name)
        unpack(sdist or download(folder, wanted), folder, wanted)
        outcomes = run(folder)
    problems = problems_of(outcomes)
    print(summary(outcomes))
    for problem in problems:
        print(f"PROBLEM: {problem}")
    print("NOT CONFORMING" if problems else "CONFORMING")
    return 1 if problems else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--sdist", type=Path, help="the source distribution, if you have it")
    options = parser.parse_args(arguments)
    try:
        return conform(options.sdist)
    except (CannotRunError, OSError, tarfile.TarError) as error:
        print(f"cannot run: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
