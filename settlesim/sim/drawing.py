"""Base classes for results that draw themselves: as a picture of endings, or of one schedule."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Unpack

from settlesim import display
from settlesim.argument_checks import takes_options
from settlesim.display import EndingsOptions, ReplayOptions

if TYPE_CHECKING:
    from settlesim.display import Picture

__all__ = ["DrawsEndings", "DrawsSchedule"]


class DrawsEndings:
    """A result whose picture has a row for each ending."""

    __slots__ = ()

    @takes_options(EndingsOptions)
    def draw(
        self, target: str | os.PathLike[str] | None = None, **options: Unpack[EndingsOptions]
    ) -> Picture:
        """Return the picture of the endings; also write it to `target` if one is given.

        Parameters
        ----------
        target : a file's path; its suffix says the format: svg or png
        limit : how many endings have a row, > 0; the others are only counted; 12 by default
        title : the line above the picture; by default the conditions
        theme : ``"page"``, ``"light"`` or ``"dark"``; by default that of `settlesim.options`
        format : the format of `target`, where its suffix does not say it
        scale : pixels of a PNG per unit, in (0, 20]; 2 by default, less for a large picture

        Raises
        ------
        RenderError
            An option is wrong, or the file cannot be written.
        """
        picture: Picture = display.draw(self, target, **options)
        return picture

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return display.mimebundle(self)


class DrawsSchedule:
    """A result whose picture shows one schedule, step by step."""

    __slots__ = ()

    @takes_options(ReplayOptions)
    def draw(
        self, target: str | os.PathLike[str] | None = None, **options: Unpack[ReplayOptions]
    ) -> Picture:
        """Return the picture of the schedule; also write it to `target` if one is given.

        Parameters
        ----------
        target : a file's path; its suffix says the format: svg or png
        at : the current step, from 0, after which nothing is shown; by default all steps are shown
        notes : whether a sentence and the legend are shown below; True by default
        title : the line above the picture; by default the conditions of the scenario
        theme : ``"page"``, ``"light"`` or ``"dark"``; by default that of `settlesim.options`
        format : the format of `target`, where its suffix does not say it
        scale : pixels of a PNG per unit, in (0, 20]; 2 by default, less for a large picture

        Raises
        ------
        RenderError
            There is no schedule, an option is wrong, or the file cannot be written.
        """
        picture: Picture = display.draw(self, target, **options)
        return picture

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return display.mimebundle(self)
