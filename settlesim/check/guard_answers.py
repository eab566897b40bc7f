"""Answers in place of guards: guard by guard, or transition by transition.

Theory of operation
-------------------
A run asks guards; an `Oracle` answers, once for every valuation. Asked guard by guard, ten
guards on each of forty transitions have 10**40 valuations, while only 41 different things can
happen. So where a run has many valuations, the oracle answers *transition by transition*:
either all guards of a transition hold, or not all of them do. That gives the same runs, since a
machine only sees whether all guards of a transition hold.

The answers are then a set of literals that hold, and a set of *refused* conjunctions, each with at
least one literal that does not hold. An answer is given only where some valuation of the guards
agrees with all answers so far. That is a satisfiability problem: easy where no guard is wanted
both true and false, and otherwise a search whose steps are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

from settlesim.chart import Event, Transition
from settlesim.chart.strict_json import FrozenDict

__all__ = [
    "Answer",
    "Oracle",
    "OutOfWorkError",
    "Question",
    "Refused",
    "Valuation",
    "WorkCount",
    "agree",
]

MOST_ANSWERS: Final = 2_000
"""How many answers of one run, over all its valuations, are given guard by guard. With more it is
run again, transition by transition."""

Question: TypeAlias = tuple[str, str]
"""A guard and the event that it is asked about."""
Answer: TypeAlias = tuple[Question, bool]
"""What a guard said."""
Refused: TypeAlias = tuple[Answer, ...]
"""Answers of which at least one is wrong."""

T = TypeVar("T")


class OutOfWorkError(Exception):
    """More was asked than the oracle may answer."""


@dataclass(frozen=True, slots=True)
class Valuation(Generic[T]):
    """What a run did under one valuation of its guards."""

    result: T
    answers: tuple[Answer, ...]
    refused: tuple[Refused, ...]
    changes: bool
    """Whether an assign ran."""


# --- satisfiability -------------------------------------------------------------------------


def agree(known: Mapping[Question, bool], refused: Iterable[Refused], work: WorkCount) -> bool:
    """Whether some valuation gives the known answers and none of the refused conjunctions.

    Raises
    ------
    OutOfWorkError
        The search takes more than is left of `work`.
    """
    clauses = list(refused)
    branches = [dict(known)]
    while branches:
        values = branches.pop()
        open_ = _propagated(values, clauses, work)
        if open_ is None:
            continue
        question = _asked_both_ways(open_)
        if question is None:
            return True
        branches += [{**values, question: True}, {**values, question: False}]
    return False


def _propagated(
    values: dict[Question, bool], clauses: list[Refused], work: WorkCount
) -> list[Refused] | None:
    """Add to `values` what follows; return the clauses that are left, or None if one fails."""
    moved = True
    while moved:
        moved = False
        left = []
        for clause in clauses:
            work.spend(1)
            if any(values.get(question, value) is not value for question, value in clause):
                continue
            free = [answer for answer in clause if answer[0] not in values]
            if not free:
                return None
            if len(free) == 1:
                ((question, value),) = free
                values[question] = not value
                moved = True
            else:
                left.append(tuple(free))
        clauses = left
    return clauses


def _asked_both_ways(clauses: list[Refused]) -> Question | None:
    """Return a question with both answers in the clauses; None if there is none."""
    seen: dict[Question, bool] = {}
    for clause in clauses:
        for question, value in clause:
            if seen.setdefault(question, value) is not value:
                return question
    return None


class WorkCount:
    """A budget of steps, such as answers; spending more than it has is an error."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.left = most

    def spend(self, amount: int) -> None:
        """Take an amount from the budget.

        Raises
        ------
        OutOfWorkError
            It is more than there was left.
        """
        self.left -= amount
        if self.left < 0:
            raise OutOfWorkError


# --- asking ---------------------------------------------------------------------------------


class _Said:
    """What was answered in one run between two assigns."""

    def __init__(self, work: WorkCount) -> None:
        self._work = work
        self.known: dict[Question, bool] = {}
        self.refused: list[Refused] = []
        self._mentioned: set[Question] = set()

    def may_hold(self, answers: Refused) -> bool:
        """Whether all these answers may be right."""
        wanted = dict(answers)
        if len(wanted) < len(set(answers)):
            return False  # a guard that has to hold and not to hold
        if self._mentioned.isdisjoint(wanted):
            return True
        if any(self.known.get(question, value) is not value for question, value in answers):
            return False
        return agree({**self.known, **wanted}, self.refused, self._work)

    def may_fail(self, answers: Refused) -> bool:
        """Whether at least one of these answers may be wrong."""
        if any(question not in self._mentioned for question, _ in answers):
            return True
        if all(self.known.get(question) is value for question, value in answers):
            return False
        return agree(self.known, [*self.refused, answers], self._work)

    def note(self, answers: Refused, holds: bool) -> None:
        """Note that all these answers are right, or that at least one of them is wrong."""
        self._mentioned.update(question for question, _ in answers)
        if holds:
            self.known.update(answers)
        else:
            self.refused.append(answers)


class Oracle:
    """Answers in place of guards, and remembers its answers.

    Parameters
    ----------
    work : the budget for all questions together
    """

    def __init__(self, work: WorkCount) -> None:
        self.work = work
        self._interned: dict[Answer, Answer] = {}
        self._by_transition = False
        self._script: list[bool] = []
        self._choices: list[bool] = []
        self._asked: dict[tuple[Question, int], bool] = {}
        self._said: dict[tuple[str, int], _Said] = {}
        self._held: dict[tuple[Refused, int], bool] = {}
        self._conjunctions: dict[tuple[tuple[str, ...], tuple[str, ...], str], Refused] = {}
        self._changes = 0  # how many assigns have run: each may change what a guard says

    def holds(self, index: int, transition: Transition, event: Event) -> bool:
        """Return whether all guards of a transition hold, in this valuation.

        Parameters
        ----------
        index : the transition's position in ``chart.edges``
        """
        key = transition.conditions, transition.unless, event.name
        answers = self._conjunctions.get(key)
        if answers is None:
            wanted = [(name, True) for name in transition.conditions]
            wanted += [(name, False) for name in transition.unless]
            answers = tuple(((name, event.name), value) for name, value in wanted)
            self._conjunctions[key] = answers
        self.work.spend(1)
        if self._by_transition:
            return self._all_of(answers, event)
        return all(self._ask(question) is value for question, value in answers)

    def change(self, context: FrozenDict, event: Event) -> None:
        """Stand in for any assign: afterwards guards may give other answers."""
        self._changes += 1

    def _ask(self, question: Question) -> bool:
        key = question, self._changes
        if key not in self._asked:
            self.work.spend(1)
            self._asked[key] = self._choose()
        return self._asked[key]

    def _all_of(self, answers: Refused, event: Event) -> bool:
        key = answers, self._changes
        if key not in self._held:
            said = self._said.setdefault((event.name, self._changes), _Said(self.work))
            # At least one of the two is possible, since the answers so far agree.
            if not said.may_hold(answers):
                self._held[key] = False
            else:
                self._held[key] = self._choose() if said.may_fail(answers) else True
            said.note(answers, self._held[key])
        return self._held[key]

    def _choose(self) -> bool:
        """Return the script's next answer; True where the script has ended."""
        turn = len(self._choices)
        self._choices.append(self._script[turn] if turn < len(self._script) else True)
        return self._choices[-1]

    def valuations(self, run: Callable[[], T]) -> Iterator[Valuation[T]]:
        """Run once for every valuation of the guards that `run` really asks.

        Raises
        ------
        OutOfWorkError
            The budget is spent.
        """
        found: list[Valuation[T]] = []
        answers = 0
        for each in self._enumerated(run, by_transition=False):
            found.append(each)
            answers += len(each.answers)
            if answers > MOST_ANSWERS:
                yield from self._enumerated(run, by_transition=True)
                return
        yield from found

    def _enumerated(self, run: Callable[[], T], *, by_transition: bool) -> Iterator[Valuation[T]]:
        self._by_transition = by_transition
        script: list[bool] = []
        while True:
            self._script, self._choices, self._changes = script, [], 0
            self._asked, self._said, self._held = {}, {}, {}
            result = run()
            script = self._choices
            yield Valuation(result, *self._told(), self._changes > 0)
            while script and not script[-1]:
                script.pop()
            if not script:
                return
            script[-1] = False

    def _told(self) -> tuple[tuple[Answer, ...], tuple[Refused, ...]]:
        if not self._by_transition:
            return tuple(map(self._one, ((q, value) for (q, _), value in self._asked.items()))), ()
        answers: dict[Answer, None] = {}
        refused: dict[Refused, None] = {}
        for said in self._said.values():
            answers |= dict.fromkeys(map(self._one, said.known.items()))
            for clause in said.refused:
                ((question, value), *more) = clause
                if more:
                    refused[clause] = None
                else:
                    answers[self._one((question, not value))] = None
        return tuple(answers), tuple(refused)

    def _one(self, answer: Answer) -> Answer:
        """Intern an answer, so that hops share equal ones."""
        return self._interned.setdefault(answer, answer)
