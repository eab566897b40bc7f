"""Run the tests of `transitions` against `SettleMachine` and `NestedSettleMachine`.

The test suite is taken from the source distribution of the installed version of
`transitions`, which pip downloads, or from a file that you have::

    python -m benchmarks.conformance
    python -m benchmarks.conformance --sdist transitions-0.9.3.tar.gz

`conformance_plugin.py` replaces the machines of `transitions` by ours, and
`conformance_expected.py` lists the tests that are expected to differ, each with its rule. The
exit status is 0 if only those differ, 1 if anything else does, and 2 if the tests could not be
run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from benchmarks.conformance_expected import EXPECTED, FILES, FLOOR, LIMIT, RULES

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 600.0
"""A run that takes longer is stopped."""


class CannotRunError(Exception):
    """The tests could not be run at all."""


# --- the source distribution --------------------------------------------------------------


def download(folder: Path, wanted: str) -> Path:
    """Let pip fetch the source distribution of a version of `transitions`."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    command += ["--no-deps", "--no-binary", ":all:", "--dest", str(folder)]
    done = subprocess.run(
        [*command, f"transitions=={wanted}"], capture_output=True, text=True, check=False
    )
    found = sorted(folder.glob("transitions-*.tar.gz"))
    if done.returncode or not found:
        raise CannotRunError(f"pip could not download it; use --sdist\n{done.stderr.strip()}")
    return found[0]


def unpack(sdist: Path, folder: Path, wanted: str) -> None:
    """Write the tests of a source distribution, and their pytest.ini, into a folder.

    The files are written by name, never extracted, so no member of the archive chooses its path.
    The package itself is left out, so the installed one is tested.
    """
    names = set()
    (folder / "tests").mkdir()
    with tarfile.open(sdist) as archive:
        for member in archive:
            parts = PurePosixPath(member.name).parts[1:]
            content = archive.extractfile(member) if member.isfile() else None
            if content is None:
                continue
            match parts:
                case ["tests", name] if name.endswith(".py"):
                    (folder / "tests" / name).write_bytes(content.read())
                    names.add(name)
                case ["pytest.ini"]:
                    (folder / "pytest.ini").write_bytes(content.read())
                case ["PKG-INFO"]:
                    _check_version(content.read().decode("utf-8"), wanted)
    if missing := set(FILES) - names:
        raise CannotRunError(f"{sdist.name} has no tests/{', tests/'.join(sorted(missing))}")


def _check_version(package_info: str, wanted: str) -> None:
    lines = package_info.splitlines()
    if "Name: transitions" not in lines or f"Version: {wanted}" not in lines:
        raise CannotRunError(f"this is not the source distribution of transitions {wanted}")


# --- a run --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """What one run reported; see ``Report`` in `conformance_plugin.py`."""

    outcomes: dict[str, str]
    reasons: dict[str, str]
    machines: dict[str, int]
    ours: dict[str, int]
    left_out: int
    output: str

    def having(self, outcome: str) -> list[str]:
        """Return the tests with an outcome, in the order of the run."""
        return [test for test, each in self.outcomes.items() if each == outcome]

    @property
    def counted(self) -> list[str]:
        """The tests that ran with a machine of ours."""
        return [test for test in self.ours if self.outcomes.get(test) in ("passed", "failed")]


def run(folder: Path, cast: str) -> Run:
    """Run the tests in a process of their own, with one cast."""
    report = folder / f"{cast}.json"
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "CONFORMANCE_CAST": cast,
        "CONFORMANCE_REPORT": str(report),
        "PYTEST_ADDOPTS": "",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
    }
    # their ini file stops at the first failure: `-o addopts=`
    command = [sys.executable, "-m", "pytest", "-c", "pytest.ini", "-o", "addopts=", "--tb=short"]
    command += ["-q", "-p", "no:cacheprovider", "-p", "benchmarks.conformance_plugin"]
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
        raise CannotRunError(f"the run {cast!r} took more than {SECONDS:g} s") from None
    if done.returncode not in (0, 1) or not report.exists():
        raise CannotRunError(f"pytest could not run:\n{done.stdout}\n{done.stderr}")
    found = json.loads(report.read_text("utf-8"))
    short = {key: _short(found[key]) for key in ("outcomes", "reasons", "ours")}
    return Run(**{**found, **short}, output=done.stdout)


def _short(of_tests: dict[str, object]) -> dict[str, object]:
    return {test.removeprefix("tests/"): value for test, value in of_tests.items()}


# --- the judgement ------------------------------------------------------------------------


def problems_of(counting: Run, dots: Run, control: Run) -> list[str]:
    """Return what is wrong, in words; an empty list if the machines conform."""
    failed = set(counting.having("failed"))
    problems = [
        f"{test} fails and is not expected to: {_first_line(counting.reasons[test])}"
        for test in counting.having("failed")
        if test not in EXPECTED
    ]
    problems += [
        f"{test} is expected to fail ({EXPECTED[test][0]}) and "
        + ("passes" if test in counting.outcomes else "did not run")
        for test in EXPECTED
        if test not in failed and counting.outcomes.get(test) != "skipped"
    ]
    known = set(control.having("failed"))
    problems += [
        f"{test} fails with a dot, but not in transitions: {_first_line(dots.reasons[test])}"
        for test in dots.having("failed")
        if test not in EXPECTED and test not in known
    ]
    if len(counting.counted) < FLOOR:
        problems.append(f"only {len(counting.counted)} tests ran; at least {FLOOR} have to")
    elif len(EXPECTED) > LIMIT * len(counting.counted):
        problems.append(f"more than {LIMIT:.0%} of the tests are expected to differ")
    return problems


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "no message"


def summary(counting: Run, dots: Run, control: Run) -> str:
    """Return the report for the reader."""
    failed = [test for test in counting.having("failed") if test in EXPECTED]
    share = len(failed) / max(len(counting.counted), 1)
    rules = Counter(EXPECTED[test][0] for test in failed)
    machines = ", ".join(f"{count} {kind}" for kind, count in sorted(counting.machines.items()))
    lines = [
        f"transitions {version('transitions')}: {len(counting.counted)} tests ran with a machine "
        f"of ours, {len(set(counting.counted) & set(counting.having('passed')))} passed",
        f"machines built: {machines}",
        f"expected differences: {len(failed)} ({share:.1%}, at most {LIMIT:.0%})",
    ]
    lines += [f"  {rule}  {rules[rule]:3}  {says}" for rule, says in RULES.items()]
    without = len(counting.having("passed")) + len(counting.having("failed"))
    lines += [
        f"not counted: {without - len(counting.counted)} tests that build no machine of ours, "
        f"{counting.left_out} of the locked machines or collected twice",
    ]
    skipped = Counter(counting.reasons[test] for test in counting.having("skipped"))
    lines += [f"skipped: {count}, {reason}" for reason, count in sorted(skipped.items())]
    both = len(set(dots.having("failed")) & set(control.having("failed")))
    lines.append(
        f"with a dot for the underscore: {len(dots.having('passed'))} passed; {both} fail, and "
        "each of them with the nested machine of transitions and a dot as well"
    )
    return "\n".join(lines)


def conform(sdist: Path | None) -> int:
    """Run everything; print the report; return the exit status."""
    wanted = version("transitions")
    with tempfile.TemporaryDirectory(prefix="conformance-") as name:
        folder = Path(name)
        unpack(sdist or download(folder, wanted), folder, wanted)
        counting, dots, control = (run(folder, cast) for cast in ("underscore", "dot", "control"))
    problems = problems_of(counting, dots, control)
    if problems:
        print(counting.output)
    print(summary(counting, dots, control))
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
