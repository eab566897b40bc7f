"""A search and its endings as plain JSON for the page, the endings as bars to press."""

from __future__ import annotations

import re
from typing import Any, Final

from settlesim.errors import SimulationError, shorten
from settlesim.sim import Criterion, Ending, Exploration, Verdict
from settlesim.view.endings.bars import LIMIT, outcomes
from settlesim.view.endings.rows import more_words, panel_of, table_of
from settlesim.view.simulation.words import labels_of, plural
from settlesim.view.svg.page import with_variables
from settlesim.widgets.race.search import State

__all__ = ["bar_of", "bars_part", "endings_part", "in_order", "picked", "search_part"]


# --- endings ------------------------------------------------------------------------------


def in_order(exploration: Exploration) -> list[Ending]:
    """Return the endings in the order of the bars: the right one, serial ones, all others."""
    sorts = {True: 1, False: 2, None: 3}
    return sorted(
        exploration.endings,
        key=lambda each: (0 if each.fifo else sorts[each.serializable], -each.interleavings),
    )


def bar_of(exploration: Exploration | None, ending: Ending | None) -> int | None:
    """Return the position of the bar of an ending; None if it has none."""
    if exploration is None or ending is None:
        return None
    wanted = (ending.store, ending.effects, ending.dead, ending.excluded)
    bars = [(each.store, each.effects, each.dead, each.excluded) for each in in_order(exploration)]
    return bars.index(wanted) if wanted in bars else None


def bars_part(state: State) -> dict[str, Any] | None:
    """Return a picture of the endings as bars, with a label for each, and the verdict."""
    exploration = state.exploration
    if exploration is None:
        return None
    endings = in_order(exploration)
    events = [each.words for each in exploration.scenario.messages]
    labels = labels_of(endings, events)
    return {
        "verdict": _verdict(exploration),
        "refuted": exploration.verdict is Verdict.REFUTED,
        "svg": with_variables(outcomes(exploration, title="", theme="light").svg)
        if endings
        else None,
        "labels": [f"{rest}; {ran}" for rest, ran in labels[:LIMIT]],
    }


def endings_part(state: State) -> dict[str, Any] | None:
    """Return the endings as rows of a list, each with its bar, and the verdict."""
    exploration = state.exploration
    if exploration is None:
        return None
    column = panel_of("", exploration)
    table = table_of([column], LIMIT)
    rows = []
    for row in table.rows:
        [cell] = row.cells
        assert cell is not None  # the one column has all endings
        count, share = column.counted(cell)
        rows.append(
            {
                "sort": row.sort,
                "rest": row.rest,
                "ran": row.ran,
                "count": count,
                "share": share,
                "length": cell.length,
            }
        )
    [(more, interleavings)] = table.more
    return {
        "verdict": _verdict(exploration),
        "refuted": exploration.verdict is Verdict.REFUTED,
        "facts": f"{column.met}, {column.size()}, {column.searched}",
        "rows": rows,
        "more": more_words(more, interleavings, column) if more else "",
        "decades": table.decades,
    }


_HOLDS: Final = {
    Criterion.FIFO: "every schedule ends as in arrival order",
    Criterion.SERIALIZABLE: "every schedule ends as in some serial order",
    None: "no serial order gives some of the endings",
}


def _verdict(exploration: Exploration) -> dict[str, str]:
    """Say what an exploration has shown."""
    if exploration.complete and exploration.verdict is Verdict.UNDETERMINED:
        text = f"{exploration.gaps}: this is what is known, and no proof"
    elif exploration.complete:
        text = _HOLDS[exploration.holds]
    else:
        known = "this is what is known, and no proof"
        if not exploration.endings:
            states = plural(exploration.states, "state")
            known = f"{states} found and no ending yet, which is no proof"
        reason = re.sub(r"\d{4,}", lambda found: f"{int(found[0]):,}", exploration.reason)
        text = f"{reason}: {known}"
        if exploration.verdict is Verdict.REFUTED:
            text = f"{reason}, but one ending that is not allowed is enough"
    return {"word": exploration.verdict.value.upper(), "text": text}


def search_part(state: State, limit: int) -> dict[str, Any]:
    """Return how far a search is."""
    return {
        "status": state.status,
        "found": state.found,
        "limit": limit,
        "stopped": state.exploration is not None
        and state.exploration.states < limit
        and not state.exploration.complete,
        "error": None if state.error is None else str(state.error),
    }


def picked(state: State, index: object) -> Ending:
    """Return the ending of a bar.

    Raises
    ------
    SimulationError
        There is no such bar.
    """
    found = state.exploration
    endings = [] if found is None else in_order(found)
    if type(index) is not int or not 0 <= index < len(endings):
        raise SimulationError(where="ending", reason=f"{shorten(index)} is none of the bars")
    return endings[index]
