"""Metrics in the text format of Prometheus (0.0.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from settlesim.engines import EngineStatus

__all__ = ["MEDIA_TYPE", "metrics_text"]

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_HELP: Final = {
    "waiting": "Events that were accepted and not settled.",
    "oldest_seconds": "How long the oldest of them has waited.",
    "dead_letters": "Events that could not be settled.",
    "parked": "Instances that wait until they are resumed.",
    "timers": "Delays that run.",
}


def metrics_text(
    labels: Mapping[str, str],
    status: EngineStatus,
    requests: Counter[tuple[str, str, int]],
    *,
    ready: bool,
    streams: int,
) -> str:
    """Return all metrics; what the engine cannot tell is left out.

    Parameters
    ----------
    labels : labels of every metric of the engine
    requests : number of requests by method, route and status
    streams : how many event streams are open
    """
    values = {
        "waiting": status.waiting,
        "oldest_seconds": status.oldest,
        "dead_letters": status.dead_letters,
        "parked": status.parked,
        "timers": status.timers,
    }
    lines: list[str] = []
    for name, value in values.items():
        if value is None and name == "oldest_seconds" and status.waiting == 0:
            value = 0  # noqa: PLW2901
        if value is not None:
            lines += _family(name, "gauge", _HELP[name], [(labels, value)])
    lines += _family("ready", "gauge", "Whether events are accepted.", [(labels, int(ready))])
    lines += _family("streams", "gauge", "Open event streams.", [(labels, streams)])
    counted = [
        ({"method": method, "route": route, "status": str(status)}, count)
        for (method, route, status), count in sorted(requests.items())
    ]
    lines += _family("http_requests_total", "counter", "Requests that were answered.", counted)
    return "\n".join(lines) + "\n"


def _family(
    name: str, kind: str, words: str, samples: Sequence[tuple[Mapping[str, str], float]]
) -> list[str]:
    lines = [f"# HELP settlesim_{name} {words}", f"# TYPE settlesim_{name} {kind}"]
    for labels, value in samples:
        told = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        lines.append(f"settlesim_{name}{{{told}}} {value}")
    return lines


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
