"""``signup``: waits, for days if need be, until an e-mail address is verified.

The wait for a person is what a serverless function cannot do while it runs; here it is a
settled state. The message may be sent again, and the caller's timer may send EXPIRE.
"""

from __future__ import annotations

from typing import Any

from settlesim.chart import Chart, Event

__all__ = ["signup"]


def remember_address(context: dict[str, Any], event: Event) -> dict[str, Any]:
    """Keep the address that SIGN_UP came with."""
    data = event.data if isinstance(event.data, dict) else {}
    return {"email": data.get("email", "someone@example.org")}


def count_mail(context: dict[str, Any], event: Event) -> dict[str, Any]:
    """Keep the code that was sent, and how many messages there were."""
    return {"code": event.data["code"], "mails": context["mails"] + 1}


def code_matches(context: dict[str, Any], event: Event) -> bool:
    """Whether VERIFY brought the code of the last message."""
    return isinstance(event.data, dict) and event.data.get("code") == context["code"]


def may_send_again(context: dict[str, Any], event: Event) -> bool:
    """Whether fewer than three messages were sent."""
    return bool(context["mails"] < 3)


async def send_email(call: Any) -> dict[str, Any]:
    """Send a code to the address; takes half a second."""
    await call.sleep(0.5)
    return {"code": f"code-{call.context['mails'] + 1}"}


signup = Chart(
    name="signup",
    context={"email": None, "code": None, "mails": 0},
    initial="new",
    states=[
        {"name": "new", "tags": ["settled"]},
        {
            "name": "sending_email",
            "invoke": {
                "src": "send_email",
                "timeout": 10,
                "on_done": {"dest": "waiting", "assign": "count_mail"},
                "on_error": "undeliverable",
            },
        },
        {"name": "waiting", "tags": ["settled"]},
        {"name": "undeliverable", "tags": ["reject"]},
        {"name": "verified", "final": True},
        {"name": "expired", "final": True},
    ],
    transitions=[
        {
            "trigger": "SIGN_UP",
            "source": "new",
            "dest": "sending_email",
            "assign": "remember_address",
        },
        {
            "trigger": "RESEND",
            "source": "waiting",
            "dest": "sending_email",
            "conditions": "may_send_again",
        },
        {
            "trigger": "VERIFY",
            "source": "waiting",
            "dest": "verified",
            "conditions": "code_matches",
        },
        ["EXPIRE", "waiting", "expired"],
    ],
).bind(
    {
        "remember_address": remember_address,
        "count_mail": count_mail,
        "code_matches": code_matches,
        "may_send_again": may_send_again,
        "send_email": send_email,
    }
)
