"""A priority queue with entries that move, against a sorted list."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from settlesim.store.rules.agenda import Agenda

KEYS = st.integers(0, 5)
STEPS = st.lists(
    st.tuples(st.just("set"), KEYS, st.integers(0, 4))
    | st.tuples(st.just("discard"), KEYS, st.just(0))
    | st.tuples(st.just("upto"), st.integers(0, 6), st.integers(0, 4)),
    max_size=60,
)


@given(STEPS)
def test_an_agenda_is_a_sorted_list(steps: list[tuple[str, int, int]]) -> None:
    """However entries are moved, moved back and taken out, each stands in it once."""
    agenda: Agenda[int] = Agenda()
    model: dict[int, tuple[int, int]] = {}
    for what, key, number in steps:
        if what == "set":
            agenda.set(key, (number, key))
            model[key] = number, key
        elif what == "discard":
            agenda.discard(key)
            model.pop(key, None)
        else:
            wanted = [each for order, each in sorted(model.values()) if order <= number][:key]
            assert agenda.upto(number, key) == wanted
        least = min(model.values(), default=None)
        assert agenda.first() == (None if least is None else (least, least[1]))
        assert len(agenda) == len(model)


def test_entries_that_moved_do_not_pile_up() -> None:
    """An agenda that nobody reads stays as small as what is in it."""
    agenda: Agenda[str] = Agenda()
    for number in range(10_000):
        agenda.set("a", (number,))
        agenda.set("b", (-number,))
    assert len(agenda._heap) < 100
    assert agenda.upto(10_000, 9) == ["b", "a"]
