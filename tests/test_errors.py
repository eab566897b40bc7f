"""The tree of errors: each of them pickles and is listed."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from settlesim import Chart, Event, Settlement, Snapshot, errors
from settlesim.chart.outcome import Outcome
from settlesim.chart.strict_json import freeze_object
from settlesim.errors import Problem, SettlesimError, shorten

_CHART = Chart([{"name": "no", "tags": ["reject"]}], initial="no")
_SNAPSHOT = Snapshot("chart", 1, ("no",), freeze_object({}, where="context"))
_SETTLEMENT = Settlement(Outcome.REJECTED, "k", Event("GO"), _SNAPSHOT, _SNAPSHOT, (), (), _CHART)

FACTS: dict[str, dict[str, Any]] = {
    "ChartEditedError": {"key": "k", "stored": "a 1", "current": "a 1", "reason": "why"},
    "ChartMismatchError": {"key": "k", "stored": "a 1", "current": "a 2", "reason": "why"},
    "DeadlineExceededError": {"seconds": 300.0, "configuration": ("a", "b")},
    "UnexpectedRevisionError": {"key": "k", "expected": 1, "actual": 2},
    "DeduplicationError": {"queue": "q", "group_id": "g", "deduplication_id": "d"},
    "DefinitionError": {"problems": (Problem("states[0]", "is wrong"),), "chart": "c", "more": 2},
    "EventRepeatedError": {"key": "k", "event_id": "e", "revision": 2, "outcome": "resolved"},
    "FunctionFailedError": {"function": "f", "role": "guard", "reason": "raised"},
    "InvalidEventError": {"name": "done.x", "reason": "is reserved"},
    "InvalidValueError": {"where": "context['a']", "reason": "has nan"},
    "LeastVersionError": {"chart": "c", "version": 1, "least": 2, "store": "s.db"},
    "MigrationError": {"key": "k", "stored": "a 1", "current": "a 2", "reason": "why"},
    "LayoutTimeoutError": {"seconds": 5.0},
    "MicrostepLimitError": {"limit": 1000, "cycle": ("a", "b")},
    "MissingExtraError": {"extra": "lab", "feature": "the panel", "module": "jupyterlab"},
    "ReadError": {"source": "chart.json", "reason": "is empty"},
    "ReceiptExpiredError": {"queue": "q", "receipt": "q:1:1", "reason": "it is over"},
    "RejectedError": {"settlement": _SETTLEMENT},
    "RendererMissingError": {"tried": ("pygraphviz", "dot")},
    "ReplayDivergedError": {"position": 3, "step": "s1", "enabled": ("c1", "r2")},
    "ServiceFailedError": {"service": "s", "invocation": "a.0", "reason": "failed"},
    "SimulationError": {"where": "faults", "reason": "make no sense"},
    "StalledError": {"configuration": ("a",), "path": ("b", "a")},
    "StoreDamagedError": {"path": "store.json", "reason": "no JSON"},
    "StoreUnavailableError": {"path": "store.json", "reason": "disk full"},
    "UnboundFunctionError": {"chart": "c", "names": ("f", "g")},
    "VersionConflictError": {"key": "k", "expected": 1, "actual": 2},
}
"""The facts of each class; a class that is not listed takes a message."""


def _tree(cls: type[SettlesimError]) -> list[type[SettlesimError]]:
    return [cls, *(found for sub in cls.__subclasses__() for found in _tree(sub))]


CLASSES = [cls for cls in dict.fromkeys(_tree(SettlesimError)) if cls.__module__ == errors.__name__]


def _make(cls: type[SettlesimError]) -> SettlesimError:
    facts = FACTS.get(cls.__name__)
    return cls("something is wrong", hint="do better") if facts is None else cls(**facts)


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_pickles_with_its_message_and_facts(cls: type[SettlesimError]) -> None:
    """An error of a worker process reaches the caller whole."""
    error = _make(cls)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(error, protocol))
        assert type(again) is cls
        assert str(again) == str(error) != ""
        assert vars(again) == vars(error)
        assert again.args == error.args


@pytest.mark.parametrize("cls", CLASSES)
def test_facts_are_attributes(cls: type[SettlesimError]) -> None:
    """A caller reads values, not messages."""
    error = _make(cls)
    for name, value in FACTS.get(cls.__name__, {"hint": "do better"}).items():
        assert getattr(error, name) == value


def test_the_docstring_shows_the_whole_tree() -> None:
    """Each class once, under its base; a new one cannot be forgotten."""
    text = errors.__doc__
    assert text is not None
    shown: dict[str, int] = {}
    for line in text.splitlines():
        words = line.strip(" │├└─").split()
        if words and words[0].endswith("Error") and line.startswith("    "):
            shown[words[0]] = line.index(words[0])
    assert sorted(shown) == sorted(cls.__name__ for cls in CLASSES)
    for cls in CLASSES[1:]:
        base = next(each for each in cls.__bases__ if each in CLASSES)
        assert shown[cls.__name__] == shown[base.__name__] + 4


def test_every_error_can_be_imported_by_name() -> None:
    """``__all__`` is sorted and has them all."""
    assert errors.__all__ == sorted(errors.__all__, key=lambda name: (name.islower(), name))
    assert set(errors.__all__) == {cls.__name__ for cls in CLASSES} | {"Problem", "shorten"}


def test_a_missing_extra_is_an_import_error() -> None:
    """So code that tries an import finds it."""
    error = errors.MissingExtraError(extra="lab", feature="the panel", module="jupyterlab")
    assert isinstance(error, ImportError)
    assert error.msg == str(error)


def test_an_event_name_that_is_no_text_still_pickles() -> None:
    """The fact is then its text: a function, say, would not pickle."""
    error = errors.InvalidEventError(name=lambda: None, reason="is of type function")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert again.name == error.name
    assert "<lambda>" in error.name


def test_messages_say_fact_and_way_out() -> None:
    """Pinned where people read them most."""
    conflict = errors.VersionConflictError(key="m", expected=1, actual=2)
    assert str(conflict) == (
        "instance 'm' is at revision 2, not 1: another worker saved it first. Load it again."
    )
    stalled = errors.StalledError(configuration=["a", "b"])
    assert str(stalled) == (
        "stalled in 'a', 'b': nothing is pending there and no settling tag is on it. Tag the "
        "state, or give it an invoke, an after or an always."
    )
    limit = errors.MicrostepLimitError(limit=1000, cycle=[])
    assert "no repeated configuration" in str(limit)
    rejected = errors.RejectedError(settlement=_SETTLEMENT)
    assert str(rejected) == "event 'GO' of 'k' was rejected in no"
    unbound = errors.UnboundFunctionError(chart="c", names=["f"])
    assert str(unbound) == (
        "chart 'c' has 1 problem:\n"
        "  - f: is named in the chart but not bound: bind returns a new chart, so write "
        "chart = chart.bind({...})"
    )
    assert str(errors.RenderError()) == "the picture could not be drawn"


class _Faulty:
    def __repr__(self) -> str:
        raise ValueError("no")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "'a'"),
        ("x" * 200, "'" + "x" * 37 + "..." + "x" * 37 + "'"),
        (10**5_000, "<int>"),
        (_Faulty(), "<_Faulty>"),
        ("\ud800", "'\\ud800'"),
    ],
    ids=["short", "long", "huge", "faulty", "surrogate"],
)
def test_any_value_can_be_shown_in_a_message(value: object, text: str) -> None:
    """Shortened in the middle; what cannot be shown is shown as its type."""
    assert shorten(value) == text
