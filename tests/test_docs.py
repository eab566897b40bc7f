"""The documents in ``docs`` do what they say."""

from __future__ import annotations

import importlib.util
import inspect
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType

import pytest

from settlesim.chart import read_chart
from settlesim.chart.dialect import (
    CHART_KEYS,
    INVOKE_KEYS,
    RETRY_KEYS,
    STATE_KEYS,
    TRANSITION_KEYS,
)
from settlesim.chart.parser import MAX_NESTING, MAX_NODES, MAX_TRANSITIONS
from settlesim.gallery import count
from settlesim.runtime import Worker
from settlesim.runtime.logs import FIELDS, OUTCOMES
from settlesim.sim import DISCIPLINES, MONITORS, PROTECTIONS, Faults, Kind
from settlesim.store import FifoQueue, MemoryStore
from settlesim.store.schema import TABLES
from settlesim.store.sql import HISTORY, MARK_WINDOW
from settlesim.store.sql_queue import MAX_RECEIVES
from tests.documents import ROOT, blocks, examples, run, with_outputs

TEXTS = {
    path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))
}
GUIDES = {name: text for name, text in TEXTS.items() if "```console" in text}
CHARTS = TEXTS["charts.md"]


@pytest.mark.parametrize(
    ("code", "printed"),
    [each for name, text in TEXTS.items() if name not in GUIDES for each in examples(text)],
)
def test_an_example_prints_what_stands_below_it(
    code: str,
    printed: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Run as a program, an example prints the block that follows it, and nothing else.

    It runs in this process, with a ``__main__`` of its own; those of the guides and of the README
    have processes of their own.
    """
    program = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", program)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "<example>", "exec", dont_inherit=True), program.__dict__)
    assert capsys.readouterr() == (printed, "")
    assert [each for each in caplog.records if each.name.startswith("settlesim")] == []


@pytest.mark.parametrize("name", GUIDES)
def test_the_commands_of_a_guide_print_what_stands_below_them(name: str, tmp_path: Path) -> None:
    """So do its examples; in one folder, in their order, beside the files that the page shows."""
    assert with_outputs(GUIDES[name], tmp_path) == GUIDES[name]


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_every_python_block_has_its_output(text: str) -> None:
    """No example stands without what it prints."""
    assert len(examples(text)) == len(blocks(text, "python"))


def test_the_commands_print_what_stands_below_them(tmp_path: Path) -> None:
    """The JSON file is checked and settled as the document shows."""
    (player, shop, chart), (commands,) = blocks(CHARTS, "json"), blocks(CHARTS, "sh")
    assert read_chart(player).semantics == "scxml"
    assert len(read_chart(shop).node("paying").invoke[0].retry) == 2
    (tmp_path / "door.json").write_text(chart, encoding="utf-8")
    printed = ""
    for command in commands.splitlines():
        done = run([sys.executable, "-m", *shlex.split(command)], tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        printed += done.stdout
    assert printed in blocks(CHARTS, "text")


def test_the_durable_commands_print_what_stands_below_them(tmp_path: Path) -> None:
    """An event is sent, worked on and shown; the worker's sum goes to standard error."""
    (commands,) = blocks(TEXTS["durable.md"], "sh")
    printed = ""
    for command in commands.splitlines():
        done = run([sys.executable, "-m", *shlex.split(command)], tmp_path)
        assert done.returncode == 0
        printed += done.stdout
    assert printed in blocks(TEXTS["durable.md"], "text")


def test_the_commands_for_versions_print_what_stands_below_them(tmp_path: Path) -> None:
    """From the first diff to retirement, on the store that the page's first example writes."""
    text = TEXTS["versions.md"]
    (shop,), (commands,) = blocks(text, "py"), blocks(text, "sh")
    (tmp_path / "shop.py").write_text(shop, encoding="utf-8")
    assert run([sys.executable, "-c", examples(text)[0][0]], tmp_path).returncode == 0
    printed = ""
    for command in commands.splitlines():
        done = run([sys.executable, "-m", *shlex.split(command)], tmp_path)
        assert done.returncode == 0
        printed += done.stdout
    assert printed in blocks(text, "text")
    assert (tmp_path / "diff.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_of_the_durable_side_has_the_workers_settings() -> None:
    """With their defaults, and every outcome and field of its log."""
    text = TEXTS["durable.md"]
    store = MemoryStore()
    worker = Worker(count, store, FifoQueue(store, "count"))
    parameters = [
        name
        for name, each in inspect.signature(Worker).parameters.items()
        if each.default is not inspect.Parameter.empty
    ]
    left_out = {"clock", "max_microsteps"}  # as in Interpreter
    assert [each for each in parameters if f"| `{each}` |" not in text] == sorted(left_out)
    for name in ("backoff", "poll", "grace"):
        assert f"| `{name}` | {getattr(worker, name):g} s |" in text
    assert f"| `deadline` | {worker.interpreter.deadline:g} s |" in text
    assert f"| `service_timeout` | {worker.interpreter.service_timeout:g} s |" in text
    assert f"| `concurrency` | {worker.concurrency} |" in text
    assert f"| `logger` | `{worker.logger.name}` |" in text
    assert [name for name in (*FIELDS, *OUTCOMES) if f"`{name}`" not in text] == []


@pytest.mark.parametrize("keys", [CHART_KEYS, STATE_KEYS, INVOKE_KEYS, RETRY_KEYS, TRANSITION_KEYS])
def test_every_key_of_a_chart_is_in_a_table(keys: tuple[str, ...]) -> None:
    """What the library reads is what the document lists."""
    firsts = [line.split("|")[1] for line in CHARTS.splitlines() if line.startswith("| `")]
    named = " ".join(firsts)
    assert [key for key in keys if f"`{key}`" not in named] == []


def test_the_limits_are_those_of_the_library() -> None:
    """Numbers in a document grow old."""
    for number, what in (
        (MAX_NODES, "states"),
        (MAX_NESTING, "levels"),
        (MAX_TRANSITIONS, "transitions"),
    ):
        assert f"{number:,} {what}" in CHARTS


def test_the_page_of_the_simulator_names_everything_with_its_meaning() -> None:
    """Disciplines, protections, faults, steps and anomalies are those of the code."""
    text = TEXTS["simulator.md"]
    for name, each in DISCIPLINES.items():
        assert f"| `{name}` | {each.meaning} | {each.found_as} |" in text
    for name, meaning in PROTECTIONS.items():
        assert f"| `{name}` | {meaning} |" in text
    for name, monitor in MONITORS.items():
        assert f"| {name} | {monitor.definition} | {monitor.source} |" in text
    assert all(f"| `{name}` |" in text for name in Faults._fields)
    assert all(f"**{kind.value}**" in text for kind in Kind)


def test_the_page_of_the_durable_side_names_calls_settings_and_tables() -> None:
    """They and their defaults are those of the code."""
    text = TEXTS["durable.md"]
    calls = [name for name in dir(FifoQueue) if not name.startswith("_") and name != "ordered"]
    assert [name for name in calls if f"{name}(" not in text and f"`{name}`" not in text] == []
    queue = FifoQueue(MemoryStore(), "q")
    assert f"| `visibility_timeout` | {queue.visibility_timeout:g} s |" in text
    assert f"| `max_failures` | {queue.max_failures} |" in text
    assert f"| `max_receives` | {queue.max_receives} |" in text
    assert queue.max_receives == MAX_RECEIVES
    assert f"| `deduplication_window` | {queue.deduplication_window:g} s |" in text
    assert f'| `deduplication_scope` | `"{queue.deduplication_scope}"` |' in text
    assert f'| `policy` | `"{queue.policy}"` |' in text
    assert MARK_WINDOW == 86_400  # a day


def test_the_page_of_the_stores_names_every_table() -> None:
    """As they are made in SQLite."""
    text = TEXTS["store.md"]
    tables = re.findall(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)", TABLES)
    assert len(tables) > 5
    assert [name for name in tables if f"| `{name}` |" not in text] == []
    assert f"`history={HISTORY}`" in text


def test_the_reference_has_the_meaning_of_a_parameter_below_its_name() -> None:
    """After the colon of numpydoc stands a type; ours are in the signature."""
    path = ROOT / "docs" / "site" / "docstrings.py"
    spec = importlib.util.spec_from_file_location("docstrings", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = "Do.\n\nParameters\n----------\n{}\n\nReturns\n-------\n{}\n\nNotes\n-----\na : b\n"
    written = text.format("a, b : two numbers\nc\n    More.", "d : a sum")
    shown = text.format("a, b\n    two numbers\nc\n    More.", "d :\n    a sum")
    assert module.with_meanings_below(written) == shown
