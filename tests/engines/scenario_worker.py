"""Engines for all charts of the scenarios, in a process that works until it is killed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from settlesim import FifoQueue, SqliteStore, Worker
from settlesim.chart import Chart
from settlesim.engines import EmbeddedEngine
from settlesim.errors import StoreError
from tests.engines.scenarios import CHARTS, with_ledger


def make_engine(chart: Chart, settings: dict[str, Any], *, works: bool) -> Any:
    """Return an engine for one chart.

    Parameters
    ----------
    settings : ``engine``, and by charts where it is
    works : whether it handles events, or only sends them and reads
    """
    place = settings["places"][chart.name]
    if settings["engine"] == "embedded":
        store = SqliteStore(place["store"])
        queue = FifoQueue(store, chart.name, visibility_timeout=2)
        return EmbeddedEngine(Worker(chart, store, queue, concurrency=8, poll=0.02), works=works)
    if settings["engine"] == "restate":
        from settlesim.engines.restate import RestateClient, RestateEngine

        client = RestateClient(place["ingress"], place["admin"])
        return RestateEngine(chart, client, bind=place["bind"], works=works)
    from settlesim.engines.aws import AwsEngine, AwsResources

    return AwsEngine(
        chart,
        AwsResources(**place),
        works=works,
        long_poll=0,
        concurrency=8,
        batch_size=1,  # a message of a batch waits for the others while its time runs
    )


async def main(settings: dict[str, Any]) -> None:
    """Handle events of all charts."""
    while True:
        try:
            async with AsyncExitStack() as stack:
                engines = []
                for name in settings["places"]:
                    chart = with_ledger(CHARTS[name], Path(settings["ledger"]))
                    engine = make_engine(chart, settings, works=True)
                    engines.append(await stack.enter_async_context(engine))
                await asyncio.gather(*(each.ended() for each in engines))
        except StoreError as error:  # the server does not answer yet
            print(error, flush=True)
            await asyncio.sleep(0.1)


def work(folder: Path, *, settings: dict[str, Any]) -> None:
    """Be such a process."""
    asyncio.run(main(settings))


ROLES: dict[str, Callable[..., None]] = {"work": work}
