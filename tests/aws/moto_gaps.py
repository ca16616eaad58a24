"""What moto 5.2.5 cannot create through CloudFormation, and what stands in its place.

Every gap is looked for again in each run: one that moto has closed fails the run, so that the list
never says more than is so.
"""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
from template import REGION, ROOT, Template, target

Json = dict[str, Any]
Create = Callable[[str, Json], dict[str, str]]

ACCOUNT = "123456789012"

# Types that moto's CloudFormation passes over without a word, and why it does not matter here.
NOT_CREATED = {
    "AWS::ApiGatewayV2::Api": "the front of the local cloud reads the routes and scopes",
    "AWS::ApiGatewayV2::Stage": "throttling and access logs are AWS's own",
    "AWS::Budgets::Budget": "there is nothing to pay",
    "AWS::CloudWatch::Alarm": "infra/aws/checks holds the alarms",
    "AWS::CodeDeploy::Application": "there is no second version to move to",
    "AWS::CodeDeploy::DeploymentGroup": "there is no second version to move to",
    "AWS::Cognito::UserPool": "the front of the local cloud checks claims and scopes",
    "AWS::Cognito::UserPoolClient": "as the pool",
    "AWS::Cognito::UserPoolDomain": "as the pool",
    "AWS::Cognito::UserPoolResourceServer": "as the pool",
    "AWS::Lambda::Alias": "whoever calls an alias gets its ARN written out",
    "AWS::Lambda::EventInvokeConfig": "nothing is invoked there",
    "AWS::Logs::MetricFilter": "nothing is logged there",
    "AWS::SecretsManager::Secret": "whoever reads the secret gets an ARN written out",
    "AWS::SNS::Subscription": "nobody is told there",
    "AWS::SQS::QueuePolicy": "moto lets everybody send",
}
# Where moto looks for the function behind an alias and finds none, as it has created no alias.
NO_ALIAS_HERE = ("AWS::Lambda::Permission", "AWS::Lambda::EventSourceMapping")


def definition(machine: Json) -> str:
    """The file of a machine, as it is."""
    path: Path = ROOT / "infra/aws" / machine["DefinitionUri"]
    return path.read_text(encoding="utf-8")


def replaced(value: Any, change: Callable[[Any], Any]) -> Any:
    """The value with every part changed that `change` answers something else for."""
    changed = change(value)
    if changed is not value:
        return changed
    if isinstance(value, dict):
        return {key: replaced(inner, change) for key, inner in value.items()}
    if isinstance(value, list):
        return [replaced(inner, change) for inner in value]
    return value


def written_out(removed: set[str]) -> Callable[[Any], Any]:
    """What stands for a reference to a resource that moto does not create."""

    def in_text(text: str) -> str:
        return re.sub(r"\$\{(\w+)\}", lambda found: instead(found[1]) or found[0], text)

    def instead(name: str) -> str | None:
        return f"arn:aws:not-created:{REGION}:{ACCOUNT}:{name}" if name in removed else None

    def change(value: Any) -> Any:
        if isinstance(value, dict) and isinstance(text := value.get("Fn::Sub"), str):
            return value if in_text(text) == text else {"Fn::Sub": in_text(text)}
        name = target(value) if isinstance(value, dict) and len(value) == 1 else None
        if name is None or name not in removed:
            return value
        function, is_alias, _ = name.partition("Aliaslive")
        if is_alias:
            return {"Fn::Sub": f"${{{function}.Arn}}:live"}
        return instead(name)

    return change


def without_alias(value: Any) -> Any:
    match value:
        case {"Fn::Sub": str(text)} if text.endswith(".Arn}:live"):
            return {"Fn::GetAtt": [text[2 : -len(".Arn}:live")], "Arn"]}
        case _:
            return value


def name_of_bus(value: Any) -> Any:
    return {"Fn::GetAtt": ["Bus", "Name"]} if value == {"Ref": "Bus"} else value


def without_gaps(template: Template) -> Json:
    """The transformed template without what moto cannot do."""
    result = copy.deepcopy(template.transformed())
    resources = result["Resources"]
    removed = {name for name, each in resources.items() if each["Type"] in NOT_CREATED}
    for name in removed:
        del resources[name]
    # moto reads neither `DefinitionS3Location` nor `DefinitionSubstitutions`: the file goes in as
    # text, and CloudFormation's own substitution does what Step Functions' would.
    for name, machine in template.of_type("AWS::Serverless::StateMachine"):
        properties = resources[name]["Properties"]
        del properties["DefinitionS3Location"]
        filled = properties.pop("DefinitionSubstitutions")
        properties["DefinitionString"] = {"Fn::Sub": [definition(machine), filled]}
    resources = replaced(resources, written_out(removed))
    for each in resources.values():
        if each["Type"] in NO_ALIAS_HERE:
            each["Properties"] = replaced(each["Properties"], without_alias)
    # moto knows a bus by its name, but a reference to one is no name there.
    resources = replaced(resources, name_of_bus)
    return {**result, "Resources": resources, "Outputs": {}}


def closed(template: Template, create: Create) -> Iterator[tuple[str, Iterator[str]]]:
    """The gaps that moto has closed, by what is looked for: there should be none."""
    yield "what moto does not create it still does not create", types_created(template, create)
    yield "what moto does not read it still does not read", fields_read(create)
    yield "what moto does not take it still does not take", references_taken(create)


def types_created(template: Template, create: Create) -> Iterator[str]:
    resources = template.transformed()["Resources"]
    seen = {}
    for name, each in resources.items():
        seen.setdefault(each["Type"], (name, each))
    for number, kind in enumerate(NOT_CREATED):
        if kind not in seen:
            yield f"{kind} is in the list of gaps, but not in the template"
            continue
        name, each = seen[kind]
        alone = replaced(each, written_out(set(resources)))
        alone = {key: alone[key] for key in ("Type", "Properties") if key in alone}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                made = create(f"gap-{number}", {"Resources": {name: alone}})
        except Exception as error:  # moto knows the type now, and not its neighbours
            yield f"{kind} can be created by now, or at least fails otherwise: {error}"
            continue
        if name in made:
            yield f"{kind} can be created by now"


def fields_read(create: Create) -> Iterator[str]:
    machine = {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {
            "StateMachineName": "gap",
            "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/gap",
            "DefinitionString": '{"StartAt":"${State}","States":{"S":{"Type":"Succeed"}}}',
            "DefinitionSubstitutions": {"State": "S"},
        },
    }
    outputs = {"Definition": {"Value": {"Fn::GetAtt": ["Machine", "DefinitionString"]}}}
    create("gap-substitutions", {"Resources": {"Machine": machine}, "Outputs": outputs})
    stacks = boto3.client("cloudformation", region_name=REGION).describe_stacks
    output = stacks(StackName="gap-substitutions")["Stacks"][0]["Outputs"][0]["OutputValue"]
    if "${State}" not in output:
        yield f"moto reads DefinitionSubstitutions by now: {output}"


def references_taken(create: Create) -> Iterator[str]:
    bus = {"Type": "AWS::Events::EventBus", "Properties": {"Name": "gap"}}
    pattern = {"source": ["gap"]}
    rule = {
        "Type": "AWS::Events::Rule",
        "Properties": {"EventBusName": {"Ref": "Bus"}, "EventPattern": pattern, "Targets": []},
    }
    try:
        create("gap-reference", {"Resources": {"Bus": bus, "Rule": rule}})
    except AttributeError:
        return
    yield "moto takes a reference to a bus in a rule by now"
