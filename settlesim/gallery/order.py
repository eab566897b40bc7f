"""``order``: paid and shipped, or cancelled; a declined payment is rejected.

PAY with ``{"card": "declined"}`` makes the bank say no: the settlement is REJECTED, and
the stored order is still ``new``, so that another card may be tried.

CANCEL ends an order that is ``new`` without a charge. An order that is ``paid`` is refunded
first; if the refund fails, the order stays ``paid``, and CANCEL can be sent again.
"""

from __future__ import annotations

from typing import Any

from settlesim.chart import Chart, Event

__all__ = ["CardDeclinedError", "order"]


class CardDeclinedError(Exception):
    """The bank did not accept the card."""


async def charge_card(call: Any) -> dict[str, Any]:
    """Charge the card that PAY came with; takes 0.8 seconds."""
    await call.sleep(0.8)
    data = call.event.data if isinstance(call.event.data, dict) else {}
    if data.get("card") == "declined":
        raise CardDeclinedError("the bank declined the card")
    return {"charge": f"charge of {call.context['amount']}"}


async def refund_card(call: Any) -> None:
    """Give the money back; takes 0.8 seconds."""
    await call.sleep(0.8)


async def print_label(call: Any) -> dict[str, Any]:
    """Print the parcel's label; takes 1.5 seconds."""
    await call.sleep(1.5)
    return {"label": f"label for {call.context['charge']}"}


def keep_charge(context: dict[str, Any], event: Event) -> dict[str, Any]:
    """Keep what the bank answered."""
    return {"charge": event.data["charge"]}


def keep_label(context: dict[str, Any], event: Event) -> dict[str, Any]:
    """Keep the label that was printed."""
    return {"label": event.data["label"]}


def drop_charge(context: dict[str, Any], event: Event) -> dict[str, Any]:
    """Forget the charge that was refunded."""
    return {"charge": None}


order = Chart(
    name="order",
    context={"amount": 20, "charge": None, "label": None},
    initial="new",
    states=[
        {"name": "new", "tags": ["settled"]},
        {
            "name": "charging",
            "invoke": {
                "src": "charge_card",
                "timeout": 30,
                "on_done": {"dest": "paid", "assign": "keep_charge"},
                "on_error": "declined",
            },
        },
        {"name": "declined", "tags": ["reject"]},
        {"name": "paid", "tags": ["settled"]},
        {
            "name": "printing",
            "invoke": {
                "src": "print_label",
                "on_done": {"dest": "shipped", "assign": "keep_label"},
                "on_error": "paid",
            },
        },
        {"name": "shipped", "final": True},
        {
            "name": "refunding",
            "invoke": {
                "src": "refund_card",
                "on_done": {"dest": "refunded", "assign": "drop_charge"},
                "on_error": "paid",
            },
        },
        {"name": "refunded", "final": True},
        {"name": "cancelled", "final": True},
    ],
    transitions=[
        ["PAY", "new", "charging"],
        ["CANCEL", "new", "cancelled"],
        ["SHIP", "paid", "printing"],
        ["CANCEL", "paid", "refunding"],
    ],
).bind(
    {
        "charge_card": charge_card,
        "refund_card": refund_card,
        "print_label": print_label,
        "keep_charge": keep_charge,
        "keep_label": keep_label,
        "drop_charge": drop_charge,
    }
)
