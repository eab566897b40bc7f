"""Run a chart on Restate: a virtual object per instance.

`RestateEngine` is the `settlesim.engines.Engine`; `virtual_object` is what it serves, for an
endpoint of your own. The server is started elsewhere, for example by
``npx @restatedev/restate-server``.
"""

import importlib

from settlesim.errors import MissingExtraError

for _module in ("restate", "hypercorn", "httpx"):
    try:
        importlib.import_module(_module)
    except ModuleNotFoundError as _error:
        if _error.name != _module:
            raise
        raise MissingExtraError(
            extra="restate", feature="the Restate engine", module=_module
        ) from None

from settlesim.engines.handling import HandlerOptions  # noqa: E402
from settlesim.engines.restate.client import RestateClient  # noqa: E402
from settlesim.engines.restate.engine import RestateEngine  # noqa: E402
from settlesim.engines.restate.handlers import virtual_object  # noqa: E402

__all__ = ["HandlerOptions", "RestateClient", "RestateEngine", "virtual_object"]
