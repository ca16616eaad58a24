"""The template as the checks see it: as it is written, and as CloudFormation gets it.

Owns: reading, the SAM transform, and finding things. Does not own: what must be true of them.
"""

from __future__ import annotations

import copy
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
TEMPLATE = HERE.parent / "template.yaml"

# A shop's own choices, for the parameters that have no default.
PARAMETERS = {
    "GatewayUrl": "https://gateway.example",
    "MailFrom": "orders@shop.example",
    "MailIdentity": "shop.example",
}
REGION = "eu-west-1"
# Stands where `sam deploy` puts what it has uploaded.
UPLOADED = "s3://ordersaga-uploads/artifact"


class Missing(Exception):
    """A tool is not there; the message says how to get it."""


@dataclass(frozen=True)
class Fault:
    """Something that must not be: where, and what."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class Template:
    """A SAM template, the workflows that deploy it, and what trusts them, read once.

    `written` is what the file says, with `!Ref X` as `{"Ref": "X"}`.
    """

    def __init__(self, written: dict[str, Any], workflows: dict[str, str], github: str) -> None:
        self.written = written
        self.workflows = workflows
        self.github = github

    @classmethod
    def read(cls, path: Path = TEMPLATE) -> Template:
        workflows = sorted((ROOT / ".github/workflows").glob("*.yml"))
        texts_by_name = {each.name: each.read_text(encoding="utf-8") for each in workflows}
        github = (path.parent / "github.yaml").read_text(encoding="utf-8")
        return cls(yaml_parse(path.read_text(encoding="utf-8")), texts_by_name, github)

    def copy(self) -> Template:
        return Template(copy.deepcopy(self.written), dict(self.workflows), self.github)

    def text(self) -> str:
        """The file's own text as long as nobody has changed what was read; JSON, which is YAML."""
        text = TEMPLATE.read_text(encoding="utf-8")
        return text if yaml_parse(text) == self.written else json.dumps(self.written, indent=1)

    @property
    def resources(self) -> dict[str, Any]:
        resources: dict[str, Any] = self.written["Resources"]
        return resources

    def of_type(self, *types: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The resources of these types: name and properties."""
        for name, resource in self.resources.items():
            if resource["Type"] in types:
                yield name, resource.get("Properties", {})

    def functions(self) -> dict[str, dict[str, Any]]:
        """The functions, with what `Globals` says of them."""
        shared = self.written.get("Globals", {}).get("Function", {})
        return {
            name: merged(shared, properties)
            for name, properties in self.of_type("AWS::Serverless::Function")
        }

    def events(self, function: str, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """What calls a function, of one kind."""
        for name, event in self.resources[function]["Properties"].get("Events", {}).items():
            if event["Type"] == kind:
                yield name, event["Properties"]

    def transformed(self) -> dict[str, Any]:
        """What CloudFormation gets: after the SAM transform, with code and definitions uploaded."""
        template = copy.deepcopy(self.written)
        for resource in template["Resources"].values():
            properties = resource.get("Properties", {})
            for artifact in ("CodeUri", "DefinitionUri"):
                if artifact in properties:
                    properties[artifact] = UPLOADED
        os.environ.setdefault("AWS_DEFAULT_REGION", REGION)
        logging.getLogger("samtranslator").setLevel(logging.ERROR)
        result: dict[str, Any] = Translator({}, Parser()).translate(template, dict(PARAMETERS))
        return result


def merged(shared: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """What `Globals` means: maps are joined, everything else is its own if it is there."""
    result = copy.deepcopy(shared)
    for key, value in own.items():
        both_maps = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both_maps else value
    return result


def as_list(value: Any) -> list[Any]:
    """CloudFormation and IAM take one thing where several may stand."""
    return value if isinstance(value, list) else [value]


def target(value: Any) -> str | None:
    """The resource that a reference names, if it is one; `X.Alias` is `X`."""
    match value:
        case {"Ref": str(name)}:
            return name.split(".")[0]
        case {"Fn::GetAtt": [name, *_]}:
            return str(name)
        case {"Fn::GetAtt": str(path)}:
            return path.split(".")[0]
        case _:
            return None


def texts(value: Any) -> Iterator[str]:
    """Every text inside a value."""
    match value:
        case str(text):
            yield text
        case dict(fields):
            for inner in fields.values():
                yield from texts(inner)
        case list(items):
            for inner in items:
                yield from texts(inner)
        case _:
            return
