"""A picture on a page: in its theme, and an image where styles are taken away."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest

import settlesim
from settlesim.display import Paper
from settlesim.errors import RenderError
from settlesim.gallery import count, order
from settlesim.sim import Scenario, replay
from settlesim.view.svg.page import LEAST_SCALE, in_theme, on_page, page_html, with_variables
from settlesim.view.svg.palette import PALETTES
from settlesim.view.svg.session import session_theme


class Shown(HTMLParser):
    """What is in a piece of HTML: the addresses and words of images, the tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the tag, and what an image has."""
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))


def test_page_gets_the_picture_inline_and_as_an_image() -> None:
    """Without a script or a link; the image is the same picture without tooltips and names."""
    picture = order.draw()
    shown = Shown(picture.html)
    assert shown.tags.count("svg") == 1
    assert not {"script", "a", "link"} & set(shown.tags)
    [image] = shown.images
    assert image["alt"] == picture.alt
    address = unquote(image["src"] or "")
    assert address.startswith("data:image/svg+xml,<svg ")
    one, other = (ET.fromstring(each) for each in (address.partition(",")[2], picture.svg))
    texts = [each.text for each in one.iter() if each.tag.endswith("text")]
    assert texts == [each.text for each in other.iter() if each.tag.endswith("text")]
    assert not any(each.tag.endswith("title") for each in one.iter())


def test_inline_picture_has_a_variable_for_every_colour() -> None:
    """All of them are set for light and for dark."""
    html = order.draw(configuration="paid", path=[0, 3], legend=True).html
    inline = html[html.index("<svg") : html.index("</svg>")]
    assert not re.search(r'(fill|stroke)="#', inline)
    used = set(re.findall(r"var\((--ss-[a-z0-9-]+)\)", inline))
    styles = html[html.index("<style>") : html.index("</style>")]
    assert used <= set(re.findall(r"(--ss-[a-z0-9-]+):", styles))
    assert "--ss-paper" in used


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_variables_stand_for_the_colours_of_both_papers(theme: Paper) -> None:
    """A picture in variables, with them filled in, is the picture of that theme."""
    found = in_theme(with_variables(count.draw().svg), theme)
    wanted = count.draw(theme=theme).svg
    if theme == "dark":  # what stands on a badge has the colour of the paper there
        for name in ("badge_ink", "active_ink"):
            wanted = wanted.replace(getattr(PALETTES["dark"], name), PALETTES["dark"].paper)
    assert found == wanted


def test_names_are_no_colours() -> None:
    """A state that is called like a colour keeps its name."""
    chart = settlesim.Chart(['fill="#ffffff"'], (), 'fill="#ffffff"', name=' fill="#ffffff"')
    picture = chart.draw()
    inline = with_variables(picture.svg)
    assert ET.fromstring(inline).attrib["aria-label"] == picture.alt


def test_picture_is_shown_no_smaller_than_its_text_can_be_read() -> None:
    """The page scrolls instead; a text of 10 units has 9 pixels."""
    picture = order.draw()
    width = float(ET.fromstring(picture.svg).attrib["width"])
    assert picture.html.count(f"min-width:{width * LEAST_SCALE:.0f}px") == 2
    sizes = re.findall(r'font-size="([0-9.]+)"', picture.svg)
    assert min(map(float, sizes)) >= 10


def test_every_svg_in_html_is_brought_to_the_page() -> None:
    """As in the table of a panel with two pictures."""
    svg = "<svg width='1'><text>a &amp; b</text></svg>"
    html = on_page(f"<p>{svg} and {svg}</p>", "words")
    assert len(Shown(html).images) == 2
    assert html.count("<text>a &amp; b</text>") == 2


@pytest.mark.parametrize("text", ["' onerror='alert(1)", '<b>&amp;"</b>', "100 %41 #x", "\u96ea\n"])
def test_words_and_pictures_stay_within_their_attributes(text: str) -> None:
    """Quotes, ampersands and percent signs neither end nor change them."""
    svg = f"<svg><text>{text.replace('&', '&amp;').replace('<', '&lt;')}</text></svg>"
    [image] = Shown(page_html(svg, text, follows=False)).images
    assert unquote(image["src"] or "") == f"data:image/svg+xml,{svg}"
    assert image["alt"] == text
    assert image.keys() == {"alt", "src", "style"}


# --- the theme of a session ---------------------------------------------------------------


def test_picture_with_a_theme_of_its_own_keeps_it_on_every_page() -> None:
    """It is an image alone."""
    shown = Shown(count.draw(theme="dark").html)
    assert shown.tags == ["div", "img"]
    assert PALETTES["dark"].paper in unquote(shown.images[0]["src"] or "")


def test_options_set_the_theme_of_all_pictures() -> None:
    """For a block, then it is as before."""
    light = count.draw().svg
    with settlesim.options(theme="dark"):
        assert count.draw().svg == count.draw(theme="dark").svg != light
        walked = replay(Scenario(count, ["INC"]), "").draw()
        assert PALETTES["dark"].paper in walked.svg
        assert count.draw(theme="page").svg == light
        with settlesim.options(theme="light"):
            assert count.draw().svg == light
            assert "svg" not in Shown(count.draw().html).tags
        assert session_theme() == "dark"
    assert count.draw().svg == light
    assert "svg" in Shown(count.draw().html).tags


def test_options_hold_for_the_session_outside_of_a_block() -> None:
    """Until they are set again."""
    try:
        settlesim.options(theme="dark")
        assert session_theme() == "dark"
    finally:
        settlesim.options(theme="page")
    assert session_theme() == "page"


def test_unknown_theme_is_refused_and_changes_nothing() -> None:
    """The possible ones are named."""
    with pytest.raises(RenderError, match="theme is 'blue'; 'page', 'light' or 'dark' is needed"):
        settlesim.options(theme="blue")  # type: ignore[arg-type]
    assert session_theme() == "page"
