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


def main() -> int:
    template = Template.read()
    failures = 0
    usable = []
    for check in CHECKS:
        try:
            faults = list(check(template))
        except Missing as missing:
            failures += skipped(check, missing)
            continue
        usable.append(check)
        failures += len(faults)
        say("ok" if not faults else "FAULT", title(check))
        for fault in faults:
            print(f"        {fault}")
    by_name = {check.__name__: check for check in usable}
    never = set(by_name) - {fault.seen_by for fault in planted.FAULTS}
    for name in sorted(never):
        failures += 1
        say("UNTRIED", f"no planted fault shows that it can fail: {name.replace('_', ' ')}")
    for fault in planted.FAULTS:
        check = by_name.get(fault.seen_by)
        if check is None:
            continue
        damaged = template.copy()
        fault.plant(damaged)
        seen = any(check(damaged))
        failures += not seen
        say("seen" if seen else "UNSEEN", fault.title)
    passed, missed = len(usable), len(CHECKS) - len(usable)
    print(f"made {passed} checks, skipped {missed}; {len(planted.FAULTS)} planted faults")
    print("ok" if failures == 0 else f"{failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
