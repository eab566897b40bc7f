"""The clocks: real time, and simulated time that only sleeping moves."""

from __future__ import annotations

import asyncio
import math
import pickle
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlesim.errors import InvalidValueError
from settlesim.ports import Clock
from settlesim.runtime.clock import RealClock, SimulatedClock


@pytest.fixture(params=[RealClock, SimulatedClock])
def clock(request: pytest.FixtureRequest) -> Clock:
    """Either clock."""
    made: Clock = request.param()
    return made


def run(main: Coroutine[Any, Any, Any]) -> Any:
    """Run to the end and check that no task was left behind."""

    async def checked() -> Any:
        result = await main
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    return asyncio.run(checked())


# --- both clocks --------------------------------------------------------------------------------


def test_both_are_clocks(clock: Clock) -> None:
    """The adapters have all methods of the port."""
    assert isinstance(clock, Clock)


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf, 10**400, "1", None])
def test_duration_that_is_no_finite_number_is_refused(clock: Clock, seconds: Any) -> None:
    """By sleep and timeout, before anything waits."""

    async def main() -> None:
        with pytest.raises(InvalidValueError, match="finite number") as caught:
            await clock.sleep(seconds)
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
        with pytest.raises(InvalidValueError, match="finite number"):
            clock.timeout(seconds)

    run(main())


@pytest.mark.parametrize("seconds", [0, -1, -0.0])
def test_sleep_of_nothing_lets_others_run_once(clock: Clock, seconds: float) -> None:
    """Zero and less is one pass of the loop, as in asyncio."""
    seen = []

    async def other() -> None:
        seen.append("other")

    async def main() -> None:
        task = asyncio.create_task(other())
        await clock.sleep(seconds)
        seen.append("main")
        await task

    run(main())
    assert seen == ["other", "main"]


@pytest.mark.parametrize("seconds", [0, -1])
def test_timeout_of_nothing_expires_at_the_first_wait(clock: Clock, seconds: float) -> None:
    """What does not wait comes through, what waits does not."""

    async def main() -> None:
        async with clock.timeout(seconds):
            pass
        with pytest.raises(TimeoutError):
            async with clock.timeout(seconds):
                await asyncio.Event().wait()

    run(main())


def test_block_that_ends_in_time_keeps_its_result_and_its_error(clock: Clock) -> None:
    """A timeout adds nothing to a block that ends first."""

    async def failing() -> None:
        async with clock.timeout(3600):
            await asyncio.sleep(0)
            raise ZeroDivisionError

    async def main() -> None:
        async with clock.timeout(3600):
            await asyncio.sleep(0)
        with pytest.raises(ZeroDivisionError):
            await failing()

    run(main())


def test_cancellation_from_outside_stays_a_cancellation(clock: Clock) -> None:
    """It is not turned into a TimeoutError, and can be asked for during any wait."""

    async def waiting() -> None:
        async with clock.timeout(3600):
            await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.create_task(waiting())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    run(main())


def test_real_clock_does_not_go_back() -> None:
    """It needs no event loop."""
    clock = RealClock()
    times = [clock.now() for _ in range(100)]
    assert times == sorted(times)


# --- simulated time -----------------------------------------------------------------------------


def test_only_sleeping_moves_the_time() -> None:
    """Years take no time, work takes none either."""
    clock = SimulatedClock(start=5.0)

    async def main() -> None:
        for _ in range(100):
            await asyncio.sleep(0)
        assert clock.now() == 5.0
        await clock.sleep(1e9)
        assert clock.now() == 5.0 + 1e9

    run(main())


@pytest.mark.parametrize("start", [math.nan, math.inf, "0"])
def test_start_that_is_no_finite_number_is_refused(start: Any) -> None:
    """As every other time."""
    with pytest.raises(InvalidValueError, match="start"):
        SimulatedClock(start)


def test_many_sleeps_wake_at_their_own_times() -> None:
    """A service may gather several sleeps."""
    clock = SimulatedClock()
    seen: list[tuple[str, float]] = []

    async def sleeper(name: str, *seconds: float) -> None:
        for each in seconds:
            await clock.sleep(each)
            seen.append((name, clock.now()))

    async def main() -> None:
        await asyncio.gather(sleeper("a", 3, 3), sleeper("b", 1, 1, 1, 1), sleeper("c", 5))

    run(main())
    expected = [("b", 1), ("b", 2), ("a", 3), ("b", 3), ("b", 4), ("c", 5), ("a", 6)]
    assert seen == expected


@given(st.lists(st.integers(1, 5), min_size=1, max_size=12))
def test_sleepers_wake_by_deadline_then_registration(seconds: list[int]) -> None:
    """The order is that of a stable sort, every time."""
    clock = SimulatedClock()
    woken: list[tuple[int, int]] = []

    async def sleeper(number: int, delay: int) -> None:
        await clock.sleep(delay)
        assert clock.now() == delay
        woken.append((delay, number))

    async def main() -> None:
        await asyncio.gather(*(sleeper(*each) for each in enumerate(seconds)))

    run(main())
    assert woken == sorted((delay, number) for number, delay in enumerate(seconds))


def test_task_that_is_ready_sleeps_before_time_jumps() -> None:
    """A chain of finished tasks takes some passes; the time waits for it."""
    clock = SimulatedClock()
    seen = []

    async def deep(levels: int) -> None:
        if levels:
            await asyncio.gather(deep(levels - 1))
        else:
            await clock.sleep(1)

    async def main() -> None:
        late = asyncio.create_task(clock.sleep(10))
        await deep(8)
        await clock.sleep(1)
        seen.append(clock.now())
        await late
        seen.append(clock.now())

    run(main())
    assert seen == [2.0, 10.0]


def test_cancelled_sleep_moves_nothing() -> None:
    """Its deadline is forgotten, whether it waited first or behind others."""
    clock = SimulatedClock()

    async def main() -> None:
        first = asyncio.create_task(clock.sleep(1))
        later = asyncio.create_task(clock.sleep(7))
        await asyncio.sleep(0)
        first.cancel()
        later.cancel()
        await clock.sleep(5)
        assert clock.now() == 5.0
        assert first.cancelled()
        assert later.cancelled()
        await clock.sleep(5)
        assert clock.now() == 10.0

    run(main())
    assert repr(clock) == "SimulatedClock(now=10, 0 sleeping)"


def test_one_clock_serves_event_loops_one_after_the_other() -> None:
    """The time goes on where it was, also after a loop that was left in the middle."""
    clock = SimulatedClock()

    async def left() -> None:
        task = asyncio.create_task(clock.sleep(100))
        await asyncio.sleep(0)
        assert not task.done()

    run(clock.sleep(1))
    asyncio.run(left())
    run(clock.sleep(2))
    assert clock.now() == 3.0


# --- simulated time-outs ------------------------------------------------------------------------


async def outcome(clock: SimulatedClock, limit: float, work: Callable[[], Awaitable[Any]]) -> str:
    try:
        async with clock.timeout(limit):
            await work()
    except TimeoutError:
        return f"time-out at {clock.now():g}"
    return f"done at {clock.now():g}"


@pytest.mark.parametrize(
    ("limit", "seconds", "expected"),
    [(5, 3, "done at 3"), (5, 7, "time-out at 5"), (5, 5, "time-out at 5")],
)
def test_whichever_comes_first_decides(limit: float, seconds: float, expected: str) -> None:
    """At equal times the time-out, which began before the sleep, comes first."""
    clock = SimulatedClock()
    assert run(outcome(clock, limit, lambda: clock.sleep(seconds))) == expected
    assert repr(clock).endswith("0 sleeping)")


def test_wait_for_nothing_times_out() -> None:
    """A block that waits for something other than the clock is ended too."""
    clock = SimulatedClock()

    async def forever() -> None:
        await asyncio.Event().wait()

    assert run(outcome(clock, 60, forever)) == "time-out at 60"


def test_gather_in_a_timeout_is_cancelled_as_a_whole() -> None:
    """No sleeper of the block outlives it."""
    clock = SimulatedClock()

    async def both() -> None:
        await asyncio.gather(clock.sleep(10), clock.sleep(20))

    assert run(outcome(clock, 5, both)) == "time-out at 5"
    run(clock.sleep(1))
    assert clock.now() == 6.0


@pytest.mark.parametrize(("outer", "inner"), [(3, 5), (5, 3), (4, 4)])
def test_nested_timeouts_expire_each_for_itself(outer: float, inner: float) -> None:
    """The earlier one ends its own block; at equal times the outer one, which began first."""
    clock = SimulatedClock()
    seen = []

    async def main() -> None:
        try:
            async with clock.timeout(outer):
                try:
                    async with clock.timeout(inner):
                        await clock.sleep(100)
                except TimeoutError:
                    seen.append(("inner", clock.now()))
        except TimeoutError:
            seen.append(("outer", clock.now()))
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    run(main())
    assert seen == [("inner", inner) if inner < outer else ("outer", outer)]


def test_outer_cancellation_wins_over_an_expired_timeout() -> None:
    """Both at once: the task was to end, so it ends."""
    clock = SimulatedClock()

    async def waiting() -> None:
        async with clock.timeout(1):
            try:
                await clock.sleep(5)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
                raise

    async def main() -> None:
        task = asyncio.create_task(waiting())
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    run(main())


def test_error_raised_while_timing_out_is_kept() -> None:
    """Only the cancellation becomes a TimeoutError."""
    clock = SimulatedClock()

    async def failing() -> None:
        async with clock.timeout(1):
            try:
                await clock.sleep(5)
            finally:
                raise ZeroDivisionError

    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await failing()
        await clock.sleep(1)
        assert clock.now() == 2.0

    run(main())


def test_block_that_never_waits_leaves_no_deadline_behind() -> None:
    """Its watchdog had no time to start, and must not hold later sleepers up."""
    clock = SimulatedClock()

    async def main() -> None:
        async with clock.timeout(5):
            pass
        assert repr(clock) == "SimulatedClock(now=0, 0 sleeping)"
        await clock.sleep(10)

    run(main())


def test_timeout_is_entered_once() -> None:
    """As in asyncio, a used timeout is no new one."""
    clock = SimulatedClock()

    async def main() -> None:
        timeout = clock.timeout(1)
        async with timeout:
            pass
        with pytest.raises(RuntimeError, match="once"):
            await timeout.__aenter__()

    run(main())


def test_at_equal_times_a_time_out_comes_before_every_sleep() -> None:
    """Also before one that began earlier: else it would matter how often a service sleeps."""
    clock, log = SimulatedClock(), []

    async def sleeps() -> None:
        await clock.sleep(5)
        log.append("slept")

    async def waits() -> None:
        with pytest.raises(TimeoutError):
            async with clock.timeout(5):
                await asyncio.get_running_loop().create_future()
        log.append("timed out")

    async def main() -> None:
        sleeping = asyncio.create_task(sleeps())
        await asyncio.sleep(0)
        await waits()
        await sleeping

    asyncio.run(main())
    assert log == ["timed out", "slept"]
