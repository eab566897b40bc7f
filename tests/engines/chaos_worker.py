"""A process that handles events until it is killed."""

from __future__ import annotations

import asyncio
import functools
import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from settlesim.errors import StoreError
from tests.engines.chaos import chaos_chart


def prepare(settings: dict[str, Any]) -> None:
    """Import what an engine needs, and make the clients of AWS: that takes a second."""
    if settings["engine"] == "restate":
        for name in ("hypercorn.asyncio", "settlesim.engines.restate"):
            importlib.import_module(name)
    elif settings["engine"] == "aws":
        clients(json.dumps(settings["resources"]["client"]))


@functools.cache
def clients(arguments: str) -> dict[str, Any]:
    """Return clients of AWS, which have no connections yet."""
    import boto3

    importlib.import_module("settlesim.engines.aws")
    made = json.loads(arguments)
    services = ("sqs", "dynamodb", "scheduler")
    return {name: boto3.session.Session().client(name, **made) for name in services}


def make_engine(settings: dict[str, Any]) -> Any:
    """Return the engine that the settings describe."""
    chart = chaos_chart(Path(settings["ledger"]), settings["seconds"])
    if settings["engine"] == "restate":
        from settlesim.engines.restate import RestateClient, RestateEngine

        client = RestateClient(settings["ingress"], settings["admin"])
        return RestateEngine(chart, client, bind=settings["bind"])
    from settlesim.engines.aws import AwsEngine, AwsResources

    given = settings["resources"]
    resources = AwsResources(**given, _clients=clients(json.dumps(given["client"])))
    engine = AwsEngine(chart, resources, works=True, long_poll=0, batch_size=5, concurrency=2)
    if settings["blind"]:
        engine.handler.table = _blind(engine)
    return engine


def _blind(engine: Any) -> Any:
    """Return a table as the seed's storage: it gets and puts, whoever else does."""
    from settlesim.engines.aws.instance_table import InstanceTable, StampedRecord

    class BlindTable(InstanceTable):
        def event(self, key: str, event_id: str) -> None:
            return None

        def write(self, read: StampedRecord, **_: Any) -> StampedRecord:
            item = self._record_key(read.record.key) | {
                "record": {"S": read.record.to_text()},
                "stamp": {"N": str(read.stamp + 1)},
            }
            self._call("put_item", Item=item)
            return StampedRecord(read.record, read.stamp + 1)

    return BlindTable(
        engine.resources, engine.chart.name, remembers=engine.handler.options.remembers
    )


async def main(settings: dict[str, Any]) -> None:
    """Handle events."""
    while True:
        engine = make_engine(settings)
        try:
            async with engine:
                await engine.ended()
        except StoreError as error:  # the server is down as well
            print(error, flush=True)
            await asyncio.sleep(0.1)


def work(folder: Path, *, settings: dict[str, Any]) -> None:
    """Be such a process."""
    asyncio.run(main(settings))


ROLES: dict[str, Callable[..., None]] = {"work": work}
