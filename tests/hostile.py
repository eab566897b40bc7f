"""Fifty malicious names, and a chart that has one of them wherever it has text."""

from __future__ import annotations

from typing import Any

from settlesim import Chart

__all__ = ["HOSTILE", "hostile_chart"]

_ACT = "window.pwned=1;alert(1)"
HOSTILE = [
    f"<script>{_ACT}</script>",
    f"</script><script>{_ACT}</script>",
    f"<img src=x onerror={_ACT}>",
    f'"><img src=x onerror={_ACT}>',
    f"'><svg onload={_ACT}>",
    f"<svg><script>{_ACT}</script></svg>",
    f"</text></svg><script>{_ACT}</script>",
    f"</title><script>{_ACT}</script>",
    f"</style><script>{_ACT}</script>",
    f"</textarea><script>{_ACT}</script>",
    f"</option></select><img src=x onerror={_ACT}>",
    f"<iframe src=javascript:{_ACT}>",
    f"<iframe srcdoc='<script>parent.{_ACT}</script>'>",
    f"<a href=javascript:{_ACT}>x</a>",
    f"javascript:{_ACT}",
    f"<body onload={_ACT}>",
    f"<details open ontoggle={_ACT}>",
    f"<input autofocus onfocus={_ACT}>",
    f"<video src=x onerror={_ACT}>",
    f"<math><mtext><script>{_ACT}</script>",
    "<link rel=stylesheet href=//example.com/x.css>",
    "<style>@import '//example.com/x.css';</style>",
    "<base href=//example.com/>",
    "<meta http-equiv=refresh content='0;url=//example.com'>",
    "<object data=//example.com/x></object>",
    "<image href='//example.com/x.png'/>",
    "<use href='//example.com/x.svg#a'/>",
    "<foreignObject><img src=//example.com/x></foreignObject>",
    '" onmouseover="window.pwned=1',
    "' onfocus='window.pwned=1' autofocus='",
    "url(//example.com/x)",
    "fill:url(//example.com/x#a)",
    "${window.pwned=1}",
    "`${window.pwned=1}`",
    "{{constructor.constructor('window.pwned=1')()}}",
    '<x>];EVIL[label="pwn" URL="javascript:alert(1)"];s->t[label=<y>',
    "]]><script>window.pwned=1</script>",
    "<!--",
    "--><script>window.pwned=1</script>",
    "&lt;script&gt;window.pwned=1&lt;/script&gt;",
    "&#60;script&#62;window.pwned=1&#60;/script&#62;",
    "\\u003cscript\\u003ewindow.pwned=1\\u003c/script\\u003e",
    "![x](https://example.com/x.png)",
    "[x](javascript:alert(1))",
    "$\\href{javascript:alert(1)}{x}$",
    '%%{init: {"securityLevel": "loose"}}%%',
    'click n0 "javascript:alert(1)"',
    "__proto__",
    "constructor",
    "\u202etpircs\u202c \U0001f600 <b>x</b>",
]


def hostile_chart(name: str) -> Chart:
    """Return a bound chart with the name in its own name, states, event, functions and context."""
    local = name.replace(".", "_")

    async def service(call: Any) -> str:
        raise RuntimeError(name)

    return Chart(
        name=name,
        initial=local,
        context={name: name, "list": [name, {name: None}]},
        states=[
            {"name": local, "tags": ["settled"]},
            {
                "name": "other",
                "label": name,
                "invoke": {
                    "src": f"{name} 1",
                    "input": {name: name},
                    "on_done": {"dest": local, "assign": f"{name} 3"},
                    "on_error": local,
                },
            },
        ],
        transitions=[
            {
                "trigger": name,
                "source": local,
                "dest": "other",
                "conditions": [f"{name} 2"],
                "assign": f"{name} 3",
            },
        ],
    ).bind(
        {
            f"{name} 1": service,
            f"{name} 2": lambda context, event: True,
            f"{name} 3": lambda context, event: {"kept": [name, event.data]},
        }
    )
