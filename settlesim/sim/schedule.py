"""`Schedule`: the order of the steps of a run, as short text that can be copied.

In ``r1 l1 c1 r2 l2 s2 d2 s1 d1`` the first message is received, its instance is loaded, and a
service comes back. Then the second message is received, loaded, saved and deleted, and only then
the first is saved and deleted. In ``l1.2`` the number after the dot says that it is the second
delivery of the message; in ``c1:2`` the number after the colon says that it is the second of the
running services or delays, in the order of their start. Both are left out for the first one. Steps
are named rather than numbered, so a schedule is readable, and remains valid if the model gets a
further step elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from settlesim import display
from settlesim.errors import SimulationError, shorten
from settlesim.sim.terms import Kind, Step

if TYPE_CHECKING:
    pass

__all__ = ["Schedule"]

_STEP = re.compile(r"([a-z])([1-9][0-9]{0,3})(?:\.([1-9][0-9]{0,5}))?(?::([1-9][0-9]{0,3}))?")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A sequence of steps.

    Examples
    --------
    >>> schedule = Schedule.parse("r1 l1 r2 k1 l2")
    >>> str(schedule), len(schedule), schedule.faults, schedule.switches
    ('r1 l1 r2 k1 l2', 5, 1, 1)
    """

    steps: tuple[Step, ...]

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Read what `str` writes.

        Raises
        ------
        SimulationError
            A word is not the name of a step.
        """
        if not isinstance(text, str):
            raise SimulationError(
                where="schedule", reason=f"is {shorten(text)}; text such as 'r1 l1 s1' is needed"
            )
        letters = {kind.value: kind for kind in Kind}
        steps = []
        for position, word in enumerate(text.split(), 1):
            match = _STEP.fullmatch(word)
            if match is None or match[1] not in letters:
                raise SimulationError(
                    where=f"step {position} of the schedule",
                    reason=f"{shorten(word)} is no step; one is a letter ({', '.join(letters)}), "
                    "the number of a message, after a dot that of a delivery and, after a colon, "
                    "which of several services or delays",
                )
            numbers = (int(each or 1) for each in match.groups()[1:])
            steps.append(Step(letters[match[1]], *numbers))
        return cls(tuple(steps))

    @property
    def faults(self) -> int:
        """How many steps are faults."""
        return sum(step.kind.is_fault for step in self.steps)

    @property
    def switches(self) -> int:
        """How often the handler changes from one step to the next, leaving out faults."""
        actors = [each.handler for each in self.steps if each.kind.is_of_handler]
        return sum(a != b for a, b in pairwise(actors))

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __str__(self) -> str:
        return " ".join(step.name for step in self.steps)

    def __repr__(self) -> str:
        return f"Schedule.parse({str(self)!r})"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return display.mimebundle(self)
