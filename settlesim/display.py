"""How values show themselves, without knowing who draws.

A value below calls a hook (``chart.draw()`` calls `draw`), a layer above registers the
function that does it (``settlesim.view`` for pictures, ``settlesim.engine`` for the check).
So a chart can draw itself, and imports still only go down. This module imports nothing of
settlesim.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import Any

__all__ = ["check", "draw", "mimebundle", "panel", "settling_graph"]


def _nobody(what: str) -> Callable[..., Any]:
    def refuse(value: object, *args: object, **options: object) -> Any:
        raise TypeError(f"a {type(value).__name__} can not {what}")

    return refuse


draw = singledispatch(_nobody("be drawn"))
"""``draw(value, target=None, **options)``: the picture of a value."""

check = singledispatch(_nobody("be checked"))
"""``check(value)``: the settling contract of a value, proved or refuted."""

settling_graph = singledispatch(_nobody("show a settling graph"))
"""``settling_graph(value)``: only the settled configurations and the ways between them."""

panel = singledispatch(_nobody("be shown live"))
"""``panel(value, **options)``: a live view of a value, for a notebook."""


@singledispatch
def mimebundle(value: object) -> dict[str, Any]:
    """Return what a notebook shows of `value`, by media type."""
    return {"text/plain": repr(value)}
