"""What SQS itself puts into the queue for dead letters is listed and can be retried."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from settlesim.engines import EventStage
from settlesim.testing import Work, engine_chart
from tests.engines.ministack_server import Ministack

RECEIVES = 2


@pytest.fixture
def resources(ministack: Ministack, tmp_path: Path) -> Any:
    """Return a table and queues in which a message may be received twice."""
    name = f"aside-{tmp_path.name}".replace("_", "-")[:60]
    return ministack.resources(name, max_receives=RECEIVES)


def killed(resources: Any) -> None:
    """Receive what is first in the queue as functions do that die of it, until SQS puts it away."""
    for _ in range(RECEIVES + 1):
        found = resources.sqs.receive_message(
            QueueUrl=resources.queue_url, MaxNumberOfMessages=1, VisibilityTimeout=0
        )
    assert not found.get("Messages")


def in_dead_letter_queue(resources: Any) -> list[str]:
    """Return the errors of the messages in the queue for dead letters, empty for none."""
    found = resources.sqs.receive_message(
        QueueUrl=resources.dead_letter_queue_url,
        MaxNumberOfMessages=10,
        VisibilityTimeout=0,
        MessageAttributeNames=["All"],
    ).get("Messages", [])
    errors = [each.get("MessageAttributes", {}).get("error", {}) for each in found]
    return [each.get("StringValue", "") for each in errors]


def on_engine(
    resources: Any,
    test: Callable[[Any], Awaitable[None]],
    *,
    works: bool = False,
    policy: Any = "skip",
) -> None:
    """Run a test on an engine."""
    from settlesim.engines.aws import AwsEngine
    from settlesim.engines.aws.queue_handler import DEFAULTS

    options = replace(DEFAULTS, max_failures=1, backoff=0.01, policy=policy)
    chart = engine_chart(Work())

    async def main() -> None:
        engine = AwsEngine(chart, resources, options=options, works=works, long_poll=0)
        async with engine:
            await test(engine)

    asyncio.run(main())


def test_an_event_of_which_functions_died_is_a_dead_letter(resources: Any) -> None:
    """Once, however often one looks; retried, it is applied."""

    async def sent(engine: Any) -> None:
        await engine.send("a", "ADD", 1, event_id="e")
        killed(resources)
        assert in_dead_letter_queue(resources) == [""]
        for _ in range(2):
            (letter,) = await engine.dead_letters()
            assert (letter.key, letter.event, letter.data) == ("a", "ADD", 1)
            assert letter.event_id == "e"
            assert "without a result" in letter.reason
        assert in_dead_letter_queue(resources) == [letter.reason]  # the copy, for alarms
        status = await engine.outcome("a", "e")
        assert status is not None
        assert status.stage is EventStage.DEAD
        assert not (await engine.send("a", "ADD", 1, event_id="e")).new
        assert list(await engine.parked()) == []
        assert await engine.retry(letter.id)

    async def retried(engine: Any) -> None:
        status = await engine.outcome("a", "e", wait=60)
        assert (status.stage, status.outcome) == (EventStage.SETTLED, "resolved")
        assert list(await engine.dead_letters()) == []

    on_engine(resources, sent)
    on_engine(resources, retried, works=True)


def test_with_halt_its_instance_waits_from_then_on(resources: Any) -> None:
    """What was settled before anybody looked stays settled."""

    async def test(engine: Any) -> None:
        await engine.send("a", "ADD", 1, event_id="e")
        killed(resources)
        await engine.dead_letters()
        (parked,) = await engine.parked()
        assert parked.group_id == "a"

    on_engine(resources, test, policy="halt")


def test_an_event_that_was_settled_in_the_end_is_no_letter(resources: Any) -> None:
    """Its message was put aside since nobody could delete it."""
    from settlesim.engines.aws import QueueHandler

    async def test(engine: Any) -> None:
        await engine.send("a", "ADD", 1, event_id="e")
        found = resources.sqs.receive_message(QueueUrl=resources.queue_url, VisibilityTimeout=0)
        (message,) = found["Messages"]
        record = {
            "messageId": message["MessageId"],
            "body": message["Body"],
            "attributes": {"MessageGroupId": "a"},
        }
        assert await QueueHandler(engine.chart, resources).handle([record]) == []
        killed(resources)
        assert list(await engine.dead_letters()) == []
        assert in_dead_letter_queue(resources) == []
        status = await engine.outcome("a", "e")
        assert (status.stage, status.outcome) == (EventStage.SETTLED, "resolved")

    on_engine(resources, test)


def test_what_is_no_event_of_its_group_is_listed_as_it_is(resources: Any) -> None:
    """Nobody knows for which instance it was meant."""

    async def test(engine: Any) -> None:
        text = json.dumps({"key": "b", "event": "ADD"})
        resources.sqs.send_message(
            QueueUrl=resources.queue_url,
            MessageBody=text,
            MessageGroupId="a",
            MessageDeduplicationId="d",
        )
        killed(resources)
        (letter,) = await engine.dead_letters()
        assert (letter.key, letter.event, letter.data) == ("a", None, text)

    on_engine(resources, test)


def test_an_instance_whose_wake_up_was_put_aside_goes_on(resources: Any) -> None:
    """The event that it was for is the dead letter; what waits behind it is settled."""

    async def dead(engine: Any) -> None:
        for number, data in enumerate(("no number", 2)):
            await engine.send("a", "EVEN", data, event_id=f"e{number}")
        async with asyncio.timeout(60):
            while [each.waiting for each in await engine.parked()] != [1]:
                await asyncio.sleep(0.01)

    async def woken(engine: Any) -> None:
        (letter,) = await engine.dead_letters()
        assert await engine.retry(letter.id)
        assert await engine.resume("a")
        killed(resources)
        (letter,) = await engine.dead_letters()
        assert letter.event_id == "e0"
        assert "without a result" in letter.reason
        assert await engine.resume("a")

    async def goes_on(engine: Any) -> None:
        assert (await engine.outcome("a", "e1", wait=60)).outcome == "resolved"
        (letter,) = await engine.dead_letters()
        assert letter.event_id == "e0"

    on_engine(resources, dead, works=True, policy="halt")
    on_engine(resources, woken, policy="halt")
    on_engine(resources, goes_on, works=True, policy="halt")
