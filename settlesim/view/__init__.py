"""Pictures made from values, without a notebook, a network or installed fonts."""

from settlesim.view.chart.chart_diff import draw_diff
from settlesim.view.chart.diagram import draw, draw_settlement
from settlesim.view.chart.settling_graph import draw_settling_graph
from settlesim.view.chart.tables import report_html, settlement_html
from settlesim.view.endings.bars import draw_comparison, outcomes
from settlesim.view.endings.grid import grid
from settlesim.view.endings.growth import growth
from settlesim.view.endings.state_graph import state_graph
from settlesim.view.schedule.deciding_schedule import draw_deciding_schedule
from settlesim.view.schedule.space_time import lanes, side_by_side
from settlesim.view.svg.picture import Picture
from settlesim.view.svg.png import MissingGlyphsWarning
from settlesim.view.svg.session import options

__all__ = [
    "MissingGlyphsWarning",
    "Picture",
    "draw",
    "draw_comparison",
    "draw_deciding_schedule",
    "draw_diff",
    "draw_settlement",
    "draw_settling_graph",
    "grid",
    "growth",
    "lanes",
    "options",
    "outcomes",
    "report_html",
    "settlement_html",
    "side_by_side",
    "state_graph",
]
