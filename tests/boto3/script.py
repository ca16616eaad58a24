"""boto3 and the aws CLI drive a running `saga up`, unchanged.

Usage: script.py <path of the binary saga>

Starts the binary on free ports in a directory of its own, reads from its greeting how clients are
pointed at it, and checks what it answers, operation by operation. Ends with a line of figures.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

import boto3
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::000000000000:role/saga"
PATIENCE_S = 20


def eventually(what, look):
    """Looks again and again until there is something to see."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        seen = look()
        if seen:
            return seen
        time.sleep(0.05)
    raise AssertionError(f"not seen in time: {what}")


@contextlib.contextmanager
def refused(code):
    """Checks that a call is refused with AWS's code, and a message."""
    try:
        yield
    except ClientError as error:
        said = error.response["Error"]
        assert said["Code"] == code, f"{said} instead of {code}"
        assert said["Message"], said
        assert error.response["ResponseMetadata"]["RequestId"]
    else:
        raise AssertionError(f"was not refused with {code}")


def machine(states, start=None):
    return json.dumps({"StartAt": start or next(iter(states)), "States": states})


PASS = machine({"Only": {"Type": "Pass", "End": True}})
WAITS = machine({"Long": {"Type": "Wait", "Seconds": 3600, "End": True}})


class States:
    """Step Functions."""

    def __init__(self):
        self.sfn = boto3.client("stepfunctions")

    def create(self, name, definition, **more):
        created = self.sfn.create_state_machine(
            name=name, definition=definition, roleArn=ROLE, **more
        )
        return created["stateMachineArn"]

    def start(self, arn, **more):
        return self.sfn.start_execution(stateMachineArn=arn, **more)["executionArn"]

    def ended(self, execution):
        def look():
            described = self.sfn.describe_execution(executionArn=execution)
            return described if described["status"] != "RUNNING" else None

        return eventually(f"the end of {execution}", look)

    def machines(self):
        sfn = self.sfn
        arn = self.create("passes", PASS, tags=[{"key": "team", "value": "orders"}])
        assert arn.endswith(":stateMachine:passes")
        assert self.create("passes", PASS) == arn, "creating it twice is creating it once"
        with refused("StateMachineAlreadyExists"):
            self.create("passes", WAITS)
        with refused("InvalidDefinition"):
            self.create("broken", machine({"A": {"Type": "Pass", "Next": "Nowhere"}}))
        with refused("InvalidName"):
            self.create("no spaces", PASS)
        with refused("InvalidArn"):
            sfn.describe_state_machine(stateMachineArn="passes")
        described = sfn.describe_state_machine(stateMachineArn=arn)
        assert (described["definition"], described["type"]) == (PASS, "STANDARD")
        assert (described["status"], described["roleArn"]) == ("ACTIVE", ROLE)
        assert arn in [m["stateMachineArn"] for p in sfn.get_paginator("list_state_machines")
                       .paginate(PaginationConfig={"PageSize": 1}) for m in p["stateMachines"]]
        sfn.tag_resource(resourceArn=arn, tags=[{"key": "cost", "value": "7"}])
        sfn.untag_resource(resourceArn=arn, tagKeys=["team"])
        assert sfn.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "cost", "value": "7"}]

        checked = sfn.validate_state_machine_definition(definition=PASS)
        assert (checked["result"], checked["diagnostics"]) == ("OK", [])
        checked = sfn.validate_state_machine_definition(definition="{}")
        assert checked["result"] == "FAIL" and checked["diagnostics"][0]["code"]

    def executions(self):
        sfn = self.sfn
        arn = self.create("runs", PASS)
        execution = self.start(arn, name="one", input='{"total": 10}')
        ended = self.ended(execution)
        assert (ended["status"], json.loads(ended["output"])) == ("SUCCEEDED", {"total": 10})
        assert ended["startDate"] <= ended["stopDate"] and ended["name"] == "one"
        history = sfn.get_execution_history(executionArn=execution)["events"]
        kinds = ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"]
        assert [event["type"] for event in history] == kinds
        assert [event["id"] for event in history] == [1, 2, 3, 4]
        pages = sfn.get_paginator("get_execution_history").paginate(
            executionArn=execution, reverseOrder=True, includeExecutionData=False,
            PaginationConfig={"PageSize": 3})
        events = [event for page in pages for event in page["events"]]
        assert [event["type"] for event in events] == kinds[::-1]
        assert "input" not in events[-1]["executionStartedEventDetails"]
        with refused("ExecutionAlreadyExists"):
            self.start(arn, name="one", input='{"total": 10}')
        with refused("InvalidExecutionInput"):
            self.start(arn, input="{")
        with refused("ExecutionDoesNotExist"):
            sfn.describe_execution(executionArn=execution + "-not")
        with refused("StateMachineDoesNotExist"):
            self.start(arn + "-not")
        with refused("InvalidToken"):
            sfn.list_executions(stateMachineArn=arn, nextToken="none")

        long = self.create("long", WAITS)
        running = self.start(long, name="a")
        assert self.start(long, name="a") == running, "the same start again is the same start"
        with refused("ExecutionAlreadyExists"):
            self.start(long, name="a", input='{"other": 1}')
        found = sfn.list_executions(stateMachineArn=long, statusFilter="RUNNING")["executions"]
        assert [execution["executionArn"] for execution in found] == [running]
        sfn.stop_execution(executionArn=running, error="Enough", cause="of waiting")
        stopped = self.ended(running)
        assert (stopped["status"], stopped["error"]) == ("ABORTED", "Enough")
        assert stopped["cause"] == "of waiting"
        by = sfn.describe_state_machine_for_execution(executionArn=running)
        assert (by["definition"], by["stateMachineArn"]) == (WAITS, long)

    def versions(self):
        sfn = self.sfn
        arn = self.create("versioned", PASS)
        one = sfn.publish_state_machine_version(stateMachineArn=arn)["stateMachineVersionArn"]
        updated = sfn.update_state_machine(stateMachineArn=arn, definition=WAITS, publish=True)
        two = updated["stateMachineVersionArn"]
        assert (one, two) == (f"{arn}:1", f"{arn}:2") and updated["revisionId"]
        listed = sfn.list_state_machine_versions(stateMachineArn=arn)["stateMachineVersions"]
        assert [version["stateMachineVersionArn"] for version in listed] == [two, one]
        alias = sfn.create_state_machine_alias(
            name="LIVE", routingConfiguration=[{"stateMachineVersionArn": one, "weight": 100}]
        )["stateMachineAliasArn"]
        execution = self.start(alias)
        ended = self.ended(execution)
        assert ended["stateMachineAliasArn"] == alias and ended["stateMachineVersionArn"] == one
        sfn.update_state_machine_alias(stateMachineAliasArn=alias, routingConfiguration=[
            {"stateMachineVersionArn": one, "weight": 90},
            {"stateMachineVersionArn": two, "weight": 10}])
        routes = sfn.describe_state_machine_alias(stateMachineAliasArn=alias)
        assert [route["weight"] for route in routes["routingConfiguration"]] == [90, 10]
        with refused("ConflictException"):
            sfn.delete_state_machine_version(stateMachineVersionArn=one)
        aliases = sfn.list_state_machine_aliases(stateMachineArn=arn)["stateMachineAliases"]
        assert [found["stateMachineAliasArn"] for found in aliases] == [alias]
        sfn.delete_state_machine_alias(stateMachineAliasArn=alias)
        sfn.delete_state_machine_version(stateMachineVersionArn=one)
        sfn.delete_state_machine(stateMachineArn=arn)
        with refused("StateMachineDoesNotExist"):
            sfn.describe_state_machine(stateMachineArn=arn)

    def callbacks(self, queues):
        """A task sends its token to a queue; whoever receives it answers."""
        url = queues.make("tokens")
        arn = self.create("asks", machine({"Ask": {
            "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Parameters": {"QueueUrl": url, "MessageBody": {"token.$": "$$.Task.Token"}},
            "HeartbeatSeconds": 3600, "End": True}}))
        execution = self.start(arn)
        token = json.loads(queues.receive(url)["Body"])["token"]
        self.sfn.send_task_heartbeat(taskToken=token)
        with refused("InvalidOutput"):
            self.sfn.send_task_success(taskToken=token, output="{")
        self.sfn.send_task_success(taskToken=token, output='{"paid": true}')
        assert json.loads(self.ended(execution)["output"]) == {"paid": True}
        with refused("TaskTimedOut"):
            self.sfn.send_task_success(taskToken=token, output="{}")
        with refused("InvalidToken"):
            self.sfn.send_task_heartbeat(taskToken="none")
        execution = self.start(arn)
        token = json.loads(queues.receive(url)["Body"])["token"]
        self.sfn.send_task_failure(taskToken=token, error="Declined", cause="no cover")
        failed = self.ended(execution)
        assert (failed["status"], failed["error"]) == ("FAILED", "Declined")

    def redrive(self, queues):
        """What had succeeded is kept; only what failed runs again."""
        sfn = self.sfn
        url = queues.make("redriven")

        def ask(step):
            return {"Type": "Task", "End": True,
                    "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
                    "Parameters": {"QueueUrl": url, "MessageBody": {
                        "step": step, "token.$": "$$.Task.Token"}}}

        def branch(step):
            return {"StartAt": step, "States": {step: ask(step)}}

        arn = self.create("redriven", machine({
            "Before": {"Type": "Pass", "Next": "Both"},
            "Both": {"Type": "Parallel", "Branches": [branch("good"), branch("bad")], "End": True}}))
        execution = self.start(arn)
        asked = [json.loads(queues.receive(url)["Body"]) for _ in range(2)]
        tokens = {message["step"]: message["token"] for message in asked}
        with refused("ExecutionNotRedrivable"):
            sfn.redrive_execution(executionArn=execution)
        sfn.send_task_success(taskToken=tokens["good"], output='"kept"')
        sfn.send_task_failure(taskToken=tokens["bad"], error="Declined", cause="no cover")
        failed = self.ended(execution)
        assert (failed["status"], failed["redriveStatus"]) == ("FAILED", "REDRIVABLE")
        redriven = sfn.redrive_execution(executionArn=execution, clientToken="again")
        assert sfn.redrive_execution(executionArn=execution, clientToken="again") and redriven
        again = json.loads(queues.receive(url)["Body"])
        assert again["step"] == "bad", "only the failed branch runs again"
        assert "Messages" not in queues.sqs.receive_message(QueueUrl=url)
        sfn.send_task_success(taskToken=again["token"], output='"mended"')
        ended = self.ended(execution)
        assert json.loads(ended["output"]) == ["kept", "mended"]
        assert (ended["status"], ended["redriveCount"]) == ("SUCCEEDED", 1)
        assert ended["redriveDate"] >= redriven["redriveDate"]
        history = sfn.get_execution_history(executionArn=execution)["events"]
        assert [event["type"] for event in history].count("ExecutionRedriven") == 1
        with refused("ExecutionNotRedrivable"):
            sfn.redrive_execution(executionArn=execution)

    def activities(self):
        sfn = self.sfn
        activity = sfn.create_activity(name="pick")["activityArn"]
        arn = self.create("picks", machine({"Pick": {
            "Type": "Task", "Resource": activity, "End": True}}))
        execution = self.start(arn, input='{"sku": "TEA"}')
        task = sfn.get_activity_task(activityArn=activity, workerName="ada")
        assert json.loads(task["input"]) == {"sku": "TEA"}
        sfn.send_task_success(taskToken=task["taskToken"], output='{"picked": 1}')
        assert json.loads(self.ended(execution)["output"]) == {"picked": 1}
        history = sfn.get_execution_history(executionArn=execution)["events"]
        started = next(event for event in history if event["type"] == "ActivityStarted")
        assert started["activityStartedEventDetails"]["workerName"] == "ada"
        assert sfn.describe_activity(activityArn=activity)["name"] == "pick"
        assert [a["name"] for a in sfn.list_activities()["activities"]] == ["pick"]
        sfn.delete_activity(activityArn=activity)
        with refused("ActivityDoesNotExist"):
            sfn.get_activity_task(activityArn=activity)

    def express(self):
        arn = self.create("express", machine({"Sum": {
            "Type": "Pass", "QueryLanguage": "JSONata",
            "Output": "{% {'sum': $states.input.a + $states.input.b} %}", "End": True}}),
            type="EXPRESS")
        ended = self.sfn.start_sync_execution(stateMachineArn=arn, input='{"a": 1, "b": 2}')
        assert (ended["status"], json.loads(ended["output"])) == ("SUCCEEDED", {"sum": 3})
        assert ended["billingDetails"]["billedMemoryUsedInMB"] == 64
        fails = self.create("fails", machine({"Fail": {
            "Type": "Fail", "Error": "Broken", "Cause": "on purpose"}}), type="EXPRESS")
        ended = self.sfn.start_sync_execution(stateMachineArn=fails)
        assert (ended["status"], ended["error"]) == ("FAILED", "Broken")
        with refused("StateMachineTypeNotSupported"):
            self.sfn.start_sync_execution(stateMachineArn=self.create("passes", PASS))
        with refused("StateMachineTypeNotSupported"):
            self.sfn.list_executions(stateMachineArn=arn)

    def tests_of_a_state(self):
        choice = json.dumps({"Type": "Choice", "Default": "Wait", "Choices": [
            {"Variable": "$.paid", "BooleanEquals": True, "Next": "Ship"}]})
        tested = self.sfn.test_state(definition=choice, roleArn=ROLE, input='{"paid": true}')
        assert (tested["status"], tested["nextState"]) == ("SUCCEEDED", "Ship")
        task = json.dumps({"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
                           "Parameters": {"FunctionName": "f"}, "ResultPath": "$.said",
                           "End": True})
        mocked = self.sfn.test_state(
            definition=task, roleArn=ROLE, input='{"a": 1}', inspectionLevel="DEBUG",
            mock={"result": '{"StatusCode": 200, "Payload": "hello"}'})
        assert json.loads(mocked["output"])["said"]["Payload"] == "hello", mocked
        assert json.loads(mocked["inspectionData"]["afterParameters"]) == {"FunctionName": "f"}
        with refused("InvalidDefinition"):
            self.sfn.test_state(definition="{}", roleArn=ROLE)

    def map_runs(self):
        sfn = self.sfn
        arn = self.create("many", machine({"Each": {
            "Type": "Map", "End": True, "Label": "each", "MaxConcurrency": 5,
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": "One", "States": {"One": {"Type": "Pass", "End": True}}}}}))
        execution = self.start(arn, input=json.dumps(list(range(20))))
        ended = self.ended(execution)
        assert (ended["status"], json.loads(ended["output"])) == ("SUCCEEDED", list(range(20)))
        (run,) = sfn.list_map_runs(executionArn=execution)["mapRuns"]
        described = sfn.describe_map_run(mapRunArn=run["mapRunArn"])
        assert (described["status"], described["maxConcurrency"]) == ("SUCCEEDED", 5)
        counts = described["itemCounts"]
        assert (counts["total"], counts["succeeded"], counts["failed"]) == (20, 20, 0)
        children = [child for page in sfn.get_paginator("list_executions").paginate(
            mapRunArn=run["mapRunArn"], PaginationConfig={"PageSize": 7})
            for child in page["executions"]]
        assert len({child["executionArn"] for child in children}) == 20
        assert all(child["mapRunArn"] == run["mapRunArn"] for child in children)
        by = sfn.describe_state_machine_for_execution(executionArn=children[0]["executionArn"])
        assert (by["label"], by["mapRunArn"]) == ("each", run["mapRunArn"])
        sfn.update_map_run(mapRunArn=run["mapRunArn"], maxConcurrency=1)


class Queues:
    """SQS."""

    def __init__(self):
        self.sqs = boto3.client("sqs")

    def make(self, name, **attributes):
        return self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def arn(self, url):
        said = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return said["Attributes"]["QueueArn"]

    def receive(self, url, **more):
        """Receives one message and deletes it."""
        received = self.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20, **more)
        (message,) = received["Messages"]
        self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return message

    def messages(self):
        sqs = self.sqs
        url = self.make("orders", VisibilityTimeout="30")
        assert self.make("orders", VisibilityTimeout="30") == url
        with refused("QueueAlreadyExists"):
            self.make("orders", VisibilityTimeout="31")
        with refused("AWS.SimpleQueueService.NonExistentQueue"):
            sqs.get_queue_url(QueueName="none")
        with refused("AWS.SimpleQueueService.UnsupportedOperation"):
            self.make("orders.fifo", FifoQueue="true")
        assert sqs.get_queue_url(QueueName="orders")["QueueUrl"] == url
        assert sqs.list_queues(QueueNamePrefix="ord")["QueueUrls"] == [url]

        attributes = {"total": {"DataType": "Number", "StringValue": "10"},
                      "raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}}
        sent = sqs.send_message(QueueUrl=url, MessageBody="héllo", MessageAttributes=attributes)
        received = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"],
                                       AttributeNames=["All"])["Messages"][0]
        assert (received["MessageId"], received["Body"]) == (sent["MessageId"], "héllo")
        assert received["MessageAttributes"] == attributes
        assert received["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
        assert received["Attributes"]["ApproximateReceiveCount"] == "1"
        assert "Messages" not in sqs.receive_message(QueueUrl=url)
        handle = received["ReceiptHandle"]
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
        again = sqs.receive_message(QueueUrl=url, AttributeNames=["All"])["Messages"][0]
        assert again["Attributes"]["ApproximateReceiveCount"] == "2"
        sqs.delete_message(QueueUrl=url, ReceiptHandle=again["ReceiptHandle"])

        entries = [{"Id": str(n), "MessageBody": f"m{n}"} for n in range(10)]
        batch = sqs.send_message_batch(QueueUrl=url, Entries=entries)
        assert len(batch["Successful"]) == 10 and not batch.get("Failed")
        received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        assert sorted(m["Body"] for m in received) == sorted(e["MessageBody"] for e in entries)
        handles = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]}
                   for n, m in enumerate(received)]
        handles[0]["ReceiptHandle"] = "none"
        deleted = sqs.delete_message_batch(QueueUrl=url, Entries=handles)
        assert len(deleted["Successful"]) == 9
        assert [f["Code"] for f in deleted["Failed"]] == ["ReceiptHandleIsInvalid"]
        with refused("AWS.SimpleQueueService.TooManyEntriesInBatchRequest"):
            sqs.send_message_batch(QueueUrl=url, Entries=entries + [{"Id": "x", "MessageBody": "x"}])
        sqs.purge_queue(QueueUrl=url)
        counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert counts["ApproximateNumberOfMessagesNotVisible"] == "0"

        # Who waits is woken.
        waiting = []
        waiter = threading.Thread(target=lambda: waiting.append(self.receive(url)))
        waiter.start()
        time.sleep(0.2)
        sqs.send_message(QueueUrl=url, MessageBody="wake up")
        waiter.join(PATIENCE_S)
        assert [message["Body"] for message in waiting] == ["wake up"]
        sqs.tag_queue(QueueUrl=url, Tags={"team": "orders"})
        assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "orders"}
        sqs.delete_queue(QueueUrl=url)

    def dead_letters(self):
        sqs = self.sqs
        dead = self.make("dead")
        policy = {"deadLetterTargetArn": self.arn(dead), "maxReceiveCount": "2"}
        url = self.make("work", RedrivePolicy=json.dumps(policy), VisibilityTimeout="0")
        assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]
        sqs.send_message(QueueUrl=url, MessageBody="poison")
        for _ in range(2):
            assert len(sqs.receive_message(QueueUrl=url)["Messages"]) == 1
        assert "Messages" not in sqs.receive_message(QueueUrl=url), "it was received twice"
        parked = sqs.receive_message(QueueUrl=dead, AttributeNames=["All"], VisibilityTimeout=0)
        source = parked["Messages"][0]["Attributes"]["DeadLetterQueueSourceArn"]
        assert source == self.arn(url)

        sqs.start_message_move_task(SourceArn=self.arn(dead))

        def completed():
            (task,) = sqs.list_message_move_tasks(SourceArn=self.arn(dead))["Results"]
            return task if task["Status"] == "COMPLETED" else None

        moved = eventually("the end of the move", completed)
        assert moved["ApproximateNumberOfMessagesMoved"] == 1
        assert self.receive(url)["Body"] == "poison"
        with refused("ResourceNotFoundException"):
            sqs.cancel_message_move_task(TaskHandle="none")


class Events:
    """EventBridge."""

    def __init__(self):
        self.events = boto3.client("events")

    def put(self, detail, **more):
        entry = {"Source": "shop", "DetailType": "Sold", "Detail": json.dumps(detail), **more}
        said = self.events.put_events(Entries=[entry])
        assert said["FailedEntryCount"] == 0, said
        return said["Entries"][0]["EventId"]

    def rules(self, queues, states):
        events = self.events
        pattern = json.dumps({"source": ["shop"], "detail": {"total": [{"numeric": [">", 5]}]}})
        event = {"id": "1", "source": "shop", "detail-type": "Sold", "account": "000000000000",
                 "time": "2026-11-23T06:00:00Z", "region": "us-east-1", "resources": [],
                 "detail": {"total": 10}}
        assert events.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))["Result"]
        with refused("InvalidEventPatternException"):
            events.put_rule(Name="broken", EventPattern='{"source": "shop"}')
        rule = events.put_rule(Name="big", EventPattern=pattern)["RuleArn"]
        assert rule.endswith(":rule/big")
        url = queues.make("sold")
        machine_arn = states.create("sold", PASS)
        put = events.put_targets(Rule="big", Targets=[
            {"Id": "queue", "Arn": queues.arn(url), "InputTransformer": {
                "InputPathsMap": {"total": "$.detail.total"},
                "InputTemplate": '{"sold for": <total>}'}},
            {"Id": "machine", "Arn": machine_arn, "RoleArn": ROLE, "InputPath": "$.detail"}])
        assert put["FailedEntryCount"] == 0, put
        targets = events.list_targets_by_rule(Rule="big")["Targets"]
        assert sorted(target["Id"] for target in targets) == ["machine", "queue"]
        self.put({"total": 3})
        self.put({"total": 10})
        assert json.loads(queues.receive(url)["Body"]) == {"sold for": 10}

        def started():
            found = states.sfn.list_executions(stateMachineArn=machine_arn)["executions"]
            return found if found and found[0]["status"] == "SUCCEEDED" else None

        (execution,) = eventually("the execution that the rule starts", started)
        described = states.sfn.describe_execution(executionArn=execution["executionArn"])
        assert json.loads(described["input"]) == {"total": 10}
        events.disable_rule(Name="big")
        assert events.describe_rule(Name="big")["State"] == "DISABLED"
        events.enable_rule(Name="big")
        events.remove_targets(Rule="big", Ids=["queue", "machine"])
        events.delete_rule(Name="big")
        with refused("ResourceNotFoundException"):
            events.describe_rule(Name="big")

    def replay(self, queues):
        events = self.events
        bus = events.create_event_bus(Name="shop")["EventBusArn"]
        begin = time.time() - 60
        events.create_archive(ArchiveName="all", EventSourceArn=bus)
        url = queues.make("replayed")
        events.put_rule(Name="all", EventBusName="shop", EventPattern='{"source": ["shop"]}')
        events.put_targets(Rule="all", EventBusName="shop",
                           Targets=[{"Id": "queue", "Arn": queues.arn(url)}])
        sent = self.put({"total": 1}, EventBusName="shop")
        first = json.loads(queues.receive(url)["Body"])
        assert first["id"] == sent and "replay-name" not in first
        archive = eventually("the archived event", lambda: (
            found if (found := events.describe_archive(ArchiveName="all"))["EventCount"] else None))
        events.start_replay(
            ReplayName="again", EventSourceArn=archive["ArchiveArn"], EventStartTime=begin,
            EventEndTime=time.time() + 1, Destination={"Arn": bus})
        again = json.loads(queues.receive(url)["Body"])
        assert (again["detail"], again["replay-name"]) == ({"total": 1}, "again")
        state = eventually("the end of the replay", lambda: (
            said if (said := events.describe_replay(ReplayName="again"))["State"] == "COMPLETED"
            else None))
        assert state["EventSourceArn"] == archive["ArchiveArn"]
        assert [r["ReplayName"] for r in events.list_replays()["Replays"]] == ["again"]

    def dead_letters(self, queues):
        """What cannot be delivered, and what would go round in circles, is found in a queue."""
        events = self.events
        letters = queues.make("letters")
        to_letters = {"DeadLetterConfig": {"Arn": queues.arn(letters)}}
        here = events.create_event_bus(Name="here")["EventBusArn"]
        there = events.create_event_bus(Name="there")["EventBusArn"]
        nowhere = queues.arn(letters).replace("letters", "nowhere")
        for bus, target in [("here", there), ("there", here)]:
            events.put_rule(Name="all", EventBusName=bus, EventPattern='{"source": ["shop"]}')
            events.put_targets(Rule="all", EventBusName=bus,
                               Targets=[{"Id": "on", "Arn": target, **to_letters}])
        self.put({"round": 1}, EventBusName="here")
        letter = queues.receive(letters, MessageAttributeNames=["All"])
        said = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
        assert json.loads(letter["Body"])["detail"] == {"round": 1}
        assert said["ERROR_CODE"] == "THIRD_ACCOUNT_HOP_DETECTED", said
        assert (said["TARGET_ARN"], said["RETRY_ATTEMPTS"]) == (here, "0")
        assert said["RULE_ARN"].endswith(":rule/there/all")

        events.put_targets(Rule="all", EventBusName="there", Targets=[
            {"Id": "on", "Arn": nowhere, "RetryPolicy": {"MaximumRetryAttempts": 0}, **to_letters}])
        self.put({"lost": True}, EventBusName="there")
        letter = queues.receive(letters, MessageAttributeNames=["All"])
        code = letter["MessageAttributes"]["ERROR_CODE"]["StringValue"]
        assert (json.loads(letter["Body"])["detail"], code) == ({"lost": True}, "NO_RESOURCE")

        with refused("ValidationException"):
            events.delete_rule(Name="all", EventBusName="there")
        own = [rule["Name"] for rule in events.list_rules()["Rules"] if "ManagedBy" in rule]
        assert own, "the shop's own rules are listed"
        with refused("ManagedRuleException"):
            events.disable_rule(Name=own[0])


def command_line():
    """A few commands of the aws CLI."""

    def aws(*arguments):
        command = os.path.join(os.path.dirname(sys.executable), "aws")
        done = subprocess.run([sys.executable, command, *arguments], capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    code, out, err = aws("stepfunctions", "list-state-machines", "--query",
                         "stateMachines[?name=='passes'].type", "--output", "text")
    assert (code, out.strip()) == (0, "STANDARD"), err
    # Version 1 of the CLI passes over AWS_ENDPOINT_URL_SQS, so it is told here.
    code, out, err = aws("sqs", "send-message", "--endpoint-url",
                         os.environ["AWS_ENDPOINT_URL_SQS"], "--queue-url",
                         boto3.client("sqs").create_queue(QueueName="cli")["QueueUrl"],
                         "--message-body", "hello")
    assert code == 0 and "MD5OfMessageBody" in json.loads(out), err
    code, _, err = aws("stepfunctions", "describe-execution", "--execution-arn", "none")
    assert code != 0 and "InvalidArn" in err, err


def signed():
    """Where keys are set, a request is accepted only with a right signature."""
    sfn = boto3.client("stepfunctions")
    assert sfn.list_state_machines()["stateMachines"]
    boto3.client("sqs").create_queue(QueueName="signed")
    forged = boto3.client("stepfunctions", aws_secret_access_key="another",
                          aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"])
    with refused("InvalidSignatureException"):
        forged.list_state_machines()
    unknown = boto3.client("stepfunctions", aws_secret_access_key="x", aws_access_key_id="x")
    with refused("UnrecognizedClientException"):
        unknown.list_state_machines()


@contextlib.contextmanager
def system(binary, **keys):
    """A running system; the environment points AWS's clients at it, as its greeting says."""
    with tempfile.TemporaryDirectory() as directory:
        here = "127.0.0.1:0"
        up = subprocess.Popen(
            [binary, "up", "--listen", here, "--gateway-listen", here, "--aws-listen", here,
             "--data-dir", os.path.join(directory, "data")],
            cwd=directory, stdout=subprocess.PIPE, text=True,
            env=os.environ | {f"ORDERSAGA_{name}": key for name, key in keys.items()})
        try:
            greeting = ""
            while "AWS_REGION" not in greeting:
                line = up.stdout.readline()
                assert line, "the system did not start"
                greeting += line
            if not keys:
                greeting += up.stdout.readline()
            os.environ.update(keys)
            for line in greeting.splitlines():
                if line.startswith("export "):
                    os.environ.update(re.findall(r"(AWS_\w+)=(\S+)", line))
            os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
            os.environ["AWS_MAX_ATTEMPTS"] = "1"
            # The one before remembers its keys.
            boto3.setup_default_session()
            yield
        finally:
            up.send_signal(signal.SIGTERM)
            up.wait(PATIENCE_S)
        assert up.returncode == 0, f"it stopped with {up.returncode}"


def main(binary):
    since = time.monotonic()
    with system(binary):
        states, queues, events = States(), Queues(), Events()
        steps = [
            states.machines, states.executions, states.versions, states.activities,
            states.express, states.tests_of_a_state, states.map_runs,
            queues.messages, queues.dead_letters,
            lambda: states.callbacks(queues), lambda: states.redrive(queues),
            lambda: events.rules(queues, states), lambda: events.replay(queues),
            lambda: events.dead_letters(queues),
            command_line,
        ]
        for step in steps:
            step()
    with system(binary, AWS_ACCESS_KEY_ID="AKIDSAGA", AWS_SECRET_ACCESS_KEY="a secret/with+signs"):
        signed()
    print(f"{len(steps) + 1} steps held in {time.monotonic() - since:.1f} s")


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
