"""HTTP: an engine behind a web server, with a live page.

`create_app` makes a Starlette application of any `settlesim.engines.Engine`; ``settlesim serve``
serves one. It needs Starlette: ``pip install settlesim[http]``.
"""

import importlib

from settlesim.errors import MissingExtraError

try:
    importlib.import_module("starlette")
except ModuleNotFoundError as _error:
    if _error.name != "starlette":
        raise
    raise MissingExtraError(extra="http", feature="settlesim.http", module="starlette") from None

from settlesim.http.app import create_app
from settlesim.http.openapi import openapi_document

__all__ = ["create_app", "openapi_document"]
