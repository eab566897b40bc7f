"""PNG: the same on every machine, of a bounded size, and never with boxes in silence."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from settlesim.chart import Chart
from settlesim.errors import RenderError
from settlesim.view import MissingGlyphsWarning
from settlesim.view.fonts import text_width
from settlesim.view.svg import png
from settlesim.view.svg.png import svg_to_png


def svg(width: float, height: float, inside: str = "") -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
    return f"{head}>{inside}</svg>"


def size_of(body: bytes) -> tuple[int, int]:
    return int.from_bytes(body[16:20], "big"), int.from_bytes(body[20:24], "big")


@pytest.mark.parametrize("scale", [0, -1.0, 21, float("nan")])
def test_scale_that_is_no_size_is_refused(scale: float) -> None:
    """A PNG has between no and twenty pixels per unit."""
    with pytest.raises(RenderError, match="scale"):
        svg_to_png(svg(1, 1), scale=scale)


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (100, 50, (200, 100)),
        (4302, 3618, (4096, 3445)),
        (10, 8192, (5, 4096)),
    ],
)
def test_large_picture_has_at_most_4096_pixels_on_its_longer_side(
    width: float, height: float, expected: tuple[int, int]
) -> None:
    """Where no scale is asked for; a small one has two pixels per unit."""
    found = size_of(svg_to_png(svg(width, height)))
    assert max(abs(one - other) for one, other in zip(found, expected, strict=True)) <= 1


def test_scale_that_is_too_large_names_one_that_is_possible() -> None:
    """A person asked for it; but four gigabytes of memory are no picture."""
    with pytest.raises(RenderError, match=r"20,000 x 10,000 pixels is too large; .* 7\.1 is"):
        svg_to_png(svg(2000, 1000), scale=10)


# --- glyphs -------------------------------------------------------------------------------

NOBODYS = ["\U0010ff01\U0010ff02", "\U0010ff03\U0010ff04"]
"""Two words in characters for private use, for which no font has a glyph."""


def test_words_that_no_font_can_show_are_warned_of_by_their_characters() -> None:
    """They look the same as PNG; the SVG has them."""
    pictures = [Chart([word], (), word, name="x").draw() for word in NOBODYS]
    assert pictures[0].svg != pictures[1].svg
    with pytest.warns(MissingGlyphsWarning, match=r"PNG .* \(U\+10FF01\), .* \(U\+10FF02\): "):
        first = pictures[0].png
    with pytest.warns(MissingGlyphsWarning, match=r"U\+10FF03"):
        assert pictures[1].png == first
    assert NOBODYS[0] in pictures[0].svg


def test_pdf_warns_of_what_our_font_has_not_got() -> None:
    """Graphviz paints it with our fonts alone."""
    with pytest.warns(MissingGlyphsWarning, match=r"PDF shows empty boxes for \u6771 \(U\+6771\)"):
        assert Chart(["\u6771"], (), "\u6771").draw().pdf.startswith(b"%PDF-")


def test_many_glyphs_are_counted() -> None:
    """A warning stays short."""
    word = "".join(chr(0x10FF00 + each) for each in range(20))
    with pytest.warns(MissingGlyphsWarning, match=r"\(U\+10FF0B\) and 8 more: "):
        svg_to_png(svg(100, 20, f"<text>{word}</text>"))


def test_letters_that_our_font_has_are_no_reason_to_warn() -> None:
    """Greek, Cyrillic, accents and arrows are in Liberation Sans; a tooltip is not painted."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svg_to_png(
            svg(9, 9, f"<title>{NOBODYS[0]}</title><text>na\xefve \u0416 \u2192 &lt;</text>")
        )


def test_glyph_of_another_font_is_not_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the painter finds anywhere is compared with what it finds nowhere."""
    monkeypatch.setattr(png, "uncovered", iter)
    with pytest.warns(MissingGlyphsWarning) as caught:
        svg_to_png(svg(9, 9, f"<text>A{NOBODYS[0][0]}Z.</text>"))
    assert "boxes for \U0010ff01 (U+10FF01): " in str(caught[0].message)


def test_wide_characters_are_measured_as_squares() -> None:
    """East Asian characters have the width of the font's size, and marks have none."""
    assert text_width("\u6771\u4eac", 10) == 20
    assert text_width("\u0938\u094d", 10) == text_width("\u0938", 10)
    plain, wide = (Chart([name], (), name).draw().svg for name in ("m", "\u6771\u4eac\u7279\u8a31"))
    assert "textLength" in plain
    assert 'textLength="56"' in wide  # four squares of 14


def test_png_needs_no_font_of_the_machine(everything: Chart, tmp_path: Path) -> None:
    """With an empty font configuration the picture has the same bytes."""
    config = tmp_path / "fonts.conf"
    config.write_text("<fontconfig></fontconfig>", encoding="utf-8")
    code = (
        "import hashlib, json, sys; from settlesim.chart import Chart; import settlesim.view\n"
        "chart = Chart.from_dict(json.load(sys.stdin))\n"
        "print(hashlib.sha256(chart.draw().png).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(everything.to_dict()),
        env={**os.environ, "FONTCONFIG_FILE": str(config), "PYTHONHASHSEED": "7"},
        capture_output=True,
        check=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip() == hashlib.sha256(everything.draw().png).hexdigest()
