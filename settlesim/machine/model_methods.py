"""The methods of a model of `transitions` as guards and assigns of a chart.

Theory of operation
-------------------
A model keeps its data in attributes, a chart in its context. `ModelMethods` is told which
attribute is which key. A wrapped method is called on an object of the model's class that is
made for this one call: its attributes are taken from the context, and go back into it
afterwards. So the methods stay as they are, and nothing is kept except the context.

A wrapped method cannot use anything else: a connection, another attribute, a trigger. If its source
shows such a use, it is not wrapped, and a sentence says what has to be written instead; if only a
call shows it, the call fails with an error that says the same.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from transitions import EventData, Machine
from transitions.core import Event as MachineEvent
from transitions.extensions.nesting import HierarchicalMachine

from settlesim.chart import Event
from settlesim.chart.strict_json import FrozenDict, thaw
from settlesim.errors import DefinitionError, Problem, shorten

__all__ = ["Attributes", "ModelMethods"]

Attributes = Mapping[str, str] | Iterable[str]
"""Keys of the context by the names of attributes; a list where the names are the same."""

_NO_EVENT_DATA: Final = frozenset(("transition", "error", "result"))
"""The attributes of ``EventData`` that are unknown when a chart calls."""


class ModelMethods:
    """Wraps the methods of one model.

    Parameters
    ----------
    machine : whose ``send_event`` says what methods take, and whose states a model may ask for
    model : an instance, or its class
    attributes : which attributes are kept in the context, and under which key

    Raises
    ------
    DefinitionError
        An attribute has no initial value, since the model is a class without a default for it; or
        `attributes` is one name instead of a list.
    """

    def __init__(self, machine: Machine, model: object, attributes: Attributes | None) -> None:
        self._machine = machine
        self._model = model
        self._type: type = model if isinstance(model, type) else type(model)
        if isinstance(attributes, str):
            reason = f"is {shorten(attributes, 60)}; a list of names, or a mapping, is needed"
            raise DefinitionError(problems=(Problem("attributes", reason),))
        pairs = attributes if isinstance(attributes, Mapping) else {n: n for n in attributes or ()}
        self._keys = dict(pairs)

    def context(self) -> dict[str, Any]:
        """Return the initial context: the values that the model has."""
        return {key: self._first(attribute) for attribute, key in self._keys.items()}

    def _first(self, attribute: str) -> Any:
        if dataclasses.is_dataclass(self._model) and isinstance(self._model, type):
            for field in dataclasses.fields(self._model):
                if field.name == attribute and field.default_factory is not dataclasses.MISSING:
                    return field.default_factory()
        try:
            return getattr(self._model, attribute)
        except AttributeError:
            problem = Problem(
                "attributes",
                f"the model has no {shorten(attribute)} yet: give an instance that has one",
            )
            raise DefinitionError(problems=(problem,)) from None

    def has(self, name: str) -> bool:
        """Whether the model's own class has an attribute of this name."""
        return hasattr(self._type, name)

    # --- wrapping -------------------------------------------------------------------------

    def wrap(self, name: str, callback: Any, role: str, uses: Iterable[str]) -> ModelCall | str:
        """Return the function for a callback, or what has to be written in its place.

        Parameters
        ----------
        name : its name in the chart
        callback : what the machine has: a name, or a function
        role : guard or assign
        uses : for a guard, whether it occurs in ``conditions``, ``unless`` or both
        """
        function, flaw = self._found(name, callback)
        if flaw is None and function is not None:
            flaw = self._flaw(function, set())
        if flaw is not None:
            kind = "method" if isinstance(callback, str) else "function"
            result = "True or False" if role == "guard" else "a mapping of changes"
            return (
                f"{kind} {shorten(name)} {flaw}; or bind {name}(context, event), which returns "
                f"{result}"
            )
        return ModelCall(
            machine=self._machine,
            model_type=self._type,
            callback=callback if function is None or isinstance(callback, str) else function,
            keys=tuple(self._keys.items()),
            role=role,
            uses=tuple(sorted(set(uses))),
        )

    def _found(self, name: str, callback: Any) -> tuple[Callable[..., Any] | None, str | None]:
        """Return the function behind a callback, if there is one, and why it cannot be wrapped."""
        if isinstance(callback, str):
            found = inspect.getattr_static(self._type, callback, None)
            if found is None and callback not in self._keys:
                return None, f"is no method of {self._type.__name__}: write it there"
            if isinstance(found, property):
                found = found.fget
            if isinstance(found, (staticmethod, classmethod)):
                found = found.__func__
            return (found if inspect.isfunction(found) else None), None
        owner = getattr(callback, "__self__", None)
        if owner is None:
            return callback, None
        if not isinstance(owner, self._type):
            return None, f"belongs to an object of {type(owner).__name__}: make it a service"
        return callback.__func__, None

    def _flaw(self, function: Callable[..., Any], seen: set[Any]) -> str | None:
        """Say why a method cannot be wrapped, or None; helpers that it calls are read too."""
        if inspect.iscoroutinefunction(function):
            return "is asynchronous: make it a service with 'invoke'"
        seen.add(function)
        for owner, attribute in _uses(function, event_data=self._machine.send_event):
            if owner == "event" and attribute in _NO_EVENT_DATA:
                return f"reads event.{attribute}, which a chart does not have: do without"
            if owner == "event" or attribute in self._keys or self._asks_state(attribute):
                continue
            if attribute in self._machine.events or attribute == "trigger":
                return f"triggers {shorten(attribute)}: say that with a transition in 'always'"
            found = inspect.getattr_static(self._type, attribute, None)
            if found is None:
                return f"uses self.{attribute}, which is not among the attributes: add it"
            helper = found.fget if isinstance(found, property) else found
            if inspect.isfunction(helper) and helper not in seen:
                flaw = self._flaw(helper, seen)
                if flaw is not None:
                    return flaw
        return None

    def _asks_state(self, attribute: str) -> bool:
        own = self._machine.model_attribute
        return attribute == own or _asked(self._machine, attribute) is not None


def _asked(machine: Machine, name: str) -> Any:
    """Return the state that the method ``is_<state>`` of a model asks for; None for other names."""
    attribute = machine.model_attribute
    prefix = "is_" if attribute == "state" else f"is_{attribute}_"
    if not name.startswith(prefix):
        return None
    try:
        state = machine.get_state(name.removeprefix(prefix))
    except (ValueError, KeyError, AttributeError):
        return None
    return state.value if not isinstance(state.value, str) else name.removeprefix(prefix)


def _uses(function: Callable[..., Any], *, event_data: bool) -> Iterator[tuple[str, str]]:
    """Yield the attributes of ``self`` and of its event that a method's source uses."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return
    made = next((each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)), None)
    if made is None:
        return
    names = [each.arg for each in (*made.args.posonlyargs, *made.args.args)]
    is_method = bool(names) and names[0] == "self"
    model = names[0] if is_method else None
    event = (names[1:] if is_method else names)[: int(event_data)]
    for node in ast.walk(made):
        if not isinstance(node, ast.Attribute):
            continue
        value = node.value
        if isinstance(value, ast.Name) and value.id == model:
            yield "self", node.attr
        elif isinstance(value, ast.Name) and value.id in event:
            yield "event", node.attr
        elif (
            isinstance(value, ast.Attribute)
            and value.attr == "model"
            and isinstance(value.value, ast.Name)
            and value.value.id in event
        ):
            yield "self", node.attr


@dataclass(frozen=True)
class ModelCall:
    """One callback of a model as a function of a chart."""

    machine: Machine
    model_type: type
    callback: Any
    keys: tuple[tuple[str, str], ...]
    role: str
    uses: tuple[str, ...]

    def __call__(self, context: FrozenDict, event: Event, active: tuple[str, ...]) -> Any:
        """Call the method on an object made from the context; return its answer or changes."""
        model = _shadow(self.model_type)()
        given = {name: thaw(context[key]) for name, key in self.keys if key in context}
        state = _state_of(self.machine, active)
        own = {**given, self.machine.model_attribute: state, "_shadow_machine": self.machine}
        for name, value in own.items():
            object.__setattr__(model, name, value)
        answer = self._call(model, event)
        left = {name: vars(model).get(name) for name, _ in self.keys}
        extra = sorted(set(vars(model)) - set(own) - set(left))
        if extra or vars(model).get(self.machine.model_attribute) != state:
            name = extra[0] if extra else self.machine.model_attribute
            raise AttributeError(f"sets self.{name}, which is not among the attributes")
        if self.role != "guard":
            return {key: left[name] for name, key in self.keys}
        if left != {name: thaw(context.get(key)) for name, key in self.keys}:
            raise AttributeError("changes the model, and a guard only asks: do that in prepare")
        return self._holds(answer)

    def _call(self, model: Any, event: Event) -> Any:
        data = thaw(event.data)
        options = data if isinstance(data, dict) else {}
        args = [] if data is None or isinstance(data, dict) else data
        args = args if isinstance(args, list) else [args]
        if self.machine.send_event:
            named = self.machine.events.get(event.name) or MachineEvent(event.name, self.machine)
            state = _state_object(self.machine, model)
            args = [EventData(state, named, self.machine, model, args, options)]
            options = {}
        function = self.callback
        if isinstance(function, str):
            function = getattr(model, function)
            return function(*args, **options) if callable(function) else function
        if _takes_model(function, self.model_type):
            function = function.__get__(model)
        return function(*args, **options)

    def _holds(self, answer: Any) -> bool:
        """Compare as `transitions` does: with True in ``conditions``, with False in ``unless``."""
        for known in (True, False):
            if answer == known:
                return known
        if len(self.uses) == 1:  # neither: the transition does not fire
            return self.uses == ("unless",)
        raise TypeError(f"returned {shorten(answer, 40)}, which is neither true nor false")


def _takes_model(function: Any, model_type: type) -> bool:
    """Whether a function is a method of the class, to be called on the object."""
    return inspect.isfunction(function) and (
        inspect.getattr_static(model_type, function.__name__, None) is function
    )


def _state_of(machine: Machine, active: tuple[str, ...]) -> Any:
    """Return the value of the model's state: names, or members of an enum."""
    leaves = [name for name in active if not any(each.startswith(f"{name}.") for each in active)]
    separator = machine.state_cls.separator if isinstance(machine, HierarchicalMachine) else "."
    values = [machine.get_state(leaf.replace(".", separator)).value for leaf in leaves]
    found = [
        value if not isinstance(value, str) else leaf.replace(".", separator)
        for leaf, value in zip(leaves, values, strict=True)
    ]
    return found[0] if len(found) == 1 else found


def _state_object(machine: Machine, model: Any) -> Any:
    state = getattr(model, machine.model_attribute)
    return machine.get_state(state[0] if isinstance(state, list) else state)


class _ShadowMixin:
    """Provides what the machine puts on a model; the errors of other attributes say what to do."""

    def __getattr__(self, name: str) -> Any:
        machine = vars(self).get("_shadow_machine")
        if name.startswith("__") or machine is None:
            raise AttributeError(name)
        asked = _asked(machine, name)
        if asked is not None:
            return lambda: machine.is_state(asked, self)
        if name in machine.events:
            raise AttributeError(
                f"triggers {name!r}: a chart says that with a transition in 'always'"
            )
        own = getattr(super(), "__getattr__", None)
        if own is not None and not isinstance(self, Machine):
            return own(name)
        raise AttributeError(f"uses self.{name}, which is not among the attributes")


@lru_cache(maxsize=256)
def _shadow(model_type: type) -> Callable[[], Any]:
    """Return a function that makes an object of the class without calling its constructor."""
    made: Any = type(model_type.__name__, (_ShadowMixin, model_type), {})
    return lambda: object.__new__(made)
