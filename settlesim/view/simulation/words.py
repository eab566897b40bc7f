"""Scenarios, counts, shares and endings in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from settlesim.chart import Chart, NodeKind
from settlesim.chart.report import Verdict
from settlesim.sim.contexts import rest_words
from settlesim.sim.explore import Exploration
from settlesim.sim.scenario import Faults, Scenario
from settlesim.sim.terms import Criterion, Ending

__all__ = [
    "LETTERS",
    "QUEUES",
    "VERDICTS",
    "Label",
    "about_words",
    "allowed_words",
    "anomaly_words",
    "assumption_words",
    "claim_words",
    "conditions_words",
    "count_words",
    "events_words",
    "fault_words",
    "labels_of",
    "plural",
    "power_words",
    "scenario_words",
    "share_words",
]

QUEUES: Final = {
    "direct": "no queue, a handler for each event",
    "standard": "standard queue",
    "fifo_dispatch": "FIFO delivery, handled concurrently",
    "mutex": "lock per key, no order",
    "fifo_global": "one FIFO for all",
    "fifo_group": "FIFO per key",
}
"""What the queue disciplines mean."""
LETTERS: Final = {
    "F": "FIFO per key",
    "C": "compare-and-set",
    "I": "inbox",
    "E": "effects idempotent",
}
"""What the letters of a combination of protections mean."""
_PROTECTIONS: Final = {
    "cas": "compare-and-set",
    "fence": "fencing",
    "inbox": "inbox",
    "idempotent": "idempotent effects",
    "atomic": "save and delete in one write",
}
_FAULTS: Final = (
    ("crash", "crashes"),
    ("visibility time-out", "visibility time-outs"),
    ("duplicate", "duplicates"),
    ("failing service", "failing services"),
)  # in the order of Faults
_BATCHES: Final = {
    "whole": "a failure returns all of it",
    "partial": "only what failed is returned",
    "stop_at_first": "stops at its first failure, and returns the rest",
}
_RUNNING: Final = {
    "reject": "events are refused while one is handled",
    "interrupt": "an event interrupts the one that is handled",
    "rollback": "an event rolls back the one that is handled",
    "drop_duplicate": "equal events are dropped while one is handled",
}
_ANOMALIES: Final = {"ignored out of order": "handled out of order, and ignored"}
VERDICTS: Final = {
    Verdict.PROVED: "check",
    Verdict.REFUTED: "cross",
    Verdict.UNDETERMINED: "alert",
}
"""The sign of a verdict."""


_THOUSANDS: Final = (
    "million", "billion", "trillion", "quadrillion", "quintillion", "sextillion", "septillion",
    "octillion", "nonillion", "decillion",
)  # fmt: skip


def plural(count: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def scenario_words(scenario: Scenario) -> str:
    """Say in one line under what conditions messages are handled."""
    queue = QUEUES.get(scenario.queue, scenario.queue)
    return ", ".join([queue, *_conditions(scenario, workers=scenario.queue != "direct")])


def conditions_words(scenario: Scenario, varied: str = "queue") -> str:
    """Say the conditions that scenarios share if they differ only in one argument, `varied`."""
    queue = [] if varied == "queue" else [QUEUES.get(scenario.queue, scenario.queue)]
    workers = varied == "queue" or scenario.queue != "direct"
    return ", ".join([*queue, *_conditions(scenario, workers=workers, varied=varied)])


def _conditions(scenario: Scenario, *, workers: bool, varied: str = "queue") -> list[str]:
    parts = [plural(scenario.workers, "worker")] if workers else []
    guards = [_PROTECTIONS.get(each, each) for each in scenario.protections]
    if guards:
        *most, last = guards
        parts.append(f"with {', '.join(most)} and {last}" if most else f"with {last}")
    if any(scenario.faults):
        parts.append(f"at most {fault_words(scenario.faults)}")
    if scenario.max_receives is not None:
        parts.append(f"dead letter after {plural(scenario.max_receives, 'receive')}")
    if scenario.batch > 1:
        rule = "" if varied == "batch_failures" else f": {_BATCHES[scenario.batch_failures]}"
        parts.append(f"batches of up to {scenario.batch}{rule}")
    if scenario.while_running != "enqueue" and varied != "while_running":
        parts.append(_RUNNING[scenario.while_running])
    if scenario.old is not None:
        versions = scenario.chart.version, scenario.old.version
        parts.append(f"version {versions[0]} takes over from {versions[1]}")
    parts += assumption_words(scenario)
    return parts


def assumption_words(scenario: Scenario) -> list[str]:
    """Say what is assumed about time and errors, as far as it makes a difference."""
    parts = []
    if scenario.timing == "simulated":
        parts.append("times as simulated")
    elif not scenario.durations and _is_timed(scenario.chart):
        parts.append("services and delays in any order")
    for name, (least, most) in scenario.durations.items():
        seconds = f"{least:g}" if least == most else f"{least:g} to {most:g}"
        parts.append(f"{name} takes {seconds} s")
    for name, errors in scenario.errors.items():
        kinds = " or ".join(dict.fromkeys(each.type for each in errors)) or "nothing"
        parts.append(f"{name} raises {kinds}")
    return parts


def _is_timed(chart: Chart) -> bool:
    """Whether the order in which services and delays complete may make a difference."""
    nodes = chart.states
    busy = sum(len(node.invoke) for node in nodes)
    return any(node.after for node in nodes) or (
        busy > 1
        and any(
            len(node.invoke) > 1
            or node.kind is NodeKind.PARALLEL
            or (node.invoke and node.children)
            for node in nodes
        )
    )


def claim_words(verdict: Verdict, criterion: Criterion) -> str:
    """Say what a verdict claims, in words that follow it after a colon.

    Examples
    --------
    >>> claim_words(Verdict.PROVED, Criterion.FIFO)
    'every schedule ends as handling the events one after another, in arrival order'
    """
    orders = {
        (Criterion.FIFO, True): "in arrival order",
        (Criterion.FIFO, False): "in arrival order",
        (Criterion.SERIALIZABLE, True): "in some order",
        (Criterion.SERIALIZABLE, False): "in any order",
    }
    order = orders[criterion, verdict is not Verdict.REFUTED]
    serially = f"handling the events one after another, {order}"
    if verdict is Verdict.REFUTED:
        return f"some schedules end differently from {serially}"
    claim = f"every schedule ends as {serially}"
    return claim if verdict is Verdict.PROVED else f"it is not known whether {claim}"


def allowed_words(found: Exploration) -> str:
    """Say how many endings there are; if several are proved, that all of them are allowed."""
    words = plural(len(found.endings), "ending")
    if found.verdict is not Verdict.PROVED or len(found.endings) == 1:
        return words
    return f"{words}, both allowed" if len(found.endings) == 2 else f"{words}, all allowed"


def anomaly_words(anomalies: Iterable[str]) -> str:
    """Name anomalies in a picture."""
    return ", ".join(_ANOMALIES.get(each, each) for each in anomalies)


def events_words(scenario: Scenario) -> str:
    """Name the events in arrival order, at most the first six."""
    events = [each.words for each in scenario.events]
    more = f" and {len(events) - 6} more" if len(events) > 6 else ""
    return ", ".join(events[:6]) + more


def fault_words(faults: Faults) -> str:
    """Say which faults may happen, and how often."""
    found = [
        plural(number, one, many)
        for (one, many), number in zip(_FAULTS, faults, strict=True)
        if number
    ]
    return " and ".join(found) or "no faults"


def count_words(count: int, digits: int = 18) -> str:
    """Return a count exactly, or rounded down in words if it has more than `digits` digits.

    Examples
    --------
    >>> count_words(63_063_000), count_words(63_063_000, 6)
    ('63,063,000', '63.0 million')
    """
    if len(str(count)) <= max(digits, 6):
        return f"{count:,}"
    group = min((len(str(count)) - 1) // 3, len(_THOUSANDS) + 1)
    tenths = 10 * count // 1000**group
    size = f"{tenths // 10:,}" if tenths >= 1000 else f"{tenths // 10}.{tenths % 10}"
    return f"{size} {_THOUSANDS[group - 2]}"


def power_words(power: int) -> str:
    """Return ten to the power of `power`, abbreviated."""
    if power <= 4:
        return f"{10**power:,}"
    return count_words(10**power, 1).replace(".0 ", " ")


def share_words(part: int, whole: int) -> str:
    """Return a share in per cent; only the whole is rounded to 100 %, and nothing to 0 %."""
    if part == whole:
        return "100 %"
    if part * 10_000 < whole:
        return f"1 in {count_words(whole // part, 9)}"
    if part * 100 < whole:
        return f"{100 * part / whole:.2f} %"
    return f"{min(100 * part / whole, 99.9):.1f} %"


def about_words(part: int, whole: int) -> str:
    """Return a share that was estimated, in whole per cent.

    Examples
    --------
    >>> about_words(31, 200), about_words(1, 200), about_words(200, 200)
    ('about 16 %', 'less than 1 %', 'all')
    """
    if part == whole:
        return "all"
    if part * 100 < whole:
        return "less than 1 %"
    return f"about {min(round(100 * part / whole), 99)} %"


# --- endings ------------------------------------------------------------------------------

Label = tuple[str, str]
"""The states of the instances, and which services had effects."""


def labels_of(endings: Sequence[Ending], events: Sequence[str] = ()) -> list[Label]:
    """Return labels that tell the endings apart.

    Parameters
    ----------
    events : the events of the messages, for those in the dead-letter queue
    """
    labels = [(_rest(each), _ran(each, events, numbers=False)) for each in endings]
    if len(set(labels)) < len(labels):
        seen = [labels.count(label) > 1 for label in labels]
        labels = [
            (rest, _ran(each, events, numbers=True) if twice else ran)
            for (rest, ran), each, twice in zip(labels, endings, seen, strict=True)
        ]
    return labels


def _rest(ending: Ending) -> str:
    parts = [
        (key, rest_words((leaves, fields), ending.telling, ending.secret))
        for key, leaves, fields in ending.rests
    ]
    several = len(parts) > 1
    words = (f"{key}: {rest}" if several else rest for key, rest in parts)
    return "; ".join(words) or "nothing stored"


def _ran(ending: Ending, events: Sequence[str], *, numbers: bool) -> str:
    names = [
        f"{service} of {message}" if numbers else service for _, service, message in ending.effects
    ]
    runs = [(name, len(list(same))) for name, same in groupby(names)]
    words = ", ".join(
        name if times == 1 else f"{name} \N{MULTIPLICATION SIGN} {times}" for name, times in runs
    )
    words = words or "no service had an effect"
    if ending.dead:
        dead = ", ".join(
            events[each - 1] if each <= len(events) else str(each) for each in ending.dead
        )
        words += f"; dead letters: {dead}"
    if ending.excluded:
        kept = (events[each - 1] if each <= len(events) else str(each) for each in ending.excluded)
        words += f"; without {', '.join(kept)}"
    return words
