"""How a chart is written: the mappings and lists that `Chart` takes, as types.

A type checker reports unknown keys in a literal; `Chart` refuses them at run time. Plain data
from elsewhere, such as JSON, is read with `Chart.from_dict`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, Required, TypeAlias, TypedDict

__all__ = [
    "InvokeDict",
    "RetryDict",
    "StateDict",
    "StateNotation",
    "StateObject",
    "StatesNotation",
    "TargetDict",
    "TargetNotation",
    "TransitionDict",
    "TransitionNotation",
]

_Name: TypeAlias = str | enum.Enum
_Function: TypeAlias = str | Callable[..., Any]
_Functions: TypeAlias = _Function | Sequence[_Function] | None


class _TransitionParts(TypedDict, total=False):
    conditions: _Functions
    unless: _Functions
    prepare: _Functions
    before: _Functions
    assign: _Functions
    after: _Functions
    internal: bool
    label: str | None


class TargetDict(_TransitionParts, total=False):
    """Where an eventless transition, a delay or the end of a service leads."""

    dest: _Name | Sequence[_Name] | None


TargetNotation: TypeAlias = _Name | TargetDict | Sequence[_Name | TargetDict] | None
"""A destination, a dict, or a list of either: the first whose guards hold is taken."""


class TransitionDict(_TransitionParts, total=False):
    """A transition; without a trigger it is eventless."""

    trigger: _Name | None
    source: Required[_Name | Sequence[_Name] | type[enum.Enum]]
    dest: Required[_Name | Sequence[_Name] | None]


TransitionNotation: TypeAlias = TransitionDict | list[Any] | tuple[Any, ...]
"""A dict, or ``[trigger, source, dest, conditions, unless, before, after, prepare]``."""


class RetryDict(TypedDict, total=False):
    """When and how often a service that failed is called again."""

    attempts: int
    seconds: float
    factor: float
    max_seconds: float | None
    jitter: float
    seed: int
    errors: str | Sequence[str] | None


class InvokeDict(TypedDict, total=False):
    """A service that a state starts."""

    src: Required[_Function]
    input: Any
    on_done: TargetNotation
    on_error: TargetNotation
    timeout: float | None
    effect: bool
    retry: int | RetryDict | Sequence[int | RetryDict] | None


class StateDict(TypedDict, total=False):
    """A state, with what is inside it."""

    name: Required[_Name]
    label: str | None
    tags: _Name | Sequence[_Name] | None
    initial: _Name | Sequence[_Name] | None
    final: bool
    children: StatesNotation | None
    states: StatesNotation | None
    parallel: StatesNotation | None
    history: Literal["shallow", "deep"] | None
    default: _Name | Sequence[_Name] | None
    transitions: Sequence[TransitionNotation] | None
    always: TargetNotation
    after: Mapping[float | str, TargetNotation] | None
    invoke: _Function | InvokeDict | Sequence[_Function | InvokeDict] | None
    on_done: TargetNotation
    on_enter: _Functions
    on_exit: _Functions
    on_final: _Functions
    ignore_invalid_triggers: bool | None


class StateObject(Protocol):
    """A ``State`` of `transitions`."""

    @property
    def name(self) -> Any:
        """Its name, or the enum member that it was made from."""
        ...

    on_enter: Any
    on_exit: Any


StateNotation: TypeAlias = _Name | StateDict | StateObject
"""A name, a member of an enum, a dict, or a state of `transitions`."""
StatesNotation: TypeAlias = Sequence[StateNotation] | type[enum.Enum]
"""A list of states, or an enum whose members they are."""
