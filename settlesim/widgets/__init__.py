"""Live views for notebooks: each a thin layer over `settlesim.view`, with a static twin.

Importing this package loads neither ipywidgets nor anywidget, so that ``import settlesim``
works without the ``lab`` extra; ``chart.panel()`` then says what is missing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from settlesim import display
from settlesim.chart import Chart
from settlesim.settling import Settlement, Settling
from settlesim.sim import Exploration, Scenario
from settlesim.widgets.base.hosting import require_widgets

if TYPE_CHECKING:
    from settlesim.widgets.chart.chart_panel import ChartPanel
    from settlesim.widgets.race.queue_lab_panel import QueueLab, queue_lab
    from settlesim.widgets.race.race_panel import RacePanel
    from settlesim.widgets.step.step_panel import StepPanel
    from settlesim.widgets.store.store_panel import StorePanel

__all__ = ["ChartPanel", "QueueLab", "RacePanel", "StepPanel", "StorePanel", "queue_lab"]

_MODULES: Final = {
    "ChartPanel": "chart.chart_panel",
    "QueueLab": "race.queue_lab_panel",
    "RacePanel": "race.race_panel",
    "StepPanel": "step.step_panel",
    "StorePanel": "store.store_panel",
    "queue_lab": "race.queue_lab_panel",
}
"""Where each panel is; its module is loaded when the panel is asked for."""


def __getattr__(name: str) -> Any:
    """Load a panel when it is asked for, because its class needs ipywidgets and anywidget."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    require_widgets(name)
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


@display.panel.register(Chart)
def _(value: Chart, **options: Any) -> Any:
    return __getattr__("ChartPanel")(value, **options)


@display.panel.register(Settling)
@display.panel.register(Settlement)
def _(value: Settling | Settlement, **options: Any) -> Any:
    return __getattr__("StepPanel")(value, **options)


@display.panel.register(Scenario)
@display.panel.register(Exploration)
def _(value: Scenario | Exploration, **options: Any) -> Any:
    return __getattr__("RacePanel")(value, **options)
