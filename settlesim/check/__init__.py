"""The settling contract of a chart: proved, or refuted with the shortest run that breaks it."""

from settlesim.check.contract import check_chart
from settlesim.check.settling_graph import settling_graph_of

__all__ = ["check_chart", "settling_graph_of"]
