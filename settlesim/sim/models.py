"""`model_of`: chooses the model for a scenario."""

from __future__ import annotations

from settlesim.errors import SimulationError, shorten
from settlesim.sim.arrivals import ArrivalModel
from settlesim.sim.batches import BatchModel
from settlesim.sim.compiled import CompiledChart
from settlesim.sim.model import Model
from settlesim.sim.scenario import Scenario

__all__ = ["model_of"]


def model_of(scenario: Scenario, table: CompiledChart | None = None) -> Model:
    """Return the states and moves of a scenario.

    Parameters
    ----------
    scenario
        What is simulated.
    table : the programs of its chart; scenarios of one chart may share them

    Raises
    ------
    SimulationError
        `scenario` is not a `Scenario`.
    """
    if not isinstance(scenario, Scenario):
        raise SimulationError(
            where="scenario", reason=f"is {shorten(scenario)}; a Scenario is needed"
        )
    if scenario.batch > 1:
        return BatchModel(scenario, table)
    if scenario.while_running != "enqueue":
        return ArrivalModel(scenario, table)
    return Model(scenario, table)
