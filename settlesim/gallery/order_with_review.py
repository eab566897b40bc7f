"""``order_with_review``: version 2 of ``order``, in which somebody reviews a paid order.

There is no state ``paid`` any more: a charge leads to ``review``, APPROVE from there to
``approved``, and only that is shipped. Orders that rest in ``paid`` are stranded, unless a step
(`settlesim.migration`) says where they continue.
"""

from __future__ import annotations

from typing import Any

from settlesim.chart import Chart, Event
from settlesim.gallery.order import order

__all__ = ["order_with_review"]


def keep_reviewer(context: dict[str, Any], event: Event) -> dict[str, Any]:
    """Keep who approved the order, the data of APPROVE."""
    return {"reviewer": event.data}


order_with_review = Chart(
    name="order",
    version=2,
    context={"amount": 20, "charge": None, "label": None, "reviewer": None},
    initial="new",
    states=[
        {"name": "new", "tags": ["settled"]},
        {
            "name": "charging",
            "invoke": {
                "src": "charge_card",
                "timeout": 30,
                "on_done": {"dest": "review", "assign": "keep_charge"},
                "on_error": "declined",
            },
        },
        {"name": "declined", "tags": ["reject"]},
        {"name": "review", "tags": ["settled"]},
        {"name": "approved", "tags": ["settled"]},
        {
            "name": "printing",
            "invoke": {
                "src": "print_label",
                "on_done": {"dest": "shipped", "assign": "keep_label"},
                "on_error": "approved",
            },
        },
        {"name": "shipped", "final": True},
        {
            "name": "refunding",
            "invoke": {
                "src": "refund_card",
                "on_done": {"dest": "refunded", "assign": "drop_charge"},
                "on_error": "review",
            },
        },
        {"name": "refunded", "final": True},
        {"name": "cancelled", "final": True},
    ],
    transitions=[
        ["PAY", "new", "charging"],
        ["CANCEL", "new", "cancelled"],
        {"trigger": "APPROVE", "source": "review", "dest": "approved", "assign": "keep_reviewer"},
        ["CANCEL", "review", "refunding"],
        ["SHIP", "approved", "printing"],
        ["CANCEL", "approved", "refunding"],
    ],
).bind({**order.functions, "keep_reviewer": keep_reviewer})
