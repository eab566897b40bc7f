"""Replays of real scenarios as space-time diagrams."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from settlesim import display
from settlesim.errors import RenderError
from settlesim.gallery import counter, order
from settlesim.sim import Faults, Replay, Scenario, explore, replay
from settlesim.view import Picture, lanes, side_by_side
from tests.view.schedule.schedules import scenario

SVG = "{http://www.w3.org/2000/svg}"
SERIAL = "r1 l1 c1 s1 d1 r2 l2 c2 s2 d2"


def found(picture: Picture) -> dict[str, ET.Element]:
    return {
        each.attrib["id"]: each for each in ET.fromstring(picture.svg).iter() if "id" in each.attrib
    }


def texts(element: ET.Element) -> list[str]:
    return [each.text or "" for each in element.iter(f"{SVG}text")]


def words_of(picture: Picture) -> list[str]:
    return texts(ET.fromstring(picture.svg))


def counterexample(of: Scenario) -> Replay:
    schedule = explore(of).counterexample
    assert schedule is not None
    return replay(of, schedule)


@pytest.fixture(scope="module")
def zombie() -> Replay:
    """A time-out under FIFO: a handler that lost its message writes all the same."""
    made = scenario(
        order,
        ["PAY", "SHIP"],
        queue="fifo_group",
        protections=("idempotent", "inbox"),
        faults=Faults(expiries=1),
    )
    return counterexample(made)


def test_zombie_write_has_the_flag_and_head_of_line_blocking_has_none(zombie: Replay) -> None:
    """What only costs time is no deviation; the flag stands at the save that made it wrong."""
    picture = lanes(zombie)
    step = 1 + next(i for i, f in enumerate(zombie.frames[1:]) if "zombie write" in f.anomalies)
    flag = found(picture)["flag"]
    assert f"at-step-{step}" in flag.attrib["class"].split()
    assert "zombie write" in texts(flag)[0]
    assert "head-of-line blocking" in words_of(picture)
    assert "zombie-1-1" in found(picture)
    assert zombie.sentence in picture.alt


def test_harmless_anomaly_has_a_small_flag_in_a_row_of_its_own() -> None:
    """Head-of-line blocking alone is said, inside the picture, and flagged by no column."""
    made = scenario(order, ["PAY", "SHIP"], queue="fifo_group", faults=Faults(crashes=1))
    picture = lanes(replay(made, "r1 k1 r1.2 l1.2 c1.2 s1.2 d1.2 r2 l2 c2 s2 d2"))
    assert "flag" not in found(picture)
    words = [
        each
        for each in ET.fromstring(picture.svg).iter(f"{SVG}text")
        if each.text == "head-of-line blocking"
    ]
    assert len(words) == 1
    assert float(words[0].attrib["y"]) > 8


def test_notes_can_be_left_out_of_the_picture_but_not_of_its_text(zombie: Replay) -> None:
    """Without sentence and key the picture is lower; who cannot see it reads all the same."""
    whole, bare = lanes(zombie), lanes(zombie, notes=False)
    assert bare.alt == whole.alt
    height = [float(ET.fromstring(each.svg).attrib["height"]) for each in (bare, whole)]
    assert height[0] < height[1]
    assert 'class="sentence"' in whole.svg
    assert 'class="sentence"' not in bare.svg


def test_replay_shows_itself(zombie: Replay, tmp_path: Path) -> None:
    """draw() and a notebook give the same picture; a file's suffix is its format."""
    assert display.draw(zombie).svg == lanes(zombie).svg
    shown = display.mimebundle(zombie)
    assert shown["text/plain"] == lanes(zombie).alt
    assert "<svg " in shown["text/html"]
    lanes(zombie, tmp_path / "x.png", theme="dark")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_duplicate_shows_the_context_where_the_leaf_is_the_same() -> None:
    """A counter rests always in one leaf: its count tells the values apart."""
    made = scenario(counter(), ["INC", "INC"], faults=Faults(duplicates=1))
    picture = lanes(replay(made, f"{SERIAL} u1 r1.2 l1.2 c1.2 s1.2 d1.2"))
    words = words_of(picture)
    for value in ("count=0", "count=1", "count=2", "count=3"):
        assert value in words
    assert any("duplicate apply" in each for each in words)


def test_without_a_queue_events_are_taken_by_handlers() -> None:
    """There is no queue's row; an event is done with the last step of its handler."""
    picture = lanes(replay(scenario(order, ["PAY"], queue="direct"), "l1 c1 s1"))
    assert "events" in words_of(picture)
    assert "queue" not in words_of(picture)
    assert found(picture)["step-3-sign"].find(f"{SVG}circle") is not None


def test_every_key_has_its_rows() -> None:
    """Messages are grouped by key; the store has a row for each."""
    events = [("a", "PAY"), ("b", "PAY"), ("a", "SHIP")]
    steps = "r1 l1 r2 l2 c1 c2 s1 s2 d1 d2 r3 l3 c3 s3 d3"
    picture = lanes(replay(scenario(order, events, queue="fifo_group"), steps))
    words = words_of(picture)
    assert words.count("a") == words.count("b") == 2
    assert "worker 2" in words
    assert "a holds new at first, paid 7 (s1), shipped 14 (s3)" in picture.alt
    assert "b holds new at first, paid 8 (s2)" in picture.alt


def test_refused_save_says_so() -> None:
    """Compare-and-set refuses a save; the store keeps what it has."""
    made = scenario(order, ["PAY", "CANCEL"], protections=("cas",))
    played = replay(made, "r1 l1 c1 r2 l2 s2 x1")
    words = words_of(lanes(played))
    assert "save refused" in words
    assert "paid" not in words


def test_dead_letter_says_so() -> None:
    """A message that goes to the dead letters is crossed out in the queue."""
    made = scenario(order, ["PAY"], faults=Faults(crashes=1), max_receives=1)
    words = words_of(lanes(replay(made, "r1 k1")))
    assert "dead letter" in words
    assert "crash" in words


def test_two_disciplines_part_where_one_has_to_wait() -> None:
    """Each strip says what is done there; the one that has to wait says what for."""
    standard = scenario(order, ["PAY", "SHIP"])
    fifo = standard.replace(queue="fifo_group")
    one = replay(standard, "r1 l1 r2 l2 c1 s1 d1 i2 d2")
    other = replay(fifo, SERIAL)
    picture = side_by_side(one, other)
    marks = found(picture)
    assert texts(marks["strip-1-difference"]) == ["parts here: r2"]
    expected = "parts here: c1; 2 SHIP cannot be received yet"
    assert texts(marks["strip-2-difference"]) == [expected]
    assert "at-step-3" in marks["strip-2-difference"].attrib["class"].split()
    assert "standard queue, 2 workers" in picture.alt
    assert "FIFO per key, 2 workers" in picture.alt


def test_same_schedule_side_by_side_has_no_mark() -> None:
    """Nothing parts, nothing is marked."""
    played = replay(scenario(order, ["PAY", "SHIP"], queue="fifo_group"), SERIAL)
    assert not [id_ for id_ in found(side_by_side(played, played)) if "difference" in id_]


def test_beginning_alone_is_drawn() -> None:
    """A schedule without steps shows who waits and what is stored."""
    picture = lanes(replay(scenario(order, ["PAY"]), ""))
    assert {"1 PAY", "new"} <= set(words_of(picture))
    assert picture.png.startswith(b"\x89PNG")


def test_unknown_theme_is_refused(zombie: Replay) -> None:
    """The error says which there are."""
    with pytest.raises(RenderError, match="'light' or 'dark' is needed"):
        lanes(zombie, theme="sepia")  # type: ignore[arg-type]
