"""Reads a predicate from text, such as ``shipped & ~refund_card>=2``.

Rules
-----
1. ``|`` binds loosest, then ``&``, then ``~`` or ``!``; parentheses group.
2. A bare name is a state, or a service that has had its effect. A name that is both, or neither, is
   refused; ``state:paid`` and ``effect:charge_card`` say which is meant.
3. ``dead`` and ``waiting`` are about any message, ``dead:PAY`` about those of one event; ``ended``
   holds where a run may end; ``context:count==3`` compares a field with a JSON value.
4. ``@order-1`` after a name says which instance, ``>=2`` after a service how often.
5. A name with special characters or spaces in it is put in double quotes.
"""

from __future__ import annotations

import json
import re
from typing import Final

from settlesim.argument_checks import nearest
from settlesim.errors import SimulationError, shorten
from settlesim.sim.observation import Vocabulary
from settlesim.sim.predicates import (
    Predicate,
    context_is,
    dead_letter,
    effect,
    ended,
    in_state,
    waiting,
)

__all__ = ["parse_predicate"]

_TOKEN: Final = re.compile(r"\s*(>=|==|[&|~!()@:]|\"(?:[^\"\\]|\\.)*\"|[^\s&|~!()\"<>=@:]+)")
_KINDS: Final = ("state", "effect", "dead", "waiting", "context")
_BARE: Final = ("dead", "waiting", "ended")
_DEEPEST: Final = 50  # levels of nested parentheses and negations


def parse_predicate(text: str, names: Vocabulary) -> Predicate:
    """Read a predicate.

    Parameters
    ----------
    text : such as ``shipped & ~refund_card>=2``
    names : the names of the scenario that the predicate is about

    Raises
    ------
    SimulationError
        The text is no predicate, or has an unknown name; the message says where, and what would be
        possible there.
    """
    if not isinstance(text, str):
        raise SimulationError(where="predicate", reason=f"is {shorten(text)}; text is needed")
    reader = _Reader(text, names)
    found = reader.disjunction(0)
    if reader.next is not None:
        raise reader.refusal(f"{shorten(reader.next)} is not expected here; & or | may follow")
    problems = found.problems(names)
    if problems:
        raise reader.refusal("; ".join(dict.fromkeys(problems)))
    return found


class _Reader:
    """A recursive-descent parser with one token of look-ahead."""

    def __init__(self, text: str, names: Vocabulary) -> None:
        self._text = text
        self._names = names
        self._place = 0
        self.next: str | None = None
        self._advance()

    def refusal(self, reason: str) -> SimulationError:
        return SimulationError(where=f"predicate {shorten(self._text)}", reason=reason)

    def _advance(self) -> str:
        taken, rest = self.next, self._text[self._place :]
        match = _TOKEN.match(rest)
        if match is None and rest.strip():
            raise self.refusal(f"{shorten(rest.strip(), 20)} is nothing that can stand here")
        self.next = None if match is None else match[1]
        self._place += 0 if match is None else match.end()
        return taken or ""

    def _skip(self, *signs: str) -> bool:
        found = self.next in signs
        if found:
            self._advance()
        return found

    def disjunction(self, depth: int) -> Predicate:
        found = self._conjunction(depth)
        while self._skip("|"):
            found = found | self._conjunction(depth)
        return found

    def _conjunction(self, depth: int) -> Predicate:
        found = self._factor(depth)
        while self._skip("&"):
            found = found & self._factor(depth)
        return found

    def _factor(self, depth: int) -> Predicate:
        if depth > _DEEPEST:
            raise self.refusal(f"more than {_DEEPEST} parentheses and ~ stand in each other")
        if self._skip("~", "!"):
            return ~self._factor(depth + 1)
        if self._skip("("):
            found = self.disjunction(depth + 1)
            if not self._skip(")"):
                raise self.refusal("a closing parenthesis is missing")
            return found
        return self._atom()

    def _word(self) -> str:
        if self.next is None or not (self.next[0] == '"' or self.next[0] not in "&|~!()@:>="):
            where = "at its end" if self.next is None else f"before {self.next!r}"
            raise self.refusal(f"a name is missing {where}")
        word = self._advance()
        try:
            return str(json.loads(word)) if word[0] == '"' else word
        except ValueError:
            raise self.refusal(f"{shorten(word)} is no text in double quotes") from None

    def _atom(self) -> Predicate:
        quoted = (self.next or "").startswith('"')
        word = self._word()
        kind = word if not quoted and word in _KINDS and self._skip(":") else ""
        name: str | None = self._word() if kind else word
        if not kind:
            kind = "bare" if not quoted and word in _BARE else ""
            kind = self._meant(word, kind)
            name = None if kind in _BARE else word
        key = self._word() if self._skip("@") else None
        if kind == "ended":
            return ended()
        if kind in {"dead", "waiting"}:
            return (dead_letter if kind == "dead" else waiting)(name, key)
        assert name is not None
        if kind == "context":
            return self._field(name, key)
        if kind == "state":
            return in_state(name, key)
        return effect(name, self._times() if self._skip(">=") else 1, key)

    def _meant(self, word: str, bare: str) -> str:
        """Return what kind of name a bare word is."""
        kinds = [word] if bare else []
        kinds += ["state"] * (word in self._names.states)
        kinds += ["effect"] * (word in self._names.services)
        if len(kinds) == 1:
            return kinds[0]
        if kinds:
            ways = " or ".join(each if each in _BARE else f"{each}:{word}" for each in kinds)
            raise self.refusal(f"{shorten(word)} may be {ways}; say which")
        known = (*self._names.states, *self._names.services, *_BARE)
        close = nearest(word, known)
        hint = f"did you mean {close!r}?" if close else f"known are {', '.join(known)}"
        raise self.refusal(f"{shorten(word)} is no state and no service with an effect; {hint}")

    def _times(self) -> int:
        word = self._word()
        if not re.fullmatch("[1-9][0-9]{0,5}", word):
            raise self.refusal(f"{shorten(word)} is no number of times; 1 or more is needed")
        return int(word)

    def _field(self, name: str, key: str | None) -> Predicate:
        if not self._skip("=="):
            raise self.refusal(f"context:{name} has to be compared, such as context:{name}==3")
        self._require_word()
        word = self._advance()
        try:
            value = json.loads(word)
        except ValueError:
            reason = f"{shorten(word)} is no JSON value; text stands in double quotes"
            raise self.refusal(reason) from None
        return context_is(name, value, key)

    def _require_word(self) -> None:
        if self.next is None:
            raise self.refusal("a JSON value is missing at its end")
