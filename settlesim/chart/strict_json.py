"""Strict JSON values: checked once, then immutable.

Theory of operation
-------------------
Context and event data must come back from a store as they went in. `freeze` is the only
way in: it refuses what RFC 8259 cannot carry (NaN, tuples, sets, keys that are no strings,
lone surrogates, subclasses that would come back as their base) and returns the same value
with every dict and list made immutable. An immutable value needs no copies: a guard cannot
change its argument, and what was saved or loaded cannot change a store.

The frozen containers remember their depth and an upper bound of their encoded size, so
freezing a context in which one key has changed costs no more than freezing the change.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn, TypeAlias

from settlesim.errors import InvalidValueError, ReadError, shorten

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "FrozenDict",
    "FrozenList",
    "JSONValue",
    "decode",
    "encode",
    "freeze",
    "freeze_object",
    "merge",
    "thaw",
]

JSONValue: TypeAlias = Any
"""None, bool, int, finite float, str, or a list or dict of them."""

MAX_DEPTH: Final = 64
"""How deep containers may nest."""

MAX_BYTES: Final = 256 * 1024
"""How large one value may be as compact UTF-8 JSON, in bytes."""

_TOO_LARGE: Final = f"takes more than {MAX_BYTES} bytes as JSON, which is the limit"
_HOPELESS: Final = 11 * MAX_BYTES  # no bound is more than eleven times the size: 0, counts as 21
_MAX_INT_BITS: Final = 13_000  # Python reads and writes at most 4,300 decimal digits
_SMALL: Final = 10**18


def _refuse(self: object, *args: object, **kwargs: object) -> NoReturn:
    raise TypeError(
        "this value is read-only: return the changes from the function instead of making them"
    )


class FrozenDict(dict[str, Any]):
    """A dict that cannot be changed, with strict JSON inside."""

    __slots__ = ("depth", "size")

    depth: int
    size: int

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return freeze, (dict(self),)

    def __copy__(self) -> FrozenDict:
        return self

    def __deepcopy__(self, memo: object) -> FrozenDict:
        return self


class FrozenList(list[Any]):
    """A list that cannot be changed, with strict JSON inside."""

    __slots__ = ("depth", "size")

    depth: int
    size: int

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return freeze, (list(self),)

    def __copy__(self) -> FrozenList:
        return self

    def __deepcopy__(self, memo: object) -> FrozenList:
        return self


_Known: TypeAlias = dict[int, Any]  # by identity: a container that appears twice is read once


class _RefusedError(Exception):
    """Carries the reason and, innermost first, the keys that lead to the refused value."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.keys: list[str | int] = []


def _check_text(text: str) -> int:
    """Return an upper bound of the encoded size; refuse lone surrogates."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise _RefusedError(f"has a lone surrogate in {shorten(text, 40)}") from error
    return 6 * len(text) + 2  # a control character becomes six bytes


def _scalar_size(value: object) -> int:
    """Return an upper bound of the encoded size of a scalar; refuse everything else."""
    kind = type(value)
    if kind is str:
        return _check_text(value)  # type: ignore[arg-type]
    if value is None or kind is bool:
        return 5
    if kind is int:
        bits = value.bit_length()  # type: ignore[attr-defined]
        if bits > _MAX_INT_BITS:
            raise _RefusedError(f"has an integer of {bits} bits; {_MAX_INT_BITS} is the limit")
        return int(bits) // 3 + 2
    if kind is float:
        if not math.isfinite(value):  # type: ignore[arg-type]
            raise _RefusedError(f"has {value!r}, which JSON has no number for")
        return 25
    raise _RefusedError(
        f"has {shorten(value, 60)} of type {kind.__name__}; strict JSON carries only "
        "dict, list, str, int, float, bool and None"
    )


def _freeze_dict(value: Mapping[Any, Any], room: int, known: _Known) -> FrozenDict:
    if 4 * len(value) > MAX_BYTES:  # each item takes five bytes at least
        raise _RefusedError(_TOO_LARGE)
    # Only the copy is read: another thread could change `value` meanwhile.
    copy = FrozenDict(value)
    depth, size = 0, 2
    for key, item in copy.items():
        if type(key) is not str:
            raise _RefusedError(f"has the key {shorten(key, 40)}, and JSON keys are strings")
        kind = type(item)
        try:
            size += 6 * len(key) + 4 if key.isascii() else _check_text(key) + 2
            if kind is str and item.isascii():  # most items need no call
                size += 6 * len(item) + 2
            elif item is None:
                size += 5
            elif kind is int and -_SMALL < item < _SMALL:
                size += 20
            elif kind in _CONTAINERS:
                frozen = _freeze_container(item, kind, room - 1, known)
                if frozen is not item:
                    dict.__setitem__(copy, key, frozen)
                depth = max(depth, frozen.depth)
                size += frozen.size
            else:
                size += _scalar_size(item)
        except _RefusedError as refused:
            refused.keys.append(key)
            raise
    copy.depth, copy.size = depth + 1, size
    return copy


def _freeze_list(value: Iterable[Any], room: int, known: _Known) -> FrozenList:
    copy = FrozenList(value)
    depth, size = 0, 2
    for index, item in enumerate(copy):
        kind = type(item)
        try:
            if kind is str and item.isascii():  # most items need no call
                size += 6 * len(item) + 3
            elif kind is int and -_SMALL < item < _SMALL:
                size += 21
            elif kind in _CONTAINERS:
                frozen = _freeze_container(item, kind, room - 1, known)
                if frozen is not item:
                    list.__setitem__(copy, index, frozen)
                depth = max(depth, frozen.depth)
                size += frozen.size + 1
            else:
                size += _scalar_size(item) + 1
        except _RefusedError as refused:
            refused.keys.append(index)
            raise
    copy.depth, copy.size = depth + 1, size
    return copy


_CONTAINERS: Final = frozenset((dict, list, FrozenDict, FrozenList))


def _freeze_container(value: Any, kind: type, room: int, known: _Known) -> FrozenDict | FrozenList:
    """Freeze a dict or a list that may be frozen already.

    One that is certainly too large is refused before it is encoded to be measured: with shared
    containers it can be small in memory and take forever to encode.
    """
    frozen: FrozenDict | FrozenList
    if kind is FrozenDict or kind is FrozenList:
        frozen = value
    elif id(value) in known:
        frozen = known[id(value)]
    elif room <= 0:
        raise _RefusedError(f"is nested deeper than {MAX_DEPTH} levels")
    else:
        frozen = (_freeze_dict if kind is dict else _freeze_list)(value, room, known)
        known[id(value)] = frozen
    if frozen.size > _HOPELESS:
        raise _RefusedError(_TOO_LARGE)
    if frozen.depth > room and _measure(frozen) > room:
        raise _RefusedError(f"is nested deeper than {MAX_DEPTH} levels")
    return frozen


def _measure(value: FrozenDict | FrozenList) -> int:
    """Set and return the true depth: after a merge `depth` is only an upper bound."""
    items = value.values() if isinstance(value, dict) else value
    value.depth = 1 + max(
        (_measure(each) for each in items if isinstance(each, (FrozenDict, FrozenList))), default=0
    )
    return value.depth


def _check_size(value: Any) -> None:
    size = len(encode(value).encode())
    if size > MAX_BYTES:
        raise _RefusedError(f"takes {size} bytes as JSON; {MAX_BYTES} is the limit")


def _path(keys: list[str | int]) -> str:
    return "".join(
        f"[{key}]" if isinstance(key, int) else f"[{shorten(key, 40)}]" for key in reversed(keys)
    )


def freeze(value: JSONValue, *, where: str = "value") -> JSONValue:
    """Return `value` with every container immutable.

    Parameters
    ----------
    value : strict JSON
    where : how an error names the value

    Returns
    -------
    frozen : equal to `value`; the same object where it was frozen already

    Raises
    ------
    InvalidValueError
        NaN or infinity, a type that JSON does not have, a key that is no string, a lone
        surrogate, more than `MAX_DEPTH` levels or `MAX_BYTES` bytes.

    References
    ----------
    RFC 8259, sections 3, 6 and 8.

    Examples
    --------
    >>> freeze({"count": 1, "tags": ["a"]})
    {'count': 1, 'tags': ['a']}
    """
    kind = type(value)
    try:
        if kind not in _CONTAINERS:
            size = _scalar_size(value)
        else:
            value = _freeze_container(value, kind, MAX_DEPTH, {})
            size = value.size
        if size > MAX_BYTES:
            _check_size(value)
    except _RefusedError as refused:
        raise _refusal(where, refused) from None
    return value


def _refusal(where: str, refused: _RefusedError) -> InvalidValueError:
    return InvalidValueError(where=f"{where}{_path(refused.keys)}", reason=refused.reason)


def freeze_object(value: object, *, where: str) -> FrozenDict:
    """Return `value` frozen, and refuse anything but a JSON object.

    Raises
    ------
    InvalidValueError
        As `freeze`, and for anything but a dict.
    """
    if type(value) is dict:  # fast path: as `freeze`, with fewer calls
        try:
            frozen = _freeze_dict(value, MAX_DEPTH, {})
            if frozen.depth <= MAX_DEPTH and frozen.size <= MAX_BYTES:
                return frozen
            value = frozen
        except _RefusedError as refused:
            raise _refusal(where, refused) from None
    elif type(value) is not FrozenDict:
        raise InvalidValueError(
            where=where, reason=f"is {shorten(value, 60)}; a dict with string keys is needed"
        )
    return freeze(value, where=where)  # type: ignore[no-any-return]


def merge(context: FrozenDict, changes: object, *, where: str) -> FrozenDict:
    """Return `context` updated with `changes`, key by key.

    Raises
    ------
    InvalidValueError
        The changes are no dict of strict JSON, or the result is too large.
    """
    frozen = freeze_object(changes, where=where)
    if not frozen:
        return context
    merged = FrozenDict({**context, **frozen})
    merged.depth = max(context.depth, frozen.depth)
    merged.size = context.size + frozen.size  # replaced values count twice: still an upper bound
    if merged.size > MAX_BYTES:
        merged = freeze(dict(merged), where=where)
    return merged


def thaw(value: JSONValue) -> JSONValue:
    """Return a copy of `value` made of plain dicts and lists."""
    if isinstance(value, dict):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, list):
        return [thaw(item) for item in value]
    return value


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def encode(value: JSONValue) -> str:
    """Return the compact JSON text of a strict JSON value, in its own key order."""
    return _encoder.encode(value)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{shorten(text, 40)} is larger than any number here")
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = next(key for key, count in counts.items() if count > 1)
        raise ValueError(f"the key {shorten(twice, 60)} appears twice in one object")
    return found


def decode(text: str | bytes, *, source: str = "JSON text") -> JSONValue:
    """Read one JSON text, strictly.

    Parameters
    ----------
    text : JSON; bytes are UTF-8
    source : how an error names the text

    Raises
    ------
    ReadError
        No JSON, a key that appears twice in one object, NaN or infinity, or nesting that
        Python's reader cannot follow.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode()
        return json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
        )
    except RecursionError:
        raise ReadError(source=source, reason="the JSON is nested too deeply") from None
    except ValueError as error:
        raise ReadError(source=source, reason=f"not strict JSON: {error}") from None
