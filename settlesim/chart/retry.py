"""Reads `retry` of an invocation, and computes the waits between its calls."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from settlesim.chart.definition import Retry
from settlesim.chart.dialect import MAX_SECONDS, RETRY_KEYS, as_list, check_keys
from settlesim.chart.event import name_flaw
from settlesim.chart.problems import Problems
from settlesim.errors import shorten

__all__ = ["MAX_ATTEMPTS", "longest_waits", "read_retry", "wait_before"]

MAX_ATTEMPTS: Final = 1_000
"""How often a service may be called for one start."""
_MAX_SEED: Final = 2**53 - 1


def read_retry(specs: object, where: str, problems: Problems) -> tuple[Retry, ...]:
    """Read a number of attempts, a mapping, or a list of mappings."""
    found = []
    for index, spec in enumerate(as_list(specs)):
        at = where if spec is specs else f"{where}[{index}]"
        record = {"attempts": spec} if type(spec) is int else spec
        if not isinstance(record, Mapping):
            problems.add(at, f"is {shorten(spec, 60)}; a number of attempts or a mapping is needed")
            continue
        check_keys(record, RETRY_KEYS, at, problems)
        found.append(_Reader(record, at, problems).retry())
    return tuple(found)


class _Reader:
    def __init__(self, spec: Mapping[Any, Any], where: str, problems: Problems) -> None:
        self._spec = spec
        self._where = where
        self._problems = problems

    def retry(self) -> Retry:
        longest = self._spec.get("max_seconds")
        return Retry(
            attempts=self._whole("attempts", 3, 1, MAX_ATTEMPTS),
            seconds=self._number("seconds", 1.0, 0.0, MAX_SECONDS),
            factor=self._number("factor", 2.0, 1.0, 1_000.0),
            max_seconds=None
            if longest is None
            else self._number("max_seconds", 1.0, 0.0, MAX_SECONDS),
            jitter=self._number("jitter", 0.0, 0.0, 1.0),
            seed=self._whole("seed", 0, 0, _MAX_SEED),
            errors=self._errors(),
        )

    def _whole(self, key: str, default: int, least: int, most: int) -> int:
        value = self._spec.get(key, default)
        if type(value) is int and least <= value <= most:
            return value
        self._problems.add(
            self._where,
            f"{key} is {shorten(value)}; a whole number from {least} to {most} is needed",
        )
        return default

    def _number(self, key: str, default: float, least: float, most: float) -> float:
        value = self._spec.get(key, default)
        if type(value) in (int, float) and math.isfinite(value) and least <= value <= most:
            return float(value)
        self._problems.add(
            self._where,
            f"{key} is {shorten(value)}; a number from {least:g} to {most:g} is needed",
        )
        return default

    def _errors(self) -> tuple[str, ...]:
        names: dict[str, None] = {}
        for each in as_list(self._spec.get("errors")):
            flaw = name_flaw(each)
            if flaw:
                self._problems.add(self._where, f"the error {shorten(each)} {flaw}")
            else:
                names[str(each)] = None
        return tuple(names)


def longest_waits(retry: Retry) -> Iterator[float]:
    """Yield the waits between the calls in seconds, not shortened by jitter."""
    most = MAX_SECONDS if retry.max_seconds is None else retry.max_seconds
    wait = min(retry.seconds, most)
    for _ in range(retry.attempts - 1):
        yield wait
        wait = min(wait * retry.factor, most)


def wait_before(retry: Retry, number: int, call: str) -> float:
    """Return the wait before a call, in seconds: always the same for the same call.

    Parameters
    ----------
    number : counts the calls that this retry causes, from 1 to its attempts minus 1
    call : identifies the call
    """
    wait = next(islice(longest_waits(retry), number - 1, None))
    if not retry.jitter or not wait:
        return wait
    digest = hashlib.sha256(f"{retry.seed} {call}".encode()).digest()
    chance = int.from_bytes(digest[:7]) / 2**56  # in [0, 1)
    return float(round(wait * (1 - retry.jitter * chance), 6))
