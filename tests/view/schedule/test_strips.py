"""What a space-time diagram says about a schedule, without a simulator."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from xml.etree import ElementTree as ET

import pytest

from settlesim.errors import RenderError
from settlesim.gallery import order
from settlesim.sim import Scenario, replay
from settlesim.view import lanes
from settlesim.view.fonts import text_width
from settlesim.view.schedule.rows_and_columns import Strip
from settlesim.view.schedule.spans import first_difference, tracks_of
from settlesim.view.schedule.strips import draw_strips
from settlesim.view.svg.card import MARGIN, Look
from settlesim.view.svg.palette import PALETTES, contrast
from settlesim.view.svg.picture import Picture
from tests.view.schedule.schedules import CRASH, EARLY, LOST, SERIAL, ZOMBIE, play
from tests.view.test_escaping import MOSTLY_AT_NIGHT, shown

SVG = "{http://www.w3.org/2000/svg}"
PAY_CANCEL = (("order-1", "PAY"), ("order-1", "CANCEL"))

lost = Strip(play(LOST, PAY_CANCEL, {8: ("lost update",)}), "standard", "Paid wins.", "wrong")
zombie = Strip(
    play(ZOMBIE, anomalies={7: ("duplicate effect",), 15: ("zombie write",)}), "FIFO per key"
)


def draw(*strips: Strip, **options: str) -> Picture:
    look = Look(**options)  # type: ignore[arg-type]
    return draw_strips(strips, look, title=strips[0].title)


def by_id(picture: Picture) -> dict[str, ET.Element]:
    found = [each for each in ET.fromstring(picture.svg).iter() if "id" in each.attrib]
    assert len({each.attrib["id"] for each in found}) == len(found)
    return {each.attrib["id"]: each for each in found}


def with_class(picture: Picture, word: str) -> list[ET.Element]:
    return [
        each for each in ET.fromstring(picture.svg).iter() if word in each.get("class", "").split()
    ]


def texts(element: ET.Element) -> list[str]:
    return [each.text or "" for each in element.iter(f"{SVG}text")]


def x_of(element: ET.Element) -> float:
    return float(element.attrib["x"])


def test_every_step_can_be_found() -> None:
    """Step n has the group step-n with its kind, the column column-n, and its name below."""
    picture = draw(lost)
    found = by_id(picture)
    kinds = ["receive", "load", "call", "receive", "load", "save", "delete", "save", "delete"]
    for index, kind in enumerate(kinds, 1):
        assert kind in found[f"step-{index}"].attrib["class"].split()
        assert f"column-{index}" in found
    assert [each.text for each in with_class(picture, "name")] == LOST.split()


def test_flag_stands_at_the_first_anomaly_only() -> None:
    """The flag has the anomaly's name, in the column of its step; later ones are small."""
    picture = draw(zombie)
    found = by_id(picture)
    assert "at-step-7" in found["flag"].attrib["class"].split()
    assert texts(found["flag"]) == ["duplicate effect"]
    column = found["column-7"].find(f"{SVG}rect")
    pole = found["flag"].find(f"{SVG}path")
    assert column is not None
    assert pole is not None
    at = float(re.match(r"M([0-9.]+)", pole.attrib["d"])[1])  # type: ignore[index]
    assert at == pytest.approx(x_of(column) + float(column.attrib["width"]) / 2, abs=0.02)
    small = with_class(picture, "later-flag")
    assert ["at-step-15" in each.attrib["class"].split() for each in small] == [True]
    assert texts(small[0]) == ["zombie write"]


def test_serial_schedule_has_no_flag() -> None:
    """Where nothing is wrong nothing is marked."""
    picture = draw(Strip(play(SERIAL), "FIFO per key", sort="right"))
    assert "flag" not in by_id(picture)
    for word in ("flagged", "overwritten", "zombie", "expired"):
        assert not with_class(picture, word)


def test_value_that_nobody_saw_is_struck_out() -> None:
    """A save over something newer than was loaded strikes that out, and nothing else."""
    struck = with_class(draw(lost), "overwritten")
    assert [texts(each) for each in struck] == [["cancelled"]]
    assert [texts(each) for each in with_class(draw(zombie), "overwritten")] == [["shipped"]]


def test_store_shows_every_value_where_it_changes() -> None:
    """The values of a key stand in a row, each from its save on."""
    values = tracks_of(lost.frames).values
    assert [(each.words, each.begin, each.end) for each in values] == [
        ("new", 0, 6),
        ("cancelled", 6, 8),
        ("paid", 8, None),
    ]


def test_window_goes_from_load_to_save() -> None:
    """Each delivery is dark between its load and its save; two windows overlap in a lost update."""
    windows = [work.windows for work in tracks_of(lost.frames).works]
    assert windows == [[(2, 8)], [(5, 6)]]
    assert next(iter(tracks_of(lost.frames[:8]).works)).windows == [(2, None)]
    assert len(with_class(draw(lost), "window")) == 2


def test_superseded_delivery_is_a_zombie_from_the_next_receive_on() -> None:
    """The badge says the word, at the step where a newer receipt is handed out."""
    works = tracks_of(zombie.frames).works
    assert [(each.message, each.delivery, each.zombie) for each in works] == [
        (1, 1, 5),
        (1, 2, None),
        (2, 1, None),
    ]
    assert texts(by_id(draw(zombie))["zombie-1-1"]) == ["zombie"]


def test_expired_receipt_is_dashed_until_its_delivery_ends() -> None:
    """The line begins at the time-out."""
    assert tracks_of(zombie.frames).expired == ((1, 4, 16),)
    assert len(with_class(draw(zombie), "expired")) == 1


def test_crash_and_second_delivery_are_said_in_words() -> None:
    """Colour is not the only sign: crash, again, nothing to save."""
    picture = draw(Strip(play(CRASH, (("order-1", "PAY"),)), "FIFO per key"))
    words = texts(ET.fromstring(picture.svg))
    assert "crash" in words
    assert "nothing to save" in words
    assert words.count("1 PAY again") == 2
    assert "1" in texts(by_id(picture)["step-10-sign"])


def test_the_words_of_a_dead_letter_stand_beside_its_badge() -> None:
    """In the last column too, where they have no room to the right."""
    letters = Scenario(
        order, ["PAY", "SHIP"], queue="fifo_group", faults={"crashes": 2}, max_receives=1
    )
    picture = lanes(replay(letters, "r1 l1 k1 r2 l2 i2 k2"))
    dead = [each for each in with_class(picture, "sign") if "dead letter" in texts(each)]
    assert len(dead) == 2
    for sign in dead:
        badge = next(each for each in sign.iter() if each.tag.endswith("circle"))
        word = next(each for each in sign.iter() if each.text == "dead letter")
        left = float(word.attrib["x"])
        right = left + text_width("dead letter", 11)
        middle, radius = float(badge.attrib["cx"]), float(badge.attrib["r"])
        assert right < middle - radius or left > middle + radius


def test_service_says_how_it_ended() -> None:
    """A service is done, failed, or lost with its worker."""
    calls = [
        call.how
        for steps in ("r1 l1 c1 s1 d1", "r1 l1 f1", "r1 l1 k1", "r1 l1")
        for work in tracks_of(play(steps)).works
        for call in work.calls
    ]
    assert calls == ["done", "failed", "lost", "running"]


def test_ending_has_a_sign_beside_the_sentence() -> None:
    """Right is a check, wrong a cross; the sentence is there, word by word."""
    sentence = "PAY loaded while new. " * 20
    picture = draw(replace(lost, sentence=sentence))
    lines = [each.text or "" for each in with_class(picture, "sentence")]
    assert len(lines) > 1
    assert " ".join(lines).split() == sentence.split()


def test_alternative_has_steps_values_and_anomaly() -> None:
    """Somebody who sees nothing learns the same."""
    alt = draw(lost).alt
    for words in (
        "9 steps, r1 l1 c1 r2 l2 s2 d2 s1 d1",
        "order-1 holds new at first, cancelled 6 (s2), paid 8 (s1)",
        "first anomaly: lost update at step 8 (s1)",
        "ending: no serial order gives this ending",
        "Paid wins.",
    ):
        assert words in alt


def test_what_comes_later_is_not_shown() -> None:
    """With a step that is now, only the names of later ones are there, and they are pale."""
    picture, whole = draw(replace(lost, at=7)), draw(lost)
    found = by_id(picture)
    assert "step-7" in found
    assert "step-8" not in found
    assert "flag" not in found
    assert not with_class(picture, "overwritten")
    names = with_class(picture, "name")
    assert [float(each.get("opacity", "1")) < 1 for each in names] == [False] * 7 + [True] * 2
    assert f"7. {lost.frames[7].text}" in texts(ET.fromstring(picture.svg))
    assert f"shown up to step 7. {lost.frames[7].text}" in picture.alt
    assert "lost update" not in picture.alt
    size = ET.fromstring(whole.svg).attrib["viewBox"]
    assert ET.fromstring(picture.svg).attrib["viewBox"] == size


def test_places_do_not_depend_on_what_is_shown() -> None:
    """Step by step no row and no column moves, and the last one is the whole picture."""
    last = len(zombie.frames) - 1
    column = by_id(draw(zombie))["column-9"].find(f"{SVG}rect")
    assert column is not None
    for at in range(last):
        moved = by_id(draw(replace(zombie, at=at)))["column-9"].find(f"{SVG}rect")
        assert moved is not None
        assert moved.attrib == column.attrib
    assert draw(replace(zombie, at=last)).svg == draw(zombie).svg


@pytest.mark.parametrize("at", [-1, 10])
def test_step_that_is_none_is_refused(at: int) -> None:
    """The error says which steps there are."""
    with pytest.raises(RenderError, match=r"at is -?\d+; a step from 0 to 9 is needed"):
        draw(replace(lost, at=at))


def test_schedule_without_frames_is_refused() -> None:
    """Nothing is drawn of nothing."""
    with pytest.raises(RenderError, match="no frames"):
        draw(Strip((), "x"))


def test_two_strips_have_ids_of_their_own() -> None:
    """A prefix keeps them apart; the mark says where they part."""
    one = replace(lost, mark=(4, "parts here: r2"), prefix="strip-1-")
    other = Strip(play(SERIAL, PAY_CANCEL), "FIFO", mark=(4, "parts here: s1"), prefix="strip-2-")
    found = by_id(draw(one, other))
    assert texts(found["strip-1-difference"]) == ["parts here: r2"]
    assert texts(found["strip-2-difference"]) == ["parts here: s1"]
    assert texts(found["strip-1-flag"]) == ["lost update"]
    assert "strip-2-step-10" in found


def test_first_difference_is_the_first_other_step() -> None:
    """Also where one schedule ends; None for the same one."""
    assert first_difference(play(LOST, PAY_CANCEL), play(SERIAL, PAY_CANCEL)) == 4
    assert first_difference(play("r1 l1"), play("r1")) == 2
    assert first_difference(play(EARLY), play(EARLY)) is None


@pytest.mark.parametrize("name", MOSTLY_AT_NIGHT)
def test_hostile_names_are_text_only(name: str) -> None:
    """Keys, events, services, states, anomalies, titles and sentences cannot become markup."""
    reactions: dict[tuple[str, str], tuple[str | None, str]] = {("new", name): (name, name)}
    frames = play("r1 l1 c1 s1 d1", ((name, name),), {4: (name,)}, reactions)
    picture = draw(Strip(frames, name, name, "wrong", mark=(2, name)))
    root = ET.fromstring(picture.svg)
    tags = {each.tag.removeprefix(SVG) for each in root.iter()}
    assert tags <= {"svg", "g", "title", "rect", "text", "circle", "path", "polygon"}
    attributes = {key for each in root.iter() for key in each.attrib}
    assert not [key for key in attributes if "href" in key or key.startswith("on")]
    for each in root.iter():
        assert re.fullmatch(r"[A-Za-z0-9_ -]*", each.get("id", "") + each.get("class", ""))
    assert shown(name)[:3].strip() in " ".join(texts(root))
    assert picture.png.startswith(b"\x89PNG")


def test_long_names_stay_inside_the_picture() -> None:
    """A name of ten thousand characters is cut, and takes no more room than the picture has."""
    name = "W" * 10_000
    frames = play("r1 l1 c1 s1 d1", ((name, name),), {4: (name,)}, {("new", name): (name, name)})
    root = ET.fromstring(draw(Strip(frames, name, name)).svg)
    assert float(root.attrib["width"]) <= 900
    assert max(len(each) for each in texts(root)) < 200


@pytest.mark.parametrize("strip", [lost, zombie], ids=["lost", "zombie"])
def test_picture_fits_a_notebook(strip: Strip) -> None:
    """A cell is 860 pixels wide; a little more is scaled, and stays above 11 pixels."""
    root = ET.fromstring(draw(strip).svg)
    assert float(root.attrib["width"]) <= 890
    for each in root.iter(f"{SVG}text"):
        assert float(each.attrib["font-size"]) >= 11


def test_same_frames_give_the_same_bytes() -> None:
    """Nothing depends on the run."""
    assert draw(zombie).svg == draw(zombie).svg


def test_dark_theme_has_dark_paper_and_the_same_places() -> None:
    """Only colours differ between the themes."""
    light, dark = draw(zombie).svg, draw(zombie, theme="dark").svg
    assert PALETTES["dark"].paper in dark
    assert re.sub(r"#[0-9a-f]{6}", "", light) == re.sub(r"#[0-9a-f]{6}", "", dark)


@pytest.mark.parametrize("theme", PALETTES)
def test_colours_of_messages_can_be_read(theme: str) -> None:
    """Text in them has a contrast of 4.5 on paper, and no two are the same."""
    palette = PALETTES[theme]  # type: ignore[index]
    assert len(set(palette.series)) == len(palette.series)
    for colour in palette.series:
        assert contrast(colour, palette.paper) >= 4.5


def test_zombie_stands_on_its_own_bar() -> None:
    """Not between two workers: the pill lies within the bar of the handler that it names."""
    found = by_id(draw(zombie))
    bar, pill = found["delivery-1-1"].find(f"{SVG}rect"), found["zombie-1-1"].find(f"{SVG}rect")
    assert bar is not None
    assert pill is not None
    top, low = float(bar.attrib["y"]), float(bar.attrib["y"]) + float(bar.attrib["height"])
    assert top <= float(pill.attrib["y"])
    assert float(pill.attrib["y"]) + float(pill.attrib["height"]) <= low
    assert x_of(bar) < x_of(pill) < x_of(bar) + float(bar.attrib["width"])


def test_bar_is_dashed_only_from_the_time_out_on() -> None:
    """Before, its receipt was good."""
    found = by_id(draw(zombie))
    column = found["column-4"].find(f"{SVG}rect")
    assert column is not None
    middle = x_of(column) + float(column.attrib["width"]) / 2
    outlines = [
        each
        for each in found["delivery-1-1"].iter(f"{SVG}path")
        if "stroke-dasharray" in each.attrib
    ]
    [dashed] = outlines
    starts = re.match(r"M([0-9.]+)", dashed.attrib["d"])
    assert starts is not None
    assert float(starts[1]) == pytest.approx(middle, abs=0.02)
    assert not [each for each in found["delivery-2-1"].iter() if "stroke-dasharray" in each.attrib]


def test_every_flag_has_its_words_and_no_two_cover_each_other() -> None:
    """Where there is no room beside the first, they stand in a row above."""
    anomalies = {
        7: ("duplicate effect",),
        9: ("lost update", "reordering", "duplicate apply"),
        15: ("zombie write", "duplicate apply", "lost update"),
    }
    picture = draw(Strip(play(ZOMBIE, anomalies=anomalies), "FIFO per key"))
    boxes = []
    for made in (by_id(picture)["flag"], *with_class(picture, "later-flag")):
        [word] = made.iter(f"{SVG}text")
        assert (word.text or "").split(", ")[0] in {
            each for one in anomalies.values() for each in one
        }
        size = float(word.attrib["font-size"])
        wide = text_width(word.text or "", size, bold="font-weight" in word.attrib)
        boxes.append((x_of(word), x_of(word) + wide, float(word.attrib["y"])))
    assert len(boxes) == 3
    right = float(ET.fromstring(picture.svg).attrib["width"]) - 2 * MARGIN
    for left, end, y in boxes:
        assert 0 <= left < end <= right
        assert y > 0
    for one, other in combinations(boxes, 2):
        apart = one[1] < other[0] or other[1] < one[0]
        assert apart or abs(one[2] - other[2]) >= 14


def test_key_says_what_occurs_and_only_that() -> None:
    """Deleted, deleted too late, waiting, expired; the badge of the ending."""
    words = texts(with_class(draw(replace(zombie, sort="wrong")), "legend")[0])
    for each in (
        "deleted from the queue", "deleted too late: nothing happens", "waits in the queue", ".2",
        "second delivery",
        "its receipt has expired", "ending: no serial order gives this ending",
    ):  # fmt: skip
        assert each in words
    serial = texts(with_class(draw(Strip(play(SERIAL), "FIFO", sort="right")), "legend")[0])
    assert "deleted from the queue" in serial
    assert "its receipt has expired" not in serial
    assert "deleted too late: nothing happens" not in serial
    assert "service that failed or was lost" not in serial
    crash = draw(Strip(play("r1 l1 k1"), "FIFO"))
    assert "service that failed or was lost" in texts(with_class(crash, "legend")[0])


def test_deleted_has_not_the_badge_of_the_right_ending() -> None:
    """The colour of right endings is in no queue."""
    picture = draw(Strip(play(SERIAL), "FIFO", sort="right"))
    fills = {
        each.attrib.get("fill")
        for id_ in ("step-5-sign", "step-10-sign")
        for each in by_id(picture)[id_].iter(f"{SVG}circle")
    }
    assert PALETTES["light"].quiet in fills
    assert PALETTES["light"].resolved not in fills


def test_word_time_out_touches_no_dot() -> None:
    """It stands above its row, clear of the sign of the next step."""
    found = by_id(draw(zombie))
    [word] = [each for each in found["step-4-sign"].iter(f"{SVG}text") if each.text == "time-out"]
    dots = [
        float(each.attrib["cy"]) - float(each.attrib["r"])
        for id_ in ("step-4-sign", "step-5-sign")
        for each in found[id_].iter(f"{SVG}circle")
    ]
    assert float(word.attrib["y"]) < min(dots)


def test_save_refused_stands_beside_its_arrow() -> None:
    """No line runs through it, at the right border neither."""
    for steps in ("r1 l1 c1 x1 r2 l2", "r1 l1 c1 x1"):
        found = by_id(draw(Strip(play(steps), "standard")))
        [arrow] = found["step-4"].iter(f"{SVG}path")
        at = float(re.match(r"M([0-9.]+)", arrow.attrib["d"])[1])  # type: ignore[index]
        [word] = [
            each for each in found["step-4-sign"].iter(f"{SVG}text") if each.text == "save refused"
        ]
        wide = text_width("save refused", float(word.attrib["font-size"]))
        assert at < x_of(word) or x_of(word) + wide < at


def test_where_two_part_no_arrow_is() -> None:
    """The dashed line stands at the border of the column."""
    mark = replace(lost, mark=(4, "parts here: r2"), prefix="one-")
    picture = draw(mark)
    [line] = [each for each in with_class(picture, "difference") if each.tag == f"{SVG}path"]
    column = by_id(picture)["one-column-4"].find(f"{SVG}rect")
    assert column is not None
    at = float(re.match(r"M([0-9.]+)", line.attrib["d"])[1])  # type: ignore[index]
    assert at == pytest.approx(x_of(column), abs=0.02)


def test_workers_that_do_nothing_are_said_to() -> None:
    """The picture has as many as its title says."""
    alone = Strip(play(SERIAL), "FIFO per key")
    assert "idle" not in " ".join(texts(ET.fromstring(draw(alone).svg)))
    two = texts(ET.fromstring(draw(replace(alone, workers=2)).svg))
    assert "worker 2: idle" in two
    many = texts(ET.fromstring(draw(replace(alone, workers=5)).svg))
    assert "workers 2 to 5: idle" in many


def test_without_a_queue_every_event_has_its_handler() -> None:
    """One after the other they still have a row each, and no worker is spoken of."""
    frames = play("r1 l1 c1 s1 d1 r2 l2 c2 s2 d2")
    words = texts(ET.fromstring(draw(Strip(frames, "no queue", queued=False, workers=2)).svg))
    assert {"handler 1", "handler 2"} <= set(words)
    assert not [each for each in words if "worker" in each]


def test_alternative_says_the_title_once() -> None:
    """Also where it is the strip's own; another title stands before it."""
    assert draw(lost).alt.count("standard") == 1
    look = Look(title="Two clicks")
    assert draw_strips([lost], look, title=lost.title).alt.startswith("Two clicks. standard: 9")
