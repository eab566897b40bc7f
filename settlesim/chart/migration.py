"""`Migration`: one step from a version of a chart to a later one, as a pure function of JSON.

A step says what became of states, events and delays, and how the context is written now. What it
does not mention keeps its name. Whether the result is settled in the later chart is not checked
here: `settlesim.check` does that for every configuration, `settlesim.versions` for every instance.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from settlesim.chart.event import external_events
from settlesim.chart.functions import waits
from settlesim.chart.problems import Problems
from settlesim.chart.secrets import HIDDEN, hidden_error
from settlesim.chart.strict_json import FrozenDict, freeze_object, thaw
from settlesim.chart.validation import ancestors
from settlesim.errors import InvalidValueError, error_message, names_of, shorten

if TYPE_CHECKING:
    from settlesim.chart.chart import Chart

__all__ = [
    "NO_CONTEXT",
    "Migration",
    "Names",
    "Split",
    "StepError",
    "Target",
    "check_steps",
    "delays_of",
    "split",
]

Names: TypeAlias = str | tuple[str, ...]


class StepError(Exception):
    """Says why a step cannot migrate an instance.

    Parameters
    ----------
    stranded : whether its target is not settled in the later chart
    """

    def __init__(self, reason: str, *, stranded: bool = False) -> None:
        super().__init__(reason)
        self.stranded = stranded


@dataclass(frozen=True, slots=True)
class Split:
    """Several targets for one state; the context decides between them."""

    by: Callable[[dict[str, Any]], str | Sequence[str]]
    """Is given the context before the step; returns one of `targets`."""
    targets: tuple[Names, ...]
    """Every possible result, so that the check can follow each."""


Target: TypeAlias = Names | Split | Callable[[dict[str, Any]], str | Sequence[str]]
"""Where a step takes a state: a name, the names of a configuration, or a function that decides."""


def split(
    by: Callable[[dict[str, Any]], str | Sequence[str]], *targets: str | Sequence[str]
) -> Split:
    """Return an entry of `states` for a state that is split into several.

    Parameters
    ----------
    by : is given the context before the step, and returns one of the targets
    targets : the names of states, or lists of them where several are active together

    Examples
    --------
    >>> held = split(lambda context: "cart" if context["items"] else "cancelled",
    ...              "cart", "cancelled")
    >>> held.targets
    ('cart', 'cancelled')
    """
    return Split(by, tuple(_names(each) for each in targets))


@dataclass(frozen=True, slots=True)
class Migration:
    """One step from a version of a chart to a later one; `settlesim.migration` makes it."""

    source: Chart
    """The earlier version."""
    target: Chart | None
    """The later version; None until the chart takes the step, which then leads to that chart."""
    states: Mapping[Names, Target] = field(default_factory=dict)
    """By the full name of a state, which includes all states inside it, or by the names of a whole
    configuration."""
    context: Callable[[dict[str, Any]], Mapping[str, Any]] | None = None
    """Returns the whole new context."""
    events: Mapping[str, str | None] = field(default_factory=dict)
    """The new name of an event; None for one that is dropped."""
    delays: Mapping[str, str | None] = field(default_factory=dict)
    """The new id of a delay; None for one that is dropped."""

    @property
    def to(self) -> Chart:
        """The later version."""
        assert self.target is not None  # `check_steps` has set it
        return self.target

    @property
    def name(self) -> str:
        """How messages name the step."""
        return f"the step from version {self.source.version} to {self.to.version}"

    # --- states -------------------------------------------------------------------------------

    def carry(self, configuration: tuple[str, ...], context: FrozenDict) -> tuple[str, ...]:
        """Return the leaves in which an instance of the earlier version continues.

        Raises
        ------
        StepError
            A function failed, or a state that it or the step names is not in the later version.
        """
        whole = self._whole(configuration)
        if whole is not None:
            return self._entered(_tuple(self._called(whole, configuration, context)))
        found: list[str] = []
        for leaf in configuration:
            names, said = self._target_of(leaf, context)
            found.extend(self._entered(names) if said else names)
        return self._ordered(found)

    def is_fixed(self, configuration: tuple[str, ...]) -> bool:
        """Whether a configuration leads to the same one whatever the context is."""
        whole = self._whole(configuration)
        said = [whole] if whole is not None else [self._entry(leaf)[1] for leaf in configuration]
        return all(each is None or isinstance(each, (str, tuple)) for each in said)

    def possible(self, configuration: tuple[str, ...]) -> Iterator[tuple[str, ...] | None]:
        """Yield every configuration to which this one may lead; None where only data decide.

        Raises
        ------
        StepError
            As `carry`.
        """
        whole = self._whole(configuration)
        said = [whole] if whole is not None else [self._entry(leaf)[1] for leaf in configuration]
        chosen = [each for each in said if each is not None and not isinstance(each, (str, tuple))]
        if any(not isinstance(each, Split) for each in chosen):
            yield None
            return
        splits = list({id(each): each for each in chosen if isinstance(each, Split)}.values())
        for answers in _choices(splits):
            fixed = {
                key: answers.get(id(target), target) if isinstance(target, Split) else target
                for key, target in self.states.items()
            }
            yield replace(self, states=fixed).carry(configuration, NO_CONTEXT)

    def state(self, name: str, context: FrozenDict) -> tuple[str, ...]:
        """Return what one state of the earlier version is called now; raises as `carry`."""
        return self._target_of(name, context)[0]

    def targets(self, name: str) -> tuple[str, ...] | None:
        """Return the targets that the step names for a state.

        Returns
        -------
        names : empty where only data decide; None where the step does not mention the state
        """
        said = [target for key, target in self.states.items() if name in _tuple(key)]
        said += [] if said else [each for each in [self._entry(name)[1]] if each is not None]
        if not said:
            return None
        found = []
        for target in said:
            if isinstance(target, Split):
                found += [each for names in target.targets for each in _tuple(names)]
            elif isinstance(target, (str, tuple)):
                found += _tuple(target)
        return tuple(dict.fromkeys(found))

    def _whole(self, configuration: tuple[str, ...]) -> Target | None:
        wanted = frozenset(configuration)
        for key, target in self.states.items():
            if isinstance(key, tuple) and frozenset(key) == wanted:
                return target
        return None

    def _entry(self, name: str) -> tuple[str, Target | None]:
        """Return the innermost state around `name` that the step mentions, and what it says."""
        for outer in ancestors(name):
            if outer in self.states:
                return outer, self.states[outer]
        return name, None

    def _target_of(self, name: str, context: FrozenDict) -> tuple[tuple[str, ...], bool]:
        """Return the new names of a state, and whether the step mentions it."""
        outer, target = self._entry(name)
        if target is None:
            return (name,), False
        names = self._called(target, (outer,), context)
        inner = name[len(outer) :]
        if not inner or not isinstance(names, str):  # a list of names is meant as it stands
            return _tuple(names), True
        kept = f"{names}{inner}"
        return (kept if kept in self.to or self._has_children(names) else names,), True

    def _has_children(self, name: str) -> bool:
        return name in self.to and not self.to.node(name).is_leaf

    def _called(self, target: Target, states: tuple[str, ...], context: FrozenDict) -> Names:
        """Return the names of a target, calling its function if it has one."""
        if isinstance(target, (str, tuple)):
            return target
        function = target.by if isinstance(target, Split) else target
        found = self._call(function, context, f"states[{names_of(states)}]")
        try:
            names = _names(found)
        except TypeError:
            reason = f"says {self._shown(found)} for {names_of(states)}; a name of a state, or a "
            raise StepError(f"{self.name} {reason}list of names, is needed") from None
        if isinstance(target, Split) and names not in target.targets:
            possible = ", ".join(shorten(each, 40) for each in target.targets)
            reason = f"says {self._shown(names)} for {names_of(states)}; possible: {possible}"
            raise StepError(f"{self.name} {reason}")
        return names

    def _call(self, function: Callable[..., Any], context: FrozenDict, what: str) -> Any:
        try:
            return function(thaw(context))
        except Exception as error:
            shown = hidden_error(error) if self._has_secrets else error
            text = f"{type(error).__name__}: {error_message(shown)}"
            raise StepError(f"{self.name} failed in {what} with {shorten(text, 200)}") from error

    @property
    def _has_secrets(self) -> bool:
        """Whether values that functions return or raise may be secret."""
        return bool(self.source.secret or self.to.secret)

    def _shown(self, said: object) -> str:
        """Return a function's result as an error shows it."""
        return HIDDEN if self._has_secrets else shorten(said, 60)

    def _entered(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the leaves that are active when the states are entered."""
        found: list[str] = []
        for name in names:
            if name not in self.to:
                raise StepError(
                    f"{self.name} leads to {self._shown(name)}, which version {self.to.version} "
                    "does not have",
                    stranded=True,
                )
            found.extend(self.to.enter(name))
        return self._ordered(found)

    def _ordered(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return names in the order of the later chart, with unknown ones at the end."""
        order: dict[str, int] | None = self.to.cache.get("order")
        if order is None:
            order = {node.name: index for index, node in enumerate(self.to.states)}
            self.to.cache["order"] = order
        last = len(order)
        return tuple(sorted(dict.fromkeys(names), key=lambda name: order.get(name, last)))

    def carry_history(self, states: FrozenDict, context: FrozenDict) -> FrozenDict:
        """Return what history states remember, in the names of the later version.

        What the later version could not remember is forgotten, as if the state around the history
        state had never been left; raises as `carry`.
        """
        if not states:
            return states
        found: dict[str, list[str]] = {}
        for name, remembered in states.items():
            leaves = [each for old in remembered for each in self.state(old, context)]
            ordered = self._ordered(leaves)
            for new in self.state(name, context):
                if self.to.structure.can_remember(new, ordered):
                    found[new] = list(ordered)
        return freeze_object(found, where="history_states")

    # --- context, events, delays ----------------------------------------------------------------

    def carry_context(self, context: FrozenDict) -> FrozenDict:
        """Return the context of the later version.

        Raises
        ------
        StepError
            The function failed, or returned no strict JSON object.
        """
        if self.context is None:
            return context
        found = self._call(self.context, context, "context")
        try:
            return freeze_object(found, where="the new context")
        except InvalidValueError as error:
            reason = f"the new context is refused: {HIDDEN}" if self._has_secrets else error
            raise StepError(f"{self.name}: {reason}") from None

    def delay(self, id: str, context: FrozenDict | None) -> str | None:  # noqa: A002
        """Return the new id of a delay; None for one that is dropped.

        A delay that the step does not name becomes the delay of as many seconds in the same state,
        under that state's new name.

        Parameters
        ----------
        context : before the step; None to try every state to which its state may lead

        Raises
        ------
        KeyError
            The later chart has no such delay.
        StepError
            As `carry`.
        """
        if id in self.delays:
            return self.delays[id]
        state = id.rpartition(".")[0]
        seconds = next(each.seconds for each in self.source.node(state).after if each.id == id)
        found = [
            next((new.id for new in self.to.node(name).after if new.seconds == seconds), None)
            for name in self._states_of(state, context)
            if name in self.to
        ]
        if not found or None in found:
            raise KeyError(id)
        return found[0]

    def depends(self, state: str) -> bool:
        """Whether only data decide where a state leads."""
        target = self._entry(state)[1]
        return target is not None and not isinstance(target, (str, tuple, Split))

    def _states_of(self, state: str, context: FrozenDict | None) -> Iterable[str]:
        target = self._entry(state)[1]
        if context is not None or target is None or isinstance(target, (str, tuple)):
            return self.state(state, NO_CONTEXT if context is None else context)
        if isinstance(target, Split):
            return [name for names in target.targets for name in _tuple(names)]
        return ()


NO_CONTEXT: Final = freeze_object({}, where="context")


def _choices(splits: Sequence[Split]) -> Iterator[dict[int, Names]]:
    """Yield every combination of the splits' targets, by the `id` of each split."""
    if not splits:
        yield {}
        return
    first, *others = splits
    for rest in _choices(others):
        for names in first.targets:
            yield {id(first): names, **rest}


def _tuple(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names


def _names(found: object) -> Names:
    """Return one name or several; TypeError for anything else."""
    if isinstance(found, str):
        return found
    if isinstance(found, (list, tuple)) and found and all(isinstance(each, str) for each in found):
        return tuple(found)
    raise TypeError


def delays_of(chart: Chart) -> dict[str, float]:
    """Return the seconds of every delay of a chart, by its id."""
    return {each.id: each.seconds for node in chart.states for each in node.after}


# --- what a chart refuses -------------------------------------------------------------------------


def check_steps(
    chart: Chart, plain: Chart, steps: object, problems: Problems
) -> tuple[Migration, ...]:
    """Return all steps that lead to a chart, those of its sources included; note what is wrong.

    Parameters
    ----------
    plain : the chart without steps, to which a step without a target leads
    """
    if isinstance(steps, (Migration, str)) or not isinstance(steps, Iterable):
        problems.add("migrations", f"is {shorten(steps, 60)}; a list of migration(...) is needed")
        return ()
    found: list[Migration] = []
    for number, given in enumerate(steps):
        where = f"migrations[{number}]"
        if not isinstance(given, Migration):
            problems.add(where, f"is {shorten(given, 60)}; migration(...) makes a step")
            continue
        step = replace(given, target=plain) if given.target is None else given
        before = problems.count
        _check_ends(chart, step, where, problems)
        if problems.count == before:
            _check_names(step, where, problems)
        found.append(step)
    if not problems.count:
        versions = {step.source.version for step in found}
        for earlier in [each for step in found for each in step.source.migrations]:
            if earlier.source.version not in versions:  # the source has steps of its own
                versions.add(earlier.source.version)
                found.append(earlier)
        _check_chain(chart, found, problems)
    return tuple(sorted(map(_alone, found), key=lambda each: each.source.version))


def _alone(step: Migration) -> Migration:
    """Return a step between charts without steps: the chart itself has the whole chain.

    Otherwise the time to compare two charts would double with every version.
    """
    source, target = step.source, step.to
    if source.migrations or target.migrations:
        return replace(step, source=source.with_migrations(), target=target.with_migrations())
    return step


def _check_ends(chart: Chart, step: Migration, where: str, problems: Problems) -> None:
    old, new = step.source, step.to
    if (old.name, new.name) != (chart.name, chart.name):
        names = f"{shorten(old.name, 40)} to {shorten(new.name, 40)}"
        reason = f"leads from chart {names}; a step of {shorten(chart.name, 40)} stays in it"
        problems.add(where, reason)
    if not old.version < new.version <= chart.version:
        problems.add(
            where,
            f"leads from version {old.version} to {new.version}; a step leads to a later version, "
            f"at most {chart.version}, which is this chart's",
        )
    elif new.version == chart.version and new.fingerprint != chart.fingerprint:
        problems.add(
            where,
            f"leads to another version {new.version} than this chart (fingerprint "
            f"{new.fingerprint}, here {chart.fingerprint}); leave chart_to out to mean this one",
        )


def _check_chain(chart: Chart, steps: Sequence[Migration], problems: Problems) -> None:
    by_version: dict[int, Migration] = {}
    for step in steps:
        version = step.source.version
        if version in by_version:
            problems.add("migrations", f"two steps lead from version {version}; one is needed")
        by_version[version] = step
    for step in steps:
        new = step.to
        if new.version == chart.version:
            continue
        following = by_version.get(new.version)
        if following is None:
            problems.add(
                "migrations",
                f"a step leads to version {new.version} and none from there on to "
                f"{chart.version}: add migration(<version {new.version}>, ...)",
            )
        elif following.source.fingerprint != new.fingerprint:
            problems.add(
                "migrations",
                f"the step to version {new.version} and the step from it have different charts "
                f"(fingerprints {new.fingerprint} and {following.source.fingerprint})",
            )


def _check_names(step: Migration, where: str, problems: Problems) -> None:
    """Note names that the two charts of a step do not have, and values that are no functions."""
    old, new = step.source, step.to
    for key, target in step.states.items():
        for name in _tuple(key):
            if name not in old:
                problems.unknown(f"{where}.states", "state", name, [n.name for n in old.states])
        _check_target(step, key, target, f"{where}.states", problems)
    for what, known, wanted in (
        ("event", external_events(old), external_events(new)),
        ("delay", delays_of(old), delays_of(new)),
    ):
        place = f"{where}.{what}s"
        mapping: Mapping[str, str | None] = getattr(step, f"{what}s")
        for name, renamed in mapping.items():
            if name not in known:
                problems.unknown(place, what, name, list(known))
            if renamed is not None and renamed not in wanted:
                problems.unknown(f"{place}[{shorten(name)}]", what, renamed, list(wanted))
    if step.context is not None:
        _check_function(step.context, f"{where}.context", problems)


def _check_target(
    step: Migration, key: Names, target: Target, where: str, problems: Problems
) -> None:
    place = f"{where}[{names_of(_tuple(key))}]"
    new = step.to
    if isinstance(target, Split):
        if not target.targets:
            problems.add(place, "split(...) names no target; name each state that may come out")
        names = [name for each in target.targets for name in _tuple(each)]
        _check_function(target.by, place, problems)
    elif isinstance(target, (str, tuple)):
        names = list(_tuple(target))
    else:
        _check_function(target, place, problems)
        return
    for name in names:
        if name not in new:
            problems.unknown(place, "state", name, [node.name for node in new.states])


def _check_function(function: object, where: str, problems: Problems) -> None:
    if not callable(function):
        reason = f"is {shorten(function, 60)}; a name, a list of names or a function of the "
        problems.add(where, f"{reason}context is needed")
        return
    if waits(function):
        problems.add(where, "is asynchronous, and a step does not wait: make it a plain function")
        return
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # some built-in functions have none
    try:
        signature.bind("context")
    except TypeError:
        problems.add(where, f"takes {signature}; it is called with (context)")
