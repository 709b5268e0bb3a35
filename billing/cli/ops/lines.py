"""What a line of our logs says (`radius.log`)."""

import json


def error_of(line: str, since: str = "") -> str:
    """The message of an ERROR line and why; "" for any other, and for one before `since` (ISO, UTC).

    Times of one form compare as texts.
    """
    if '"ERROR"' not in line:
        return ""
    try:
        said = json.loads(line)
        if said["level"] != "ERROR" or str(said["timestamp"]) < since:
            return ""
        details = said.get("details") or {}
        why = details.get("error") or details.get("reason") or details.get("errorMessage") or ""
        return f"{said['message']}: {why}" if why else str(said["message"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
