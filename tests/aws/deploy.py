"""Deploys the template into moto through CloudFormation, and looks at what came of it.

    template.yaml ── SAM transform ── what moto cannot do, by `moto_gaps` ──▶ CreateStack
                                                                                 │
                     the template and the files in state-machines/ ◀── compare ──┘

Owns: deploying, and comparing what there is with what was meant. Does not own: what moto cannot do
(`moto_gaps.py`), and whether the template is good (`infra/aws/checks`).

    python tests/aws/deploy.py        # in an environment with moto 5.2.5 and the SAM tools
"""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
from moto import mock_aws

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "infra/aws/checks"))

import moto_gaps  # noqa: E402
from template import PARAMETERS, REGION, UPLOADED, Template, target  # noqa: E402

STACK = "ordersaga-test"

Json = dict[str, Any]


class Cloud:
    """The clients of moto, which answers in this very process."""

    def __call__(self, service: str) -> Any:
        return boto3.client(service, region_name=REGION)

    def upload(self) -> None:
        """What `sam deploy` uploads before it creates the stack."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as content:
            content.writestr("bootstrap", "the binary is none of moto's business")
        bucket, _, key = UPLOADED.removeprefix("s3://").partition("/")
        here = {"LocationConstraint": REGION}
        self("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration=here)
        self("s3").put_object(Bucket=bucket, Key=key, Body=archive.getvalue())

    def create(self, stack: str, template: Json) -> dict[str, str]:
        """Creates a stack; what there is of it: logical name to physical one."""
        parameters = [
            {"ParameterKey": name, "ParameterValue": value}
            for name, value in PARAMETERS.items()
            if name in template.get("Parameters", {})
        ]
        cloudformation = self("cloudformation")
        cloudformation.create_stack(
            StackName=stack,
            TemplateBody=json.dumps(template),
            Parameters=parameters,
            Capabilities=["CAPABILITY_IAM"],
        )
        status = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        if status != "CREATE_COMPLETE":
            raise AssertionError(f"the stack {stack} is {status}")
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
        resources = [each for page in pages for each in page["StackResourceSummaries"]]
        return {each["LogicalResourceId"]: each.get("PhysicalResourceId", "") for each in resources}


class Deployment:
    """The stack in moto, beside the template that it was made of."""

    def __init__(self, cloud: Cloud, template: Template) -> None:
        self.cloud = cloud
        self.template = template
        self.meant = moto_gaps.without_gaps(template)
        self.made = cloud.create(STACK, self.meant)

    def properties(self, name: str) -> Json:
        return self.template.resources[name]["Properties"]

    def arn(self, name: str) -> str:
        """The ARN of a function or a queue of the stack."""
        physical = self.made[name]
        if physical.startswith("http"):
            attributes = self.cloud("sqs").get_queue_attributes(
                QueueUrl=physical, AttributeNames=["QueueArn"]
            )
            return attributes["Attributes"]["QueueArn"]
        return self.cloud("lambda").get_function(FunctionName=physical)["Configuration"][
            "FunctionArn"
        ]


def differs(what: str, meant: Any, there: Any) -> Iterator[str]:
    if meant != there:
        yield f"{what}: {meant!r} was meant, {there!r} is there"


def everything_is_there(deployment: Deployment) -> Iterator[str]:
    """What moto can create was created."""
    for name in sorted(set(deployment.meant["Resources"]) - set(deployment.made)):
        yield f"{name} is not there"


def machines_are_the_files(deployment: Deployment) -> Iterator[str]:
    """A deployed definition is the file, byte for byte, with the functions put in."""
    states = deployment.cloud("stepfunctions")
    for name, machine in deployment.template.of_type("AWS::Serverless::StateMachine"):
        text = moto_gaps.definition(machine)
        for word, function in machine["DefinitionSubstitutions"].items():
            text = text.replace(f"${{{word}}}", f"{deployment.arn(target(function) or '')}:live")
        there = states.describe_state_machine(stateMachineArn=deployment.made[name])
        if there["definition"] != text:
            yield f"{name} is not {machine['DefinitionUri']} with its substitutions"
        if "${" in there["definition"]:
            yield f"{name} has a placeholder left"
        yield from differs(f"{name}'s type", machine["Type"], there["type"])


def the_table_is_as_written(deployment: Deployment) -> Iterator[str]:
    """Keys, indexes and stream of the table are the template's."""
    meant = deployment.properties("Table")
    table = deployment.made["Table"]
    dynamodb = deployment.cloud("dynamodb")
    there = dynamodb.describe_table(TableName=table)["Table"]
    for field in ("KeySchema", "AttributeDefinitions"):
        yield from differs(field, meant[field], there[field])
    fields = ("IndexName", "KeySchema", "Projection")
    indexes = [
        {field: index[field] for field in fields} for index in there["GlobalSecondaryIndexes"]
    ]
    yield from differs("the indexes", meant["GlobalSecondaryIndexes"], indexes)
    yield from differs(
        "the stream",
        meant["StreamSpecification"]["StreamViewType"],
        there.get("StreamSpecification", {}).get("StreamViewType"),
    )
    yield from differs(
        "on demand", meant["BillingMode"], there.get("BillingModeSummary", {}).get("BillingMode")
    )


def functions_are_as_written(deployment: Deployment) -> Iterator[str]:
    """A function has its own role, its time, and the variables that it is meant to have."""
    client = deployment.cloud("lambda")
    known = {"Table": deployment.made["Table"], "Bus": STACK, "AWS::StackName": STACK}
    known |= {name: deployment.made[name] for name in ("PlaceOrderMachine", "CancelOrderMachine")}
    for name, meant in deployment.template.functions().items():
        there = client.get_function(FunctionName=deployment.made[name])["Configuration"]
        for field in ("Runtime", "Timeout", "MemorySize", "Handler"):
            yield from differs(f"{name}'s {field}", meant[field], there[field])
        role = deployment.made[target(meant["Role"]) or ""]
        yield from differs(f"{name}'s role", role, there["Role"].rpartition("/")[2])
        variables = there["Environment"]["Variables"]
        meant_variables = meant["Environment"]["Variables"]
        yield from differs(f"{name}'s variables", sorted(meant_variables), sorted(variables))
        for variable, value in meant_variables.items():
            reference = value.get("Ref") if isinstance(value, dict) else None
            if not isinstance(value, dict) or reference in known:
                wanted = known.get(str(reference), value)
                yield from differs(f"{name}'s {variable}", wanted, variables.get(variable))


def queues_are_as_written(deployment: Deployment) -> Iterator[str]:
    """A queue waits long enough, and knows where to put what nobody can handle."""
    for name, meant in deployment.template.of_type("AWS::SQS::Queue"):
        there = deployment.cloud("sqs").get_queue_attributes(
            QueueUrl=deployment.made[name], AttributeNames=["All"]
        )["Attributes"]
        kept = str(meant["MessageRetentionPeriod"])
        yield from differs(f"{name} keeps", kept, there["MessageRetentionPeriod"])
        if "RedrivePolicy" in meant:
            wanted = {
                "deadLetterTargetArn": deployment.arn(
                    target(meant["RedrivePolicy"]["deadLetterTargetArn"]) or ""
                ),
                "maxReceiveCount": meant["RedrivePolicy"]["maxReceiveCount"],
            }
            yield from differs(f"{name}'s redrive", wanted, json.loads(there["RedrivePolicy"]))
            hidden = str(meant["VisibilityTimeout"])
            yield from differs(f"{name} hides", hidden, there["VisibilityTimeout"])


def rules_are_as_written(deployment: Deployment) -> Iterator[str]:
    """A rule has its pattern, its queue and its dead letters, and is on our bus."""
    events = deployment.cloud("events")
    there = {rule["Name"]: rule for rule in events.list_rules(EventBusName=STACK)["Rules"]}
    for name, meant in deployment.template.of_type("AWS::Events::Rule"):
        rule = there.get(deployment.made[name])
        if rule is None:
            yield f"{name} is not on the bus"
            continue
        pattern = json.loads(rule["EventPattern"])
        yield from differs(f"{name}'s pattern", meant["EventPattern"], pattern)
        targets = events.list_targets_by_rule(Rule=rule["Name"], EventBusName=STACK)["Targets"]
        wanted = [
            (deployment.arn(target(each["Arn"]) or ""), deployment.arn("BusDeadLetters"))
            for each in meant["Targets"]
        ]
        found = [(each["Arn"], each.get("DeadLetterConfig", {}).get("Arn")) for each in targets]
        yield from differs(f"{name}'s targets", wanted, found)
    archives = [archive["ArchiveName"] for archive in events.list_archives()["Archives"]]
    if len(archives) != 1:
        yield f"there is no archive of the bus: {archives}"


# Which event goes into which queue: as the rules are meant, told by their outcome.
ROUTED = {
    "OrderPlaced": ["OrderEventsQueue"],
    "OrderCancelRequested": ["OrderEventsQueue"],
    "OrderConfirmed": ["NotificationEventsQueue"],
    "OrderRejected": ["NotificationEventsQueue"],
    "OrderCancelled": ["NotificationEventsQueue"],
    "OrderParked": [],
}


def events_find_their_queue(deployment: Deployment) -> Iterator[str]:
    """An event on the bus arrives in the queue that is meant for it, and in no other."""
    sqs = deployment.cloud("sqs")
    # Or moto hands what arrives to a function at once.
    for mapping in deployment.cloud("lambda").list_event_source_mappings()["EventSourceMappings"]:
        deployment.cloud("lambda").update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    for detail_type, wanted in ROUTED.items():
        entry = {"Source": "ordersaga.order", "DetailType": detail_type, "Detail": "{}"}
        deployment.cloud("events").put_events(Entries=[{**entry, "EventBusName": STACK}])
        arrived = []
        for queue in ("OrderEventsQueue", "NotificationEventsQueue"):
            url = deployment.made[queue]
            for message in sqs.receive_message(QueueUrl=url).get("Messages", []):
                if json.loads(message["Body"])["detail-type"] == detail_type:
                    arrived.append(queue)
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        yield from differs(f"{detail_type} arrives in", wanted, arrived)


def sources_are_as_written(deployment: Deployment) -> Iterator[str]:
    """What calls a function in batches is as it was written: sizes, answers, filters."""
    client = deployment.cloud("lambda")
    for name in deployment.template.functions():
        for kind in ("SQS", "DynamoDB"):
            for event, meant in deployment.template.events(name, kind):
                there = client.get_event_source_mapping(UUID=deployment.made[f"{name}{event}"])
                for field in ("BatchSize", "FunctionResponseTypes", "FilterCriteria"):
                    wanted = meant.get(field, there.get(field))
                    yield from differs(f"{name}/{event}'s {field}", wanted, there.get(field))
                if there["State"] != "Enabled":
                    yield f"{name}/{event} is {there['State']}"


def schedules_are_as_written(deployment: Deployment) -> Iterator[str]:
    """What runs by the clock runs as often as it was written."""
    rules = deployment.cloud("events").list_rules()["Rules"]
    there = {rule["Name"]: rule["ScheduleExpression"] for rule in rules}
    for name in deployment.template.functions():
        for event, meant in deployment.template.events(name, "Schedule"):
            rule = deployment.made[f"{name}{event}"]
            yield from differs(f"{name}/{event}", meant["Schedule"], there.get(rule))


def logs_come_to_an_end(deployment: Deployment) -> Iterator[str]:
    """Every log group has the retention of the parameter."""
    pages = deployment.cloud("logs").get_paginator("describe_log_groups").paginate()
    there = {
        g["logGroupName"]: g.get("retentionInDays") for page in pages for g in page["logGroups"]
    }
    days = deployment.template.written["Parameters"]["LogRetentionDays"]["Default"]
    for name, _ in deployment.template.of_type("AWS::Logs::LogGroup"):
        yield from differs(f"{name}'s retention", days, there.get(deployment.made[name]))


CHECKS: list[Callable[[Deployment], Iterator[str]]] = [
    everything_is_there,
    machines_are_the_files,
    the_table_is_as_written,
    functions_are_as_written,
    queues_are_as_written,
    rules_are_as_written,
    sources_are_as_written,
    schedules_are_as_written,
    logs_come_to_an_end,
    # The last: it turns the event sources off.
    events_find_their_queue,
]


def main() -> int:
    failures = 0
    # What moto does not support it says at length, for every type that the list of gaps names.
    logging.getLogger("moto").setLevel(logging.CRITICAL)
    logging.getLogger("backend").setLevel(logging.CRITICAL)
    # boto3 signs what it sends, also to nobody.
    os.environ.update(AWS_ACCESS_KEY_ID="none", AWS_SECRET_ACCESS_KEY="none")
    template = Template.read()
    with mock_aws(config={"lambda": {"use_docker": False}}):
        cloud = Cloud()
        cloud.upload()
        deployment = Deployment(cloud, template)
        print(f"created  {len(deployment.made)} resources in moto")
        reports = [(check.__name__, list(check(deployment))) for check in CHECKS]
        reports += [(name, list(found)) for name, found in moto_gaps.closed(template, cloud.create)]
    for name, found in reports:
        failures += len(found)
        print(f"{'ok' if not found else 'FAULT':<8} {name.replace('_', ' ')}")
        for fault in found:
            print(f"         {fault}")
    print(f"{len(reports)} checks, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
