"""The state machines as they are deployed and the event patterns, judged by our own interpreter.

cfn-lint looks into neither: not into files behind `DefinitionUri`, not into patterns. npm's
asl-validator is asked as well, as a second opinion that shares no line of code with the first.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from template import REGION, ROOT, TEMPLATE, Fault, Missing, Template, target

ASL_VALIDATOR = Path.home() / ".cache/ordersaga/asl-validator/node_modules/.bin/asl-validator"


def deployed(template: Template) -> Iterator[tuple[str, str]]:
    """Every machine with its definition, functions put in as CloudFormation does."""
    for name, properties in template.of_type("AWS::Serverless::StateMachine"):
        text = (TEMPLATE.parent / properties["DefinitionUri"]).read_text(encoding="utf-8")
        for word, function in properties["DefinitionSubstitutions"].items():
            text = text.replace(f"${{{word}}}", arn(target(function) or "nobody"))
        yield name, text


def arn(function: str) -> str:
    """What the alias of a function is called in some account."""
    return f"arn:aws:lambda:{REGION}:123456789012:function:{function}:live"


def patterns(template: Template) -> Iterator[tuple[str, Any]]:
    """Every event pattern, of the bus and of the event sources."""
    for name, properties in template.of_type("AWS::Events::Rule"):
        if "EventPattern" in properties:
            yield name, properties["EventPattern"]
    for function in template.functions():
        for kind in ("DynamoDB", "SQS"):
            for event, source in template.events(function, kind):
                for number, each in enumerate(source.get("FilterCriteria", {}).get("Filters", [])):
                    yield f"{function}{event}{number}", each["Pattern"]


def ours() -> Path:
    """Our checker: built by `cargo build -p conformance --bin check-definition`."""
    places = [os.environ.get("CARGO_TARGET_DIR", ""), str(ROOT / "target")]
    for place in places:
        path = Path(place) / "debug" / "check-definition"
        if place and path.exists():
            return path
    raise Missing("check-definition: cargo build -p conformance --bin check-definition")


def ask(kind: str, documents: Iterator[tuple[str, str]]) -> Iterator[Fault]:
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, text in documents:
            paths.append(str(Path(folder) / name))
            Path(paths[-1]).write_text(text, encoding="utf-8")
        command = [str(ours()), kind, *paths]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        for line in (done.stdout + done.stderr).splitlines():
            where, _, what = line.partition(": ")
            yield Fault(where, what)


def machines_are_sound(template: Template) -> Iterator[Fault]:
    """Our interpreter takes every machine as it is deployed, without so much as a warning."""
    yield from ask("machine", deployed(template))


def substitutions_fit(template: Template) -> Iterator[Fault]:
    """Every placeholder of a definition is filled, and nothing is filled that is not there."""
    for name, properties in template.of_type("AWS::Serverless::StateMachine"):
        text = (TEMPLATE.parent / properties["DefinitionUri"]).read_text(encoding="utf-8")
        there = set(re.findall(r"\$\{(\w+)\}", text))
        filled = set(properties["DefinitionSubstitutions"])
        for word in sorted(there - filled):
            yield Fault(name, f"nothing stands for `${{{word}}}`")
        for word in sorted(filled - there):
            yield Fault(name, f"`${{{word}}}` is nowhere in the definition")


def machines_may_call_what_they_call(template: Template) -> Iterator[Fault]:
    """A machine's role may call exactly the functions that its definition names."""
    for name, properties in template.of_type("AWS::Serverless::StateMachine"):
        role = template.resources[target(properties["Role"]) or ""]["Properties"]
        granted = {
            target(function)
            for policy in role["Policies"]
            for statement in policy["PolicyDocument"]["Statement"]
            if statement["Action"] == ["lambda:InvokeFunction"]
            for function in statement["Resource"]
        }
        called = {target(function) for function in properties["DefinitionSubstitutions"].values()}
        for function in sorted(granted ^ called, key=str):
            may = "may not be called" if function in called else "is never called"
            yield Fault(name, f"{function} {may}")


def patterns_are_sound(template: Template) -> Iterator[Fault]:
    """Our matcher takes every event pattern."""
    as_text = ((n, p if isinstance(p, str) else json.dumps(p)) for n, p in patterns(template))
    yield from ask("pattern", as_text)


def a_second_opinion_agrees(template: Template) -> Iterator[Fault]:
    """npm's asl-validator takes every machine as it is deployed.

    It refuses an empty text in `Assign`, which Step Functions takes (its schema wants `.+`), so
    empty texts are filled for it.
    """
    validator = ASL_VALIDATOR if ASL_VALIDATOR.exists() else shutil.which("asl-validator")
    if validator is None:
        place = ASL_VALIDATOR.parents[2]
        raise Missing(f"asl-validator: npm install --prefix {place} asl-validator@4.0.0")
    for name, text in deployed(template):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.asl.json"
            path.write_text(re.sub(r':\s*""', ': "-"', text), encoding="utf-8")
            command = [str(validator), "--json-path", str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            yield Fault(name, " ".join((done.stdout + done.stderr).split()))


CHECKS = [
    substitutions_fit,
    machines_may_call_what_they_call,
    machines_are_sound,
    a_second_opinion_agrees,
    patterns_are_sound,
]
