"""How values show themselves, without knowing who draws.

A value below calls a hook (``chart.draw()`` calls `draw`), a layer above registers the
function that does it (``settlesim.view`` for pictures, ``settlesim.check`` for the check).
So a chart can draw itself, and imports still only go down. The layers above are loaded when
a hook is called for a value of which none has registered anything yet.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import singledispatch
from importlib import import_module
from typing import Any

__all__ = ["check", "count_instances", "draw", "mimebundle", "panel", "settling_graph"]


def _nobody(name: str, what: str) -> Callable[..., Any]:
    """Return what a hook does with a value of which no layer above knows anything."""

    def refuse(value: object, *args: object, **options: object) -> Any:
        if _layers_were_loaded():
            raise TypeError(f"a {type(value).__name__} cannot {what}")
        return globals()[name](value, *args, **options)

    return refuse


def _layers_were_loaded() -> bool:
    """Load the layers above; say whether they were loaded before."""
    public = "settlesim._public"
    if public in sys.modules:
        return True
    import_module(public)
    return False


draw = singledispatch(_nobody("draw", "be drawn"))
"""``draw(value, target=None, **options)``: the picture of a value."""

check = singledispatch(_nobody("check", "be checked"))
"""``check(value)``: the settling contract of a value, proved or refuted."""

settling_graph = singledispatch(_nobody("settling_graph", "show a settling graph"))
"""``settling_graph(value)``: only the settled configurations and the ways between them."""

count_instances = singledispatch(_nobody("count_instances", "count the instances of a store"))
"""``count_instances(diff, store)``: how many instances are in which state of a diff's charts."""

panel = singledispatch(_nobody("panel", "be shown live"))
"""``panel(value, **options)``: a live view of a value, for a notebook."""


@singledispatch
def mimebundle(value: object) -> dict[str, Any]:
    """Return what a notebook shows of `value`, by media type."""
    if not _layers_were_loaded():
        found: dict[str, Any] = mimebundle(value)
        return found
    return {"text/plain": repr(value)}
