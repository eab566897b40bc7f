"""A picture that could not be made, and what is missing for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from settlesim.errors.base import SettlesimError

__all__ = ["LayoutTimeoutError", "MissingExtraError", "RenderError", "RendererMissingError"]


class RenderError(SettlesimError):
    """A picture could not be drawn."""

    def __init__(self, message: str = "the picture could not be drawn", **facts: Any) -> None:
        super().__init__(message, **facts)


class LayoutTimeoutError(RenderError):
    """The layout took too long and was stopped."""

    def __init__(self, *, seconds: float) -> None:
        super().__init__(
            f"the layout was stopped after {seconds:g} seconds: the chart is too dense for it. "
            "Draw a part of it, use format='mermaid', or raise the time limit.",
            seconds=seconds,
        )


class RendererMissingError(RenderError):
    """No program that lays out pictures was found."""

    def __init__(self, *, tried: Sequence[str]) -> None:
        super().__init__(
            f"no renderer found (tried {', '.join(tried)}): install pygraphviz 2 or newer, or a "
            "Graphviz with `dot` on PATH. format='dot' and format='mermaid' need neither.",
            tried=tuple(tried),
        )


class MissingExtraError(SettlesimError, ImportError):
    """A feature needs an optional part of settlesim."""

    extra: str
    feature: str
    module: str
    """The module that is not installed."""

    def __init__(self, *, extra: str, feature: str, module: str) -> None:
        super().__init__(
            f"{feature} needs {module!r}, which is not installed: install settlesim[{extra}] "
            "and start again.",
            extra=extra,
            feature=feature,
            module=module,
        )
