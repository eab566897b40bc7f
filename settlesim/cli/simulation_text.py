"""What `settlesim simulate` prints: as text, and as plain JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from settlesim.chart.secrets import hide
from settlesim.chart.strict_json import thaw
from settlesim.cli.simulate_questions import property_record, property_text, scenario_record
from settlesim.cli.text import plain, table
from settlesim.sim import Criterion, Ending, Exploration, Replay, Sample, Scenario, Verdict
from settlesim.view.simulation.words import (
    allowed_words,
    claim_words,
    count_words,
    labels_of,
    plural,
    scenario_words,
    share_words,
)

__all__ = [
    "exploration_record",
    "exploration_text",
    "replay_record",
    "replay_text",
    "replay_verdict",
    "sample_record",
    "sample_text",
]

_MOST: Final = 20  # endings in the table; --json has all
_NAMES: Final = 12  # events in the headline


# --- an exploration -----------------------------------------------------------------------


def exploration_text(
    found: Exploration,
    wrong: Replay | None,
    proof: Mapping[str, Any] | None,
    *,
    width: int | None = None,
) -> str:
    """Tell what was found.

    Parameters
    ----------
    wrong : the counterexample, where there is one
    proof : the certificate, where it was asked for
    width : to how many characters lines of tables are cut; None to leave them whole
    """
    claim = claim_words(found.verdict, found.scenario.criterion)
    lines = [f"{found.verdict.name}: {claim}", _scenario(found.scenario), _counts(found)]
    if found.note:
        end = "" if found.note.endswith("?") else "."
        lines.append(f"Note: {plain(found.note)}{end}")
    if found.endings:
        lines += ["", *_cut(_endings(found), width)]
    for alone in found.instances:
        head = f"{plain(alone.scenario.instances[0])} alone: {alone.verdict.value}"
        lines += ["", head, *_cut(_endings(alone), width)]
    if wrong is not None:
        lines += ["", *_counterexample(wrong, shortest=found.complete)]
    for result in found.properties:
        lines += ["", *property_text(result)]
    if proof is not None:
        lines += ["", f"sha256 over all states: {proof['sha256']}"]
    return "\n".join(lines)


def _cut(lines: Sequence[str], width: int | None) -> list[str]:
    """Cut lines so that a table keeps its columns on a narrow terminal."""
    if width is None:
        return list(lines)
    return [
        line if len(line) <= width else line[: max(width - 1, 0)] + "\N{HORIZONTAL ELLIPSIS}"
        for line in lines
    ]


def _scenario(scenario: Scenario) -> str:
    several = len(scenario.instances) > 1
    names = [f"{each.key}:{each.words}" if several else each.words for each in scenario.events]
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    events = ", ".join(map(plain, names[:_NAMES]))
    return f"{plain(scenario.chart.name)} [{events}{more}], {scenario_words(scenario)}"


def _counts(found: Exploration) -> str:
    if found.instances:
        return str(found).partition(": ")[2]
    least = "" if found.complete else "at least "
    return ", ".join(
        f"{least}{words}"
        for words in (
            allowed_words(found),
            f"{count_words(found.interleavings)} interleaving{'s'[: found.interleavings != 1]}",
            plural(found.states, "state"),
        )
    )


def _endings(found: Exploration) -> list[str]:
    events = [each.words for each in found.scenario.messages]
    labels = labels_of(found.endings, events)
    whole = found.interleavings
    rows = [
        (
            count_words(ending.interleavings),
            share_words(ending.interleavings, whole) if found.complete else "not known",
            _mark(ending),
            plain(rests),
            plain(effects),
        )
        for ending, (rests, effects) in zip(found.endings[:_MOST], labels, strict=False)
    ]
    head = ("interleavings", "share of them", "serial order", "is in", "effects")
    lines = table(_numbers_right([head, *rows], 2))
    rest = found.endings[_MOST:]
    if rest:
        number = sum(each.interleavings for each in rest)
        words = f"{count_words(number)} interleaving{'s'[: number != 1]}"
        lines.append(f"and {plural(len(rest), 'more ending')}, {words}: see --json")
    return [line.rstrip() for line in lines]


def _mark(ending: Ending) -> str:
    """Return which serial order gives this ending."""
    if ending.fifo:
        return "arrival order"
    names = {True: "another order", False: "none", None: "not known"}
    return names[ending.serializable]


def _numbers_right(rows: Sequence[Sequence[str]], columns: int) -> list[list[str]]:
    widths = [max(len(row[at]) for row in rows) for at in range(columns)]
    return [
        [*(cell.rjust(width) for cell, width in zip(row, widths, strict=False)), *row[columns:]]
        for row in rows
    ]


def _counterexample(wrong: Replay, *, shortest: bool) -> list[str]:
    schedule = wrong.schedule
    switches = plural(schedule.switches, "switch", "switches")
    cost = f"{plural(schedule.faults, 'fault')}, {switches}"
    anomalies = f": {', '.join(wrong.anomalies)}" if wrong.anomalies else ""
    # If the search stopped early, there may be a shorter one.
    name = "shortest counterexample" if shortest else "a counterexample"
    return [
        f"{name} ({cost}){anomalies}",
        f"  {schedule}",
        f"  {plain(wrong.sentence)}",
    ]


def exploration_record(
    found: Exploration, wrong: Replay | None, proof: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return an exploration as plain JSON; probabilities as text such as ``"3/5"``."""
    record = {
        "scenario": scenario_record(found.scenario),
        "verdict": found.verdict.value,
        "holds": None if found.holds is None else found.holds.value,
        "complete": found.complete,
        "note": found.note,
        "states": found.states,
        "transitions": found.transitions,
        "interleavings": found.interleavings,
        "endings": [_ending(each, found.scenario.chart.secret) for each in found.endings],
        "counterexample": None if wrong is None else replay_record(wrong, frames=False),
        "properties": [property_record(each) for each in found.properties],
    }
    if found.instances:
        record["instances"] = [exploration_record(each, None, None) for each in found.instances]
    return record if proof is None else {**record, "sha256": proof["sha256"]}


# --- a sample ------------------------------------------------------------------------------


def sample_text(found: Sample, *, width: int | None = None) -> str:
    """Tell how random schedules ended.

    Parameters
    ----------
    width : as `exploration_text`
    """
    labels = labels_of(found.endings, [each.words for each in found.scenario.messages])
    rows = [
        (count_words(ending.interleavings), _mark(ending), plain(rests), plain(effects))
        for ending, (rests, effects) in zip(found.endings[:_MOST], labels, strict=False)
    ]
    lines = table(_numbers_right([("runs", "serial order", "is in", "effects"), *rows], 1))
    told = [str(found), _scenario(found.scenario), "", *_cut(lines, width)]
    return "\n".join(line.rstrip() for line in told)


def sample_record(found: Sample) -> dict[str, Any]:
    """Return a sample as plain JSON."""
    return {
        "scenario": scenario_record(found.scenario),
        "verdict": found.verdict.value,
        "runs": found.runs,
        "wrong": found.wrong,
        "wrong_least": found.interval().least,
        "wrong_most": found.interval().most,
        "note": found.note,
        "endings": [_ending(each, found.scenario.chart.secret) for each in found.endings],
    }


def _ending(ending: Ending, secret: tuple[str, ...]) -> dict[str, Any]:
    excluded = {"excluded": list(ending.excluded)} if ending.excluded else {}
    return {
        "store": [
            {
                "key": key,
                "configuration": list(leaves),
                "context": thaw(hide(context, secret)),
                **({"history_states": thaw(remembered)} if remembered else {}),
            }
            for (key, leaves, context), remembered in zip(ending.store, ending.history, strict=True)
        ],
        "effects": [
            {"key": key, "service": service, "message": message}
            for key, service, message in ending.effects
        ],
        "dead": list(ending.dead),
        "interleavings": ending.interleavings,
        "probability": str(ending.probability),
        "fifo": ending.fifo,
        "serializable": ending.serializable,
        **excluded,
    }


# --- a replay -----------------------------------------------------------------------------


def replay_verdict(played: Replay) -> str:
    """Return the verdict on one schedule: whether the criterion allows where it ends."""
    if played.ending is None:
        return Verdict.UNDETERMINED.value
    fifo = played.scenario.criterion is Criterion.FIFO
    allowed = played.ending.fifo if fifo else played.ending.serializable
    verdicts = {True: Verdict.PROVED, False: Verdict.REFUTED, None: Verdict.UNDETERMINED}
    return verdicts[allowed].value


def replay_text(played: Replay, *, width: int | None = None) -> str:
    """Tell a schedule step by step.

    Parameters
    ----------
    width : as `exploration_text`
    """
    rows = [
        (
            "" if frame.step is None else frame.step.name,
            plain(frame.text),
            "".join(f"<- {name}" for name in [", ".join(frame.anomalies)] if name),
        )
        for frame in played.frames[1:]
    ]
    lines = _cut([line.rstrip() for line in table(rows)] if rows else [], width)
    after = played.frames[-1].enabled
    if after:
        head = "not at the end" if played.ending is None else "it may end here"
        lines.append(f"{head}: next could be {', '.join(step.name for step in after)}")
    return "\n".join([_scenario(played.scenario), "", *lines, "", plain(played.sentence)])


def replay_record(played: Replay, *, frames: bool = True) -> dict[str, Any]:
    """Return a replay as plain JSON."""
    ending, secret = played.ending, played.scenario.chart.secret
    record: dict[str, Any] = {
        "schedule": str(played.schedule),
        "faults": played.schedule.faults,
        "switches": played.schedule.switches,
        "anomalies": list(played.anomalies),
        "sentence": played.sentence,
        "ending": None if ending is None else _ending(ending, secret),
    }
    if frames:
        record["scenario"] = scenario_record(played.scenario)
        record["steps"] = [
            {
                "step": None if frame.step is None else frame.step.name,
                "text": frame.text,
                "anomalies": list(frame.anomalies),
                "enabled": [step.name for step in frame.enabled],
            }
            for frame in played.frames
        ]
    return record
