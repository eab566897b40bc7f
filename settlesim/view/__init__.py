"""Values in, pictures out: no notebook is needed, no network, no font, no program."""

from settlesim.view.diagram import draw, draw_settlement
from settlesim.view.overview import draw_settling_graph
from settlesim.view.picture import Picture
from settlesim.view.tables import report_html, settlement_html

__all__ = [
    "Picture",
    "draw",
    "draw_settlement",
    "draw_settling_graph",
    "report_html",
    "settlement_html",
]
