"""Bars for endings: exact counts, the same rows and scale in every panel."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from xml.etree import ElementTree as ET

import pytest

from settlesim import display
from settlesim.chart import Chart
from settlesim.chart.strict_json import freeze_object
from settlesim.errors import RenderError
from settlesim.gallery import counter, order
from settlesim.sim import (
    Comparison,
    Criterion,
    Ending,
    Exploration,
    Faults,
    Scenario,
    compare,
    explore,
    replay,
    sample,
)
from settlesim.view import Picture, draw_comparison, lanes, outcomes, state_graph
from settlesim.view.endings.rows import panel_of, table_of
from settlesim.view.simulation.words import (
    about_words,
    count_words,
    labels_of,
    power_words,
    share_words,
)
from settlesim.view.svg.palette import PALETTES
from tests.view.schedule.schedules import scenario
from tests.view.test_escaping import MOSTLY_AT_NIGHT

SVG = "{http://www.w3.org/2000/svg}"


def with_class(picture: Picture, word: str) -> list[ET.Element]:
    return [
        each for each in ET.fromstring(picture.svg).iter() if word in each.get("class", "").split()
    ]


def texts(element: ET.Element) -> list[str]:
    return [each.text or "" for each in element.iter(f"{SVG}text")]


def words_of(picture: Picture) -> str:
    return " | ".join(texts(ET.fromstring(picture.svg)))


def ending(name: str, count: int, *, fifo: bool = False, ran: tuple[str, ...] = ()) -> Ending:
    store = (("k", (name,), freeze_object({}, where="context")),)
    effects = tuple(("k", each, 1) for each in ran)
    return Ending(store, effects, (), count, Fraction(1, 2), fifo, fifo)


@pytest.fixture(scope="module")
def standard() -> Exploration:
    """PAY and CANCEL without order: right, serializable, and neither."""
    return explore(scenario(order, ["PAY", "CANCEL"]))


@pytest.fixture(scope="module")
def disciplines() -> Comparison:
    """PAY and CANCEL under every discipline."""
    return compare(order, ["PAY", "CANCEL"])


def made_of(exploration: Exploration, *endings: Ending) -> Exploration:
    return replace(exploration, endings=endings)


def test_every_ending_has_its_exact_count(standard: Exploration) -> None:
    """One bar for each ending, with count and share, and all together in the heading."""
    picture = outcomes(standard)
    bars = with_class(picture, "bar")
    assert len(bars) == len(standard.endings) == 4
    for each in standard.endings:
        share = share_words(each.interleavings, standard.interleavings)
        assert f"{each.interleavings:,}  ({share})" in words_of(picture)
    assert f"4 endings, {standard.interleavings:,} interleavings" in words_of(picture)
    assert f"{standard.states:,} states" in words_of(picture)
    assert "REFUTED" in words_of(picture)


def test_right_serial_and_wrong_have_signs_of_their_own(standard: Exploration) -> None:
    """The right one comes first; classes and words say which is which, not only colours."""
    picture = outcomes(standard)
    sorts = [each.attrib["class"].split()[1] for each in with_class(picture, "ending")]
    assert sorts == ["right", "serial", "wrong", "wrong"]
    for words in (
        "as handling one after another, in arrival order",
        "as handling one after another, in another order",
        "no serial order gives this ending",
    ):
        assert words in words_of(picture)


def test_alternative_has_the_numbers(standard: Exploration) -> None:
    """Counts, shares, verdict and states are said."""
    alt = outcomes(standard).alt
    claim = "some schedules end differently from handling the events one after another"
    claim = f"{claim}, in arrival order"
    assert f"refuted: {claim}; 4 endings, {standard.interleavings} interleavings" in alt
    for each in standard.endings:
        assert f"{each.interleavings} = " in alt


def test_length_of_a_bar_is_its_share(standard: Exploration) -> None:
    """Without a note about the scale, lengths are proportional."""
    picture = outcomes(standard)
    widths = sorted(
        float(rect.attrib["width"])
        for each in with_class(picture, "bar")
        if (rect := each.find(f"{SVG}rect")) is not None
    )
    counts = sorted(each.interleavings for each in standard.endings)
    assert widths[0] / widths[-1] == pytest.approx(counts[0] / counts[-1], abs=0.01)
    assert "logarithmic" not in words_of(picture)


def test_scale_is_logarithmic_beyond_three_powers_of_ten(standard: Exploration) -> None:
    """The picture says so, and names the lines of the scale."""
    found = made_of(standard, ending("a", 10**7, fifo=True), ending("b", 10))
    words = words_of(outcomes(found))
    assert "logarithmic scale" in words
    assert "1 in 1,000" in words
    assert "1 in 1 million" in words
    assert (
        table_of([panel_of("", made_of(standard, ending("a", 999), ending("b", 1)))], 9).decades
        == 0
    )


def test_long_list_is_cut_and_counted(standard: Exploration) -> None:
    """What is beyond the limit is counted: how many endings, how many interleavings."""
    endings = [ending(f"s{n}", 1000 + n) for n in range(15)]
    picture = outcomes(made_of(standard, ending("right", 5, fifo=True), *endings), limit=4)
    assert len(with_class(picture, "bar")) == 4
    rest = sum(sorted(each.interleavings for each in endings)[:12])
    assert f"and 12 more endings, together {rest:,}" in words_of(picture)
    assert f"and 12 more endings, together {rest:,}" in picture.alt


def test_limit_below_one_is_refused(standard: Exploration) -> None:
    """A picture without rows says nothing."""
    with pytest.raises(RenderError, match="limit is 0"):
        outcomes(standard, limit=0)


def test_unfinished_search_says_at_least() -> None:
    """Counts of a search that stopped are lower bounds, and nothing is called never."""
    found = explore(scenario(order, ["PAY", "CANCEL"]), limit=30)
    assert not found.complete
    words = words_of(outcomes(found))
    assert "at least" in words
    assert "Not everything is known" in words
    assert "at least" in outcomes(found).alt


def test_right_ending_that_is_never_reached_is_missed(standard: Exploration) -> None:
    """Its absence is said."""
    found = made_of(standard, ending("a", 2))
    assert "The right ending is never reached." in words_of(outcomes(found))


def test_panels_have_the_same_rows(disciplines: Comparison) -> None:
    """Each discipline has a bar or the word never in every row; FIFO has one bar."""
    picture = draw_comparison(disciplines)
    panels = with_class(picture, "panel")
    assert len(panels) == len(disciplines.names)
    rows = len(table_of([panel_of("", each) for each in disciplines.explorations], 12).rows)
    for panel, exploration in zip(panels, disciplines.explorations, strict=True):
        bars = [each for each in panel.iter() if "bar" in each.get("class", "").split()]
        assert len(bars) == len(exploration.endings)
        assert texts(panel).count("never") == rows - len(bars)
        words = " ".join(texts(panel))
        assert exploration.scenario.queue in words
        assert exploration.verdict.value in words
        assert f"{exploration.states:,} states" in words
        assert f"{exploration.interleavings:,} interleaving" in words


def test_values_show_themselves(standard: Exploration, disciplines: Comparison) -> None:
    """draw() and a notebook give the same pictures."""
    assert display.draw(standard).svg == outcomes(standard).svg
    assert display.draw(disciplines).svg == draw_comparison(disciplines).svg
    for value in (standard, disciplines):
        assert display.mimebundle(value)["text/plain"] == display.draw(value).alt


def test_names_are_made_different() -> None:
    """Same leaf and services: the context tells apart, then the messages of the services."""
    found = explore(scenario(counter(), ["INC", "INC"])).endings
    assert {rest for rest, _ in labels_of(found)} == {"resting (count=1)", "resting (count=2)"}
    one = ending("a", 1, ran=("pay",))
    other = replace(one, effects=(("k", "pay", 2),))
    assert [ran for _, ran in labels_of([one, other])] == ["pay of 1", "pay of 2"]


def test_dead_letters_are_named() -> None:
    """By their event."""
    found = [replace(ending("a", 1), dead=(2,))]
    assert labels_of(found, ["PAY", "SHIP"]) == [
        ("a", "no service had an effect; dead letters: SHIP")
    ]


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [
        (1, 1, "100 %"),
        (999_999, 1_000_000, "99.9 %"),
        (1, 2, "50.0 %"),
        (1, 200, "0.50 %"),
        (24, 63_063_000, "1 in 2,627,625"),
        (1, 10**15, "1 in 1.0 quadrillion"),
    ],
)
def test_share_is_never_a_round_number_that_it_is_not(part: int, whole: int, words: str) -> None:
    """All is only said of all, and what is rare is said as one in so many."""
    assert share_words(part, whole) == words


def test_huge_counts_are_sizes() -> None:
    """Exact up to eighteen digits; beyond, rounded down, in words."""
    assert count_words(10**18 - 1) == "999,999,999,999,999,999"
    assert count_words(305_540_235_000, 6) == "305 billion"
    assert count_words(10**40) == "10,000,000 decillion"
    assert [power_words(n) for n in (0, 3, 6, 12)] == ["1", "1,000", "1 million", "1 trillion"]


@pytest.mark.parametrize("name", MOSTLY_AT_NIGHT)
def test_hostile_names_are_text_only(name: str) -> None:
    """Events, states, services and keys cannot become markup."""
    local = name.replace(".", "_")
    chart = Chart(
        name="x",
        initial=local,
        states=[{"name": local, "tags": ["settled"]}, {"name": "on", "tags": ["settled"]}],
        transitions=[[name, local, "on"]],
    )
    picture = outcomes(explore(scenario(chart, [(name, name)])), title=name)
    root = ET.fromstring(picture.svg)
    tags = {each.tag.removeprefix(SVG) for each in root.iter()}
    assert tags <= {"svg", "g", "title", "rect", "text", "circle", "path", "polygon"}
    for each in root.iter():
        assert re.fullmatch(r"[A-Za-z0-9_ -]*", each.get("id", "") + each.get("class", ""))
    assert picture.png.startswith(b"\x89PNG")


def test_dark_theme_changes_colours_only(disciplines: Comparison) -> None:
    """And the same value gives the same bytes."""
    light = draw_comparison(disciplines).svg
    dark = draw_comparison(disciplines, theme="dark").svg
    assert light == draw_comparison(disciplines).svg
    assert PALETTES["dark"].paper in dark
    assert re.sub(r"#[0-9a-f]{6}", "", light) == re.sub(r"#[0-9a-f]{6}", "", dark)


def test_text_stays_inside_and_is_large_enough() -> None:
    """With many endings and long names nothing is wider than a cell, or below 11."""
    faults = Faults(crashes=1, expiries=1)
    found = explore(scenario(order, ["PAY", "SHIP"], queue="fifo_group", faults=faults))
    root = ET.fromstring(outcomes(found).svg)
    assert float(root.attrib["width"]) <= 860
    assert min(float(each.attrib["font-size"]) for each in root.iter(f"{SVG}text")) >= 11


def test_verdict_stands_beside_its_claim(standard: Exploration, disciplines: Comparison) -> None:
    """What is proved or refuted is said, in the words of the criterion."""
    claim = "every schedule ends as handling the events one after another"
    refuted = "some schedules end differently from handling the events one after another"
    assert f"REFUTED: | {refuted}, in arrival order" in words_of(outcomes(standard))
    weaker = explore(standard.scenario.replace(criterion=Criterion.SERIALIZABLE, queue="mutex"))
    assert f"PROVED: | {claim}, in some order" in words_of(outcomes(weaker))
    assert f"The claim that is proved or refuted: {claim}, in arrival order." in words_of(
        draw_comparison(disciplines)
    )
    cut = explore(scenario(order, ["PAY", "SHIP"], queue="fifo_group"), limit=5)
    assert "UNDETERMINED: | it is not known whether every schedule" in words_of(outcomes(cut))


def test_shares_are_said_to_be_of_interleavings(standard: Exploration) -> None:
    """Nobody takes them for probabilities."""
    words = words_of(outcomes(standard))
    assert "interleavings with this ending (share of interleavings)" in words
    assert "a share is no probability" in words


def test_title_says_all_conditions() -> None:
    """Workers, protections, faults, dead letters; a long title goes on in a second line."""
    made = scenario(
        order, ["PAY"], workers=3, queue="fifo_group", protections=["cas", "inbox", "idempotent"],
        faults=Faults(crashes=1, expiries=1), max_receives=2,
    )  # fmt: skip
    words = words_of(outcomes(explore(made))).replace(" | ", " ")
    assert (
        "PAY: FIFO per key, 3 workers, with compare-and-set, inbox and idempotent effects, at most "
        "1 crash and 1 visibility time-out, dead letter after 2 receives" in words
    )
    direct = outcomes(explore(scenario(order, ["PAY", "SHIP"], queue="direct")))
    assert "PAY, SHIP: no queue, a handler for each event" in words_of(direct)
    assert "worker" not in words_of(direct)
    assert "PAY, 3 workers" in words_of(draw_comparison(compare(order, ["PAY"], workers=3)))


def test_one_ending_has_one_badge_in_every_picture(standard: Exploration) -> None:
    """Bars, lanes and the graph of states take sign and colour from one place."""
    early = replay(standard.scenario, "r2 l2 s2 d2 r1 l1 i1 d1")
    assert early.ending is not None
    assert (early.ending.fifo, early.ending.serializable) == (False, True)
    for picture in (outcomes(standard), lanes(early), state_graph(standard)):
        assert "as handling one after another, in another order" in words_of(picture)
        assert PALETTES["light"].quiet in picture.svg
    assert "in another order" not in words_of(lanes(replay(standard.scenario, "r1 l1 c1 s1")))


def test_a_cut_search_has_lower_bounds_and_no_shares() -> None:
    """No share of all is known, nor that an ending is never reached."""
    found = explore(scenario(order, ["PAY", "SHIP", "CANCEL"], workers=3), limit=60)
    assert not found.complete
    picture = outcomes(replace(found, endings=tuple(e for e in found.endings if not e.fifo)))
    words = words_of(picture)
    bars = [word for bar in with_class(picture, "bar") for word in texts(bar)]
    assert bars
    assert all(re.fullmatch(r"at least [\d,]+", each) for each in bars)
    assert "%" not in words + picture.alt
    assert "never" not in words
    assert f"at least {found.states} states" in words
    assert f"at least {found.states} states" in picture.alt


def test_a_narrow_column_keeps_its_verdict() -> None:
    """The number of endings gives way, which the rows show anyway."""
    disciplines = ["direct", "standard", "fifo_dispatch", "mutex", "fifo_group"]
    picture = draw_comparison(compare(order, ["PAY", "SHIP", "CANCEL"], disciplines))
    heads = [texts(each)[2] for each in with_class(picture, "panel")]
    assert len(heads) == len(disciplines)
    assert {each.partition(":")[0] for each in heads} == {"refuted", "proved"}
    assert not any("\N{HORIZONTAL ELLIPSIS}" in each for each in heads)


# --- samples ------------------------------------------------------------------------------


def test_a_sample_says_how_many_runs_and_no_count() -> None:
    """Shares are rounded, no ending is called impossible, and no verdict is shown."""
    taken = sample(scenario(order, ["PAY", "SHIP", "CANCEL"], workers=3), 200, seed=1)
    picture = outcomes(taken)
    words = words_of(picture)
    assert f"SAMPLED | 200 runs, {len(taken.endings)} endings met; a wrong ending was met" in words
    assert "estimated share of 200 random walks; each possible step is equally likely." in words
    assert "Endings that were not met may exist." in words
    assert len(with_class(picture, "bar")) == len(taken.endings)
    shares = [word for bar in with_class(picture, "bar") for word in texts(bar)]
    assert all(re.fullmatch(r"about \d+ %|less than 1 %", each) for each in shares)
    assert len(shares) == len(taken.endings)
    assert "sampled, 200 runs" in picture.alt
    for word in ("REFUTED", "PROVED", "UNDETERMINED", "never", "interleaving"):
        assert word not in words


def test_a_sample_on_a_clock_says_so() -> None:
    """Its steps are not equally likely: they come when their durations say."""
    times = {"charge_card": 1.0, "print_label": 1.0, "refund_card": 1.0}
    picture = outcomes(sample(scenario(order, ["PAY", "SHIP"]), 20, seed=1, durations=times))
    words = words_of(picture)
    assert "Bars: estimated share of 20 runs, with these durations." in words
    assert "estimated share of runs" in words
    assert "random walk" not in words + picture.alt


def test_a_sample_without_a_wrong_ending_proves_nothing() -> None:
    """In the picture and in its alternative."""
    picture = outcomes(sample(scenario(order, ["PAY", "SHIP"], queue="fifo_group"), 20, seed=1))
    assert "SAMPLED | 20 runs, 1 ending met; nothing is proved" in words_of(picture)
    assert "1 ending met; nothing is proved" in picture.alt


def test_a_sample_shows_itself_like_an_exploration() -> None:
    """Its own draw, a notebook, and the registered view give one picture."""
    taken = sample(scenario(order, ["PAY", "CANCEL"]), 50, seed=3)
    assert taken.draw().svg == outcomes(taken).svg
    assert taken._repr_mimebundle_()["text/plain"] == outcomes(taken).alt
    assert PALETTES["dark"].paper in outcomes(taken, theme="dark").svg
    few = outcomes(sample(scenario(order, ["PAY", "SHIP", "CANCEL"]), 200, seed=1), limit=1)
    assert "more endings met" in words_of(few)


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [
        (200, 200, "all"),
        (199, 200, "about 99 %"),
        (31, 200, "about 16 %"),
        (1, 200, "less than 1 %"),
    ],
)
def test_estimated_share_is_rounded(part: int, whole: int, words: str) -> None:
    """Nearly all is not all."""
    assert about_words(part, whole) == words


# --- instances one after another ------------------------------------------------------------


def test_instances_that_were_explored_alone_have_a_panel_each() -> None:
    """The first four; those that end alike share a row, and the title says how it was done."""
    orders = Scenario(order, ["PAY", "SHIP"], keys=5, queue="fifo_group")
    picture = outcomes(explore(orders, by_instance=True))
    words = words_of(picture)
    assert "each instance alone, with the whole budget, and 1 more" in picture.alt
    for key in ("order-1", "order-2", "order-3", "order-4"):
        assert key in words
    assert "order-5" not in words
    assert "never" not in words


def test_endings_that_differ_by_what_is_remembered_have_a_row_each() -> None:
    """Each says what the history state remembers."""
    inside = [
        {"name": "back", "history": "deep"},
        {"name": "slow", "tags": ["settled"]},
        {"name": "fast", "tags": ["settled"]},
    ]
    chart = Chart(
        [{"name": "on", "children": inside}, {"name": "off", "tags": ["settled"]}],  # type: ignore[list-item]
        [["FASTER", "on", "on.fast"], ["OFF", "on", "off"], ["ON", "off", "on.back"]],
        "on.slow",
        semantics="scxml",
    )
    words = words_of(outcomes(explore(Scenario(chart, ["FASTER", "OFF"], queue="mutex"))))
    assert "history on.back=on.fast" in words
    assert "history on.back=on.slow" in words
