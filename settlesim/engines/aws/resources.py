"""`AwsResources`: the table, queues and schedules of one chart, and the clients for them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import boto3

from settlesim.errors import InvalidValueError

__all__ = ["VARIABLES", "AwsResources"]

VARIABLES: Final = {
    "table": "SETTLESIM_TABLE",
    "queue_url": "SETTLESIM_QUEUE_URL",
    "dead_letter_queue_url": "SETTLESIM_DEAD_LETTER_QUEUE_URL",
    "scheduler_role_arn": "SETTLESIM_SCHEDULER_ROLE_ARN",
    "scheduler_group": "SETTLESIM_SCHEDULER_GROUP",
}
"""The environment variables that the template of ``settlesim deploy aws`` sets."""


@dataclass
class AwsResources:
    """The table, queues and schedules of a chart.

    boto3 makes the clients from the environment and the arguments in `client`.
    """

    table: str
    """The name of the DynamoDB table."""
    queue_url: str
    """The FIFO queue of events."""
    dead_letter_queue_url: str | None = None
    """The FIFO queue for events that cannot be settled; None to keep them in the table only."""
    scheduler_role_arn: str | None = None
    """The role as which EventBridge Scheduler sends; needed for charts with delays."""
    scheduler_group: str = "default"
    client: Mapping[str, Any] = field(default_factory=dict)
    """Arguments for ``boto3.client``, such as an ``endpoint_url``."""
    _clients: dict[str, Any] = field(default_factory=dict, repr=False)
    _arn: str | None = field(default=None, repr=False)

    @classmethod
    def from_environment(
        cls,
        *,
        table: str | None = None,
        queue_url: str | None = None,
        dead_letter_queue_url: str | None = None,
        scheduler_role_arn: str | None = None,
        scheduler_group: str | None = None,
        client: Mapping[str, Any] | None = None,
    ) -> AwsResources:
        """Return what the environment names; what is given here takes precedence.

        Parameters
        ----------
        table : the name of the DynamoDB table
        queue_url : the FIFO queue of events
        dead_letter_queue_url : the FIFO queue for events that cannot be settled
        scheduler_role_arn : the role as which EventBridge Scheduler sends
        scheduler_group : the group of its schedules
        client : arguments for ``boto3.client``, such as an ``endpoint_url``

        Raises
        ------
        InvalidValueError
            Neither an argument nor the environment names the table or the queue.
        """
        found: dict[str, Any] = {
            name: os.environ.get(variable) for name, variable in VARIABLES.items()
        }
        given = {
            "table": table,
            "queue_url": queue_url,
            "dead_letter_queue_url": dead_letter_queue_url,
            "scheduler_role_arn": scheduler_role_arn,
            "scheduler_group": scheduler_group,
            "client": client,
        }
        found |= {name: value for name, value in given.items() if value is not None}
        for name in ("table", "queue_url"):
            if not found[name]:
                reason = f"is not given, and {VARIABLES[name]} is not set"
                raise InvalidValueError(where=name, reason=reason)
        return cls(**{name: value for name, value in found.items() if value})

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.session.Session().client(service, **self.client)
        return self._clients[service]

    @property
    def dynamodb(self) -> Any:
        """A client of DynamoDB."""
        return self._client("dynamodb")

    @property
    def sqs(self) -> Any:
        """A client of SQS."""
        return self._client("sqs")

    @property
    def scheduler(self) -> Any:
        """A client of EventBridge Scheduler."""
        return self._client("scheduler")

    @property
    def queue_arn(self) -> str:
        """The queue's ARN, as a schedule names it."""
        if self._arn is None:
            found = self.sqs.get_queue_attributes(
                QueueUrl=self.queue_url, AttributeNames=["QueueArn"]
            )
            self._arn = str(found["Attributes"]["QueueArn"])
        return self._arn
