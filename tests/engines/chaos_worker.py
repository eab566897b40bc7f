"""A process that handles events until it is killed; its argument is JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from settlesim.errors import StoreError
from tests.engines.chaos import chaos_chart


def make_engine(settings: dict[str, Any]) -> Any:
    """Return the engine that the settings describe."""
    chart = chaos_chart(Path(settings["ledger"]), settings["seconds"])
    if settings["engine"] == "restate":
        from settlesim.engines.restate import RestateClient, RestateEngine

        client = RestateClient(settings["ingress"], settings["admin"])
        return RestateEngine(chart, client, bind=settings["bind"])
    from settlesim.engines.aws import AwsEngine, AwsResources

    resources = AwsResources(**settings["resources"])
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


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
