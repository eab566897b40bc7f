"""The Lambda handler: partial batches, the outbox, and what it refuses; on an emulator."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from settlesim.errors import InvalidValueError, StoreUnavailableError
from settlesim.testing import Work, engine_chart

pytest.importorskip("boto3", reason="settlesim[aws] is not installed")
from settlesim.engines.aws import QueueHandler
from settlesim.engines.aws.outbox import Outbox
from settlesim.engines.aws.queue_handler import DEFAULTS
from tests.engines.ministack_server import Ministack

Handler: TypeAlias = Any


@pytest.fixture
def work() -> Work:
    """Return the services."""
    return Work()


@pytest.fixture
def make(ministack: Ministack, tmp_path: Path, work: Work) -> Callable[..., Handler]:
    """Make a handler with a table and queues of its own."""

    def call(**options: Any) -> Handler:
        given = replace(DEFAULTS, backoff=0.01, **options)
        resources = ministack.resources(f"handler-{abs(hash(str(tmp_path)))}")
        return QueueHandler(engine_chart(work), resources, given)

    return call


numbers: Iterator[int] = iter(range(1, 1_000_000))


def record(group: str, event: Any, data: Any = None, **more: Any) -> dict[str, Any]:
    """Return a message as Lambda gives it."""
    number = next(numbers)
    body = {"event": event, "data": data, "id": f"e{number}", **more}
    return {
        "messageId": f"m{number}",
        "body": json.dumps(body),
        "attributes": {"MessageGroupId": group},
    }


class Left:
    """A Lambda context."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def get_remaining_time_in_millis(self) -> float:
        """Return how much time is left."""
        return self.seconds * 1000


def failed(handler: Handler, *records: dict[str, Any], seconds: float = 900.0) -> list[str]:
    """Handle a batch; return the ids of what shall be delivered again."""
    answer = handler({"Records": list(records)}, Left(seconds))
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def applied(handler: Handler, key: str) -> list[Any]:
    """Return what an instance has noted."""
    snapshot = handler.table.load(key).record.snapshot
    return [] if snapshot is None else list(snapshot.context["applied"])


def waiting(handler: Handler, url: str) -> list[dict[str, Any]]:
    """Receive what a queue has."""
    found = handler.resources.sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]
    )
    return list(found.get("Messages", []))


def test_a_group_stops_at_its_first_failure_and_others_go_on(
    make: Callable[..., Handler], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failed message and the rest of its group are delivered again, in their order."""
    handler = make()
    write = handler.table.write

    def flaky(read: Any, **more: Any) -> Any:
        if read.record.key == "a" and read.record.accepted == 2:
            raise StoreUnavailableError(path="table", reason="throttled")
        return write(read, **more)

    monkeypatch.setattr(handler.table, "write", flaky)
    batch = [record(key, "ADD", number) for number in (1, 2, 3) for key in ("a", "b")]
    again = failed(handler, *batch)
    assert again == [
        each["messageId"] for each in batch[2:] if each is batch[2] or each is batch[4]
    ]
    assert applied(handler, "a") == [1]
    assert applied(handler, "b") == [1, 2, 3]
    monkeypatch.undo()
    assert failed(handler, batch[2], batch[4]) == []
    assert applied(handler, "a") == [1, 2, 3]


def test_a_message_that_is_delivered_twice_is_applied_once(make: Callable[..., Handler]) -> None:
    """Also where two functions have it."""
    handler = make()
    one = record("a", "ADD", 1)
    assert failed(handler, one) == failed(handler, one) == failed(handler, one, one) == []
    assert applied(handler, "a") == [1]


def test_a_poison_event_ends_in_the_dead_letters_of_the_queue(
    make: Callable[..., Handler], work: Work
) -> None:
    """With its error; its group goes on."""
    handler = make(max_failures=2)
    assert failed(handler, record("a", "EVEN", "no number"), record("a", "ADD", 1)) == []
    assert applied(handler, "a") == [1]
    (letter,) = waiting(handler, handler.resources.dead_letter_queue_url)
    assert json.loads(letter["Body"])["event"] == "EVEN"
    assert letter["MessageAttributes"]["failures"]["StringValue"] == "2"
    assert "TypeError" in letter["MessageAttributes"]["error"]["StringValue"]
    assert letter["Attributes"]["MessageGroupId"] == "a"


def test_what_was_not_sent_is_sent_when_the_message_comes_again(
    make: Callable[..., Handler], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function that dies between writing and sending loses no delay, and doubles none."""
    handler = make()
    sent: list[Any] = []
    schedule = handler.resources.scheduler.create_schedule

    def dies(**arguments: Any) -> Any:
        raise StoreUnavailableError(path="scheduler", reason="the process dies here")

    def counted(**arguments: Any) -> Any:
        sent.append(arguments["Name"])
        return schedule(**arguments)

    monkeypatch.setattr(handler.resources.scheduler, "create_schedule", dies)
    one = record("a", "LONG_DELAY")
    assert failed(handler, one) == [one["messageId"]]
    monkeypatch.setattr(handler.resources.scheduler, "create_schedule", counted)
    assert failed(handler, one) == []
    assert len(sent) == 1
    assert failed(handler, one) == []
    assert len(sent) == 1
    assert handler.table.load("a").record.number == 1


def test_a_schedule_that_is_there_is_no_error(make: Callable[..., Handler]) -> None:
    """A function may die after sending, too."""
    handler = make()
    assert failed(handler, record("a", "LONG_DELAY")) == []
    record_ = handler.table.load("a").record
    (token,) = record_.timers.values()
    record_.outbox.append({"body": {"timer": "x", "token": token}, "due": 4_000_000_000.0})
    handler.outbox.send_all(record_, now=0.0)
    handler.outbox.send_all(record_, now=0.0)


@pytest.mark.parametrize("early", [0.25, 1.0])
def test_a_delay_that_ends_soon_is_waited_for(make: Callable[..., Handler], early: float) -> None:
    """No schedule is that exact: it is sent at its time, and not before."""
    handler = make()
    pauses: list[float] = []
    handler.outbox = Outbox(handler.resources, handler.chart.name, pause=pauses.append)
    record_ = handler.table.load("a").record
    for seconds in (early, early / 2, -3.0):
        body = {"timer": "x", "token": int(seconds * 100)}
        record_.outbox.append({"body": body, "due": 1000.0 + seconds})
    handler.outbox.send_all(record_, now=1000.0)
    sent = waiting(handler, handler.resources.queue_url)
    assert [json.loads(each["Body"])["token"] for each in sent] == [
        -300, int(early * 50), int(early * 100)
    ]  # fmt: skip
    assert pauses == [early / 2, early / 2]


def test_without_a_scheduler_an_event_of_another_version_waits_all_the_same(
    make: Callable[..., Handler], work: Work
) -> None:
    """It is tried again after a second, however often it has been tried."""
    handler = make()
    assert failed(handler, record("a", "ADD", 1)) == []
    other = QueueHandler(engine_chart(work, version=2), handler.resources, handler.options)
    other.resources.scheduler_role_arn = None
    pauses: list[float] = []
    other.outbox = Outbox(other.resources, other.chart.name, pause=pauses.append)
    assert failed(other, record("a", "ADD", 2)) == []
    for _ in range(3):
        (wake,) = waiting(other, other.resources.queue_url)
        group = {"MessageGroupId": "a"}
        again = {"messageId": "w", "body": wake["Body"], "attributes": group}
        assert failed(other, again) == []
        other.resources.sqs.delete_message(
            QueueUrl=other.resources.queue_url, ReceiptHandle=wake["ReceiptHandle"]
        )
    assert len(pauses) == 4
    assert all(0 < each <= 1 for each in pauses)
    assert other.table.load("a").record.waiting
    other.resources.scheduler_role_arn = "arn:aws:iam::000000000000:role/scheduler"


def test_a_message_in_the_group_of_another_instance_is_refused(
    make: Callable[..., Handler],
) -> None:
    """Two functions would have events of one instance at the same time."""
    handler = make()
    wrong = record("a", "ADD", 1, key="b")
    assert failed(handler, wrong) == [wrong["messageId"]]
    assert applied(handler, "b") == []


@pytest.mark.parametrize("key", ["two words", "ключ", "k" * 129, "sha256-mine"])
def test_keys_that_sqs_refuses_are_hashed(make: Callable[..., Handler], key: str) -> None:
    """The group is one that AWS takes; the key is in the message."""
    from settlesim.engines.aws import group_of

    handler = make()
    group = group_of(key)
    assert len(group) <= 128
    assert group.isascii()
    assert group != key
    assert failed(handler, record(group, "ADD", 1, key=key)) == []
    assert applied(handler, key) == [1]


def test_what_does_not_fit_into_an_item_stays_in_the_queue(make: Callable[..., Handler]) -> None:
    """SQS moves it to the dead letters in the end; the instance is as it was."""
    handler = make()
    large = record("a", "ADD", "x" * 400_000)  # also more than an event may have
    assert failed(handler, record("a", "ADD", 1), large) == [large["messageId"]]
    assert applied(handler, "a") == [1]
    assert failed(handler, record("a", "ADD", 2)) == []
    assert applied(handler, "a") == [1, 2]


def test_settlements_are_forgotten_before_a_record_does_not_fit(
    make: Callable[..., Handler],
) -> None:
    """A context of 100 KB leaves room for the last of them."""
    handler = make()
    batch = [record("a", "ADD", "x" * 50_000), *(record("a", "ADD", n) for n in range(9))]
    assert failed(handler, *batch) == []
    kept = handler.table.load("a").record
    assert kept.number == 10
    assert 1 <= len(kept.past) < 10


def test_no_event_is_begun_for_which_no_time_is_left(make: Callable[..., Handler]) -> None:
    """But for the first of its group, or nothing would ever go on."""
    handler = make()
    batch = [record("a", "ADD", 1), record("a", "ADD", 2), record("b", "ADD", 3)]
    assert failed(handler, *batch, seconds=5.0) == [batch[1]["messageId"]]
    assert (applied(handler, "a"), applied(handler, "b")) == ([1], [3])


def test_a_delay_without_a_role_is_refused(make: Callable[..., Handler]) -> None:
    """The error says what is missing; the message stays in the queue."""
    handler = make()
    handler.resources.scheduler_role_arn = None
    one = record("a", "LONG_DELAY")
    assert failed(handler, one) == [one["messageId"]]
    record_ = handler.table.load("a").record
    with pytest.raises(InvalidValueError, match="scheduler_role_arn"):
        handler.outbox.send_all(record_, now=0.0)


def test_what_is_no_event_is_a_dead_letter(make: Callable[..., Handler]) -> None:
    """Whoever has sent it; nothing is retried for ever."""
    handler = make()
    odd = record("a", "ADD", 1)
    assert failed(handler, {**odd, "body": "no JSON"}, record("a", 17), record("a", "ADD", 1)) == []
    assert applied(handler, "a") == [1]
    assert len(handler.table.load("a").record.dead) == 2
