"""Charts to learn from, with their functions bound, so that they run as they are.

Their services take seconds of the interpreter's clock: real ones, or simulated ones that
cost no time.
"""

from settlesim.chart import Chart
from settlesim.gallery.count import count
from settlesim.gallery.donut import donut
from settlesim.gallery.order import order
from settlesim.gallery.signup import signup

__all__ = ["CHARTS", "count", "donut", "order", "signup"]

CHARTS: dict[str, Chart] = {chart.name: chart for chart in (count, signup, order, donut)}
"""Every chart of the gallery, by name."""
