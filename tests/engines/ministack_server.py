"""ministack, an emulator of AWS, for tests: started, asked for queues and tables, ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from tests.engines.restate_server import free_port

__all__ = ["Ministack"]

_START = 60.0
_PROGRAM = """
import os, sys, threading
from ministack.services import scheduler
# It ends with the tests, however they end.
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
scheduler._SCHEDULE_TICK_INTERVAL = 0.2  # else delays would take ten seconds
from hypercorn.__main__ import main
# In this process: one of its own would not have the interval, and would outlive a kill of this.
sys.exit(main(["ministack.app:app", "--bind", sys.argv[1], "--workers", "0"]))
"""


class Ministack:
    """One emulator, on this machine's loopback only; what it keeps is in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"127.0.0.1:{free_port()}"
        self.process: subprocess.Popen[bytes] | None = None
        self._clients: dict[str, Any] = {}

    @property
    def client(self) -> dict[str, Any]:
        """Arguments for ``boto3.client``."""
        return {
            "endpoint_url": f"http://{self.address}",
            "region_name": "us-east-1",
            "aws_access_key_id": "none",
            "aws_secret_access_key": "none",
        }

    def start(self) -> None:
        """Start it, and return when it answers."""
        options = {"SERVICES": "sqs,dynamodb,scheduler,lambda,iam,sts,cloudformation"}
        with (self.folder / "ministack.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, self.address],
                cwd=self.folder,
                env=os.environ | options | {"PYTHONWARNINGS": "ignore"},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        end = time.monotonic() + _START
        while True:
            try:
                with urllib.request.urlopen(f"http://{self.address}/health", timeout=1):
                    return
            except OSError:
                pass
            assert self.process.poll() is None, (self.folder / "ministack.log").read_text()
            assert time.monotonic() < end, "ministack does not answer"
            time.sleep(0.05)

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()

    def resources(self, name: str, *, visibility: int = 30, max_receives: int = 10) -> Any:
        """Return a table and queues of this name, made where there are none."""
        import boto3

        from settlesim.engines.aws import AwsResources

        for service in ("sqs", "dynamodb", "scheduler"):
            if service not in self._clients:
                self._clients[service] = boto3.session.Session().client(service, **self.client)
        sqs, dynamodb = self._clients["sqs"], self._clients["dynamodb"]
        dead = sqs.create_queue(
            QueueName=f"{name}-dead.fifo",
            Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"},
        )["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
        redrive = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": str(max_receives)}
        url = sqs.create_queue(
            QueueName=f"{name}.fifo",
            Attributes={
                "FifoQueue": "true",
                "ContentBasedDeduplication": "true",
                "VisibilityTimeout": str(visibility),
                "RedrivePolicy": json.dumps(redrive),
            },
        )["QueueUrl"]
        if name not in dynamodb.list_tables()["TableNames"]:
            dynamodb.create_table(
                TableName=name,
                KeySchema=[
                    {"AttributeName": "pk", "KeyType": "HASH"},
                    {"AttributeName": "sk", "KeyType": "RANGE"},
                ],
                AttributeDefinitions=[
                    {"AttributeName": "pk", "AttributeType": "S"},
                    {"AttributeName": "sk", "AttributeType": "S"},
                ],
                BillingMode="PAY_PER_REQUEST",
            )
        return AwsResources(
            table=name,
            queue_url=url,
            dead_letter_queue_url=dead,
            scheduler_role_arn="arn:aws:iam::000000000000:role/scheduler",
            client=self.client,
            _clients=self._clients,  # to make a client takes half a second
        )
