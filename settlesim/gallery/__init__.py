"""Charts to learn from, with their functions bound, so that they run as they are.

Their services take seconds of the interpreter's clock: real ones, or simulated ones that
cost no time. `append_log` and `counter` make charts for the simulator, of any size.
`order_with_review` is a later version of `order`, to try migrations with.
"""

from settlesim.chart import Chart
from settlesim.gallery.append_log import append_log
from settlesim.gallery.count import count
from settlesim.gallery.counter import counter
from settlesim.gallery.donut import donut
from settlesim.gallery.order import order
from settlesim.gallery.order_with_review import order_with_review
from settlesim.gallery.signup import signup

__all__ = [
    "CHARTS",
    "append_log",
    "count",
    "counter",
    "donut",
    "order",
    "order_with_review",
    "signup",
]

CHARTS: dict[str, Chart] = {chart.name: chart for chart in (count, signup, order, donut)}
"""The ready-made charts of the gallery by name, each in its first version."""
