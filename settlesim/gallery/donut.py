"""``donut``: nested and parallel. Dry and wet are mixed at the same time, then fried and cooled.

BAKE settles only when **both** regions of ``mixing`` are finished, and the donut is fried and
cooled. The compound state ``ready`` is tagged as settled, and so are the leaves inside it.
"""

from __future__ import annotations

from typing import Any

from settlesim.chart import Chart, Event

__all__ = ["donut"]


async def sift(call: Any) -> None:
    """Sift the flour; takes two seconds."""
    await call.sleep(2.0)


async def whisk(call: Any) -> None:
    """Whisk milk and eggs; takes three seconds."""
    await call.sleep(3.0)


async def fry(call: Any) -> None:
    """Fry for as many seconds as ``minutes`` in the context says."""
    await call.sleep(float(call.context["minutes"]))


def one_more(context: dict[str, Any], event: Event) -> dict[str, Any]:
    """Count the donut."""
    return {"donuts": context["donuts"] + 1}


donut = Chart(
    name="donut",
    context={"minutes": 4, "donuts": 0},
    initial="ordered",
    states=[
        {"name": "ordered", "tags": ["settled"]},
        {
            "name": "making",
            "initial": "mixing",
            "children": [
                {
                    "name": "mixing",
                    "on_done": "frying",
                    "parallel": [
                        {
                            "name": "dry",
                            "initial": "sifting",
                            "children": [
                                {
                                    "name": "sifting",
                                    "invoke": {
                                        "src": "sift",
                                        "on_done": "sifted",
                                        "on_error": "sifting_by_hand",
                                    },
                                },
                                {"name": "sifting_by_hand", "after": {"6": "sifted"}},
                                {"name": "sifted", "final": True},
                            ],
                        },
                        {
                            "name": "wet",
                            "initial": "whisking",
                            "children": [
                                {
                                    "name": "whisking",
                                    "invoke": {
                                        "src": "whisk",
                                        "on_done": "whisked",
                                        "on_error": "whisked",
                                    },
                                },
                                {"name": "whisked", "final": True},
                            ],
                        },
                    ],
                },
                {
                    "name": "frying",
                    "invoke": {
                        "src": "fry",
                        "timeout": 5,
                        "on_done": {"dest": "cooling", "assign": "one_more"},
                        "on_error": "burnt",
                    },
                },
                {"name": "cooling", "after": {"5": "ready"}},
            ],
        },
        {
            "name": "ready",
            "tags": ["settled"],
            "initial": "plain",
            "children": ["plain", "glazed"],
        },
        {"name": "burnt", "tags": ["reject"]},
        {"name": "eaten", "final": True},
    ],
    transitions=[
        ["BAKE", "ordered", "making"],
        ["GLAZE", "ready.plain", "ready.glazed"],
        ["EAT", "ready", "eaten"],
    ],
).bind({"sift": sift, "whisk": whisk, "fry": fry, "one_more": one_more})
