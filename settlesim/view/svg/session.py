"""Options that hold for all pictures of a session, or of a block."""

from __future__ import annotations

from typing import get_args

from settlesim.display import Theme
from settlesim.errors import RenderError, shorten

__all__ = ["OptionsInForce", "options", "session_theme"]

_themes: list[Theme] = ["page"]
"""The theme of the session; a list, because `OptionsInForce` sets it back."""


class OptionsInForce:
    """Options set by `options`; as a context manager it restores the previous ones at the end."""

    def __init__(self, before: Theme) -> None:
        self._before = before

    def __enter__(self) -> None:
        """Do nothing: the options hold already."""

    def __exit__(self, *ended: object) -> None:
        _themes[0] = self._before


def options(*, theme: Theme) -> OptionsInForce:
    """Set options for the session; in a ``with`` statement, for its block.

    Parameters
    ----------
    theme
        The theme of pictures that are drawn without one: ``"light"``, ``"dark"`` or ``"page"``,
        the default, with which a picture takes the colours of the page that shows it, and is
        light in a file.

    Raises
    ------
    RenderError
        There is no such theme.

    Examples
    --------
    >>> import settlesim
    >>> with settlesim.options(theme="dark"):
    ...     settlesim.gallery.count.draw("count.png")  # doctest: +SKIP
    """
    if theme not in get_args(Theme):
        raise RenderError(f"theme is {shorten(theme)}; 'page', 'light' or 'dark' is needed")
    before, _themes[0] = _themes[0], theme
    return OptionsInForce(before)


def session_theme() -> Theme:
    """Return the theme that `options` has set."""
    return _themes[0]
