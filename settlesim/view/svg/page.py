"""A picture as HTML: in the theme of the page, and still visible where styles are stripped.

Theory of operation
-------------------
The HTML holds the picture twice. A page that trusts the notebook shows the inline SVG. Its
colours are CSS variables: those of JupyterLab if the page has them, otherwise light or dark, as
the page is. A page that does not trust the notebook strips `<style>`, and of inline SVG leaves
only the words, but it keeps an image with a ``data:`` URL. So the inline SVG stands in a hidden
box, and a style sheet, which only a trusted page keeps, shows the box and hides the image.
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
"""A picture is not shown smaller than this: its smallest text, of 10 units, then has 9 pixels."""

_SVG: Final = re.compile(r"<svg\b.*?</svg>", re.DOTALL)
_TAG: Final = re.compile(r"<[^<>]+>")
_COLOUR: Final = re.compile(r' (fill|stroke)="(#[0-9a-f]{6})"')
_VARIABLE: Final = re.compile(r"var\((--ss-[a-z0-9-]+)\)")
_WIDTH: Final = re.compile(r'<svg [^>]*?width="([0-9.]+)"')
_UNSEEN: Final = re.compile(r'<title>[^<]*</title>| (?:class|id)="[^"]*"')
"""What has no meaning in an image: tooltips, and names for scripts."""
_SAFE: Final = ' /:;=,.()!*-_+?@$<>"'
"""Characters that a URL within single quotes may hold unescaped."""

_OF_JUPYTERLAB: Final[Mapping[str, str]] = {
    "paper": "--jp-layout-color1",
    "ink": "--jp-ui-font-color1",
    "frame": "--jp-border-color2",
}
"""Colours that follow the page's own theme in JupyterLab, Notebook and Voila."""
_LIGHT_PAGES: Final = ('[data-jp-theme-light="true"]', '[data-md-color-scheme="default"]')
_DARK_PAGES: Final = (
    '[data-jp-theme-light="false"]',
    '[data-md-color-scheme="slate"]',  # MkDocs Material
    'html[theme="dark"]',  # Colab
    "body.vscode-dark",
)
"""Selectors for pages that are dark; any other page says so by its own ``color-scheme``."""


def _names(palette: Palette) -> dict[str, str]:
    """Return the colours of a palette by the names of their variables."""
    found = {
        f"--ss-{each.name.replace('_', '-')}": getattr(palette, each.name)
        for each in fields(palette)
        if each.name != "series"
    }
    return found | {f"--ss-series-{index}": each for index, each in enumerate(palette.series, 1)}


_LIGHT: Final = _names(PALETTES["light"])
_NAME_OF: Final = {colour: name for name, colour in reversed(_LIGHT.items())}
"""The variable of each light colour; the first one where several have the same colour."""


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
"""A picture's only style sheet: its colours, and whether the inline SVG or the image is shown."""


def with_variables(svg: str) -> str:
    """Return a picture on light paper with its colours replaced by variables."""

    def tag(match: re.Match[str]) -> str:
        return _COLOUR.sub(colour, match[0])

    def colour(match: re.Match[str]) -> str:
        name = _NAME_OF.get(match[2])
        return match[0] if name is None else f' {match[1]}="var({name})"'

    return _TAG.sub(tag, svg)


def in_theme(svg: str, theme: Paper) -> str:
    """Return a picture with the variables of `with_variables` replaced by a theme's colours."""
    colours = _names(PALETTES[theme])
    return _VARIABLE.sub(lambda match: colours.get(match[1], match[0]), svg)


def page_html(svg: str, alternative: str, *, follows: bool = True) -> str:
    """Return a picture as HTML for a notebook.

    Parameters
    ----------
    svg : the picture; on light paper where it follows the page
    alternative : what it shows, in words
    follows : whether it takes the page's theme; otherwise it looks the same on every page
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
    """Return HTML with each SVG replaced by its `page_html`."""
    return _SVG.sub(lambda found: page_html(found[0], alternative, follows=follows), html)


def _width(svg: str) -> str:
    found = _WIDTH.match(svg)
    return found[1] if found is not None else "0"
