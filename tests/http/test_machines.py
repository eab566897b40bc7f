"""The routes under /machines: events, instances, outcomes, streams."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest

from settlesim import Chart
from settlesim.testing import Work
from tests.http.serving import Served, ask, problem

HOSTILE_KEYS = ("a/b c?d=e", "../../x", "<img src=x>", "__proto__", "ключ", "%2F", "a.b", "..")


def events_of(text: str) -> list[dict[str, Any]]:
    """Return the events of a stream, each with its fields."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "data" in fields:
            found.append({**fields, "data": json.loads(fields["data"])})
    return found


# --- sending ------------------------------------------------------------------------------------


def test_an_event_is_accepted_and_its_outcome_can_be_read() -> None:
    """202 names the place of the outcome."""

    async def test(served: Served) -> None:
        sent = await served.post("/machines/a/events", json={"type": "ADD", "data": 1})
        assert sent.status_code == 202
        document = sent.json()
        assert document["status"] == "accepted"
        assert document["position"] == 0
        found = await served.get(sent.headers["location"], params={"wait": 30})
        assert found.status_code == 200
        assert found.json()["stage"] == "settled"
        assert found.json()["outcome"] == "resolved"
        assert found.json()["state"]["context"] == {"applied": [1]}

    ask(test)


@pytest.mark.parametrize(
    "asking", [{"params": {"wait": 30}}, {"params": {}, "headers": {"Prefer": "wait=20, x"}}]
)
def test_a_request_can_wait_for_the_settled_state(asking: dict[str, Any]) -> None:
    """200 with the state, and its revision as the entity tag."""

    async def test(served: Served) -> None:
        found = await served.send("a", "CALL", 7, **asking)
        assert found.status_code == 200
        assert found.headers["etag"] == '"1"'
        assert found.headers.get("preference-applied") == (
            "wait=20" if "headers" in asking else None
        )
        document = found.json()
        assert document["status"] == "settled"
        assert document["outcome"] == "resolved"
        assert document["state"]["value"] == "idle"
        assert document["state"]["context"] == {"applied": [7]}

    ask(test)


def test_a_wait_that_is_over_gives_202() -> None:
    """The event goes on; nothing is lost by it."""
    work = Work()

    async def test(served: Served) -> None:
        found = await served.send("a", "HOLD", 1, params={"wait": 0.05})
        assert found.status_code == 202
        again = await served.get(found.headers["location"])
        assert again.json()["stage"] == "waiting"
        work.gate.set()
        again = await served.get(found.headers["location"], params={"wait": 30})
        assert again.json()["outcome"] == "resolved"

    ask(test, work=work)


@pytest.mark.parametrize(("event", "outcome"), [("REFUSE", "rejected"), ("NOPE", "ignored")])
def test_a_rejected_or_ignored_event_is_an_outcome(event: str, outcome: str) -> None:
    """200 with the state as it was, null for an instance that is not there."""

    async def test(served: Served) -> None:
        found = await served.send("a", event)
        assert (found.status_code, found.json()["outcome"]) == (200, outcome)
        assert found.json()["state"] is None
        await served.send("a", "ADD", 1)
        found = await served.send("a", event)
        assert found.json()["state"]["context"] == {"applied": [1]}

    ask(test)


def test_a_dead_letter_is_a_problem_with_its_error() -> None:
    """422 for whoever waits; the outcome says it afterwards."""

    async def test(served: Served) -> None:
        found = await served.send("a", "EVEN", "x", headers={"Idempotency-Key": "e"})
        document = problem(found, 422, "dead-letter")
        assert "TypeError" in document["detail"]
        status = (await served.get("/machines/a/events/e")).json()
        assert status["stage"] == "dead"

    ask(test)


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_any_key_can_be_asked_for(key: str) -> None:
    """Percent-encoded in the path, also with slashes."""

    async def test(served: Served) -> None:
        name = quote(key, safe="").replace(".", "%2E")
        await served.send(name, "ADD", key)
        found = await served.get(f"/machines/{name}")
        assert found.json()["key"] == key
        assert found.json()["context"] == {"applied": [key]}
        machines = (await served.get("/machines")).json()["machines"]
        assert [each["key"] for each in machines] == [key]

    ask(test)


# --- repetition and preconditions -----------------------------------------------------------------


def test_a_repeated_request_is_one_event() -> None:
    """With quotes around the id or without."""

    async def test(served: Served) -> None:
        for given in ("k1", '"k1"', "k1"):
            found = await served.send("a", "ADD", 1, headers={"Idempotency-Key": given})
            assert found.status_code == 200
        assert found.json()["new"] is False
        sent = await served.post(
            "/machines/a/events", json={"type": "ADD", "data": 1}, headers={"Idempotency-Key": "k1"}
        )
        assert (sent.status_code, sent.json()["status"]) == (202, "duplicate")
        assert (await served.get("/machines/a")).json()["context"] == {"applied": [1]}

    ask(test)


def test_two_clients_with_one_id_apply_one_event() -> None:
    """At the same time; one of them is told that its event is new."""

    async def test(served: Served) -> None:
        found = await asyncio.gather(
            *(served.send("a", "ADD", 1, headers={"Idempotency-Key": "k"}) for _ in range(8))
        )
        assert [each.status_code for each in found] == [200] * 8
        assert sum(each.json()["new"] for each in found) == 1
        assert {each.json()["revision"] for each in found} == {1}
        assert (await served.get("/machines/a")).json()["context"] == {"applied": [1]}

    ask(test)


def test_an_id_of_another_event_is_refused() -> None:
    """422, and nothing is applied."""

    async def test(served: Served) -> None:
        await served.send("a", "ADD", 1, headers={"Idempotency-Key": "k"})
        found = await served.send("a", "ADD", 2, headers={"Idempotency-Key": "k"})
        problem(found, 422, "reused-id")
        assert (await served.get("/machines/a")).json()["context"] == {"applied": [1]}

    ask(test)


@pytest.mark.parametrize("given", ["", '""', "a b", "é".encode(), "x" * 256])
def test_a_bad_id_is_refused(given: str | bytes) -> None:
    """It is 1 to 255 visible ASCII characters."""

    async def test(served: Served) -> None:
        found = await served.send("a", "ADD", 1, headers={"Idempotency-Key": given})
        problem(found, 422, "invalid")

    ask(test)


def test_if_match_says_what_the_event_is_for() -> None:
    """412 for another revision; a repetition of what was accepted is answered as before."""

    async def test(served: Served) -> None:
        found = await served.send("a", "ADD", 1, headers={"If-Match": "*"})
        problem(found, 412, "unexpected-revision")
        found = await served.send("a", "ADD", 1, headers={"If-Match": '"0"'})
        assert found.headers["etag"] == '"1"'
        tag = (await served.get("/machines/a")).headers["etag"]
        assert tag == '"1.1"'  # its revision, and the version of its chart
        headers = {"If-Match": tag, "Idempotency-Key": "k"}
        assert (await served.send("a", "ADD", 2, headers=headers)).headers["etag"] == '"2"'
        assert (await served.send("a", "ADD", 2, headers=headers)).headers["etag"] == '"2"'
        problem(
            await served.send("a", "ADD", 3, headers={"If-Match": '"1"'}),
            412,
            "unexpected-revision",
        )
        problem(
            await served.send("a", "ADD", 3, headers={"If-Match": 'W/"2"'}),
            412,
            "unexpected-revision",
        )
        assert (
            await served.send("a", "ADD", 3, headers={"If-Match": '"1", "2"'})
        ).status_code == 200

    ask(test)


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "name"),
    [
        (b"not json", 400, "bad-json"),
        (b"", 400, "bad-json"),
        (b'{"type": "ADD", "type": "ADD"}', 400, "bad-json"),
        (b'{"type": "ADD", "data": NaN}', 400, "bad-json"),
        (b'{"type": "ADD", "data": 1e999}', 400, "bad-json"),
        (b"\xff\xfe", 400, "bad-json"),
        (b"[" * 100_000, 400, "bad-json"),
        (b'"ADD"', 422, "invalid"),
        (b"null", 422, "invalid"),
        (b"[]", 422, "invalid"),
        (b'{"type": 1}', 422, "invalid"),
        (b'{"type": ""}', 422, "invalid"),
        (b'{"type": "ADD", "extra": 1}', 422, "invalid"),
        (b'{"type": "done.invoke.first.0"}', 422, "invalid"),
        (b'{"type": "ADD", "data": "\\ud800"}', 422, "invalid"),
        (b'{"type": "ADD", "data": ' + b"[" * 80 + b"]" * 80 + b"}", 422, "invalid"),
        (b'{"type": "ADD", "data": "' + b"x" * 300_000 + b'"}', 413, "too-large"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_bad_body_is_a_problem(body: bytes, status: int, name: str) -> None:
    """Nothing is accepted."""

    async def test(served: Served) -> None:
        headers = {"Content-Type": "application/json"}
        found = await served.post("/machines/a/events", content=body, headers=headers)
        problem(found, status, name)
        assert (await served.get("/status")).json()["waiting"] == 0
        problem(await served.get("/machines/a"), 404, "no-such-instance")

    ask(test)


def test_a_form_is_no_event() -> None:
    """415, with the header that is needed."""

    async def test(served: Served) -> None:
        found = await served.post("/machines/a/events", data={"type": "ADD"})
        assert "application/json" in problem(found, 415, "not-json")["detail"]

    ask(test)


@pytest.mark.parametrize("wait", ["-1", "31", "x", "", "1e9", "inf"])
def test_a_bad_wait_is_refused(wait: str) -> None:
    """Before anything is accepted; what is only preferred is cut instead."""

    async def test(served: Served) -> None:
        found = await served.send("a", "ADD", 1, params={"wait": wait})
        problem(found, 422, "invalid")
        assert (await served.get("/status")).json()["waiting"] == 0
        sent = await served.send(
            "a", "ADD", 1, params={}, headers={"Prefer": "wait=999; respond-async=0"}
        )
        assert sent.headers["preference-applied"] == "wait=30"

    ask(test)


def test_too_many_waiting_events_are_refused() -> None:
    """429 with Retry-After; what was accepted before stays."""

    async def test(served: Served) -> None:
        assert (await served.send("a", "ADD", 1, params={})).status_code == 202
        served.app.state.api._looked_at = float("-inf")
        found = await served.send("a", "ADD", 2, params={})
        problem(found, 429, "too-many-waiting")
        assert found.json()["detail"].startswith("1 event waits; the limit is 1.")
        assert found.headers["retry-after"] == "1"

    ask(test, works=False, max_waiting=1)


def test_another_host_or_page_is_refused() -> None:
    """A page in the browser cannot use a local server, nor a name that is pointed to it."""

    async def test(served: Served) -> None:
        for headers in (
            {"Host": "evil.example"},
            {"Host": "127.0.0.1.evil.example:8000"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://127.0.0.1:9999"},
            {"Host": ""},
        ):
            found = await served.send("a", "ADD", 1, headers=headers)
            problem(found, 403, "host-refused")
        for headers in (
            {"Host": "localhost:1"},
            {"Host": "[::1]:8000"},
            {"Host": "SHOP.example"},
            {"Origin": "http://127.0.0.1:8000"},
            {"Origin": "https://partner.example"},
        ):
            assert (await served.send("a", "ADD", 1, headers=headers)).status_code == 200
        assert "access-control-allow-origin" not in (await served.get("/machines")).headers

    ask(test, hosts=["shop.example"], origins=["https://partner.example"])


# --- reading --------------------------------------------------------------------------------------


def test_an_instance_is_read_once_for_each_revision() -> None:
    """304 where the client has it already."""

    async def test(served: Served) -> None:
        problem(await served.get("/machines/a"), 404, "no-such-instance")
        await served.send("a", "ADD", 1)
        found = await served.get("/machines/a")
        document = found.json()
        assert (document["key"], document["revision"], document["tags"]) == ("a", 1, ["settled"])
        assert "ADD" in document["accepts"]
        tag = found.headers["etag"]
        for given in (tag, f"W/{tag}", '"7", ' + tag, "*"):
            again = await served.get("/machines/a", headers={"If-None-Match": given})
            assert (again.status_code, again.content) == (304, b"")
        assert (
            await served.get("/machines/a", headers={"If-None-Match": '"7"'})
        ).status_code == 200
        assert (await served.client.head("/machines/a")).status_code == 200

    ask(test)


def test_instances_come_in_pages() -> None:
    """Each page has a link to the next one; a state chooses among them."""

    async def test(served: Served) -> None:
        for number in range(5):
            await served.send(f"k{number}", "LONG_DELAY" if number == 3 else "ADD")
        place: str | None = "/machines?limit=2"
        found: list[str] = []
        while place:
            page = await served.get(place)
            found += [each["key"] for each in page.json()["machines"]]
            place = page.links.get("next", {}).get("url")
        assert found == [f"k{number}" for number in range(5)]
        chosen = (await served.get("/machines", params={"state": "patient"})).json()
        assert [each["key"] for each in chosen["machines"]] == ["k3"]
        for limit in ("0", "1001", "x"):
            problem(await served.get("/machines", params={"limit": limit}), 422, "invalid")

    ask(test)


def test_settlements_are_streamed_and_resumed() -> None:
    """A state first, then each settlement; Last-Event-ID goes on after it."""

    async def test(served: Served) -> None:
        place = "/machines/a/settlements"
        following = asyncio.create_task(served.get(place, params={"limit": 4}))
        while not served.app.state.api.streams:
            await asyncio.sleep(0)
        for kind, data in (("ADD", 1), ("NOPE", None), ("CALL", 2)):
            await served.send("a", kind, data)
        stream = await following
        assert stream.headers["content-type"].startswith("text/event-stream")
        state, *settled = events_of(stream.text)
        assert (state["event"], state["data"]["machine"]) == ("state", None)
        assert [each["event"] for each in settled] == ["settled"] * 3
        assert [each["data"]["outcome"] for each in settled] == ["resolved", "ignored", "resolved"]
        assert [each["data"]["revision"] for each in settled] == [1, 1, 2]
        steps = settled[2]["data"]["steps"]
        assert [each["active"] for each in steps] == [["first"], ["second"], ["idle"]]
        assert all(len(each["edges"]) == 1 for each in steps)
        again = await served.get(
            place, params={"limit": 3}, headers={"Last-Event-ID": settled[0]["id"]}
        )
        state, *later = events_of(again.text)
        assert state["data"]["machine"]["revision"] == 2
        assert later == settled[1:]
        problem(await served.get(place, headers={"Last-Event-ID": "x"}), 422, "invalid")

    ask(test)


def test_all_instances_can_be_followed() -> None:
    """In the order of their commits."""

    async def test(served: Served) -> None:
        following = asyncio.create_task(served.get("/settlements", params={"limit": 3}))
        while not served.app.state.api.streams:
            await asyncio.sleep(0)
        for key in ("b", "a", "b"):
            await served.send(key, "ADD", 1)
        assert [each["data"]["key"] for each in events_of((await following).text)] == [
            "b",
            "a",
            "b",
        ]
        assert served.app.state.api.streams == 0

    ask(test)


def test_secrets_are_in_no_answer() -> None:
    """Neither in states, nor in events, nor in dead letters."""
    chart = Chart(
        name="shop",
        secret=["pin"],
        context={"pin": "4711"},
        initial="open",
        states=[{"name": "open", "tags": ["settled"]}],
        transitions=[
            {"trigger": "SET", "source": "open", "dest": "open", "assign": "keep"},
            {"trigger": "BAD", "source": "open", "dest": "open", "conditions": "bad"},
        ],
    )

    def bad(context: dict[str, Any], event: Any) -> bool:
        raise ValueError(f"pin {context['pin']}")

    bound = chart.bind({"keep": lambda context, event: {"pin": event.data["pin"]}, "bad": bad})

    async def test(served: Served) -> None:
        answers = [
            await served.send("a", "SET", {"pin": "4711"}),
            await served.send("a", "BAD", {"pin": "4711"}, headers={"Idempotency-Key": "e"}),
            await served.get("/machines"),
            await served.get("/machines/a"),
            await served.get("/machines/a/events/e"),
            await served.get("/dead-letters"),
            await served.get("/?id=a"),
            await served.post("/?id=a", json={"type": "SET", "pin": "4711"}),
            await served.get("/machines/a/settlements", params={"limit": 9, "wait": 0.01}),
            await served.get(
                "/settlements", params={"limit": 9, "wait": 0.01}, headers={"Last-Event-ID": "0"}
            ),
            await served.get("/charts/shop/picture.svg", params={"key": "a"}),
            await served.get("/metrics"),
            await served.get("/charts"),
            await served.get("/page/chart.json"),
            await served.post("/machines/a/events", json={"type": "SET", "pin": "4711"}),
            await served.post("/machines/a/events", json={"type": {"pin": "4711"}}),
            await served.post("/?id=a", json=[{"type": "SET", "pin": "4711"}]),
            await served.post("/?id=a", json={"type": "done.x", "pin": "4711"}),
            await served.post(
                "/?id=a",
                content=b'{"type": "SET", "pin": "4711\\ud800"}',
            ),
        ]
        for answer in answers:
            assert answer.status_code in (200, 422), answer.text
            assert "4711" not in answer.text
        assert '"pin":"***"' in answers[3].text

    ask(test, chart=bound)
