"""The trials with real threads and processes show what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from settlesim.errors import InvalidValueError
from settlesim.trials import Trial, direct_trial, killed_trial, queued_trial


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_direct_handlers_keep_one_update_of_all(tmp_path: Path, kind: str) -> None:
    """All load the same state, so the last save is all that is left of them."""
    trial = direct_trial(tmp_path / "plain.json", handlers=3, kind=kind)  # type: ignore[arg-type]
    assert (trial.events, trial.kept, trial.lost) == (3, 1, 2)


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_workers_behind_a_queue_keep_every_update(tmp_path: Path, kind: str) -> None:
    """The same events through a FIFO queue."""
    trial = queued_trial(tmp_path / "store.json", events=4, workers=2, kind=kind)  # type: ignore[arg-type]
    assert (trial.events, trial.kept, trial.lost) == (4, 4, 0)


def test_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    """It was killed while a service ran: the event is handled by the next one, and only once."""
    killed = killed_trial(tmp_path / "store.json", events=3)
    assert killed.at_kill == ("even", 2, 2)
    assert (killed.in_flight, killed.waiting) == (1, 1)
    assert (killed.trial.kept, killed.trial.lost) == (3, 0)
    assert killed.repeated == ("count:c1:#3:counting_even.0:1",)


def test_a_trial_says_what_was_lost() -> None:
    """In one line, without a time in it."""
    assert str(Trial("two, at once", 2, 2)) == "two, at once: 2 events, 1 kept, 1 lost"
    assert str(Trial("one", 1, 2)) == "one: 1 event, 1 kept, 0 lost"


def test_a_trial_begins_with_a_new_file(tmp_path: Path) -> None:
    """What is in a file is not counted as the trial's."""
    path = tmp_path / "store.json"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(InvalidValueError, match="begins with a new file"):
        direct_trial(path)
    with pytest.raises(InvalidValueError, match="begins with a new file"):
        killed_trial(path)


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ({"handlers": 1}, "from 2 to 64"),
        ({"handlers": 2.5}, "from 2 to 64"),
        ({"kind": "fibres"}, "possible: 'threads', 'processes'"),
    ],
)
def test_a_trial_that_shows_nothing_is_refused(
    tmp_path: Path, wanted: dict[str, object], text: str
) -> None:
    """One handler races nobody."""
    with pytest.raises(InvalidValueError, match=text):
        direct_trial(tmp_path / "plain.json", **wanted)  # type: ignore[arg-type]


def test_a_killed_trial_needs_an_event_after_the_first(tmp_path: Path) -> None:
    """The worker is killed in the second."""
    with pytest.raises(InvalidValueError, match="from 2"):
        killed_trial(tmp_path / "store.json", events=1)
