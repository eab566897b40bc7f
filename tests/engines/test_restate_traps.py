"""What can go wrong on Restate, each of it on a real server."""

from __future__ import annotations

import asyncio
import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from settlesim.engines import EventStage
from settlesim.errors import InvalidValueError, StoreUnavailableError
from settlesim.testing import Work, engine_chart
from tests.engines.restate_server import RestateServer, free_port

_PATIENCE = 30.0


@pytest.fixture
def work() -> Work:
    """Return the services."""
    return Work()


def make(server: RestateServer, folder: Path, work: Work, **options: Any) -> Any:
    """Return an engine that is not entered."""
    pytest.importorskip("restate", reason="settlesim[restate] is not installed")
    from settlesim.engines.restate import HandlerOptions, RestateClient, RestateEngine

    return RestateEngine(
        engine_chart(work),
        RestateClient(server.ingress, server.admin),
        options=HandlerOptions(**{"backoff": 0.01, **options}),
        bind=f"127.0.0.1:{free_port()}",
        service=f"traps_{zlib.crc32(str(folder).encode()):x}",
    )


async def settled(engine: Any, key: str, event: str, data: Any = None) -> Any:
    """Send an event, and wait for its end."""
    sent = await engine.send(key, event, data)
    found = await engine.outcome(key, sent.event_id, wait=_PATIENCE)
    assert found is not None
    assert found.stage is not EventStage.WAITING
    return found


@asynccontextmanager
async def bare_object(server: RestateServer, name: str, **handlers: Any) -> AsyncIterator[Any]:
    """Serve handlers of the SDK without settlesim; give a client."""
    import hypercorn.asyncio
    import hypercorn.config
    import restate

    from settlesim.engines.restate import RestateClient

    made = restate.VirtualObject(name)
    for handler, function in handlers.items():
        made.handler(name=handler)(function)
    config = hypercorn.config.Config()
    port = free_port()
    config.bind, config.errorlog, config.graceful_timeout = [f"127.0.0.1:{port}"], None, 0.5
    stop = asyncio.Event()
    serving = asyncio.create_task(
        hypercorn.asyncio.serve(restate.app([made]), config, shutdown_trigger=stop.wait)
    )
    client = RestateClient(server.ingress, server.admin)
    try:
        async with asyncio.timeout(_PATIENCE):
            while True:
                try:
                    await client.register(f"http://127.0.0.1:{port}")
                    break
                except StoreUnavailableError:
                    await asyncio.sleep(0.05)
        yield client
    finally:
        stop.set()
        await serving
        await client.close()


# --- state that is kept after a terminal error ------------------------------------------------


def test_restate_keeps_what_was_set_before_a_terminal_error(restate_server: RestateServer) -> None:
    """The trap itself: that is why an invocation here sets one value, at its end."""
    import restate

    async def fail(context: Any) -> None:
        context.set("kept", "yes")
        raise restate.TerminalError("no")

    async def test() -> None:
        async with bare_object(restate_server, "trap_terminal", fail=fail) as client:
            with pytest.raises(StoreUnavailableError, match="no"):
                await client.call("trap_terminal", "a", "fail")
            rows = await client.query(
                "SELECT value_utf8 FROM state WHERE service_name = 'trap_terminal'"
            )
            assert [each["value_utf8"] for each in rows] == ['"yes"']

    asyncio.run(test())


def test_an_invocation_sets_one_value_and_nothing_after_it(
    restate_server: RestateServer, tmp_path: Path, work: Work
) -> None:
    """Whatever becomes of its event."""

    async def test() -> None:
        async with make(restate_server, tmp_path, work, max_failures=2, policy="halt") as engine:
            work.failures["second"] = 1
            for event in ("ADD", "NOPE", "REFUSE", "CALL", "DELAY", "CANCEL", "DELAY"):
                await settled(engine, "a", event, 1)
            await settled(engine, "b", "EVEN", "no number")
            await engine.send("b", "ADD", 1)  # is parked
            await engine.resume("b")
            await engine.settlements("a", cursor=7, wait=_PATIENCE)
            rows = await engine.client.query(
                "SELECT j.id, j.index, j.entry_type FROM sys_journal j JOIN sys_invocation i"
                f" ON i.id = j.id WHERE i.target_service_name = '{engine.service}'"
                " ORDER BY j.id, j.index"
            )
            entries: dict[str, list[str]] = {}
            for row in rows:
                entries.setdefault(row["id"], []).append(row["entry_type"])
            assert len(entries) >= 8
            for found in entries.values():
                commands = [each for each in found if "Notification" not in each]
                sets = [each for each in commands if "SetState" in each]
                assert len(sets) <= 1, found
                if sets:
                    after = commands[commands.index(sets[0]) + 1 :]
                    assert all("Output" in each for each in after), found

    asyncio.run(test())


# --- retries that kill accepted events --------------------------------------------------------


def test_an_accepted_event_outlives_a_worker_that_is_down(
    restate_server: RestateServer, tmp_path: Path, work: Work
) -> None:
    """Longer than many retries take: no attempt of Restate counts against an event."""

    async def test() -> None:
        engine = make(restate_server, tmp_path, work)
        async with engine:
            await settled(engine, "a", "ADD", 1)
        sent = await engine.send("a", "ADD", 2)
        rows: list[Any] = []
        async with asyncio.timeout(_PATIENCE):
            while not rows or rows[0]["retry_count"] < 5:
                await asyncio.sleep(0.1)
                rows = await engine.client.query(
                    "SELECT coalesce(retry_count, 0) AS retry_count FROM sys_invocation WHERE"
                    f" target_service_name = '{engine.service}' AND status <> 'completed'"
                )
        async with engine:
            found = await engine.outcome("a", sent.event_id, wait=_PATIENCE)
            assert found.outcome == "resolved"
            assert list((await engine.load("a")).snapshot.context["applied"]) == [1, 2]

    asyncio.run(test())


def test_an_event_that_is_paused_is_told_and_goes_on(
    restate_server: RestateServer, tmp_path: Path, work: Work
) -> None:
    """A person has paused it; Restate tells nobody by itself."""

    async def test() -> None:
        engine = make(restate_server, tmp_path, work)
        async with engine:
            await settled(engine, "a", "ADD", 1)
        sent = await engine.send("a", "ADD", 2)
        (row,) = await _until_rows(
            engine,
            "SELECT id FROM sys_invocation WHERE status = 'backing-off'"
            f" AND target_service_name = '{engine.service}'",
        )
        invocation = f"{engine.client.admin}/invocations/{row['id']}"
        await engine.client.request("PATCH", f"{invocation}/pause")
        async with asyncio.timeout(_PATIENCE):
            while not (await engine.status()).paused:
                await asyncio.sleep(0.05)
        async with engine:
            await engine.client.request("PATCH", f"{invocation}/resume")
            found = await engine.outcome("a", sent.event_id, wait=_PATIENCE)
            assert found.outcome == "resolved"
            assert (await engine.status()).paused == 0

    asyncio.run(test())


async def _until_rows(engine: Any, sql: str) -> list[dict[str, Any]]:
    async with asyncio.timeout(_PATIENCE):
        while not (rows := await engine.client.query(sql)):
            await asyncio.sleep(0.05)
    return list(rows)


# --- services that are longer than Restate waits ----------------------------------------------


def on_an_impatient_server(
    binary: str, folder: Path, test: Callable[[RestateServer], Awaitable[None]]
) -> None:
    """Run a test on a server that gives a silent handler one second."""
    server = RestateServer(
        binary,
        folder / "server",
        RESTATE_WORKER__INVOKER__INACTIVITY_TIMEOUT="500ms",
        RESTATE_WORKER__INVOKER__ABORT_TIMEOUT="500ms",
    )
    try:
        server.start()
        server.wait_until_ready()
        asyncio.run(test(server))  # type: ignore[arg-type]
    finally:
        server.kill()


def test_a_service_longer_than_the_time_outs_of_the_server_is_called_once(
    restate_binary: str, tmp_path: Path, work: Work
) -> None:
    """The object has time-outs above its deadline; without them it is called again for ever."""
    calls = 0

    async def slow(context: Any) -> None:
        async def run() -> None:
            nonlocal calls
            calls += 1
            await asyncio.sleep(30 if calls == 1 else 0)

        await context.run_typed("slow", run)

    async def test(server: RestateServer) -> None:
        async with make(server, tmp_path, work) as engine:
            sent = await engine.send("a", "HOLD", 1)
            async with bare_object(server, "trap_slow", slow=slow) as client:
                await client.send("trap_slow", "a", "slow", None, "e")
                status, _ = await client.output("trap_slow", "a", "slow", "e", wait=_PATIENCE)
                assert (status, calls) == (200, 2)  # the trap itself: it never came to its end
            work.gate.set()
            found = await engine.outcome("a", sent.event_id, wait=_PATIENCE)
            assert found.outcome == "resolved"
            assert work.called("hold") == [1]

    on_an_impatient_server(restate_binary, tmp_path, test)


def test_a_service_that_hangs_ends_with_its_time_out(
    restate_server: RestateServer, tmp_path: Path, work: Work
) -> None:
    """Its event is a dead letter, and the next one goes on."""

    async def test() -> None:
        options = {"service_timeout": 0.3, "max_failures": 2}
        async with make(restate_server, tmp_path, work, **options) as engine:
            found = await settled(engine, "a", "HOLD", 1)
            assert found.stage is EventStage.DEAD
            assert "did not end within 0.3 seconds" in found.errors[-1]
            assert (await settled(engine, "a", "ADD", 2)).outcome == "resolved"

    asyncio.run(test())


def test_leaving_the_engine_does_not_wait_for_services(
    restate_server: RestateServer, tmp_path: Path, work: Work
) -> None:
    """Restate calls the handler again, and the event is settled then."""

    async def test() -> None:
        engine = make(restate_server, tmp_path, work)
        async with engine:
            sent = await engine.send("a", "HOLD", 1)
            async with asyncio.timeout(_PATIENCE):
                while not engine._attempts:
                    await asyncio.sleep(0.05)
        work.gate.set()
        async with engine:
            found = await engine.outcome("a", sent.event_id, wait=_PATIENCE)
            assert found.outcome == "resolved"

    asyncio.run(test())


def test_an_event_ends_with_its_deadline(
    restate_server: RestateServer, tmp_path: Path, work: Work
) -> None:
    """Also where no single service is too long."""

    async def test() -> None:
        options = {"deadline": 0.3, "max_failures": 1}
        async with make(restate_server, tmp_path, work, **options) as engine:
            found = await settled(engine, "a", "HOLD", 1)
            assert found.stage is EventStage.DEAD
            assert "DeadlineExceededError" in found.errors[-1]

    asyncio.run(test())


# --- starting offline, and on this machine only -----------------------------------------------


def test_a_server_starts_without_a_network_and_listens_here_only(
    restate_binary: str, tmp_path: Path
) -> None:
    """Its question for newer versions leads nowhere, and nobody else reaches it."""
    nowhere = "http://127.0.0.1:9"
    server = RestateServer(restate_binary, tmp_path, HTTPS_PROXY=nowhere, HTTP_PROXY=nowhere)
    try:
        server.start()
        server.wait_until_ready()
        ports = {f"{port:04X}" for port in server.ports.values()}
        listening = [
            line.split()[1].split(":")
            for name in ("tcp", "tcp6")
            for line in Path("/proc/net", name).read_text().splitlines()[1:]
            if line.split()[3] == "0A"
        ]
        found = {address for address, port in listening if port in ports}
        assert found == {"0100007F"}  # 127.0.0.1
    finally:
        server.kill()


def test_a_server_that_is_not_there_is_named(tmp_path: Path, work: Work) -> None:
    """By its address, before anything is served for long."""
    pytest.importorskip("restate", reason="settlesim[restate] is not installed")
    server = RestateServer("none", tmp_path)

    async def test() -> None:
        engine = make(server, tmp_path, work)
        with pytest.raises(StoreUnavailableError, match=server.admin):
            async with engine:
                pass
        with pytest.raises(StoreUnavailableError, match=server.ingress):
            await engine.send("a", "ADD", 1)
        with pytest.raises(StoreUnavailableError):
            await engine.check()

    asyncio.run(test())


def test_a_port_that_is_taken_is_told(
    restate_server: RestateServer, tmp_path: Path, work: Work
) -> None:
    """Nothing is registered then."""
    engine = make(restate_server, tmp_path, work)

    async def test() -> None:
        with socket.socket() as taken:
            host, _, port = engine.bind.partition(":")
            taken.bind((host, int(port)))
            with pytest.raises(StoreUnavailableError, match=port):
                async with engine:
                    pass

    asyncio.run(test())


@pytest.mark.parametrize("name", ["two words", "", "ключ", "1st"])
def test_a_name_that_restate_does_not_take_is_refused(work: Work, name: str) -> None:
    """Before a server is asked."""
    pytest.importorskip("restate", reason="settlesim[restate] is not installed")
    from settlesim.engines.restate import virtual_object

    with pytest.raises(InvalidValueError, match="service"):
        virtual_object(engine_chart(work), name=name)
