"""Run a chart on SQS, Lambda and DynamoDB.

`handler` is the Lambda function behind a FIFO queue, `AwsEngine` the `settlesim.engines.Engine`
that sends events and reads instances, and that can handle events without Lambda too.
"""

import importlib

from settlesim.errors import MissingExtraError

try:
    importlib.import_module("boto3")
except ModuleNotFoundError as _error:
    if _error.name != "boto3":
        raise
    raise MissingExtraError(extra="aws", feature="the AWS engine", module="boto3") from None

from settlesim.engines.aws.engine import AwsEngine
from settlesim.engines.aws.messages import group_of
from settlesim.engines.aws.queue_handler import QueueHandler, handler
from settlesim.engines.aws.resources import AwsResources
from settlesim.engines.handling import HandlerOptions

__all__ = ["AwsEngine", "AwsResources", "HandlerOptions", "QueueHandler", "group_of", "handler"]
