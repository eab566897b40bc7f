"""The log of `transitions`: silent where settlesim uses it, unless somebody asks for it.

`transitions` logs every callback and every state that is entered at INFO, with the ``repr`` of
functions. Somebody who asks for INFO of all libraries does not want that, and charts are logged
by settlesim itself.

Why a filter
------------
A level on the logger would also silence machines of `transitions` that a program has beside its
charts, and a ``disabled`` logger would be silent even for those who ask for it. The filter
drops only records below WARNING that are made `quietly`, and no handler, level or root
logger is touched. ``logging.getLogger("transitions").setLevel(logging.INFO)``, before or after
settlesim is imported, shows all of it.
"""

from __future__ import annotations

import logging
import threading
from typing import Final

__all__ = ["quietly"]

_NAMES: Final = (
    "transitions",
    "transitions.core",
    "transitions.extensions.diagrams",
    "transitions.extensions.nesting",
)


class _Quietly(threading.local):
    """Whether this thread builds or moves a machine; a guard may settle another chart."""

    depth = 0

    def __enter__(self) -> None:
        self.depth += 1

    def __exit__(self, *error: object) -> None:
        self.depth -= 1


quietly: Final = _Quietly()
"""A context in which the log of `transitions` is silent."""


class _OnlyWhereAsked(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return (
            not quietly.depth
            or record.levelno >= logging.WARNING
            or any(logging.getLogger(name).level for name in _NAMES)
        )


for _name in _NAMES:
    logging.getLogger(_name).addFilter(_OnlyWhereAsked())
