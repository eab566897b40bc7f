"""What changes from one chart to another, as values with one sentence each.

What counts
-----------
All that changes what a chart does: its name, initial state and context, settling tags and
``on_reject``; of each state its kind, initial child, tags, functions, services and delays; of each
transition its destination, guards and functions, and the order in which those of one trigger are
asked. What does not: the version, labels, the order of keys, of tags and of states that are not
regions, and the functions that are bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from settlesim.chart.changes import changes_between
from settlesim.chart.edge_pairs import edge_groups
from settlesim.chart.report import counted_noun

if TYPE_CHECKING:
    from settlesim.chart.changes import Change
    from settlesim.chart.chart import Chart
    from settlesim.chart.edge_pairs import EdgeGroup

__all__ = ["ChartDiff", "diff_charts"]


@dataclass(frozen=True, slots=True, repr=False)
class ChartDiff:
    """What changes from one chart to another.

    Examples
    --------
    >>> from settlesim import Chart
    >>> states = [{"name": name, "tags": ["settled"]} for name in ("open", "paid", "charged")]
    >>> old = Chart(states[:2], [["PAY", "open", "paid"]], "open", name="order")
    >>> new = Chart(states, [["PAY", "open", "charged"]], "open", name="order", version=2)
    >>> print(old.diff(new))
    order, version 1 to version 2: 2 changes
    - state charged is new
    - PAY of open now leads to charged, no longer to paid
    """

    old: Chart
    new: Chart
    changes: tuple[Change, ...]
    """First those of states: what is gone, what is new, what is changed; then those of
    transitions, then those of the chart as a whole. Empty where the charts mean the same."""
    groups: tuple[EdgeGroup, ...]
    """Every transition of both charts, paired."""

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __len__(self) -> int:
        return len(self.changes)

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    def status(self, state: str) -> Literal["added", "removed", "changed", "same"]:
        """Say what became of a state; its transitions do not count.

        Raises
        ------
        KeyError
            Neither chart has the state.
        """
        if state not in self.old:
            self.new.node(state)
            return "added"
        if state not in self.new:
            return "removed"
        changed = (each.state == state and each.about != "transition" for each in self.changes)
        return "changed" if any(changed) else "same"

    @property
    def renames(self) -> dict[str, str]:
        """The states that look as if they were renamed: old name, new name. Only a hint."""
        return {
            each.state: each.renamed_to for each in self.changes if each.state and each.renamed_to
        }

    @property
    def heading(self) -> str:
        """Which charts are compared, and how many changes there are."""
        names = (
            self.old.name
            if self.old.name == self.new.name
            else f"{self.old.name} and {self.new.name}"
        )
        versions = f"version {self.old.version} to version {self.new.version}"
        found = counted_noun(len(self.changes), "change") if self.changes else "the same meaning"
        return f"{names}, {versions}: {found}"

    def __repr__(self) -> str:
        return f"<ChartDiff {self.heading}>"

    def __str__(self) -> str:
        return "\n".join([self.heading, *(f"- {each}" for each in self.changes)])

    def to_dict(self) -> dict[str, Any]:
        """Return the diff as plain JSON."""
        return {
            "old": {"chart": self.old.name, "version": self.old.version},
            "new": {"chart": self.new.name, "version": self.new.version},
            "changes": [each.to_dict() for each in self.changes],
        }


def diff_charts(old: Chart, new: Chart) -> ChartDiff:
    """Compare two charts; the functions that are bound to them do not matter."""
    groups = edge_groups(old, new)
    return ChartDiff(old, new, changes_between(old, new, groups), groups)
