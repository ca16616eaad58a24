"""What AWS's own tools say of the template, as it is written and as CloudFormation gets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from template import REGION, Fault, Template

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


def sam_validates(template: Template) -> Iterator[Fault]:
    """`sam validate --lint` is content."""
    arguments = ["validate", "--lint", "--template-file"]
    yield from lint(".yaml", template.text(), "sam", *arguments)


CHECKS = [cfn_lint_is_content, cfn_lint_is_content_after_the_transform, sam_validates]
