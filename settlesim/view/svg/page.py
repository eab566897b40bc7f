"""A picture as HTML: in the theme of the page, and still there where styles are taken away.

Theory of operation
-------------------
A page that trusts the notebook shows the picture inline, and its colours are variables: those
of JupyterLab where the page has them, else light or dark as the page is. A page that does not
trust the notebook takes `<style>` and inline SVG away, of which it leaves the words; it keeps an
image with a ``data:`` address. So both are there. The inline picture stands in a box that is
hidden, and a style, which only a trusted page has, shows it and hides the image.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from html import escape
from typing import Final
from urllib.parse import quote

from settlesim.display import Paper
from settlesim.view.svg.palette import PALETTES, Palette

__all__ = ["LEAST_SCALE", "STYLES", "in_theme", "on_page", "page_html", "with_variables"]

LEAST_SCALE: Final = 0.9
"""A picture is shown no smaller: its smallest text, of 10 units, has 9 pixels then."""

_SVG: Final = re.compile(r"<svg\b.*?</svg>", re.DOTALL)
_TAG: Final = re.compile(r"<[^<>]+>")
_COLOUR: Final = re.compile(r' (fill|stroke)="(#[0-9a-f]{6})"')
_VARIABLE: Final = re.compile(r"var\((--ss-[a-z0-9-]+)\)")
_WIDTH: Final = re.compile(r'<svg [^>]*?width="([0-9.]+)"')
_UNSEEN: Final = re.compile(r'<title>[^<]*</title>| (?:class|id)="[^"]*"')
"""What has no meaning in an image: tooltips, and names for scripts."""
_SAFE: Final = ' /:;=,.()!*-_+?@$<>"'
"""What an address within single quotes may hold as it is; the rest is escaped."""

_OF_JUPYTERLAB: Final[Mapping[str, str]] = {
    "paper": "--jp-layout-color1",
    "ink": "--jp-ui-font-color1",
    "frame": "--jp-border-color2",
}
"""Colours that are the page's own in JupyterLab, Notebook and Voila, whatever their theme."""
_LIGHT_PAGES: Final = ('[data-jp-theme-light="true"]', '[data-md-color-scheme="default"]')
_DARK_PAGES: Final = (
    '[data-jp-theme-light="false"]',
    '[data-md-color-scheme="slate"]',  # MkDocs Material
    'html[theme="dark"]',  # Colab
    "body.vscode-dark",
)
"""How pages say that they are dark; another page says it by its own ``color-scheme``."""


def _names(palette: Palette) -> dict[str, str]:
    """Return the colours of a palette by the name of their variable."""
    found = {
        f"--ss-{each.name.replace('_', '-')}": getattr(palette, each.name)
        for each in fields(palette)
        if each.name != "series"
    }
    return found | {f"--ss-series-{index}": each for index, each in enumerate(palette.series, 1)}


_LIGHT: Final = _names(PALETTES["light"])
_NAME_OF: Final = {colour: name for name, colour in reversed(_LIGHT.items())}
"""The first of the names that a light colour has."""


def _styles() -> str:
    dark = _names(PALETTES["dark"])
    own = {f"--ss-{name}": variable for name, variable in _OF_JUPYTERLAB.items()}
    lines = []
    for name in dict.fromkeys(_NAME_OF.values()):
        colour = f"light-dark({_LIGHT[name]},{dark[name]})"
        lines.append(f"{name}:var({own[name]},{colour})" if name in own else f"{name}:{colour}")
    within = ("".join((page, " .settlesim-picture")) for page in _LIGHT_PAGES)
    light = ",".join(within)
    within = ("".join((page, " .settlesim-picture")) for page in _DARK_PAGES)
    return (
        f".settlesim-picture{{overflow-x:auto;{';'.join(lines)}}}"
        ".settlesim-picture>div{display:block!important}.settlesim-picture svg{display:block}"
        ".settlesim-picture>div+img{display:none!important}"
        f"{light}{{color-scheme:light}}{','.join(within)}{{color-scheme:dark}}"
    )


STYLES: Final = _styles()
"""The only style sheet of a picture: of colours, and of what is shown."""


def with_variables(svg: str) -> str:
    """Return a picture on light paper with a variable in the place of every colour."""

    def tag(match: re.Match[str]) -> str:
        return _COLOUR.sub(colour, match[0])

    def colour(match: re.Match[str]) -> str:
        name = _NAME_OF.get(match[2])
        return match[0] if name is None else f' {match[1]}="var({name})"'

    return _TAG.sub(tag, svg)


def in_theme(svg: str, theme: Paper) -> str:
    """Return a picture of `with_variables` on light or on dark paper."""
    colours = _names(PALETTES[theme])
    return _VARIABLE.sub(lambda match: colours.get(match[1], match[0]), svg)


def page_html(svg: str, alternative: str, *, follows: bool = True) -> str:
    """Return a picture as HTML for a notebook.

    Parameters
    ----------
    svg : the picture; on light paper where it follows the page
    alternative : what it shows, in words
    follows : whether it takes the page's theme; else it is as it is, on every page
    """
    wide = f"min-width:{float(_width(svg)) * LEAST_SCALE:.0f}px;max-width:100%;height:auto"
    slim = quote(_UNSEEN.sub("", svg), safe=_SAFE)
    image = f"<img alt='{escape(alternative)}' style='{wide}' src='data:image/svg+xml,{slim}'>"
    if not follows:
        return f"<div class='settlesim-picture'>{image}</div>"
    inline = with_variables(svg)
    style = f"display:none;min-width:{float(_width(svg)) * LEAST_SCALE:.0f}px"
    return (
        f"<div class='settlesim-picture'><style>{STYLES}</style>"
        f"<div style='{style}'>{inline}</div>{image}</div>"
    )


def on_page(html: str, alternative: str, *, follows: bool = True) -> str:
    """Return HTML with `page_html` in the place of each SVG."""
    return _SVG.sub(lambda found: page_html(found[0], alternative, follows=follows), html)


def _width(svg: str) -> str:
    found = _WIDTH.match(svg)
    return found[1] if found is not None else "0"
