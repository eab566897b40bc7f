"""`Picture`: what every view returns. It shows itself in notebooks and saves itself to files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from settlesim.errors import RenderError, shorten
from settlesim.view.svg.page import page_html
from settlesim.view.svg.png import svg_to_png

__all__ = ["FORMATS", "Picture", "format_of"]

FORMATS: Final[Mapping[str, str]] = {
    "svg": "svg",
    "png": "png",
    "pdf": "pdf",
    "dot": "dot",
    "gv": "dot",
    "mmd": "mermaid",
    "mermaid": "mermaid",
}
"""What a file's suffix, or a format's name, stands for."""


def format_of(name: str) -> str:
    """Return the format that a name or a suffix stands for.

    Raises
    ------
    RenderError
        There is no such format; the possible ones are listed.
    """
    found = FORMATS.get(name.lower().removeprefix("."))
    if found is None:
        possible = ", ".join(FORMATS)
        raise RenderError(f"unknown format {shorten(name)}; possible are {possible}")
    return found


class Picture:
    """An immutable picture; each of its formats is made once, when it is first asked for.

    Parameters
    ----------
    alt : one sentence that says what the picture shows
    makers : the function that makes each format (``svg``, ``pdf``, ``dot``, ``mermaid``)
    scale : pixels of a PNG per unit of the SVG; None for 2, less for a large picture
    follows_page : whether it takes the theme of the page that shows it; its SVG is light then
    """

    __slots__ = ("_follows_page", "_made", "_makers", "_scale", "alt")

    alt: str
    _made: dict[str, str | bytes]
    _makers: Mapping[str, Callable[[], str | bytes]]
    _scale: float | None
    _follows_page: bool

    def __init__(
        self,
        alt: str,
        makers: Mapping[str, Callable[[], str | bytes]],
        *,
        scale: float | None = None,
        follows_page: bool = False,
    ) -> None:
        object.__setattr__(self, "alt", alt)
        object.__setattr__(self, "_makers", {"png": self._paint, **makers})
        object.__setattr__(self, "_scale", scale)
        object.__setattr__(self, "_follows_page", follows_page)
        object.__setattr__(self, "_made", {})

    def _paint(self) -> bytes:
        return svg_to_png(self.svg, scale=self._scale)

    def render(self, format: str) -> str | bytes:  # noqa: A002
        """Return the picture in one format: text for svg, dot and mermaid, else bytes.

        Raises
        ------
        RenderError
            The format is unknown, or this picture does not have it.
        """
        name = format_of(format)
        if name not in self._made:
            maker = self._makers.get(name)
            if maker is None:
                possible = ", ".join(sorted(self._makers))
                raise RenderError(f"this picture has no {name!r}; it has {possible}")
            self._made.setdefault(name, maker())
        return self._made[name]

    @property
    def svg(self) -> str:
        """The picture as SVG, without scripts, links or references."""
        return str(self.render("svg"))

    @property
    def html(self) -> str:
        """The picture for a page, as a notebook shows it.

        Without a theme of its own it follows the page's; a page that strips styles shows it as
        an image.
        """
        return page_html(self.svg, self.alt, follows=self._follows_page)

    @property
    def png(self) -> bytes:
        """The picture as PNG; the corners around the card are transparent."""
        return _bytes(self.render("png"))

    @property
    def pdf(self) -> bytes:
        """The picture as PDF, as Graphviz itself draws it."""
        return _bytes(self.render("pdf"))

    @property
    def dot(self) -> str:
        """The picture as DOT text; needs no renderer."""
        return str(self.render("dot"))

    @property
    def mermaid(self) -> str:
        """The picture as Mermaid text; needs no renderer."""
        return str(self.render("mermaid"))

    def save(self, path: str | os.PathLike[str], format: str | None = None) -> Path:  # noqa: A002
        """Write the picture to a file, and return its path.

        Parameters
        ----------
        format : None for what the file's suffix says

        Raises
        ------
        RenderError
            The format is unknown, or the file cannot be written.
        """
        target = Path(path)
        body = self.render(format if format is not None else target.suffix or target.name)
        try:
            target.write_bytes(_bytes(body))
        except OSError as error:
            reason = error.strerror or str(error)
            raise RenderError(
                f"the picture cannot be written to {shorten(str(target))}: {reason}"
            ) from None
        return target

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {"text/html": self.html, "text/plain": self.alt}

    def __repr__(self) -> str:
        return f"<Picture: {self.alt}>"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Picture is immutable: {name!r} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Picture is immutable: {name!r} cannot be deleted")


def _bytes(body: str | bytes) -> bytes:
    return body if isinstance(body, bytes) else body.encode()
