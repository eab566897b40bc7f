"""Versions of one chart, and instances of them, for the tests of migrations."""

from __future__ import annotations

from typing import Any

from settlesim import Chart, migration
from settlesim.chart import Snapshot
from settlesim.chart.strict_json import freeze_object
from settlesim.versions import split
from tests.settling.driving import settled

__all__ = ["NEW", "OLD", "OLDEST", "order", "snapshot_of"]


def note(context: Any, event: Any) -> Any:
    """Keep the event's name."""
    return {"log": [*context.get("log", []), event.name]}


def order(
    version: int, states: list[Any], transitions: list[Any], *migrations: Any, **more: Any
) -> Chart:
    """A version of the chart of an order that begins in its first state."""
    first = states[0]["name"]
    options = {"name": "order", "version": version, "migrations": migrations, **more}
    return Chart(states, transitions, first, **options)


def snapshot_of(
    chart: Chart, *leaves: str, revision: int = 3, fingerprint: bool = True, **context: Any
) -> Snapshot:
    """An instance that a chart has saved."""
    return Snapshot(
        chart.name,
        chart.version,
        leaves,
        freeze_object(context, where="context"),
        revision,
        fingerprint=chart.fingerprint if fingerprint else None,
    )


OLDEST = order(
    1,
    [settled("open", after={"60": "held"}), settled("held"), settled("paid")],
    [
        {"trigger": "PAY", "source": "open", "dest": "paid", "assign": note},
        {"trigger": "PAY", "source": "held", "dest": "paid", "assign": note},
        ["STOP", "open", "held"],
    ],
    context={"total": 0},
)
"""Open, held and paid; an order that is open for a minute is held."""
OLD = order(
    2,
    [settled("open", after={"60": "held"}), settled("held"), settled("charged")],
    [
        {"trigger": "CHARGE", "source": ["open", "held"], "dest": "charged", "assign": note},
        ["STOP", "open", "held"],
    ],
    migration(OLDEST, states={"paid": "charged"}, events={"PAY": "CHARGE"}),
    context={"total": 0},
)
"""Paid is called charged, and PAY is called CHARGE."""
NEW = order(
    3,
    [
        settled("waiting", after={"30": "cart", "60": "cart"}),
        settled("cart"),
        settled("cancelled"),
        settled("charged"),
    ],
    [
        {"trigger": "CHARGE", "source": ["waiting", "cart"], "dest": "charged", "assign": note},
        ["STOP", "waiting", "cancelled"],
    ],
    migration(
        OLD,
        states={
            "open": "waiting",
            "held": split(
                lambda context: "cart" if context["total"] else "cancelled", "cart", "cancelled"
            ),
        },
        context=lambda context: {**context, "total": {"amount": context["total"]}},
    ),
    context={"total": {"amount": 0}},
)
"""Open is called waiting, held is one of two, and a total is an object."""
