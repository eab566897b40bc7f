"""The layout process: it is kept, it is stopped, it comes back."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from settlesim.chart import Chart
from settlesim.errors import LayoutTimeoutError, RendererMissingError, RenderError
from settlesim.view.fonts import fontconfig_file
from settlesim.view.graphviz import render as module
from settlesim.view.graphviz.process import Child
from settlesim.view.graphviz.render import render

WORKS = """
from pygraphviz import AGraph
text = sys.stdin.buffer.read().decode()
sys.stdout.buffer.write(AGraph(string=text).draw(format=sys.argv[1][2:], prog="dot"))
"""


def test_second_picture_is_the_same_object() -> None:
    """What was rendered once is kept by its content."""
    assert render("digraph { kept }", "svg") is render("digraph { kept }", "svg")


def test_two_processes_give_the_same_bytes() -> None:
    """A picture does not depend on which process drew it."""
    first, second = Child(), Child()
    try:
        text = "digraph { a -> b [label=x] }"
        assert first.ask(text, "json", 20) == second.ask(text, "json", 20)
    finally:
        first.stop()
        second.stop()


def test_process_is_kept_between_pictures() -> None:
    """Only the first picture pays for a start."""
    child = Child()
    try:
        child.ask("digraph { a }", "svg", 20)
        pid = child.pid
        child.ask("digraph { b }", "svg", 20)
        assert child.pid == pid is not None
    finally:
        child.stop()


def test_killed_process_is_started_again() -> None:
    """A picture after the process was killed from outside is drawn by a new one."""
    render("digraph { before_the_kill }", "svg")
    process = module._child._process
    assert process is not None
    process.kill()
    process.wait()
    assert b"<svg" in render("digraph { after_the_kill }", "svg")
    assert module._child.pid not in {None, process.pid}


def test_layout_that_takes_too_long_is_stopped(dense: Chart) -> None:
    """The time limit ends the process, says how long it was, and the next picture works."""
    with pytest.raises(LayoutTimeoutError, match=r"after 0\.05 seconds") as caught:
        dense.draw(timeout=0.05)
    assert vars(caught.value)["seconds"] == 0.05
    assert module._child.pid is None
    assert b"<svg" in render("digraph { after_the_limit }", "svg")


def test_text_that_is_no_graph_is_refused() -> None:
    """Graphviz' own complaint becomes a RenderError, and not a file's name."""
    with pytest.raises(RenderError, match="could not draw"):
        render("no graph", "svg")


def test_threads_share_one_process() -> None:
    """Pictures asked for at the same time do not mix."""
    found: dict[int, bytes] = {}

    def ask(index: int) -> None:
        found[index] = render(f"digraph {{ thread_{index} }}", "svg")

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(f"thread_{index}<".encode() in found[index] for index in range(12))


def test_fork_leaves_the_process_to_its_parent() -> None:
    """A forked process draws by a layout process of its own."""
    code = """
import os, warnings
warnings.simplefilter("ignore")
from settlesim.view.graphviz import render as module
module.render("digraph { a }", "svg")
first = module._child.pid
child = os.fork() if hasattr(os, "fork") else None
if child == 0:
    assert module._child.pid is None
    module.render("digraph { b }", "svg")
    os._exit(0 if module._child.pid not in (None, first) else 1)
if child is not None:
    assert os.waitpid(child, 0)[1] == 0
module.render("digraph { c }", "svg")
assert module._child.pid == first
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_nothing_is_left_behind() -> None:
    """The process and its folder go away with the interpreter."""
    code = """
from settlesim.view.graphviz import render as module
from settlesim.view.fonts import fontconfig_file
module.render("digraph { a }", "svg")
print(module._child.pid, fontconfig_file())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=120, capture_output=True, text=True
    )
    pid, config = done.stdout.split(maxsplit=1)
    assert not Path(config.strip()).parent.exists()
    if os.name == "posix":
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


@pytest.mark.skipif(os.name != "posix", reason="needs to kill a process")
def test_what_a_killed_process_left_behind_goes_with_the_next_one(tmp_path: Path) -> None:
    """And nothing of a process that runs, or that somebody else made."""
    code = "from settlesim.view.fonts import fontconfig_file as f; print(f(), flush=True); "
    others = ["settlesim-0-mine", "settlesim-fonts-0x1-mine", "settlesim-fonts-mine"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}

    def start(end: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", code + end]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environment, text=True, stdin=pipe, stdout=pipe)

    def folder(process: subprocess.Popen[str]) -> Path:
        assert process.stdout is not None
        return Path(process.stdout.readline().strip()).parent

    with start("input()") as running, start("input()") as killed:
        left, kept = folder(killed), folder(running)
        killed.kill()
        killed.wait(timeout=60)
        for name in others:
            (tmp_path / name).mkdir()
        assert left.exists()
        with start("") as last:
            gone = folder(last)
        assert not left.exists()
        assert not gone.exists()
        assert kept.exists()
        running.communicate("\n", timeout=60)
    assert sorted(path.name for path in tmp_path.iterdir()) == others


def test_folder_that_was_taken_away_is_made_again() -> None:
    """A cleaner of temporary files does not stop a long session from drawing."""
    first = fontconfig_file()
    shutil.rmtree(Path(first).parent)
    second = fontconfig_file()
    assert Path(second).exists()
    assert len(list((Path(second).parent / "fonts").iterdir())) == 3


def test_layout_program_answers_in_frames_and_ends_with_its_pipe() -> None:
    """The protocol is a status byte, a length, and the bytes."""
    program = Path(module.__file__).with_name("_child.py")
    request = b'{"dot": "digraph { framed }", "format": "svg"}'
    done = subprocess.run(
        [sys.executable, "-I", str(program)],
        input=struct.pack(">I", len(request)) + request,
        capture_output=True,
        check=True,
        timeout=120,
    )
    ready, answer = done.stdout[:5], done.stdout[5:]
    assert struct.unpack(">BI", ready) == (1, 0)
    assert struct.unpack(">BI", answer[:5]) == (1, len(answer) - 5)
    assert b"framed" in answer


def test_program_that_is_missing_is_named() -> None:
    """A renderer that is not there is an error that names it."""
    with pytest.raises(RendererMissingError, match="no-such-dot"):
        render("digraph { a }", "svg", renderer="no-such-dot")


def test_program_of_the_system_can_be_chosen(
    program: Callable[[str], str], everything: Chart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By argument or by environment variable, with the same picture."""
    path = program(WORKS)
    usual = everything.draw().svg
    assert everything.draw(renderer=path).svg == usual
    monkeypatch.setenv("SETTLESIM_DOT", path)
    assert everything.draw().svg == usual


def test_program_that_fails_says_why(program: Callable[[str], str]) -> None:
    """The first line of its complaint and its exit status are in the error."""
    path = program("sys.exit('too much\\nmore')")
    with pytest.raises(RenderError, match=r"exit 1.*too much$"):
        render("digraph { a }", "svg", renderer=path)


def test_program_that_hangs_is_stopped(program: Callable[[str], str]) -> None:
    """A chosen program has the same time limit."""
    path = program("import threading; threading.Event().wait()")
    with pytest.raises(LayoutTimeoutError):
        render("digraph { a }", "svg", renderer=path, timeout=0.2)


def test_layout_that_fails_with_labels_is_made_without(
    program: Callable[[str], str], everything: Chart
) -> None:
    """Labels of arrows then stand on the arrows; nothing is lost."""
    path = program(
        "text = sys.stdin.buffer.read().decode()\n"
        "if any(' -> ' in line and 'label=' in line for line in text.splitlines()):\n"
        "    sys.exit('trouble in init_rank')\n"
        "from pygraphviz import AGraph\n"
        "sys.stdout.buffer.write(AGraph(string=text).draw(format=sys.argv[1][2:], prog='dot'))"
    )
    picture = everything.draw(renderer=path)
    assert "ASK" in picture.svg
    assert 'id="e0_label"' in picture.svg
    assert picture.pdf.startswith(b"%PDF-")
