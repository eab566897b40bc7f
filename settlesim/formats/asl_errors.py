"""Which errors Step Functions retries and catches, and where a failure leads.

Sources: the Amazon States Language specification, "Errors", and the AWS Step Functions guide,
"Handling errors": the first retrier that names an error decides whether there is another try;
if it has no attempts left, or none names it, the first catcher that names it is taken. An error
that a state in a branch does not catch is the error of the Parallel state around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from settlesim.formats.boolean_guards import ALWAYS, Alternatives, all_of, any_of, named, negated
from settlesim.formats.draft import Draft, Route

__all__ = [
    "BRANCH_FAILED",
    "Asked",
    "ErrorNames",
    "FailureRules",
    "Retrier",
    "error_of_service",
    "known_error",
    "read_error",
    "routes_of_failure",
    "task_retry",
]

BRANCH_FAILED: Final = "States.BranchFailed"
_ANY: Final = "States.ALL"
_ANY_BUT_TIMEOUT: Final = "States.TaskFailed"
_TIMED_OUT: Final = "States.Timeout"
_TIMEOUT: Final = "TimeoutError"
"""The error in a chart of a service that ran out of time."""

Asked = Callable[[str], Alternatives]
"""Returns the guard that holds if an error has this name."""


@dataclass(frozen=True, slots=True)
class ErrorNames:
    """The names in ``ErrorEquals``."""

    names: tuple[str, ...]

    @property
    def take_all_others(self) -> bool:
        """Whether all errors other than time-outs are named."""
        return _ANY in self.names or _ANY_BUT_TIMEOUT in self.names

    @property
    def take_timeouts(self) -> bool:
        """Whether a time-out is named."""
        return _ANY in self.names or _TIMED_OUT in self.names

    @property
    def types(self) -> list[str]:
        """The types of errors, by their names in a chart."""
        return [_type_of(name) for name in self.names]

    def guard(self, asked: Asked) -> Alternatives:
        """Return the guard that holds for an error that is named."""
        if self.take_all_others:
            return ALWAYS if self.take_timeouts else negated(asked(_TIMED_OUT))
        return any_of([asked(name) for name in self.names])


def error_of_service(name: str) -> Alternatives:
    """Ask whether a service failed with an error."""
    return named(f"Error({_type_of(name)})")


def known_error(error: object) -> Asked:
    """Ask whether an error that the document names has the name in question."""
    return lambda name: ALWAYS if name == error else ()


def read_error(path: str, called: Callable[[str], str]) -> Asked:
    """Ask for an error whose name is in the data; the guard is named like the comparison."""
    return lambda name: named(called(f'{path} == "{name}"'))


def _type_of(name: str) -> str:
    return _TIMEOUT if name == _TIMED_OUT else name


# --- tasks --------------------------------------------------------------------------------


def task_retry(retriers: Sequence[tuple[ErrorNames, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return the `retry` of a service.

    An entry in a chart names errors, or applies to all of them. So before a retrier for all errors
    other than time-outs comes an entry for time-outs: that of the next retrier that names them, or
    one that never calls again.
    """
    found: list[dict[str, Any]] = []
    timeouts_known = False
    for number, (names, policy) in enumerate(retriers, 1):
        if names.take_all_others:
            if not names.take_timeouts and not timeouts_known:
                later = (each for other, each in retriers[number:] if other.take_timeouts)
                found.append({**next(later, {"attempts": 1}), "errors": [_TIMEOUT]})
            found.append(dict(policy))
            break  # no error is left for the retriers after it
        timeouts_known = timeouts_known or names.take_timeouts
        found.append({**policy, "errors": names.types})
    return found


# --- Parallel states ----------------------------------------------------------------------


@dataclass(eq=False, slots=True)
class Retrier:
    """One retrier of a Parallel state, with states that count how often it was used."""

    names: ErrorNames
    used: list[Draft] = field(default_factory=list)
    """One state for each number of uses, from 0; the last has no wait."""
    waits: list[Draft] = field(default_factory=list)
    """The states that wait before the Parallel state runs again, one for each use."""


@dataclass(eq=False, slots=True)
class FailureRules:
    """What a state says about failures: of its service, or of its branches."""

    retriers: list[Retrier] = field(default_factory=list)
    catchers: list[tuple[ErrorNames, Draft]] = field(default_factory=list)

    def named(self) -> list[ErrorNames]:
        """Return what each retrier and each catcher names."""
        return [*(each.names for each in self.retriers), *(names for names, _ in self.catchers)]


def routes_of_failure(
    handlers: Iterable[FailureRules], asked: Asked, asks_for: Callable[[Draft], str]
) -> Iterator[Route]:
    """Yield the transitions for an error, in order; the first whose guards hold is taken.

    Parameters
    ----------
    handlers : of the state that failed and of all Parallel states around it, innermost first
    asks_for : returns the guard that holds while a state is active
    """
    for handler in handlers:
        not_before: list[Alternatives] = []
        for retrier in handler.retriers:
            here = retrier.names.guard(asked)
            for used, wait in zip(retrier.used, retrier.waits, strict=False):
                again = all_of([*not_before, here, named(asks_for(used))])
                yield from _routes(wait, again)
            not_before.append(negated(here))
        for names, target in handler.catchers:
            caught = names.guard(asked)
            yield from _routes(target, caught)
            if caught == ALWAYS:
                return


def _routes(target: Draft, guard: Alternatives) -> Iterator[Route]:
    for conditions, unless in guard:
        yield Route(targets=[target], conditions=conditions, unless=unless)
