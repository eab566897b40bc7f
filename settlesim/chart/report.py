"""What a check found: findings with their shortest paths, and a verdict."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, Final

from settlesim import display
from settlesim.errors import DefinitionError, Problem

__all__ = ["CODES", "Finding", "Report", "Severity", "Verdict"]


class Severity(enum.Enum):
    """How much a finding weighs."""

    ERROR = "error"
    """The contract does not hold: an event may end without a settled configuration."""
    WARNING = "warning"
    """The contract may hold, but this is probably not what was meant."""
    NOTE = "note"
    """The chart means something else in SCXML."""


class Verdict(enum.Enum):
    """Whether every event ends in a settled configuration."""

    PROVED = "proved"
    REFUTED = "refuted"
    UNDETERMINED = "undetermined"
    """A loop that only data can end, a delay beyond the deadline, or a chart too large."""


CODES: Final[dict[str, tuple[Severity, str]]] = {
    "SET101": (Severity.ERROR, "limbo: a run stops in a state without a settling tag"),
    "SET102": (Severity.ERROR, "eventless cycle: the run never stops"),
    "SET103": (Severity.ERROR, "on_error missing: a failing service has no transition"),
    "SET104": (Severity.ERROR, "one event takes more microsteps than allowed"),
    "SET105": (
        Severity.ERROR,
        "start in limbo: a new instance works and stops in a state without a settling tag",
    ),
    "SET201": (Severity.WARNING, "unreachable state"),
    "SET202": (Severity.WARNING, "loop that only data or services can end"),
    "SET203": (Severity.WARNING, "transition shadowed by an earlier one"),
    "SET204": (Severity.WARNING, "tag that looks like a settling tag"),
    "SET205": (Severity.WARNING, "untagged initial state"),
    "SET206": (
        Severity.WARNING,
        "transition for an event that never arrives: the chart is never settled in its source",
    ),
    "SET207": (Severity.NOTE, "delay of a settled state: only a worker lets it pass"),
    "SET208": (Severity.WARNING, "delay or retries longer than the deadline of one event"),
    "SET209": (Severity.WARNING, "transition that can never fire"),
    "SET301": (Severity.NOTE, "SCXML would leave and enter the source state again"),
    "SET302": (Severity.NOTE, "SCXML would enter the first child"),
    "SET303": (Severity.NOTE, "SCXML matches events by prefix and with an asterisk"),
    "SET304": (Severity.NOTE, "SCXML: finished as soon as a final child is entered"),
    "SET401": (
        Severity.ERROR,
        "a migration step takes a state of an earlier version to one that is not settled",
    ),
    "SET402": (Severity.ERROR, "an event of an earlier version is gone"),
    "SET403": (Severity.ERROR, "a delay of an earlier version is gone"),
    "SET404": (Severity.ERROR, "no migration step begins at an earlier version"),
    "SET405": (Severity.ERROR, "edited without a new version"),
    "SET406": (
        Severity.WARNING,
        "a migration step that only a dry run over the instances can check",
    ),
    "SET901": (Severity.WARNING, "the chart is too large to be explored whole"),
}
"""The severity and the title of every code."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found."""

    code: str
    where: str
    """The state or transition."""
    message: str
    path: tuple[str, ...] = ()
    """A shortest run that shows it, from a new instance on.

    Empty where none is needed, and where the paths of other findings are very long already.
    """
    states: tuple[str, ...] = ()
    """The names of the states in which the contract is refuted."""

    @property
    def severity(self) -> Severity:
        """How much it weighs."""
        return CODES[self.code][0]

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as plain JSON."""
        return {
            "code": self.code,
            "severity": self.severity.value,
            "title": CODES[self.code][1],
            "where": self.where,
            "message": self.message,
            "path": list(self.path),
        }

    def __str__(self) -> str:
        lines = [f"{self.code} {self.severity.value}: {self.where}: {self.message}"]
        lines.extend(f"    {number}. {words}" for number, words in enumerate(self.path, 1))
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Report:
    """The settling contract of a chart, proved or refuted."""

    chart: str
    version: int
    verdict: Verdict
    findings: tuple[Finding, ...]
    """Errors first, then warnings, then notes; each by code and position in the chart."""
    settled: tuple[tuple[str, ...], ...]
    """Every configuration that can be saved, those with shorter paths first."""
    rejected: tuple[tuple[str, ...], ...]
    """Every rejected configuration that is reached and not saved."""
    run_states: int
    """How many states of a run were explored: configuration, running services, pending delays."""
    steps: int
    """How many steps between them were followed."""
    longest: int | None
    """The most microsteps that one event takes; None where a loop has no bound."""

    @property
    def ok(self) -> bool:
        """Whether there are no errors."""
        return not self.errors

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that refute the contract."""
        return tuple(each for each in self.findings if each.severity is Severity.ERROR)

    def raise_if_refuted(self) -> Report:
        """Return the report itself unless it has errors.

        Raises
        ------
        DefinitionError
            The contract is refuted; every error is a problem of it.
        """
        if self.errors:
            problems = tuple(
                Problem(each.where, f"{each.message} [{each.code}]") for each in self.errors
            )
            raise DefinitionError(problems=problems, chart=self.chart)
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON."""
        return {
            "chart": self.chart,
            "version": self.version,
            "verdict": self.verdict.value,
            "settled": [list(leaves) for leaves in self.settled],
            "rejected": [list(leaves) for leaves in self.rejected],
            "run_states": self.run_states,
            "steps": self.steps,
            "longest": self.longest,
            "findings": [each.to_dict() for each in self.findings],
        }

    @property
    def summary(self) -> str:
        """What was explored, in one phrase."""
        counts = [
            counted_noun(len(self.settled), "settled configuration"),
            *([f"{len(self.rejected)} rejected"] if self.rejected else []),
            counted_noun(self.run_states, "run state"),
            counted_noun(self.steps, "step"),
        ]
        if self.longest:
            counts.append(f"at most {counted_noun(self.longest, 'microstep')} per event")
        return ", ".join(counts)

    def __str__(self) -> str:
        head = f"{self.chart} version {self.version}: {self.verdict.name} ({self.summary})"
        return "\n".join([head, *map(str, self.findings)])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return display.mimebundle(self)


def counted_noun(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 step`` and ``2 steps``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
