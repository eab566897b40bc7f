"""A chart whose services take time and leave traces, for processes that are killed.

The services write to the ledger ``effects`` in the folder that the environment variable
``CHAOS_FOLDER`` names, so that the command line can run the chart as well.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

from settlesim import Chart, Event
from tests.chaos.ledger import Ledger
from tests.chaos.phases import Phase

__all__ = ["FOLDER", "patient", "tools"]

FOLDER = "CHAOS_FOLDER"


@functools.lru_cache
def tools(process: int) -> tuple[Ledger, Phase]:
    """Return the ledger of effects and the phase of this process."""
    folder = Path(os.environ[FOLDER])
    return Ledger(folder / "effects"), Phase(folder)


async def _serve(service: str, call: Any) -> int:
    data = call.event.data if service == "charge" else call.context["now"]
    effects, phase = tools(os.getpid())
    with phase.serving():
        # Before the effect and after it: a kill may come on either side.
        await call.sleep(data["seconds"] / 4)
        if data["poison"]:
            raise ValueError("this event cannot be handled")
        effects.add(
            key=data["key"],
            number=data["number"],
            service=service,
            idempotency_key=call.idempotency_key,
            seconds=data["seconds"],
        )
        await call.sleep(data["seconds"] / 4)
    return int(data["number"])


async def charge(call: Any) -> int:
    """Take the money: an effect outside."""
    return await _serve("charge", call)


async def ship(call: Any) -> int:
    """Send the goods: another one."""
    return await _serve("ship", call)


def remember(context: dict[str, Any], event: Event) -> dict[str, Any]:
    """Keep the event's data for the second service."""
    return {"now": event.data}


def note(context: dict[str, Any], event: Event) -> dict[str, Any]:
    """Add the number of the event to the log."""
    return {"log": [*context["log"], event.data], "now": None}


patient = Chart(
    name="patient",
    context={"log": [], "now": None},
    initial="resting",
    states=[
        {"name": "resting", "tags": ["settled"]},
        {"name": "charging", "invoke": {"src": "charge", "on_done": "shipping"}},
        {
            "name": "shipping",
            "invoke": {"src": "ship", "on_done": {"dest": "resting", "assign": "note"}},
        },
    ],
    transitions=[
        {"trigger": "ADD", "source": "resting", "dest": "charging", "assign": "remember"},
    ],
).bind({"charge": charge, "ship": ship, "remember": remember, "note": note})
