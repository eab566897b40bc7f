"""``append_log``: keeps the name of every event, so that nothing that goes wrong is hidden.

Each event runs its services, and then adds its name to the end of ``log``. Two logs are
equal only if the same events were handled in the same order.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from settlesim.chart import Chart, Event
from settlesim.errors import InvalidValueError, shorten

__all__ = ["append_log"]


async def _work(call: Any) -> None:
    """Do nothing, and take no time."""


def append(context: dict[str, Any], event: Event) -> dict[str, Any]:
    """Add the event's name to the log; after a service, the name is that of its state."""
    name = event.name
    if name.startswith("done.invoke."):
        name = name.split(".")[2].partition("_")[0].upper()
    return {"log": [*context["log"], name]}


@lru_cache
def append_log(n: int = 3, services: int = 1, effect: bool = False) -> Chart:
    """Return the chart with the events E1 to En.

    Parameters
    ----------
    n : how many events, 1 or more
    services : how many services run one after the other for each event, 0 or more
    effect : whether a service changes the world outside

    Raises
    ------
    InvalidValueError
        No whole number, or too small.

    Examples
    --------
    >>> [each.trigger for each in append_log(2).transitions]
    ['E1', 'E2']
    """
    check_number("n", n, 1)
    check_number("services", services, 0)
    events = [f"E{index}" for index in range(1, n + 1)]
    states: list[Any] = [{"name": "log", "tags": ["settled"]}]
    transitions: list[Any] = []
    for event in events:
        nodes = [f"{event.lower()}_{step}" for step in range(1, services + 1)]
        first = {"dest": nodes[0]} if nodes else {"dest": "log", "assign": "append"}
        transitions.append({"trigger": event, "source": "log", **first})
        for step, name in enumerate(nodes):
            last = {"dest": "log", "assign": "append"}
            done = {"dest": nodes[step + 1]} if step + 1 < services else last
            states.append(
                {
                    "name": name,
                    "invoke": {
                        "src": "work",
                        "on_done": done,
                        "on_error": "log",
                        "effect": effect,
                    },
                }
            )
    chart = Chart(states, transitions, "log", name="append_log", context={"log": []})
    return chart.bind({"append": append, "work": _work} if services else {"append": append})


def check_number(name: str, value: object, least: int) -> None:
    """Refuse anything but a whole number from `least` on.

    Raises
    ------
    InvalidValueError
        The value is no whole number, or too small.
    """
    if type(value) is not int or value < least:
        raise InvalidValueError(
            where=name, reason=f"is {shorten(value)}; a whole number from {least} on is needed"
        )
