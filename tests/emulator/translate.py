"""Templates in, what AWS's own macro makes of them out. Runs in the emulator's venv: JSON of names on both sides."""

import json
import logging
import sys
from typing import Any

from samtranslator.translator.transform import transform

logging.disable(logging.CRITICAL)


class NoPolicies:
    """We name no managed policy."""

    def load(self) -> dict[str, str]:
        """None."""
        return {}


def translated(template: dict[str, Any]) -> dict[str, Any]:
    """With no parameter but the defaults: what has none stays a reference, as where a stack is nested."""
    told = {name: each["Default"] for name, each in template.get("Parameters", {}).items() if "Default" in each}
    return dict(transform(template, told, NoPolicies()))


if __name__ == "__main__":
    json.dump({name: translated(each) for name, each in json.load(sys.stdin).items()}, sys.stdout)
