"""What changes from one chart to another, as values with one sentence each.

What counts
-----------
Everything that changes what a chart does: its name, initial state and context, settling tags and
``on_reject``; of each state its kind, initial child, tags, functions, services and delays; of each
transition its destination, guards and functions, and the order in which those of one trigger are
tried. Not counted are the version, labels, `secret`, bound functions, and the order of keys, of
tags and of states that are not regions.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Unpack

from settlesim import display
from settlesim.argument_checks import takes_options
from settlesim.chart.changes import changes_between, name_words
from settlesim.chart.edge_pairs import edge_groups
from settlesim.chart.report import counted_noun
from settlesim.display import DiagramOptions

if TYPE_CHECKING:
    from settlesim.chart.changes import Change
    from settlesim.chart.chart import Chart
    from settlesim.display import Picture

__all__ = ["ChartDiff", "InstanceCount", "InstanceCounts", "InstanceFate", "diff_charts"]


@dataclass(frozen=True, slots=True)
class InstanceCount:
    """How many instances are in one state."""

    stored: int
    stranded: int = 0
    """How many of them the newer chart cannot resume, because of this state."""
    moved: tuple[tuple[str, int], ...] = ()
    """The states to which the newer chart's steps take others of them, with the number for each."""

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as plain JSON."""
        return {"stored": self.stored, "stranded": self.stranded, "moved": dict(self.moved)}


@dataclass(frozen=True, slots=True)
class InstanceFate:
    """What happens to one stored instance."""

    leaves: tuple[str, ...]
    """Its active leaves."""
    blamed: tuple[str, ...] = ()
    """The leaves that make it stranded; empty if it is not."""
    after: tuple[str, ...] | None = None
    """Its leaves after the migration; None if they stay the same."""


@dataclass(frozen=True, slots=True)
class InstanceCounts:
    """How many instances of a store are in which state; an instance in two regions is in both."""

    total: int
    stranded: int
    """How many of them the newer chart cannot resume."""
    by_state: Mapping[str, InstanceCount]

    @classmethod
    def of(cls, instances: Iterable[InstanceFate]) -> InstanceCounts:
        """Count instances."""
        total = stranded = 0
        stored: dict[str, int] = {}
        bad: dict[str, int] = {}
        moved: dict[str, dict[str, int]] = {}
        for fate in instances:
            total += 1
            stranded += bool(fate.blamed)
            for leaf in fate.leaves:
                stored[leaf] = stored.get(leaf, 0) + 1
                bad[leaf] = bad.get(leaf, 0) + (leaf in fate.blamed)
                if fate.after is not None and leaf not in fate.after:
                    ways = moved.setdefault(leaf, {})
                    for name in fate.after:
                        if name not in fate.leaves:
                            ways[name] = ways.get(name, 0) + 1
        counts = {
            leaf: InstanceCount(stored[leaf], bad[leaf], tuple(sorted(moved.get(leaf, {}).items())))
            for leaf in sorted(stored)
        }
        return cls(total, stranded, counts)

    def __str__(self) -> str:
        if not self.stranded:
            return f"none of {counted_noun(self.total, 'instance')} stranded"
        return f"{self.stranded} of {counted_noun(self.total, 'instance')} stranded"

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as plain JSON."""
        states = {name: each.to_dict() for name, each in self.by_state.items()}
        return {"total": self.total, "stranded": self.stranded, "states": states}


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
    """First those of states (removed, added, changed), then those of transitions, then those of
    the chart as a whole. Empty where the charts mean the same."""
    instances: InstanceCounts | None = None
    """The instances of a store; None if `Chart.diff` was given none."""

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __len__(self) -> int:
        return len(self.changes)

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    def status(self, state: str) -> Literal["added", "removed", "changed", "same"]:
        """Say what became of a state; its transitions and delays do not count.

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
        changed = any(each.state == state for each in self if each.about in ("state", "service"))
        return "changed" if changed else "same"

    @property
    def renames(self) -> dict[str, str]:
        """New names by old names of states that look as if they were renamed. Only a hint."""
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
        more = "" if self.instances is None else f", {self.instances}"
        return f"{names}, {versions}: {found}{more}"

    @takes_options(DiagramOptions)
    def draw(
        self, target: str | os.PathLike[str] | None = None, **options: Unpack[DiagramOptions]
    ) -> Picture:
        """Return both charts in one picture, and write it to `target` where that is given.

        Parameters
        ----------
        target : a file's path; its suffix is the format: svg, png
        title : a line above; the diff's heading by default
        legend : whether the signs that occur are explained below; True by default
        theme : ``"page"``, ``"light"`` or ``"dark"``; by default that of `settlesim.options`
        direction : ``"LR"`` or ``"TB"``, see `Chart.draw`; by default what fits `width`
        width : pixels available to the picture, 900 by default
        format : of the file, if its suffix does not tell
        scale : pixels of a PNG per unit, in (0, 20]; 2 by default, less for a large picture
        renderer
            None for the best one installed, ``"pygraphviz"``, ``"dot"`` or the path of a ``dot``.
        timeout : seconds after which the layout is stopped; 20 by default

        Raises
        ------
        RenderError
            As `Chart.draw`.
        """
        picture: Picture = display.draw(self, target, **options)
        return picture

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return display.mimebundle(self)

    def __repr__(self) -> str:
        return f"<ChartDiff {self.heading}>"

    def __str__(self) -> str:
        lines = [self.heading, *(f"- {each}" for each in self.changes)]
        if self.instances is not None:
            for name, count in self.instances.by_state.items():
                if count.stranded:
                    lines.append(f"- stranded in {name_words(name)}: {count.stranded}")
                for after, number in count.moved:
                    where = f"from {name_words(name)} to {name_words(after)}"
                    lines.append(f"- moved {where}: {number}")
        return "\n".join(lines)

    def with_instances(self, instances: InstanceCounts) -> ChartDiff:
        """Return this diff with the instances of a store."""
        return replace(self, instances=instances)

    def to_dict(self) -> dict[str, Any]:
        """Return the diff as plain JSON."""
        return {
            "old": {"chart": self.old.name, "version": self.old.version},
            "new": {"chart": self.new.name, "version": self.new.version},
            "changes": [each.to_dict() for each in self.changes],
            "instances": None if self.instances is None else self.instances.to_dict(),
        }


def diff_charts(old: Chart, new: Chart) -> ChartDiff:
    """Compare two charts; bound functions do not count."""
    return ChartDiff(old, new, changes_between(old, new, edge_groups(old, new)))
