"""One name for every callback of a machine of `transitions`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from transitions import Machine

from settlesim.errors import shorten

__all__ = ["CallbackNames"]


class CallbackNames:
    """Gives every callback of a machine a name, and different callbacks different names.

    Parameters
    ----------
    triggers : the triggers of the machine, which a callback of a chart cannot call
    left_out : collects sentences on what was left out or renamed
    is_method
        Whether a name is a method of the model, which `transitions` does not overwrite with a
        trigger. With a model, new names are not reported, since functions are bound to them.
    """

    def __init__(
        self,
        machine: Machine,
        triggers: Collection[str],
        left_out: list[str],
        is_method: Callable[[str], bool] | None = None,
    ) -> None:
        self._machine = machine
        self._triggers = triggers
        self._is_method = is_method
        self.callbacks: dict[str, Any] = {}
        """What the machine has under each name: a name, or a function."""
        self.uses: dict[str, set[str]] = {}
        """Where each guard occurs: in ``conditions``, ``unless`` or both."""
        self._left_out = left_out
        self._names: dict[object, str] = {}
        self._guards: dict[str, bool] = {}
        self._second: dict[str, str] = {}
        self._found: dict[str, None] = {}
        self._waiting: dict[str, None] = {}

    def guard_names(self, callbacks: Iterable[Any], key: str, where: str) -> list[str]:
        """Return the names of conditions under a key of a transition."""
        names = self.names(callbacks, f"{key} of {where}", guard=True)
        for name in names:
            self.uses.setdefault(name, set()).add(key)
        return names

    def names(self, callbacks: Iterable[Any], where: str, *, guard: bool = False) -> list[str]:
        """Return the names of callbacks; one that is a trigger of the machine is left out."""
        names = []
        for callback in callbacks:
            if not isinstance(callback, str):
                name = self._name_of(callback, where)
            elif callback in self._triggers and not guard and not self._of_model(callback):
                self._left_out.append(
                    f"{where} triggers {shorten(callback)}: say it with a transition in 'always'"
                )
                continue
            else:
                name = callback
            if self._guards.setdefault(name, guard) is not guard:
                name = self._second_name(name, where, guard=guard)
            self._found[name] = None
            self.callbacks.setdefault(name, callback)
            if self._is_async(callback):
                self._waiting[name] = None
            names.append(name)
        return names

    def sentences(self) -> Iterator[str]:
        """Yield sentences on what has to be done about the functions."""
        if self._found:
            takes = "EventData" if self._machine.send_event else "what the trigger was called with"
            yield (
                f"the functions {_quoted(self._found)}: they take {takes}; bind functions "
                "(context, event) to these names"
            )
        if self._waiting:
            yield f"that {_quoted(self._waiting)} may wait: in a chart only a service does (invoke)"

    def _name_of(self, callback: Callable[..., Any], where: str) -> str:
        key: object = callback
        try:
            hash(callback)
        except TypeError:
            key = id(callback)  # the machine keeps the callback, and so its id
        if key in self._names:
            return self._names[key]
        name: str | None = getattr(callback, "__name__", None)
        if name is None or name == "<lambda>":
            name = "unnamed"
        free, number = name, 1
        while free in self._found or free == "unnamed":
            free, number = f"{name}_{number}", number + 1
        if free != name and self._is_method is None:
            self._left_out.append(
                f"the name of a function in {where}: in the chart it is {shorten(free)}"
            )
        self._names[key] = free
        return free

    def _second_name(self, name: str, where: str, *, guard: bool) -> str:
        """Return a second name for a function that is both a guard and an assign."""
        if name not in self._second:
            kind = "guard" if guard else "assign"
            free, number = f"{name}_{kind}", 1
            while free in self._found or free in self._guards:
                free, number = f"{name}_{kind}_{number}", number + 1
            self._second[name] = free
            self._guards[free] = guard
            if self._is_method is None:
                self._left_out.append(
                    f"the name of {shorten(name)} in {where}: in the chart it is {shorten(free)}, "
                    "for a guard and an assign have two names"
                )
        return self._second[name]

    def _of_model(self, name: str) -> bool:
        return self._is_method is not None and self._is_method(name)

    def _is_async(self, callback: Any) -> bool:
        if isinstance(callback, str):
            found = (getattr(type(each), callback, None) for each in self._machine.models)
            return any(map(inspect.iscoroutinefunction, found))
        return inspect.iscoroutinefunction(callback)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(shorten(each) for each in names)
