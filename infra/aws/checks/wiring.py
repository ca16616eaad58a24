"""How things are joined: nothing is lost, nobody waits in vain, nothing fails unseen."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from template import ROOT, TEMPLATE, Fault, Template, as_list, target, texts

# API Gateway's HTTP APIs give up after 30 seconds; a second is for the way back.
API_TIMEOUT_MAX_S = 29
# AWS's own advice for a queue in front of a function.
VISIBILITY_PER_TIMEOUT = 6
DEAD_LETTERS_KEPT_S = 14 * 24 * 60 * 60

Properties = dict[str, Any]


def on_failure(properties: Properties) -> str | None:
    """Where a call goes that failed for good."""
    destination = properties.get("DestinationConfig", {}).get("OnFailure", {})
    return target(destination.get("Destination"))


def dead_letter_queue(properties: Properties) -> str | None:
    """Where goes what could not be handed over."""
    return target(properties.get("DeadLetterConfig", {}).get("Arn"))


def redrive(properties: Properties) -> str | None:
    """Where a queue puts what nobody could handle."""
    return target(properties.get("RedrivePolicy", {}).get("deadLetterTargetArn"))


def ways(template: Template) -> Iterator[tuple[str, str | None]]:
    """Every way on which nobody waits for the answer, and where it goes if it fails."""
    for name, properties in template.of_type("AWS::Events::Rule"):
        for destination in properties["Targets"]:
            yield f"{name}/{destination['Id']}", dead_letter_queue(destination)
    for name, properties in template.functions().items():
        for event, schedule in template.events(name, "Schedule"):
            yield f"{name}/{event}", dead_letter_queue(schedule)
            yield f"{name}/EventInvokeConfig", on_failure(properties.get("EventInvokeConfig", {}))
        for event, stream in template.events(name, "DynamoDB"):
            yield f"{name}/{event}", on_failure(stream)
        for event, source in template.events(name, "SQS"):
            queue = template.resources.get(target(source["Queue"]) or "", {})
            yield f"{name}/{event}", redrive(queue.get("Properties", {}))


def nothing_is_dropped(template: Template) -> Iterator[Fault]:
    """Whatever is handed on without waiting has a queue for what fails, kept for two weeks."""
    queues = dict(template.of_type("AWS::SQS::Queue"))
    for where, dead_letters in ways(template):
        if dead_letters not in queues:
            yield Fault(where, "what fails here is lost: no dead-letter queue")
        elif queues[dead_letters].get("MessageRetentionPeriod") != DEAD_LETTERS_KEPT_S:
            yield Fault(dead_letters, "does not keep dead letters for 14 days")


def dead_letters_raise_an_alarm(template: Template) -> Iterator[Fault]:
    """One message in a dead-letter queue is enough to tell somebody."""
    watched: set[str | None] = set()
    for _, alarm in template.of_type("AWS::CloudWatch::Alarm"):
        if alarm.get("MetricName") == "ApproximateNumberOfMessagesVisible":
            if alarm["Threshold"] == 0 and alarm["ComparisonOperator"] == "GreaterThanThreshold":
                watched.update(target(d["Value"]) for d in alarm["Dimensions"])
    for queue in sorted({queue for _, queue in ways(template) if queue}):
        if queue not in watched:
            yield Fault(queue, "has no alarm for its first message")


def alarms_are_heard(template: Template) -> Iterator[Fault]:
    """Every alarm tells the topic, and every function and every machine has one."""
    watched: set[tuple[str, str]] = set()
    for name, alarm in template.of_type("AWS::CloudWatch::Alarm"):
        if not any(target(action) == "Alarms" for action in alarm.get("AlarmActions", [])):
            yield Fault(name, "tells nobody")
        metrics = [m["MetricStat"]["Metric"] for m in alarm.get("Metrics", []) if "MetricStat" in m]
        for metric in metrics or [alarm]:
            for dimension in metric.get("Dimensions", []):
                watched.add((metric["MetricName"], target(dimension["Value"]) or ""))
    wanted = [(name, "Errors") for name in template.functions()]
    for name, _ in template.of_type("AWS::Serverless::StateMachine"):
        wanted += [(name, "ExecutionsFailed"), (name, "ExecutionsTimedOut")]
    for name, metric in wanted:
        if (metric, name) not in watched:
            yield Fault(name, f"has no alarm for {metric}")


def logs_come_to_an_end(template: Template) -> Iterator[Fault]:
    """Every function and machine writes into a log group of its own, which forgets."""
    groups = dict(template.of_type("AWS::Logs::LogGroup"))
    for name, properties in groups.items():
        if "RetentionInDays" not in properties:
            yield Fault(name, "keeps its log for ever")
    used: list[str | None] = []
    for name, properties in template.functions().items():
        used.append(target(properties.get("LoggingConfig", {}).get("LogGroup")))
        if used[-1] not in groups:
            yield Fault(name, "has no log group of this template")
    for name, properties in template.of_type("AWS::Serverless::StateMachine"):
        logging = properties.get("Logging", {})
        where = [
            d["CloudWatchLogsLogGroup"]["LogGroupArn"] for d in logging.get("Destinations", [])
        ]
        used += [target(arn) for arn in where]
        if not where or target(where[0]) not in groups:
            yield Fault(name, "has no log group of this template")
        if logging.get("IncludeExecutionData"):
            yield Fault(name, "writes what it works on, card tokens too, into the log")
    for name in {group for group in used if group and used.count(group) > 1}:
        yield Fault(name, "is the log group of several")


SECRETIVE = re.compile(r"SECRET|PASSWORD|TOKEN|API_?KEY|CREDENTIAL", re.IGNORECASE)


def secrets_are_not_in_variables(template: Template) -> Iterator[Fault]:
    """A variable names a secret and never holds it; no parameter of the stack is one."""
    secrets = {name for name, _ in template.of_type("AWS::SecretsManager::Secret")}
    for name, properties in template.functions().items():
        for variable, value in properties.get("Environment", {}).get("Variables", {}).items():
            if any("{{resolve:" in text for text in texts(value)):
                yield Fault(
                    f"{name}/{variable}", "holds a secret's value, for whoever sees the function"
                )
            if SECRETIVE.search(variable) and target(value) not in secrets:
                yield Fault(f"{name}/{variable}", "is no reference to a secret of this template")
    for name, parameter in template.written["Parameters"].items():
        if SECRETIVE.search(name) or parameter.get("NoEcho"):
            yield Fault(name, "a secret is a parameter, which a deployment writes down")
    for name, secret in template.of_type("AWS::SecretsManager::Secret"):
        if "SecretString" in secret:
            yield Fault(name, "the secret's value is in the template")


def routes_are_guarded(template: Template) -> Iterator[Fault]:
    """Every route is written out, and asks for a token with a scope that there is."""
    servers = template.of_type("AWS::Cognito::UserPoolResourceServer")
    known = {f"{s['Identifier']}/{scope['ScopeName']}" for _, s in servers for scope in s["Scopes"]}
    for name, properties in template.of_type("AWS::Serverless::HttpApi"):
        if "DefaultAuthorizer" not in properties.get("Auth", {}):
            yield Fault(name, "lets everybody in: no default authorizer")
        if not properties.get("AccessLogSettings"):
            yield Fault(name, "has no access log")
        if not properties.get("DefaultRouteSettings", {}).get("ThrottlingRateLimit"):
            yield Fault(name, "has no throttle")
    seen: set[tuple[str, str]] = set()
    for name in template.functions():
        for event, route in template.events(name, "HttpApi"):
            where = f"{name}/{event}"
            if (
                "+}" in route["Path"]
                or route["Method"].upper() in ("ANY", "*")
                or "$" in route["Path"]
            ):
                yield Fault(where, "is a catch-all")
            key = (route["Method"].upper(), route["Path"])
            if key in seen:
                yield Fault(where, f"{' '.join(key)} is there twice")
            seen.add(key)
            auth = route.get("Auth", {})
            if auth.get("Authorizer") == "NONE" or not auth.get("AuthorizationScopes"):
                yield Fault(where, "asks for no scope")
            for scope in set(auth.get("AuthorizationScopes", [])) - known:
                yield Fault(where, f"asks for the scope `{scope}`, which nobody can have")


def time_is_enough(template: Template) -> Iterator[Fault]:
    """Whoever is called ends before its caller gives up on it."""
    functions = template.functions()
    for name, properties in functions.items():
        if list(template.events(name, "HttpApi")) and properties["Timeout"] > API_TIMEOUT_MAX_S:
            yield Fault(name, f"may take longer than the API waits: {properties['Timeout']} s")
        for event, source in template.events(name, "SQS"):
            queue = template.resources[target(source["Queue"]) or ""]["Properties"]
            enough = VISIBILITY_PER_TIMEOUT * properties["Timeout"]
            enough += source.get("MaximumBatchingWindowInSeconds", 0)
            if queue.get("VisibilityTimeout", 30) < enough:
                yield Fault(f"{name}/{event}", f"the queue shows a message again before {enough} s")
    for machine, called, state, limit in calls(template):
        if functions[called]["Timeout"] >= limit:
            took = functions[called]["Timeout"]
            yield Fault(
                f"{machine}/{state}", f"waits {limit} s for {called}, which may take {took} s"
            )


def calls(template: Template) -> Iterator[tuple[str, str, str, int]]:
    """Which state of which machine waits how long for the answer of which function."""
    for name, properties in template.of_type("AWS::Serverless::StateMachine"):
        path = TEMPLATE.parent / properties["DefinitionUri"]
        called = properties["DefinitionSubstitutions"]
        for state, definition in json.loads(path.read_text(encoding="utf-8"))["States"].items():
            function = definition.get("Arguments", {}).get("FunctionName", "")
            waits = definition.get("Resource", "").endswith(":invoke")
            if waits and isinstance(definition.get("TimeoutSeconds"), int):
                function = target(called.get(function.strip("${}")))
                yield name, function or "", state, definition["TimeoutSeconds"]


def batches_are_answered_in_part(template: Template) -> Iterator[Fault]:
    """One bad message holds up neither its batch nor the stream."""
    for name in template.functions():
        sources = [*template.events(name, "SQS"), *template.events(name, "DynamoDB")]
        for event, source in sources:
            if "ReportBatchItemFailures" not in source.get("FunctionResponseTypes", []):
                yield Fault(f"{name}/{event}", "one failure fails the batch")
        for event, source in template.events(name, "DynamoDB"):
            if not source.get("BisectBatchOnFunctionError"):
                yield Fault(f"{name}/{event}", "a batch that crashes the function is not divided")
            if source.get("MaximumRetryAttempts", -1) < 0:
                yield Fault(f"{name}/{event}", "a bad record holds up its shard until it expires")
            if source.get("ParallelizationFactor", 1) != 1:
                yield Fault(
                    f"{name}/{event}", "two events of one aggregate may overtake each other"
                )
            if not source.get("FilterCriteria", {}).get("Filters"):
                yield Fault(f"{name}/{event}", "is called for every write of the table")


def the_table_is_safe(template: Template) -> Iterator[Fault]:
    """What is lost or deleted by mistake can be had again, and nobody reads it off a disk."""
    for name, table in template.of_type("AWS::DynamoDB::Table"):
        wanted = {
            "can be restored to a moment": table.get("PointInTimeRecoverySpecification", {}).get(
                "PointInTimeRecoveryEnabled"
            ),
            "is encrypted with a key of the account": table.get("SSESpecification", {}).get(
                "SSEEnabled"
            ),
            "has a stream of new images": table.get("StreamSpecification", {}).get("StreamViewType")
            == "NEW_IMAGE",
            "can be protected against deletion": "DeletionProtectionEnabled" in table,
            "outlives the stack": template.resources[name].get("DeletionPolicy", "Delete")
            != "Delete",
        }
        for what, holds in wanted.items():
            if not holds:
                yield Fault(name, f"it is not true that it {what}")


def versions_take_over_step_by_step(template: Template) -> Iterator[Fault]:
    """Callers name an alias; an API function's new version is watched by alarms."""
    for name, properties in template.functions().items():
        if properties.get("AutoPublishAlias") != "live":
            yield Fault(name, "has no alias `live`")
        # SAM does not look at what a parameter's value is: `deploy` names all of it together.
        release = properties.get("AutoPublishCodeSha256")
        said = properties.get("Environment", {}).get("Variables", {}).get("ORDERSAGA_RELEASE")
        if not release == said == {"Ref": "Release"}:
            yield Fault(name, "has no new version when a parameter has another value")
        watched = list(template.events(name, "HttpApi"))
        if watched and len(properties.get("DeploymentPreference", {}).get("Alarms", [])) < 2:
            yield Fault(name, "no alarm takes a bad version back")
        if properties.get("Tracing") != "Active":
            yield Fault(name, "is not traced")
    for name, properties in template.of_type("AWS::Serverless::StateMachine"):
        for word, value in properties["DefinitionSubstitutions"].items():
            alias = value.get("Ref", "") if isinstance(value, dict) else ""
            if not alias.endswith(".Alias"):
                yield Fault(f"{name}/{word}", "calls a function without its alias")


def queues_take_from_our_rules_alone(template: Template) -> Iterator[Fault]:
    """Nobody but a rule of this template may put something into a queue from outside."""
    for name, policy in template.of_type("AWS::SQS::QueuePolicy"):
        for statement in as_list(policy["PolicyDocument"]["Statement"]):
            if statement.get("Principal") != {"Service": "events.amazonaws.com"}:
                yield Fault(name, f"lets {statement.get('Principal')} send")
            if "aws:SourceArn" not in statement.get("Condition", {}).get("ArnEquals", {}):
                yield Fault(name, "lets every rule of everybody send")


def metrics_are_counted(template: Template) -> Iterator[Fault]:
    """Whatever an alarm or the dashboard shows of ours is counted somewhere in the code."""
    counted: set[str] = set()
    for path in (ROOT / "crates").glob("*/src/**/*.rs"):
        counted.update(re.findall(r'"(ordersaga_\w+)"', path.read_text(encoding="utf-8")))
    shown = [template.resources[name] for name in template.resources]
    for name in sorted({m for text in texts(shown) for m in re.findall(r"\bordersaga_\w+", text)}):
        if name not in counted:
            yield Fault(name, "is shown, but nobody counts it")


CHECKS = [
    metrics_are_counted,
    nothing_is_dropped,
    dead_letters_raise_an_alarm,
    alarms_are_heard,
    logs_come_to_an_end,
    secrets_are_not_in_variables,
    routes_are_guarded,
    time_is_enough,
    batches_are_answered_in_part,
    the_table_is_safe,
    versions_take_over_step_by_step,
    queues_take_from_our_rules_alone,
]
