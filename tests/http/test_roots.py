"""The interfaces of serverless-xstate and durable-entities-xstate."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from settlesim.gallery import count, donut
from settlesim.testing import Work
from tests.http.serving import Served, ask, problem


async def at_once(call: Any) -> None:
    """Take no time."""


QUICK = count.bind({"wait": at_once})


@pytest.mark.parametrize("body", ['"COUNT"', '{"type": "COUNT"}'])
def test_the_seeds_calls_give_the_seeds_answers(body: str) -> None:
    """The first COUNT only enters even, each further one adds 2; any content type will do."""

    async def test(served: Served) -> None:
        for expected in (0, 2, 4):
            found = await served.post("/?id=a", content=body)
            assert found.status_code == 200
            answer = found.json()
            assert answer["hello"] == "world"
            state = answer["body"]
            assert (state["value"], state["context"]) == ("even", {"count": expected})
            assert (state["tags"], state["done"], state["changed"]) == (["resolve"], False, True)
            assert state["event"] == {"type": "COUNT"}
        read = await served.get("/?id=a")
        assert read.json()["body"]["context"] == {"count": 4}

    ask(test, chart=QUICK)


@pytest.mark.parametrize("place", ["/", "/?id=", "/?other=1"])
def test_an_event_without_an_id_is_refused_as_there(place: str) -> None:
    """With the seed's words."""

    async def test(served: Served) -> None:
        document = problem(await served.post(place, content='"COUNT"'), 400, "missing-id")
        assert document["message"] == "Must provide an ID"

    ask(test, chart=QUICK)


@pytest.mark.parametrize(
    ("body", "status", "name"),
    [
        ("not json", 400, "bad-json"),
        ("", 400, "bad-json"),
        ("[]", 422, "invalid"),
        ('[{"type": "COUNT"}, {"type": "COUNT"}]', 422, "invalid"),
        ("null", 422, "invalid"),
        ("{}", 422, "invalid"),
        ("42", 422, "invalid"),
        ('{"type": "error.platform.x"}', 422, "invalid"),
        ('"done.invoke.count.counting_even:invocation[0]"', 422, "invalid"),
    ],
)
def test_what_failed_there_is_a_problem_here(body: str, status: int, name: str) -> None:
    """A clear answer, where the seed answered 500 without a word; forged results are refused."""

    async def test(served: Served) -> None:
        problem(await served.post("/?id=a", content=body), status, name)

    ask(test, chart=QUICK)


@pytest.mark.parametrize("key", ["__proto__", "constructor", "toString"])
def test_any_id_is_an_instance(key: str) -> None:
    """The seed found members of every object under these names."""

    async def test(served: Served) -> None:
        for _ in range(2):
            found = await served.post("/", params={"id": key}, content='"COUNT"')
        assert found.json()["body"]["context"] == {"count": 2}

    ask(test, chart=QUICK)


def test_what_hung_there_is_answered_here() -> None:
    """An unknown event on a new instance, and an event that takes too long."""
    work = Work()

    async def test(served: Served) -> None:
        found = await served.post("/?id=new", content='"NOPE"')
        assert found.status_code == 200
        assert (found.json()["body"]["changed"], found.json()["body"]["value"]) == (False, "idle")
        slow = await served.post("/?id=a&wait=0.05", content='{"type": "HOLD", "n": 1}')
        assert slow.status_code == 202
        work.gate.set()
        again = await served.get(slow.headers["location"], params={"wait": 30})
        assert again.json()["outcome"] == "resolved"

    ask(test, work=work)


def test_data_stands_beside_the_type() -> None:
    """As XState takes an event."""

    async def test(served: Served) -> None:
        found = await served.post("/?id=a", json={"type": "ADD", "n": [1], "data": 2})
        assert found.json()["body"]["context"] == {"applied": [{"n": [1], "data": 2}]}
        assert found.json()["body"]["event"] == {"type": "ADD", "n": [1], "data": 2}

    ask(test)


def test_a_rejected_or_impossible_event_is_a_problem() -> None:
    """The seed answered 500 with an empty body; the instance is as it was."""

    async def test(served: Served) -> None:
        await served.post("/?id=a", json={"type": "ADD"})
        document = problem(await served.post("/?id=a", content='"REFUSE"'), 422, "rejected")
        assert document["body"]["value"] == "idle"
        problem(await served.post("/?id=a", content='"EVEN"'), 422, "dead-letter")
        found = await served.post("/?id=a", content='"END"')
        assert found.json()["body"]["done"] is True
        assert (await served.post("/?id=a", content='"ADD"')).json()["body"]["done"] is True

    ask(test)


def test_twenty_clients_lose_no_count() -> None:
    """At the same time: 38 in the end, where the seed's server ended at 2 to 6 of 40."""

    async def test(served: Served) -> None:
        await asyncio.gather(*(served.post("/?id=a", content='"COUNT"') for _ in range(20)))
        assert (await served.get("/?id=a")).json()["body"]["context"] == {"count": 38}

    ask(test, chart=QUICK)


def test_entities_are_signalled_and_read() -> None:
    """The interface of durable-entities-xstate, with its machine."""
    quick = donut.bind({"sift": at_once, "whisk": at_once, "fry": at_once})

    async def test(served: Served) -> None:
        found = await served.get("/?id=donut1")
        assert found.json() == {"entityExists": False, "entityState": None}
        sent = await served.post("/?id=donut1", content='{"type": "EAT"}')
        assert sent.headers["content-type"].startswith("text/plain")
        assert sent.text == 'Event "EAT" sent to entity "donut1".'
        outcome = await served.get(sent.headers["location"], params={"wait": 30})
        assert outcome.json()["outcome"] == "ignored"
        for missing in (await served.post("/", content='"EAT"'), await served.get("/?id=")):
            assert (missing.status_code, missing.text) == (400, "Missing id")
        problem(await served.post("/?id=donut1", content="x"), 400, "bad-json")

    ask(test, chart=quick, root="entities")
