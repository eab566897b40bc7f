"""The live page at ``/``: the instances as a table, and one of them as a live chart."""

from __future__ import annotations

import asyncio
import html
from functools import lru_cache
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from settlesim.engines import Promise
from settlesim.http.api import Api, json_response
from settlesim.http.problems import ProblemError
from settlesim.view.fonts import FILES
from settlesim.widgets.base.assets import asset, script
from settlesim.widgets.chart.page_state import accepted
from settlesim.widgets.chart.parts import picture_part

__all__ = ["LivePage", "page_script", "page_style"]

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' "
    "data:; font-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_SHARED_SCRIPTS: Final = ("chart.js", "json_text.js", "data_form.js")
_OWN_SCRIPTS: Final = ("connection.js", "one_instance.js", "live_page.js")
_SHARED_STYLES: Final = ("base.css", "chart.css", "chart_panel.css")
_FONTS: Final = {path.name: path for path in FILES}
"""Served with the page, since the chart is laid out for them and not every machine has them."""
_HTML: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{name}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="page/page.css">
</head>
<body>
<noscript>This page needs JavaScript. Without it: <a href="machines">the instances as JSON</a>,
<a href="charts">the chart</a>.</noscript>
<script type="module" src="page/page.js"></script>
</body>
</html>
"""


class LivePage:
    """Serves the page and its files."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def html(self, request: Request) -> Response:
        """GET / without an id."""
        text = _HTML.format(name=html.escape(self.api.chart.name))
        headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}
        return Response(text, media_type="text/html", headers=headers)

    async def file(self, request: Request) -> Response:
        """GET /page/{file}."""
        name = request.path_params["file"]
        if name == "page.js":
            text, media_type = page_script(), "text/javascript"
        elif name == "page.css":
            text, media_type = page_style(), "text/css"
        elif name in _FONTS:
            headers = {"Cache-Control": "max-age=86400"}
            return Response(_FONTS[name].read_bytes(), media_type="font/ttf", headers=headers)
        else:
            raise ProblemError("not-found", "the page has no such file")
        return Response(text, media_type=media_type, headers={"Cache-Control": "no-cache"})

    async def chart(self, request: Request) -> Response:
        """GET /page/chart.json: the picture, and the events that a new instance takes."""
        chart, engine = self.api.chart, self.api.engine
        start = chart.initial_configuration
        return json_response(
            {
                "picture": await asyncio.to_thread(picture_part, chart),
                "name": chart.name,
                "version": chart.version,
                "engine": engine.name,
                "follows_all": Promise.FOLLOW_ALL in engine.promises,
                "start": {
                    "configuration": list(start),
                    "active": list(chart.active(start)),
                    "accepts": accepted(chart, start),
                },
                "parents": [[node.name, list(chart.active((node.name,)))] for node in chart.states],
            }
        )


@lru_cache
def page_script() -> str:
    """Return the script of the page: the parts that it shares with panels, and its own."""
    return "\n".join((script(*_SHARED_SCRIPTS), *map(_own, _OWN_SCRIPTS)))


@lru_cache
def page_style() -> str:
    """Return the style sheet of the page."""
    return "\n".join((*map(asset, _SHARED_STYLES), _own("live_page.css")))


def _own(name: str) -> str:
    return (files("settlesim.http") / "static" / name).read_text(encoding="utf-8")
