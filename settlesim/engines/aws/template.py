"""`deployment`: the files that deploy a chart on SQS, Lambda and DynamoDB."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from settlesim.chart import Chart, chart_to_json
from settlesim.engines.attempts import MAX_BACKOFF
from settlesim.engines.aws.resources import VARIABLES
from settlesim.engines.handling import HandlerOptions
from settlesim.errors import InvalidValueError

__all__ = ["AwsDeployment", "deployment"]

_LAMBDA: Final = 900
"""Seconds that a function may run at most."""
_MARGIN: Final = 15
"""Seconds for loading, writing and sending."""
_VISIBILITY: Final = 6
"""How many times longer than its function a queue hides a message, as AWS advises."""
_RECEIVES: Final = 10
_PACKAGED: Final = (
    f"settlesim=={version('settlesim')}",
    "transitions",
    "six",
    "tinydb",
    "filelock",
)
"""The packages that the function imports; boto3 is in Lambda's runtime. They are installed without
their dependencies, such as Graphviz: the function draws no pictures."""
_MAKEFILE: Final = """\
# `sam build` calls this for the function; everything in requirements.txt is pure Python.
build-Function:
\tcp -r . "$(ARTIFACTS_DIR)"
\tpython3 -m pip install --no-deps --requirement requirements.txt --target "$(ARTIFACTS_DIR)"
"""


@dataclass(frozen=True)
class AwsDeployment:
    """Files by their names, and the times in the template."""

    files: dict[str, str]
    timeout: int
    """Seconds that the function may run."""
    visibility: int
    """Seconds for which a received message is hidden."""


def deployment(chart: Chart, reference: str | None, options: HandlerOptions) -> AwsDeployment:
    """Return a SAM template, the function's code, and a README.

    Parameters
    ----------
    reference
        ``module:attribute`` of the chart, with its functions bound; None for one without functions,
        which is put beside the code.

    Raises
    ------
    InvalidValueError
        All attempts of one event may be longer than a function may run, or functions of the chart
        are not bound and there is no module to import them from.
    """
    if reference is None and chart.roles:
        names = ", ".join(chart.roles)
        reason = f"names the functions {names}: name the chart as module:attribute, where they are"
        raise InvalidValueError(where=f"chart {chart.name!r}", reason=reason)
    timeout = _timeout(options)
    visibility = _VISIBILITY * timeout
    files = {
        "template.yaml": _template(chart.name, timeout, visibility),
        "src/app.py": _app(reference, options),
        "src/requirements.txt": "".join(f"{each}\n" for each in _PACKAGED),
        "src/Makefile": _MAKEFILE,
        "README.md": _readme(chart.name, reference, timeout, visibility),
    }
    if reference is None:
        files["src/chart.json"] = chart_to_json(chart)
    return AwsDeployment(files, timeout, visibility)


def _timeout(options: HandlerOptions) -> int:
    """Return the seconds that a function needs for all attempts of one event."""
    pauses = sum(
        min(options.backoff * 2.0**number, MAX_BACKOFF)
        for number in range(options.max_failures - 1)
    )
    needed = options.max_failures * options.deadline + pauses + _MARGIN
    if needed > _LAMBDA:
        tries = "1 attempt" if options.max_failures == 1 else f"{options.max_failures} attempts"
        reason = (
            f"is {options.deadline:g} seconds; with {tries} an event may take {needed:.0f}, and a "
            f"Lambda function {_LAMBDA}: lower one of them"
        )
        raise InvalidValueError(where="deadline", reason=reason)
    return int(needed) + 1


def _app(reference: str | None, options: HandlerOptions) -> str:
    if reference is None:
        chart = (
            "from pathlib import Path\n\nfrom settlesim import read_chart\n"
            "from settlesim.engines.aws import HandlerOptions\n"
            "from settlesim.engines.aws import handler as handler_of\n\n"
            'chart = read_chart(Path(__file__).with_name("chart.json"))\n'
        )
    else:
        module, _, attribute = reference.partition(":")
        chart = (
            "from settlesim.engines.aws import HandlerOptions\n"
            "from settlesim.engines.aws import handler as handler_of\n\n"
            f"import {module}\n\n"
            f"chart = {module}.{attribute}\n"
        )
    return (
        '"""The Lambda function: the chart, and what handles its events."""\n\n'
        f"{chart}\n"
        "handler = handler_of(\n"
        "    chart,\n"
        "    options=HandlerOptions(\n"
        f"        policy={json.dumps(options.policy)},\n"
        f"        max_failures={options.max_failures},\n"
        f"        backoff={options.backoff},\n"
        f"        deadline={options.deadline},\n"
        f"        remembers={options.remembers},\n"
        "    ),\n"
        ")\n"
    )


def _template(name: str, timeout: int, visibility: int) -> str:
    text = _TEMPLATE
    values = {
        "DESCRIPTION": json.dumps(f"The chart {name}, handled by settlesim"),
        "TIMEOUT": str(timeout),
        "VISIBILITY": str(visibility),
        "RECEIVES": str(_RECEIVES),
    } | {f"VARIABLE_{field.upper()}": variable for field, variable in VARIABLES.items()}
    for mark, value in sorted(values.items(), key=lambda each: -len(each[0])):
        text = text.replace(f"@{mark}@", value)
    return text


_TEMPLATE: Final = """\
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Description: @DESCRIPTION@

Resources:
  # Events wait here, in order for each instance; its message group is the instance's key.
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      FifoQueue: true
      ContentBasedDeduplication: true # for delays, which EventBridge Scheduler sends
      DeduplicationScope: messageGroup
      FifoThroughputLimit: perMessageGroupId
      MessageRetentionPeriod: 1209600
      VisibilityTimeout: @VISIBILITY@ # six times the function's
      SqsManagedSseEnabled: true
      RedrivePolicy:
        deadLetterTargetArn: !GetAtt DeadLetterQueue.Arn
        maxReceiveCount: @RECEIVES@

  # Events that cannot be settled, and those on which functions crashed.
  DeadLetterQueue:
    Type: AWS::SQS::Queue
    Properties:
      FifoQueue: true
      ContentBasedDeduplication: true
      MessageRetentionPeriod: 1209600
      SqsManagedSseEnabled: true

  # Instances, and the ids of events, which expire.
  Table:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      BillingMode: PAY_PER_REQUEST
      KeySchema:
        - {AttributeName: pk, KeyType: HASH}
        - {AttributeName: sk, KeyType: RANGE}
      AttributeDefinitions:
        - {AttributeName: pk, AttributeType: S}
        - {AttributeName: sk, AttributeType: S}
      TimeToLiveSpecification: {AttributeName: expires, Enabled: true}
      PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: true}
      SSESpecification: {SSEEnabled: true}

  Function:
    Type: AWS::Serverless::Function
    Metadata:
      BuildMethod: makefile # src/Makefile installs what src/requirements.txt lists
    Properties:
      CodeUri: src
      Handler: app.handler
      Runtime: python3.12
      MemorySize: 512
      Timeout: @TIMEOUT@ # all attempts of one event
      Role: !GetAtt FunctionRole.Arn
      Environment:
        Variables:
          @VARIABLE_TABLE@: !Ref Table
          @VARIABLE_QUEUE_URL@: !Ref Queue
          @VARIABLE_DEAD_LETTER_QUEUE_URL@: !Ref DeadLetterQueue
          @VARIABLE_SCHEDULER_ROLE_ARN@: !GetAtt SchedulerRole.Arn
          @VARIABLE_SCHEDULER_GROUP@: !Ref Schedules
      Events:
        Queue:
          Type: SQS
          Properties:
            Queue: !GetAtt Queue.Arn
            BatchSize: 10
            FunctionResponseTypes: [ReportBatchItemFailures]

  # What the function may do, and nothing else.
  FunctionRole:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal: {Service: lambda.amazonaws.com}
            Action: sts:AssumeRole
      Policies:
        - PolicyName: events
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - Effect: Allow
                Action:
                  [sqs:ReceiveMessage, sqs:DeleteMessage, sqs:GetQueueAttributes, sqs:SendMessage]
                Resource: !GetAtt Queue.Arn
              - Effect: Allow
                Action: sqs:SendMessage
                Resource: !GetAtt DeadLetterQueue.Arn
              - Effect: Allow
                Action:
                  [dynamodb:GetItem, dynamodb:PutItem, dynamodb:UpdateItem, dynamodb:DeleteItem]
                Resource: !GetAtt Table.Arn
              - Effect: Allow
                Action: [logs:CreateLogGroup, logs:CreateLogStream, logs:PutLogEvents]
                Resource: !Sub arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:*
              - Effect: Allow
                Action: scheduler:CreateSchedule
                Resource: !Sub arn:${AWS::Partition}:scheduler:${AWS::Region}:${AWS::AccountId}:schedule/${Schedules}/*
              - Effect: Allow
                Action: iam:PassRole
                Resource: !GetAtt SchedulerRole.Arn
                Condition: {StringEquals: {"iam:PassedToService": scheduler.amazonaws.com}}

  # Delays, and pauses of events that wait for another version of the chart: one schedule each,
  # which sends one message and deletes itself.
  Schedules:
    Type: AWS::Scheduler::ScheduleGroup

  SchedulerRole:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal: {Service: scheduler.amazonaws.com}
            Action: sts:AssumeRole
            Condition: {StringEquals: {"aws:SourceAccount": !Ref AWS::AccountId}}
      Policies:
        - PolicyName: send
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - Effect: Allow
                Action: sqs:SendMessage
                Resource: !GetAtt Queue.Arn

Outputs:
  QueueUrl:
    Value: !Ref Queue
  TableName:
    Value: !Ref Table
  DeadLetterQueueUrl:
    Value: !Ref DeadLetterQueue
"""  # noqa: E501


def _readme(name: str, reference: str | None, timeout: int, visibility: int) -> str:
    code = (
        "The chart is `src/chart.json`."
        if reference is None
        else f"Copy the module of `{reference}`, and what it imports, into `src`."
    )
    return f"""\
# The chart {name} on AWS

`template.yaml` makes a FIFO queue for events, one for dead letters, a table for instances, and a
function that handles events in order for each instance. {code}

```
sam build
sam deploy --guided
```

`src/requirements.txt` lists the packages of the function; pip finds them on PyPI, or in the folder
of wheels that `PIP_FIND_LINKS` names. `src/Makefile` installs them with
`--no-deps`: Graphviz and what else draws pictures would make the function larger and slower to
start, and it draws none; boto3 comes with Lambda's Python. What your services import has to be in
that list too, with all that it depends on.

Send an event; its message group is the instance's key, its deduplication id the event's id:

```
aws sqs send-message --queue-url QUEUE_URL --message-group-id KEY \\
  --message-deduplication-id ID --message-body '{{"event": "NAME", "data": null, "id": "ID"}}'
```

or in Python, which can also wait for the outcome:

```python
from settlesim.engines.aws import AwsEngine, AwsResources

async with AwsEngine(chart, AwsResources("TABLE", "QUEUE_URL")) as engine:
    accepted = await engine.send("KEY", "NAME", event_id="ID")
    print(await engine.outcome("KEY", "ID", wait=10))
```

A key that SQS does not accept as a message group, such as one with a space, has
`settlesim.engines.aws.group_of(key)` as its group and is in the body: `"key": "KEY"`.

- One event may take {timeout} seconds with all its attempts. If a function crashes, its message is
  redelivered after {visibility} seconds; until then its instance waits, others do not.
- Only those who may use the queue can send events: there is no public address.
- An event that cannot be settled is kept with its errors in the table, and is sent to the queue
  for dead letters: set an alarm on its depth. SQS also moves events there on which functions
  crash. `engine.dead_letters()` lists both, for which it has to know the queue:
  `AwsResources("TABLE", "QUEUE_URL", "DEAD_LETTER_QUEUE_URL")`.
- Delays may be late by a minute: EventBridge Scheduler is not more precise.
- The table stays when the stack is deleted.

The handler was tested on an emulator of AWS, and the template with cfn-lint; neither in an account.
"""
