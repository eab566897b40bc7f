"""`RestateEngine`: the `settlesim.engines.Engine` of a chart on a Restate server."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, ClassVar, Final, Self

import hypercorn.asyncio
import hypercorn.config
import restate

from settlesim.argument_checks import check_seconds
from settlesim.chart import Chart
from settlesim.chart.strict_json import JSONValue
from settlesim.engines.event_ids import new_event_id
from settlesim.engines.handling import HandlerOptions
from settlesim.engines.instance_record import CALM, VERSION, InstanceRecord, letter_of_id
from settlesim.engines.promises import PROMISES
from settlesim.engines.protocol import (
    Accepted,
    EngineStatus,
    EventStage,
    EventStatus,
    Promise,
)
from settlesim.engines.record_engine import POLL, RecordEngine
from settlesim.engines.restate.client import RestateClient
from settlesim.engines.restate.handlers import RECORD, virtual_object
from settlesim.errors import InvalidValueError, StoreUnavailableError
from settlesim.runtime.event_messages import event_body
from settlesim.store.checks import check_message
from settlesim.store.wall import wall_clock

__all__ = ["RestateEngine"]

_PAGE: Final = 200
_GRACE: Final = 1.0
"""Seconds that attempts have to end when the engine is left."""
_CANCELS: Final = 20


class RestateEngine(RecordEngine):
    """Runs a chart on a Restate server: its instances are virtual objects.

    Parameters
    ----------
    chart : with all its functions bound
    client : how the server is reached; None for one on this machine, with its default ports
    options : how events are handled
    works
        Whether this process serves the handlers while the engine is entered. False for one that
        only accepts events and reads, where others serve them.
    bind : address and port on which the handlers are served, such as ``127.0.0.1:9080``
    uri : how the server reaches them; None for ``http://`` and `bind`
    service : name of the Restate service; None for the chart's name

    Raises
    ------
    UnboundFunctionError
        Functions that the chart names are not bound.
    InvalidValueError
        `bind` is no address with a port, or Restate does not accept the service's name.

    Notes
    -----
    A server accepts events of a service once it is registered. An engine with `works` registers it
    whenever it is entered. Methods that only read query the server's tables through its admin
    interface; those that change something use the ingress.
    """

    name: ClassVar = "restate"
    promises: ClassVar = PROMISES[name]

    def __init__(
        self,
        chart: Chart,
        client: RestateClient | None = None,
        *,
        options: HandlerOptions | None = None,
        works: bool = True,
        bind: str = "127.0.0.1:9080",
        uri: str | None = None,
        service: str | None = None,
    ) -> None:
        super().__init__(chart, HandlerOptions() if options is None else options, works=works)
        self.client = RestateClient() if client is None else client
        if not re.fullmatch(r".+:[0-9]{1,5}", bind):
            raise InvalidValueError(where="bind", reason=f"is {bind!r}; ADDRESS:PORT is needed")
        self.bind = bind
        self.uri = f"http://{bind}" if uri is None else uri
        self._newest = 0
        self._object = virtual_object(
            chart, self.options, name=service, newest=lambda: self._newest
        )
        self.service = str(self._object.name)
        self._endpoint = restate.app([self._object])
        self._serving: asyncio.Task[Any] | None = None
        self._attempts: set[asyncio.Task[Any]] = set()
        self._shutdown = asyncio.Event()

    @property
    def place(self) -> str:
        """Where it serves and where events come in, as a text for people."""
        events = f"{self.client.ingress}/{self.service}/KEY/send"
        return f"at {self.uri} to {self.client.admin}; events come in at {events}"

    # --- sending ------------------------------------------------------------------------------

    async def send(
        self,
        key: str,
        event: str,
        data: JSONValue = None,
        *,
        event_id: str | None = None,
        expected: int | None = None,
    ) -> Accepted:
        """Accept an event; the server has written it when this returns.

        Raises
        ------
        InvalidEventError, InvalidValueError
            As `settlesim.engines.Engine.send`.
        NotPromisedError
            `expected` is given.
        StoreUnavailableError
            The server cannot be reached, or refuses it.
        """
        if expected is not None:
            raise self._not_promised(Promise.EXPECTED_REVISION)
        body = event_body(event, data)
        assert isinstance(body, dict)
        given = new_event_id() if event_id is None else event_id
        check_message(body, key, given)
        new = await self.client.send(self.service, key, "send", {**body, "id": given}, given)
        return Accepted(key, given, new)

    async def outcome(self, key: str, event_id: str, *, wait: float = 0.0) -> EventStatus | None:
        """Return an event's status: once it is settled or dead, or after `wait` seconds."""
        check_seconds(wait, where="wait")
        loop = asyncio.get_running_loop()
        end = loop.time() + wait
        # Attaching to an unknown event would wait in vain.
        status, output = await self.client.output(self.service, key, "send", event_id)
        if status == 470 and wait and not self._stop.is_set():
            status, output = await self._attached(key, event_id, end - loop.time())
        if status == 404:
            return None
        if status == 470:
            return EventStatus(key, event_id, EventStage.WAITING)
        if status != 200:  # somebody cancelled or killed the invocation
            return EventStatus(key, event_id, EventStage.DEAD, errors=(str(output),))
        async for _ in self._looks(end):
            found = (await self._record(key)).status_of(event_id)
            if found is None:
                return _from_output(key, event_id, output)
            if found.stage is not EventStage.WAITING:
                break
        return found

    async def _attached(self, key: str, event_id: str, seconds: float) -> tuple[int, Any]:
        """Wait until an invocation has ended or the engine is left."""
        waiting = asyncio.create_task(
            self.client.output(self.service, key, "send", event_id, wait=max(seconds, 0.001))
        )
        left = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait([waiting, left], return_when=asyncio.FIRST_COMPLETED)
            return await waiting if waiting.done() else (470, None)
        finally:
            waiting.cancel()
            left.cancel()
            await asyncio.wait([waiting, left])

    # --- reading ------------------------------------------------------------------------------

    async def _record(self, key: str) -> InstanceRecord:
        found = await self._rows(f"service_key = {_text(key)}", limit=1)
        text = found[0]["value_utf8"] if found else None
        return InstanceRecord.from_text(key, text, source=self._source)

    async def _records(
        self, *, after: str | None = None, calm: bool = True
    ) -> AsyncIterator[InstanceRecord]:
        """Yield the records of instances, sorted by their keys.

        Parameters
        ----------
        calm : whether to include records with nothing waiting, dead or halted
        """
        while True:
            conditions = ["true" if after is None else f"service_key > {_text(after)}"]
            if not calm:
                conditions.append(f"value_utf8 NOT LIKE {_text(CALM + '%')}")
            page = await self._rows(" AND ".join(conditions), limit=_PAGE)
            for row in page:
                yield InstanceRecord.from_text(
                    row["service_key"], row["value_utf8"], source=self._source
                )
            if len(page) < _PAGE:
                return
            after = page[-1]["service_key"]

    async def _rows(self, condition: str, *, limit: int) -> list[dict[str, Any]]:
        return await self.client.query(
            f"SELECT service_key, value_utf8 FROM state WHERE service_name = {_text(self.service)}"
            f" AND key = '{RECORD}' AND {condition} ORDER BY service_key LIMIT {limit}"
        )

    @property
    def _source(self) -> str:
        return f"Restate service {self.service}"

    # --- what could not be settled ------------------------------------------------------------

    async def retry(self, letter: str) -> bool:
        """Let a dead letter be settled again; return whether there is one.

        Under the policy ``halt`` it gets its old position again.
        """
        found = letter_of_id(letter)
        if found is None:
            return False
        number, key = found
        if not any(each.id == letter for each in (await self._record(key)).letters()):
            return False
        return bool(await self.client.call(self.service, key, "retry", number))

    async def resume(self, key: str) -> bool:
        """Resume a parked instance; return whether it was parked."""
        if (await self._record(key)).parked() is None:
            return False
        return bool(await self.client.call(self.service, key, "resume"))

    async def status(self) -> EngineStatus:
        """Count what waits, from the server's tables."""
        rows = await self.client.query(
            "SELECT target_handler_name AS handler, status, count(*) AS number,"
            " min(created_at) AS oldest"
            f" FROM sys_invocation WHERE target_service_name = {_text(self.service)}"
            " AND status <> 'completed' GROUP BY target_handler_name, status"
        )
        sent = [each for each in rows if each["handler"] == "send"]
        timers = [each for each in rows if each["handler"] == "elapsed"]
        found = await self._attention()
        return EngineStatus(
            waiting=found.waiting + sum(each["number"] for each in sent),
            dead_letters=found.dead,
            parked=found.parked,
            oldest=max((_age(each["oldest"]) for each in sent), default=None),
            timers=sum(each["number"] for each in timers),
            paused=sum(each["number"] for each in rows if each["status"] == "paused"),
        )

    # --- working ------------------------------------------------------------------------------

    async def check(self) -> None:
        """Check that the server accepts events, and that handlers are served if `works` is True.

        Raises
        ------
        StoreUnavailableError
            The server does not, or the handlers are not served.
        """
        await self.client.check()
        if self.works and (self._serving is None or self._serving.done()):
            raise StoreUnavailableError(path=self.uri, reason="the handlers are not served")

    async def ended(self) -> None:
        """Wait until the handlers are no longer served."""
        if self._serving is None:
            await self._stop.wait()
        else:
            await asyncio.shield(self._serving)

    async def __aenter__(self) -> Self:
        """Serve the handlers, and register them.

        Raises
        ------
        StoreUnavailableError
            The server cannot be reached, or cannot reach the handlers.
        RuntimeError
            The engine was entered before and not left.
        """
        self._enter()
        self._shutdown.clear()
        if self.works:
            try:
                self._newest = await self._newest_version()
                self._serving = asyncio.create_task(self._serve(self._listen()))
                await self.client.register(self.uri)
            except BaseException:
                await self.__aexit__()
                raise
        return self

    async def _newest_version(self) -> int:
        """Return the newest version of the chart that has saved an instance; 0 for none.

        Reading it once is enough: the server calls the engine that was registered last, so no newer
        version saves anything while this one starts instances.
        """
        version = f"split_part(split_part(value_utf8, {_text(VERSION)}, 2), ',', 1)"
        rows = await self.client.query(
            f"SELECT max(CAST({version} AS BIGINT)) AS newest FROM state"
            f" WHERE service_name = {_text(self.service)} AND key = '{RECORD}'"
        )
        return int(rows[0].get("newest", 0)) if rows else 0

    def _listen(self) -> int:
        """Return the descriptor of a socket to which the server can connect from now on."""
        host, _, port = self.bind.rpartition(":")
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            return socket.create_server((host, int(port)), family=family, backlog=100).detach()
        except (OSError, OverflowError) as error:
            reason = f"the handlers cannot be served: {error}"
            raise StoreUnavailableError(path=self.uri, reason=reason) from error

    async def _serve(self, descriptor: int) -> None:
        config = hypercorn.config.Config()
        config.bind = [f"fd://{descriptor}"]
        config.accesslog = None
        config.errorlog = None
        config.graceful_timeout = 1.0
        await hypercorn.asyncio.serve(self._app, config, shutdown_trigger=self._shutdown.wait)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        """Call the SDK's application, and keep track of the attempts that run."""
        task = asyncio.current_task()
        assert task is not None
        self._attempts.add(task)
        try:
            await self._endpoint(scope, receive, send)
        finally:
            self._attempts.discard(task)

    async def __aexit__(self, *error: Any) -> None:
        """Stop serving; the server retries running calls elsewhere, or once this serves again."""
        self._stop.set()
        serving, self._serving = self._serving, None
        if serving is not None:
            await self._end_attempts()
            self._shutdown.set()
            await asyncio.wait([serving], timeout=_GRACE)
            serving.cancel()
            await asyncio.wait([serving], timeout=_GRACE)
            if serving.done() and not serving.cancelled():
                serving.exception()
        await self.client.close()
        self._entered = False

    async def _end_attempts(self) -> None:
        """End the attempts in flight, which is not possible once connections are being closed."""
        if self._attempts:
            await asyncio.wait(list(self._attempts), timeout=_GRACE)
        for _ in range(_CANCELS):
            if not self._attempts:
                return
            # A cancelled attempt still waits until the server closes the connection.
            for attempt in list(self._attempts):
                attempt.cancel()
            await asyncio.sleep(POLL)

    def __repr__(self) -> str:
        return f"RestateEngine({self.chart.name!r}, {self.client.ingress!r})"


def _text(value: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + value.replace("'", "''") + "'"


def _age(at: str) -> float:
    """Return how many seconds ago a time in the server's tables was."""
    return max(0.0, wall_clock() - datetime.fromisoformat(at).timestamp())


def _from_output(key: str, event_id: str, output: Any) -> EventStatus | None:
    """Return the status from a handler's output, for an event that the record no longer has."""
    if not isinstance(output, dict) or output.get("stage") == EventStage.WAITING.value:
        return None
    return EventStatus(
        key,
        event_id,
        EventStage(output["stage"]),
        output["outcome"],
        output["revision"],
        errors=tuple(output["errors"]),
    )
