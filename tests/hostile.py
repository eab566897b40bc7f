"""Fifty malicious names, and a chart that has one of them wherever it has text."""

from __future__ import annotations

from typing import Any

from settlesim import Chart

__all__ = ["ALL_OTHERS", "HOSTILE", "ONE_OF_EACH_KIND", "hostile_chart"]

_ACT = "window.pwned=1;alert(1)"
KINDS = {
    "a script": [
        f"<script>{_ACT}</script>",
        f"<svg><script>{_ACT}</script></svg>",
        f"<math><mtext><script>{_ACT}</script>",
    ],
    "the end of a script": [f"</script><script>{_ACT}</script>"],
    "the end of other text": [
        f"</style><script>{_ACT}</script>",
        f"</title><script>{_ACT}</script>",
        f"</textarea><script>{_ACT}</script>",
        f"</option></select><img src=x onerror={_ACT}>",
    ],
    "the end of a picture": [f"</text></svg><script>{_ACT}</script>"],
    "a handler": [
        f"<img src=x onerror={_ACT}>",
        f"<body onload={_ACT}>",
        f"<details open ontoggle={_ACT}>",
        f"<input autofocus onfocus={_ACT}>",
        f"<video src=x onerror={_ACT}>",
    ],
    "the end of an attribute": [
        f'"><img src=x onerror={_ACT}>',
        '" onmouseover="window.pwned=1',
    ],
    "the end of an attribute in single quotes": [
        f"'><svg onload={_ACT}>",
        "' onfocus='window.pwned=1' autofocus='",
    ],
    "a page in the page": [
        f"<iframe srcdoc='<script>parent.{_ACT}</script>'>",
        f"<iframe src=javascript:{_ACT}>",
    ],
    "a link": [f"<a href=javascript:{_ACT}>x</a>", f"javascript:{_ACT}"],
    "something to load": [
        "<link rel=stylesheet href=//example.com/x.css>",
        "<style>@import '//example.com/x.css';</style>",
        "<base href=//example.com/>",
        "<meta http-equiv=refresh content='0;url=//example.com'>",
        "<object data=//example.com/x></object>",
    ],
    "something to load into a picture": [
        "<foreignObject><img src=//example.com/x></foreignObject>",
        "<image href='//example.com/x.png'/>",
        "<use href='//example.com/x.svg#a'/>",
    ],
    "style": ["fill:url(//example.com/x#a)", "url(//example.com/x)"],
    "a template": [
        "${window.pwned=1}",
        "`${window.pwned=1}`",
        "{{constructor.constructor('window.pwned=1')()}}",
    ],
    "the end of a comment": [
        "--><script>window.pwned=1</script>",
        "]]><script>window.pwned=1</script>",
        "<!--",
    ],
    "what is escaped already": [
        "&lt;script&gt;window.pwned=1&lt;/script&gt;",
        "&#60;script&#62;window.pwned=1&#60;/script&#62;",
        "\\u003cscript\\u003ewindow.pwned=1\\u003c/script\\u003e",
    ],
    "another language": [
        '<x>];EVIL[label="pwn" URL="javascript:alert(1)"];s->t[label=<y>',
        "![x](https://example.com/x.png)",
        "[x](javascript:alert(1))",
        "$\\href{javascript:alert(1)}{x}$",
        '%%{init: {"securityLevel": "loose"}}%%',
        'click n0 "javascript:alert(1)"',
    ],
    "a part of every object": ["__proto__", "constructor"],
    "another direction": ["\u202etpircs\u202c \U0001f600 <b>x</b>"],
}
HOSTILE = [name for kind in KINDS.values() for name in kind]
ONE_OF_EACH_KIND = [kind[0] for kind in KINDS.values()]
"""What a browser is shown in every run of the tests."""
ALL_OTHERS = [name for kind in KINDS.values() for name in kind[1:]]
"""And what it is shown at night."""


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
