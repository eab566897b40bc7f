"""The front end of a panel: the only module that loads anywidget."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import anywidget
import traitlets

from settlesim.widgets.base.assets import script, style
from settlesim.widgets.base.seat import PREFIX

__all__ = ["front_end"]


@lru_cache
def _class_of(
    name: str, kind: str, scripts: tuple[str, ...], styles: tuple[str, ...], parts: tuple[str, ...]
) -> type[anywidget.AnyWidget]:
    """Return the widget class of one kind of panel; each part is a trait of its own."""
    traits = {part: traitlets.Any(None, allow_none=True).tag(sync=True) for part in parts}
    body = {
        "__module__": __name__,
        "__doc__": f"The front end of a {name}.",
        "__repr__": lambda self: f"<{name}>",
        "_esm": script(*scripts),
        "_css": style(kind, *styles),
        "seat": traitlets.Unicode().tag(sync=True),
        **traits,
    }
    return type(name, (anywidget.AnyWidget,), body)


def front_end(
    name: str,
    kind: str,
    scripts: tuple[str, ...],
    styles: tuple[str, ...],
    parts: Mapping[str, Any],
    *,
    receive: Callable[[Any], None],
) -> anywidget.AnyWidget:
    """Return a new widget that shows these parts, and passes messages to `receive`.

    Parameters
    ----------
    name : the name of the panel's class
    kind : the CSS class of its element on the page
    scripts, styles : files of the package, after the shared ones
    parts : what is shown, plain JSON by name
    receive : is called with every message of the front end
    """
    made = uuid.uuid4().hex  # chosen here, so that the page gets `seat` together with the model
    kinds = _class_of(name, kind, scripts, styles, tuple(parts))
    widget = kinds(model_id=made, seat=PREFIX + made, **parts)
    widget.on_msg(lambda _, content, buffers: receive(content))
    return widget
