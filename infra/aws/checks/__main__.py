"""Checks the template, and checks the checks. `python infra/aws/checks` from anywhere.

Prints a line for each check and each planted fault; ends with 1 if the template has a fault, if a
planted fault goes unseen, or, with ORDERSAGA_COUNTERPARTS=required, if a tool is missing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator

import definitions
import lint
import permissions
import planted
import wiring
from template import Fault, Missing, Template

Check = Callable[[Template], Iterator[Fault]]
CHECKS: list[Check] = [
    *permissions.CHECKS,
    *wiring.CHECKS,
    *definitions.CHECKS,
    *lint.CHECKS,
]


def say(word: str, what: str) -> None:
    print(f"{word:<8}{what}", flush=True)


def skipped(check: Check, missing: Missing) -> bool:
    """Says loudly that a check was not made; whether that is a failure."""
    print(f"SKIPPED: {title(check)}: {missing}", file=sys.stderr, flush=True)
    return os.environ.get("ORDERSAGA_COUNTERPARTS") == "required"


def title(check: Check) -> str:
    return check.__name__.replace("_", " ")


def checked(template: Template) -> tuple[dict[str, Check], int]:
    """Makes every check; those that could be made, and how many failures there were."""
    failures = 0
    made = {}
    for check in CHECKS:
        try:
            faults = list(check(template))
        except Missing as missing:
            failures += skipped(check, missing)
            continue
        made[check.__name__] = check
        failures += len(faults)
        say("ok" if not faults else "FAULT", title(check))
        for found in faults:
            print(f"        {found}")
    return made, failures


def tried(template: Template, made: dict[str, Check]) -> int:
    """Shows every check the faults that it must see; how many it did not."""
    failures = 0
    for name in sorted(set(made) - {fault.seen_by for fault in planted.FAULTS}):
        failures += 1
        say("UNTRIED", f"no planted fault shows that it can fail: {title(made[name])}")
    for fault in planted.FAULTS:
        if fault.seen_by not in made:
            continue
        damaged = template.copy()
        fault.plant(damaged)
        seen = any(made[fault.seen_by](damaged))
        failures += not seen
        say("seen" if seen else "UNSEEN", fault.title)
    return failures


def main() -> int:
    template = Template.read()
    made, failures = checked(template)
    failures += tried(template, made)
    missed = len(CHECKS) - len(made)
    print(f"made {len(made)} checks, skipped {missed}; {len(planted.FAULTS)} planted faults")
    print("ok" if failures == 0 else f"{failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
