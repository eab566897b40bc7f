"""Dead letters, parked instances, charts, health, metrics, and what no route takes."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from settlesim import FifoQueue, MemoryStore, Worker
from settlesim.engines import EmbeddedEngine
from settlesim.errors import InvalidValueError
from settlesim.gallery import count
from settlesim.http import create_app
from settlesim.testing import Work, engine_chart
from settlesim.versions import migration
from tests.http.serving import Served, ask, problem, served


def test_a_dead_letter_is_listed_and_retried() -> None:
    """It is applied once its cause is gone."""
    work = Work()
    work.failures["first"] = 1

    async def test(served: Served) -> None:
        await served.send("a", "CALL", 1, headers={"Idempotency-Key": "e"})
        (letter,) = (await served.get("/dead-letters")).json()["dead_letters"]
        assert (letter["key"], letter["event"], letter["data"]) == ("a", "CALL", 1)
        assert "no first today" in letter["errors"][-1]
        retried = await served.post(f"/dead-letters/{letter['id']}/retry")
        assert retried.status_code == 202
        found = await served.get("/machines/a/events/e", params={"wait": 30})
        assert found.json()["outcome"] == "resolved"
        assert (await served.get("/dead-letters")).json() == {"dead_letters": [], "next": None}
        problem(await served.post(f"/dead-letters/{letter['id']}/retry"), 404, "no-such-letter")

    ask(test, work=work)


def test_a_parked_instance_is_listed_and_resumed() -> None:
    """The policy halt, by hand."""

    async def test(served: Served) -> None:
        await served.send("a", "EVEN", "x")
        sent = await served.send("a", "ADD", 1, params={})
        (parked,) = (await served.get("/parked")).json()["parked"]
        assert (parked["key"], parked["waiting"]) == ("a", 1)
        assert (await served.post("/machines/a/resume")).json() == {"key": "a", "resumed": True}
        found = await served.get(sent.headers["location"], params={"wait": 30})
        assert found.json()["outcome"] == "resolved"
        assert (await served.post("/machines/a/resume")).json() == {"key": "a", "resumed": False}

    ask(test, policy="halt")


def test_a_state_that_is_no_state_is_a_problem_with_the_nearest_name() -> None:
    """A typo is told from a state in which no instance is; one of an earlier version is known."""
    before = engine_chart(Work())
    chart = engine_chart(Work(), version=2).with_migrations(
        migration(
            before.replace(
                states=[*before.to_dict()["states"], {"name": "gone", "tags": ["settled"]}]
            ),
            engine_chart(Work(), version=2),
            states={"gone": "idle"},
        )
    )

    async def test(served: Served) -> None:
        for state in ("patient", "gone"):
            found = await served.get("/machines", params={"state": state})
            assert found.json() == {"machines": [], "next": None}
        found = await served.get("/machines", params={"state": "patiens"})
        assert "'patient'" in problem(found, 400, "no-such-state")["detail"]

    ask(test, chart)


def test_the_chart_is_shown() -> None:
    """Its definition, and a picture that may hold nothing but itself."""

    async def test(served: Served) -> None:
        (chart,) = (await served.get("/charts")).json()["charts"]
        assert chart["name"] == "engine_contract"
        assert (await served.get("/charts/engine_contract")).json() == chart
        problem(await served.get("/charts/other"), 404, "no-such-chart")
        picture = await served.get("/charts/engine_contract/picture.svg")
        assert picture.headers["content-type"] == "image/svg+xml"
        assert picture.headers["content-security-policy"].startswith("default-src 'none'")
        assert picture.text.startswith("<svg")
        problem(
            await served.get("/charts/engine_contract/picture.svg?key=a"), 404, "no-such-instance"
        )
        await served.send("a", "ADD", 1)
        marked = await served.get("/charts/engine_contract/picture.svg?key=a&theme=dark")
        assert "now" in marked.text

    ask(test)


def test_health_readiness_and_metrics_are_told() -> None:
    """Ready while the worker runs."""

    async def test(served: Served) -> None:
        await served.send("a", "EVEN", "x")
        assert (await served.get("/healthz")).json() == {"status": "ok"}
        assert (await served.get("/readyz")).json() == {"status": "ready"}
        text = (await served.get("/metrics")).text
        labels = '{chart="engine_contract",engine="embedded"}'
        assert f"settlesim_dead_letters{labels} 1\n" in text
        assert f"settlesim_ready{labels} 1\n" in text
        line = 'http_requests_total{method="POST",route="/machines/{key}/events",status="422"} 1'
        assert f"settlesim_{line}\n" in text
        for name in text.splitlines():
            assert name.startswith(("# HELP settlesim_", "# TYPE settlesim_", "settlesim_"))
        status = (await served.get("/status")).json()
        assert (status["dead_letters"], status["engine"]) == (1, "embedded")

    ask(test)


def test_metrics_count_beyond_six_digits() -> None:
    """A counter that is rounded would seem to stand still."""

    async def test(served: Served) -> None:
        served.app.state.api.requests["GET", "/status", 200] = 1_234_567
        text = (await served.get("/metrics")).text
        line = 'http_requests_total{method="GET",route="/status",status="200"} 1234567'
        assert f"settlesim_{line}\n" in text

    ask(test)


def test_a_closed_store_is_a_problem_not_a_crash() -> None:
    """503: nothing was accepted."""

    async def test(served: Served) -> None:
        served.engine.store.close()
        problem(await served.send("a", "ADD", 1), 503, "unavailable")
        found = await served.get("/readyz")
        problem(found, 503, "unavailable")
        assert found.headers["retry-after"] == "1"
        assert (await served.get("/healthz")).status_code == 200
        assert "settlesim_ready" in (await served.get("/metrics")).text

    ask(test, works=False)


def test_what_no_route_takes_is_a_problem() -> None:
    """404, and 405 with what is allowed."""

    async def test(served: Served) -> None:
        problem(await served.get("/nothing"), 404, "not-found")
        problem(await served.get("/machines//events"), 404, "not-found")
        problem(await served.get("/machines/%FF"), 400, "bad-path")
        found = await served.client.delete("/machines/a")
        problem(found, 405, "method-not-allowed")
        assert set(found.headers["allow"].split(", ")) == {"GET", "HEAD"}
        for answer in (found, await served.get("/healthz")):
            assert answer.headers["x-content-type-options"] == "nosniff"

    ask(test)


def test_the_page_and_its_files_are_served() -> None:
    """Nothing on it comes from elsewhere, and its names are text."""

    async def test(served: Served) -> None:
        page = await served.get("/")
        assert page.headers["content-type"].startswith("text/html")
        assert "<title>&lt;b&gt;</title>" in page.text
        assert "http" not in page.text
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "javascript" in (await served.get("/page/page.js")).headers["content-type"]
        assert "css" in (await served.get("/page/page.css")).headers["content-type"]
        problem(await served.get("/page/other"), 404, "not-found")
        chart = (await served.get("/page/chart.json")).json()
        assert chart["picture"]["svg"].startswith("<svg")
        assert chart["start"]["configuration"] == ["idle"]

    record = {**count.to_dict(), "name": "<b>"}
    ask(test, chart=type(count).from_dict(record).bind(dict(count.functions)))


@pytest.mark.parametrize("place", ["/orders", "/my orders/of today"])
def test_an_application_can_be_mounted(place: str) -> None:
    """Below a path of another one, which then enters the engine."""
    from starlette.applications import Starlette
    from starlette.routing import Mount

    async def main() -> None:
        async with served(count) as inner:
            import httpx

            app = Starlette(routes=[Mount(place, app=inner.app)])
            root = quote(place)
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://127.0.0.1"
            ) as client:
                sent = await client.post(f"{root}/machines/a%2Fb/events", json={"type": "COUNT"})
                assert sent.status_code == 202, sent.text
                assert sent.headers["location"].startswith(f"{root}/machines/a%2Fb/events/")
                found = await client.get(sent.headers["location"], params={"wait": 30})
                assert found.json()["outcome"] == "resolved"

    asyncio.run(main())


@pytest.mark.parametrize(
    "options", [{"root": "other"}, {"max_body": 0}, {"max_waiting": 0}, {"max_wait": -1}]
)
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    """When the application is made."""
    store = MemoryStore()
    engine = EmbeddedEngine(Worker(count, store, FifoQueue(store, "count")))
    with pytest.raises(InvalidValueError):
        create_app(engine, **options)


def test_an_instance_of_another_chart_is_refused() -> None:
    """409: its events belong elsewhere; it is in no list of this chart."""

    async def test(served: Served) -> None:
        other = Worker(count, served.engine.store, FifoQueue(served.engine.store, "count"))
        other.queue.send({"event": "COUNT"}, "c1")
        await other.run(until_empty=True)
        problem(await served.send("c1", "ADD", 1), 409, "chart-mismatch")
        assert (await served.get("/machines")).json()["machines"] == []
        assert (await served.get("/machines/c1")).json()["chart"] == "count"

    ask(test)
