"""What the roles may do: everything named, nothing more than named."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator
from typing import Any

from samtranslator.yaml_helper import yaml_parse
from template import HERE, Fault, Template, as_list, target, texts

WILDCARDS_MAX = 3
LISTED = HERE / "wildcards.toml"

Statement = dict[str, Any]


def listed() -> dict[str, Any]:
    return tomllib.loads(LISTED.read_text(encoding="utf-8"))


def statements(template: Template) -> Iterator[tuple[str, Statement]]:
    """Every statement that gives a role of ours something, with its place."""
    for name, properties in template.of_type("AWS::IAM::Role"):
        for policy in properties.get("Policies", []):
            for statement in as_list(policy["PolicyDocument"]["Statement"]):
                yield f"{name}/{statement.get('Sid', 'without a Sid')}", statement
    for name, properties in template.of_type("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
        for statement in as_list(properties["PolicyDocument"]["Statement"]):
            yield f"{name}/{statement.get('Sid', 'without a Sid')}", statement


def of_the_pipeline(template: Template) -> Iterator[tuple[str, Statement]]:
    """Every statement that gives the workflows' roles something."""
    for name, resource in yaml_parse(template.github)["Resources"].items():
        for policy in resource["Properties"].get("Policies", []):
            for statement in as_list(policy["PolicyDocument"]["Statement"]):
                yield f"{name}/{statement['Sid']}", statement


def actions_are_written_out(template: Template) -> Iterator[Fault]:
    """No wildcard in an action, and nothing is granted by leaving something out."""
    for where, statement in [*statements(template), *of_the_pipeline(template)]:
        for field in ("NotAction", "NotResource"):
            if field in statement:
                yield Fault(where, f"grants by `{field}` whatever there will be one day")
        for action in as_list(statement.get("Action", [])):
            if "*" in action or "?" in action:
                yield Fault(where, f"the action `{action}` has a wildcard")


def resources_are_named(template: Template) -> Iterator[Fault]:
    """A wildcard in a resource stands in the list, with its reason; the list is short and used."""
    entries = listed()["resource"]
    if len(entries) > WILDCARDS_MAX:
        yield Fault(LISTED.name, f"has {len(entries)} entries; at most {WILDCARDS_MAX} are allowed")
    needed: set[int] = set()
    wild = [
        s for s in statements(template) if any("*" in t for t in texts(s[1].get("Resource", "*")))
    ]
    # What the pipeline makes has no name yet, but the beginning of one.
    wild += [s for s in of_the_pipeline(template) if "*" in as_list(s[1].get("Resource", "*"))]
    for where, statement in wild:
        asked = set(as_list(statement["Action"]))
        covering = [i for i, entry in enumerate(entries) if asked <= set(entry["actions"])]
        if not covering:
            yield Fault(where, f"grants {', '.join(sorted(asked))} on a wildcard")
        needed.update(covering)
    for index, entry in enumerate(entries):
        if index not in needed:
            yield Fault(LISTED.name, f"`{entry['actions'][0]}` … is needed by no statement")
        if len(entry.get("reason", "")) < 40:
            yield Fault(LISTED.name, f"`{entry['actions'][0]}` … gives no reason")


def managed_policies_are_listed(template: Template) -> Iterator[Fault]:
    """A policy that somebody else keeps stands in the list, with its reason."""
    entries = {entry["policy"]: entry["reason"] for entry in listed()["managed"]}
    pipeline = yaml_parse(template.github)["Resources"]
    roles = [*template.of_type("AWS::IAM::Role")]
    roles += [(name, resource["Properties"]) for name, resource in pipeline.items()]
    needed: set[str] = set()
    for name, properties in roles:
        for policy in properties.get("ManagedPolicyArns", []):
            text = "".join(texts(policy)).partition(":policy/")[2]
            needed.add(text)
            if text not in entries:
                yield Fault(name, f"uses the managed policy `{text}`")
    for policy in sorted(set(entries) - needed):
        yield Fault(LISTED.name, f"the managed policy `{policy}` is needed by no role")
    for name, properties in template.functions().items():
        if "Policies" in properties:
            yield Fault(name, "has `Policies`, which mean nothing beside a role of its own")


def every_function_has_its_own_role(template: Template) -> Iterator[Fault]:
    """A function and a state machine have a role that nobody else has."""
    users: list[tuple[str, str]] = []
    machines = template.of_type("AWS::Serverless::StateMachine")
    for name, properties in [*template.functions().items(), *machines]:
        role = target(properties.get("Role"))
        if role is None or role not in template.resources:
            yield Fault(name, "has no role of this template")
        else:
            users.append((role, name))
    shared = {role for role, count in Counter(role for role, _ in users).items() if count > 1}
    for role, name in users:
        if role in shared:
            yield Fault(name, f"shares the role {role}")


def roles_are_for_one_service(template: Template) -> Iterator[Fault]:
    """A role can be assumed by the one service that needs it, and by no account."""
    for name, properties in template.of_type("AWS::IAM::Role"):
        for statement in as_list(properties["AssumeRolePolicyDocument"]["Statement"]):
            principal = statement.get("Principal")
            services = as_list(principal.get("Service", [])) if isinstance(principal, dict) else []
            if len(services) != 1 or set(principal) != {"Service"}:
                yield Fault(name, f"can be assumed by {principal}")


def tables_are_never_scanned(template: Template) -> Iterator[Fault]:
    """No function may read a whole table, by whatever name."""
    scans = {"dynamodb:Scan", "dynamodb:PartiQLSelect", "dynamodb:ExportTableToPointInTime"}
    for where, statement in statements(template):
        for action in sorted(scans & set(as_list(statement.get("Action", [])))):
            yield Fault(where, f"may read the whole table by `{action}`")


# What may touch items of every aggregate, and why the key cannot narrow it.
ANY_AGGREGATE = {
    "OutboxRelayRole": "the outbox of every aggregate is its business",
}


def items_are_kept_apart(template: Template) -> Iterator[Fault]:
    """A function reaches the aggregates of its service alone, by the first part of the key."""
    reach = {"BatchGetItem", "GetItem", "Query", "PutItem", "UpdateItem", "DeleteItem"}
    reach = {f"dynamodb:{action}" for action in reach | {"ConditionCheckItem", "BatchWriteItem"}}
    for where, statement in statements(template):
        if where.split("/")[0] in ANY_AGGREGATE or not reach & set(as_list(statement["Action"])):
            continue
        keys = [
            key
            for operator, condition in statement.get("Condition", {}).items()
            if operator in ("ForAllValues:StringLike", "ForAllValues:StringEquals")
            for key in as_list(condition.get("dynamodb:LeadingKeys", []))
        ]
        if not keys:
            yield Fault(where, "reaches the items of every service: no `dynamodb:LeadingKeys`")
        for key in keys:
            if "#" not in key.rstrip("*") and not key.startswith("ord_"):
                yield Fault(where, f"the leading key `{key}` names no kind of aggregate")


CHECKS = [
    actions_are_written_out,
    resources_are_named,
    managed_policies_are_listed,
    every_function_has_its_own_role,
    roles_are_for_one_service,
    tables_are_never_scanned,
    items_are_kept_apart,
]
