"""Writes a scenario as a Promela model, for the model checker Spin.

Theory of operation
-------------------
Only the programs of the handlers are taken from the simulator, as tables: which services run from
which state, and what is saved in the end. Everything else (the queue with its discipline, the
store, faults and protections) is written independently in Promela, so that Spin checks the rules as
well. A process stands for one delivery of a message; a message has one process more for each
visibility time-out that may pass. Every step is one ``d_step``, so the states of a scenario without
faults correspond one to one to those of `settlesim.sim.explore`.

The criterion is an assertion that is checked wherever a run may end. The properties of the scenario
are ``ltl`` formulas with the names p1, p2, and so on.

References
----------
Holzmann, The SPIN Model Checker, Addison-Wesley 2003.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from settlesim.sim.model import Model
from settlesim.sim.predicates import (
    Conjunction,
    ContextField,
    Disjunction,
    Effect,
    Ended,
    InState,
    IsDeadLetter,
    Negation,
    Predicate,
    Waiting,
)
from settlesim.sim.program_tables import ProgramTables, plain_refusal
from settlesim.sim.properties import Property, PropertyKind
from settlesim.sim.scenario import Scenario
from settlesim.sim.serial import Serial, SerialEnding
from settlesim.sim.terms import Criterion

__all__ = ["to_promela"]

_MAX_PROCESSES: Final = 255  # Spin's limit
_MAX_LOG: Final = 200  # effects of one instance
_HEAD: Final = """\
/* {about}
 *
 * The criterion, where an error is an ending that is not allowed:
 *   spin -a model.pml && cc -O2 -w -o pan pan.c && ./pan -m100000
 * The properties p1, p2, ..., without that assertion:
 *   spin -a -DPROPERTIES model.pml && cc -O2 -w -o pan pan.c && ./pan -a -N p1 -m100000
 */
#define VISIBLE 0
#define FLYING 1
#define DELETED 2
#define DEAD 3
#define IDLE 0
#define STARTS 1
#define RUNS 2
#define DONE 3
"""


def to_promela(scenario: Scenario) -> str:
    """Return the scenario as the source text of a Promela model.

    The criterion is an assertion, the properties are ``ltl`` formulas. The formula for a
    ``sometimes`` says that it never happens, so Spin's error is the witness.

    Raises
    ------
    SimulationError
        The scenario cannot be written in Promela, or is too large for Spin; the message says why.
    """
    _check(scenario)
    model = Model(scenario)
    serial = Serial(model)
    fifo = scenario.criterion is Criterion.FIFO
    allowed = serial.parts(fifo=fifo)
    if allowed is None:
        raise plain_refusal(f"what the criterion allows is not known ({serial.reason})")
    with model.services_together():
        tables = ProgramTables(model)
    return "\n".join(_Writer(model, tables).lines(allowed)) + "\n"


def _check(scenario: Scenario) -> None:
    """Refuse a scenario that cannot be written, before anything is computed."""
    slots = 1 + scenario.faults.expiries
    processes = len(scenario.events) * slots + 1
    reasons = {
        "it has monitors": bool(scenario.monitors),
        "it has a deployment": scenario.old is not None,
        "it has messages that start an instance": any(each.starts for each in scenario.events),
        "it has batches": scenario.batch > 1,
        "it has a policy for events that arrive": scenario.while_running != "enqueue",
        "it has timers": len(scenario.messages) > len(scenario.events),
        f"it needs {processes} processes; Spin has {_MAX_PROCESSES}": processes > _MAX_PROCESSES,
    }
    for asked in scenario.properties:
        for part in asked.functions:
            name = getattr(part, "__qualname__", type(part).__qualname__)
            reasons[
                f"property {asked.name!r} is asked by a function of Python ({name}); say it by "
                "in_state, effect, context_is, dead_letter, waiting and ended"
            ] = not isinstance(part, Predicate)
    for reason, holds in reasons.items():
        if holds:
            raise plain_refusal(reason)


def _given_words(scenario: Scenario) -> str:
    """Describe the scenario in text that may be put into a C comment."""
    return repr(scenario).replace("*/", "* /")


class _Writer:
    """The text of one model."""

    def __init__(self, model: Model, tables: ProgramTables) -> None:
        self._model = model
        self._tables = tables
        self._scenario = scenario = model.scenario
        self._messages = len(scenario.events)
        self._keys = len(model.instances)
        self._direct = scenario.queue == "direct"
        self._slots = 1 + scenario.faults.expiries
        self._protections = set(scenario.protections)
        kinds = len(tables.calls)
        runs = self._messages + sum(scenario.faults)
        refusing = self._protections & {"cas", "fence", "atomic"}
        most = tables.most_effects * (runs * runs if refusing else runs)
        if "idempotent" in self._protections:
            most = min(most, kinds * self._messages)
        if most > _MAX_LOG:
            raise plain_refusal(f"an instance may have {most} effects; {_MAX_LOG} is the limit")
        self._log = most
        asked = (atom for each in scenario.properties for atom in each.atoms)
        self._counted = tuple(
            dict.fromkeys(each.service for each in asked if isinstance(each, Effect))
        )

    def lines(self, allowed: Sequence[dict[SerialEnding, int]]) -> list[str]:
        """Return the whole model."""
        lines = [_HEAD.format(about=_given_words(self._scenario)), *self._tables.lines()]
        lines += [*self._variables(), *self._definitions(), *self._judge(allowed)]
        for message in range(self._messages):
            for slot in range(self._slots):
                lines += self._process(message, slot)
        if self._scenario.faults.duplicates:
            lines += [
                "/* a run may end although a duplicate could come */",
                "active proctype last() {",
                "end: do",
                "  :: d_step { ended && duplicates > 0 && !stopped -> stopped = 1 }",
                "  od",
                "}",
                "",
            ]
        return lines + self._formulas()

    # --- declarations ---------------------------------------------------------------------

    def _variables(self) -> list[str]:
        faults = self._scenario.faults._asdict()
        names = {"crashes", "expiries", "duplicates", "service_failures"}
        lines = [
            f"short store[{self._keys}];",
            f"byte status[{self._messages}];",
            f"byte receives[{self._messages}];",
            f"byte at[{self._messages * self._slots}];",
            "byte busy;",
            *[f"byte {name} = {faults[name]};" for name in sorted(names) if faults[name]],
        ]
        if "cas" in self._protections:
            lines.append(f"byte version[{self._keys}];")
        if "inbox" in self._protections:
            lines.append(f"bit handled[{self._messages}];")
        if self._log:
            size = "byte" if len(self._tables.calls) * self._messages < 255 else "short"
            lines += [
                f"{size} log[{self._keys * self._log}];",
                f"byte length[{self._keys}];",
                "hidden short call;",
                "hidden short place;",
            ]
            lines += [
                f"byte times{number}[{self._keys}];  /* of {name} */"
                for number, name in enumerate(self._counted)
            ]
        if faults["duplicates"]:
            lines.append("bit stopped;")
        return [*lines, "hidden byte needed;", ""]

    def _definitions(self) -> list[str]:
        over = " && ".join(f"status[{each}] >= DELETED" for each in range(self._messages))
        most = self._scenario.max_receives
        back = "VISIBLE" if most is None else f"(receives[m] >= {most} -> DEAD : VISIBLE)"
        lines = [
            f"#define ended (busy == 0 && {over})",
            "#define owns(m) (status[m] == FLYING && receipt == receives[m])",
            *self._may_delete(),
            f"#define status_after(m) {back}",
        ]
        if self._log:
            lines += ["", *self._had()]
        lines += [
            "",
            "inline over(d) {",
            f"  at[d] = IDLE; node = 0; receipt = 0;{self._forget()} busy--; judge()",
            "}",
            "",
            "inline release(m, d) {",
            "  if :: owns(m) -> status[m] = status_after(m) :: else fi;",
            "  over(d)",
            "}",
            "",
        ]
        return lines

    def _forget(self) -> str:
        return " loaded = 0;" if "cas" in self._protections else ""

    def _may_delete(self) -> list[str]:
        newest = "owns(m)"
        if not self._scenario.queue.startswith("fifo_"):
            newest = "(receipt == receives[m] && (status[m] == FLYING || status[m] == VISIBLE))"
        return [f"#define may_delete(m) {newest}"]

    def _had(self) -> list[str]:
        """Return the macro that logs an effect."""
        counts = [
            f"    if :: {' || '.join(kinds)} -> times{number}[k]++ :: else fi;"
            for number, name in enumerate(self._counted)
            if (
                kinds := [
                    f"c == {place + 1}"
                    for place, call in enumerate(self._tables.calls)
                    if call[0] == name
                ]
            )
        ]
        write = [
            f"    assert(length[k] < {self._log});",
            f"    log[k * {self._log} + length[k]] = call; length[k]++;",
            *counts,
        ]
        if "idempotent" in self._protections:
            write = [
                "    place = 0;",
                f"    do :: place < length[k] && log[k * {self._log} + place] != call -> place++",
                "       :: else -> break od;",
                "    if :: place == length[k] ->",
                *write,
                "    :: else fi;",
            ]
        return [
            "inline had(c, m, k) {",
            "  if :: c > 0 ->",
            f"    call = (c - 1) * {self._messages} + m + 1;",
            *write,
            "    call = 0; " + ("place = 0" if "idempotent" in self._protections else "skip"),
            "  :: else fi",
            "}",
        ]

    # --- what is allowed ------------------------------------------------------------------

    def _judge(self, allowed: Sequence[dict[SerialEnding, int]]) -> list[str]:
        """Return the assertion: every instance ends as in some serial run."""
        lines = ["#ifdef PROPERTIES", "inline judge() { skip }", "#else"]
        lines += ["inline judge() {", "  if :: ended ->", "    needed = 0;"]
        for key, parts in enumerate(allowed):
            lines.append("    if")
            lines += [
                f"    :: {self._ends_as(key, *part)} -> needed = needed + {failures}"
                for part, failures in parts.items()
            ]
            lines += ["    :: else -> assert(false)", "    fi;"]
        budget = self._scenario.faults.service_failures
        return [
            *lines,
            f"    assert(needed <= {budget}); needed = 0",
            "  :: else fi",
            "}",
            "#endif",
            "",
        ]

    def _ends_as(
        self, key: int, state: int, effects: tuple[tuple[str, int], ...], dead: tuple[int, ...]
    ) -> str:
        saved = self._model.table.as_saved
        same = [s for s, own in enumerate(self._tables.states) if saved(own) == state]
        parts = [_any([f"store[{key}] == {each}" for each in same])]
        for message in range(self._messages):
            if self._model.key_of[message] == key:
                sign = "==" if message in dead else "!="
                parts.append(f"status[{message}] {sign} DEAD")
        if self._log:
            parts.append(f"length[{key}] == {len(effects)}")
            for place, (service, message) in enumerate(effects[: self._log]):
                entries = [
                    f"log[{key * self._log + place}] == {number * self._messages + message + 1}"
                    for number, call in enumerate(self._tables.calls)
                    if call[0] == service
                ]
                parts.append(_any(entries))
        return " && ".join(parts)

    # --- processes ------------------------------------------------------------------------

    def _process(self, message: int, slot: int) -> list[str]:
        d = message * self._slots + slot
        event = self._scenario.events[message]
        cas = "cas" in self._protections
        words = f"{event.event} for {event.key}".replace("*/", "* /")
        return [
            f"/* message {message + 1}: {words} */",
            f"active proctype message{message + 1}_{slot + 1}() {{",
            f"  short node; byte receipt;{' byte loaded;' if cas else ''}",
            "end: do",
            *(f"  :: d_step {{ {each} }}" for each in self._steps(message, d, slot)),
            "  od",
            "}",
            "",
        ]

    def _steps(self, m: int, d: int, slot: int) -> list[str]:
        k = self._model.key_of[m]
        faults = self._scenario.faults
        at = f"at[{d}]"
        free = "".join(f" && at[{d - slot + other}] != IDLE" for other in range(slot))
        begin = f"status[{m}] = FLYING; receives[{m}]++; receipt = receives[{m}]; busy++"
        steps = [f"{at} == IDLE{free} && {self._receivable(m)} -> {begin}; {at} = STARTS"]
        if self._direct:
            steps[0] = f"{at} == IDLE && {self._receivable(m)} -> {begin}; {self._load(m, k, d)}"
        else:
            steps.append(f"{at} == STARTS -> {self._load(m, k, d)}")
        steps += self._branches(m, k, at)
        steps += self._leaves(m, k, d)
        if (not self._direct and "atomic" not in self._protections) or self._inbox_and_atomic():
            delete = f"if :: may_delete({m}) -> status[{m}] = DELETED :: else fi"
            steps.append(f"{at} == DONE -> {delete}; over({d})")
        if faults.crashes:
            lost = f"status[{m}] = DELETED; over({d})" if self._direct else f"release({m}, {d})"
            steps.append(f"{at} != IDLE && crashes > 0 -> crashes--; {lost}")
        if faults.expiries:
            steps.append(
                f"{at} != IDLE && expiries > 0 && owns({m}) -> expiries--; "
                f"status[{m}] = status_after({m})"
            )
        if faults.duplicates and not slot:
            steps.append(
                f"status[{m}] == DELETED && duplicates > 0 && !stopped -> duplicates--; "
                f"status[{m}] = VISIBLE"
            )
        return steps

    def _inbox_and_atomic(self) -> bool:
        """Whether a handler may be left with only its delete, although saves delete as well."""
        return {"inbox", "atomic"} <= self._protections

    def _receivable(self, m: int) -> str:
        queue, keys = self._scenario.queue, self._model.key_of
        every = range(self._messages)
        parts = [f"status[{m}] == VISIBLE"]
        if not self._direct:
            parts.append(f"busy < {self._scenario.workers}")
        if queue == "fifo_dispatch":
            parts += [f"status[{other}] != VISIBLE" for other in every if other < m]
        elif queue == "mutex":
            parts += [
                f"status[{other}] != FLYING" for other in every if keys[other] == keys[m]
                and other != m
            ]  # fmt: skip
        elif queue in {"fifo_global", "fifo_group"}:
            parts += [
                f"status[{other}] >= DELETED"
                for other in range(m)
                if queue == "fifo_global" or keys[other] == keys[m]
            ]
        return " && ".join(parts)

    def _load(self, m: int, k: int, d: int) -> str:
        loaded = f" loaded = version[{k}];" if "cas" in self._protections else ""
        run = f"node = first{m}[store[{k}]];{loaded} at[{d}] = RUNS"
        if "inbox" not in self._protections:
            return run
        return f"if :: handled[{m}] -> at[{d}] = DONE :: else -> {run} fi"

    def _branches(self, m: int, k: int, at: str) -> list[str]:
        """Return the steps inside a handler's program."""
        width = self._tables.width
        failures = self._scenario.faults.service_failures
        steps = []
        for number in range(width):
            place = f"node * {width} + {number}"
            guard, pay = f"{at} == RUNS && branches[node] > {number}", ""
            if failures:
                guard += f" && service_failures >= costs[{place}]"
                pay = f"service_failures = service_failures - costs[{place}]; "
            had = f"had(effect[{place}], {m}, {k}); " if self._log else ""
            steps.append(f"{guard} -> {pay}{had}node = after[{place}]")
        return steps

    def _leaves(self, m: int, k: int, d: int) -> list[str]:
        """Return the steps that end a program: save, skip, refusal and error."""
        own = self._protections
        lost = f"!may_delete({m})" if "atomic" in own else ""
        stale = f"loaded != version[{k}]" if "cas" in own else ""
        old = f"receipt != receives[{m}]" if "fence" in own else ""
        save_refused = _any([each for each in (lost, stale, old) if each])
        at = f"at[{d}] == RUNS"
        note = f"handled[{m}] = 1; " if "inbox" in own else ""
        version = f"version[{k}]++; " if "cas" in own else ""
        finish = f"at[{d}] = DONE; node = 0;{self._forget()} skip"
        if self._direct or "atomic" in own:
            finish = f"status[{m}] = DELETED; over({d})"
        save = f"store[{k}] = result[node]; {version}{note}{finish}"
        steps = [
            f"{at} && kind[node] == 1{_unless(save_refused)} -> {save}",
            f"{at} && kind[node] == 2{_unless(lost)} -> {note}{finish}",
        ]
        refused = [
            f"(kind[node] == {kind} && ({refusal}))"
            for kind, refusal in ((1, save_refused), (2, lost))
            if refusal and refusal != "false"
        ]
        if refused:
            steps.append(f"{at} && {_any(refused)} -> release({m}, {d})")
        if self._tables.has_errors:
            back = f"status[{m}] = DELETED; over({d})" if self._direct else f"release({m}, {d})"
            steps.append(f"{at} && kind[node] == 3 -> {back}")
        return steps

    # --- properties -----------------------------------------------------------------------

    def _formulas(self) -> list[str]:
        if not self._scenario.properties:
            return []
        lines = ["#ifdef PROPERTIES"]
        for number, asked in enumerate(self._scenario.properties, 1):
            holds = self._said(asked.predicate)
            when = "true" if asked.when is None else self._said(asked.when)
            if asked.at_end:
                when = f"(ended && {when})"
            lines += [
                f"/* {str(asked).replace('*/', '* /')} */",
                f"#define holds{number} ({holds})",
                f"#define when{number} ({when})",
                f"ltl p{number} {{ {_formula(asked, number)} }}",
                "",
            ]
        return [*lines, "#endif"]

    def _said(self, part: object) -> str:
        """Return a predicate as an expression of Promela."""
        if isinstance(part, Conjunction):
            return f"({self._said(part.left)} && {self._said(part.right)})"
        if isinstance(part, Disjunction):
            return f"({self._said(part.left)} || {self._said(part.right)})"
        if isinstance(part, Negation):
            return f"!{self._said(part.of)}"
        if isinstance(part, Ended):
            return "ended"
        if isinstance(part, Effect):
            return self._said_of_effect(part)
        if isinstance(part, (IsDeadLetter, Waiting)):
            status = "DEAD" if isinstance(part, IsDeadLetter) else "VISIBLE"
            return _any(
                [
                    f"status[{place}] == {status}"
                    for place, each in enumerate(self._scenario.events)
                    if part.event in {None, each.event} and part.key in {None, each.key}
                ]
            )
        assert isinstance(part, (InState, ContextField))
        return self._said_of_store(part)

    def _said_of_effect(self, part: Effect) -> str:
        number = self._counted.index(part.service)
        keys = [place for place, key in enumerate(self._model.instances) if part.key in {None, key}]
        if not self._log:
            return "false"
        total = " + ".join(f"times{number}[{key}]" for key in keys)
        return f"({total} >= {part.times})"

    def _said_of_store(self, part: InState | ContextField) -> str:
        table = self._model.table
        found = []
        for number, state in enumerate(self._tables.states):
            if isinstance(part, InState):
                holds = part.holds_in(table.configuration(state))
            else:
                holds = part.holds_in(dict(table.context(state)))
            if holds:
                found += [
                    f"store[{place}] == {number}"
                    for place, key in enumerate(self._model.instances)
                    if part.key in {None, key}
                ]
        return _any(found)


def _formula(asked: Property, number: int) -> str:
    holds, when = f"holds{number}", f"when{number}"
    if asked.kind is PropertyKind.ALWAYS:
        return f"[] ({when} -> {holds})"
    if asked.kind is PropertyKind.EVENTUALLY:
        return f"<> {holds}" if asked.when is None else f"[] ({when} -> <> {holds})"
    return f"[] !({when} && {holds})"


def _any(parts: Sequence[str]) -> str:
    return f"({' || '.join(parts)})" if parts else "false"


def _unless(refusal: str) -> str:
    return f" && !({refusal})" if refusal and refusal != "false" else ""
