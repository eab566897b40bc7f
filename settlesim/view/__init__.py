"""Values in, pictures out: no notebook is needed, no network, no font, no program."""

from settlesim.view.diagram import draw, draw_settlement
from settlesim.view.grid import grid
from settlesim.view.growth import growth
from settlesim.view.lanes import lanes, side_by_side
from settlesim.view.outcomes import draw_comparison, outcomes
from settlesim.view.overview import draw_settling_graph
from settlesim.view.picture import Picture
from settlesim.view.stategraph import state_graph
from settlesim.view.tables import report_html, settlement_html

__all__ = [
    "Picture",
    "draw",
    "draw_comparison",
    "draw_settlement",
    "draw_settling_graph",
    "grid",
    "growth",
    "lanes",
    "outcomes",
    "report_html",
    "settlement_html",
    "side_by_side",
    "state_graph",
]
