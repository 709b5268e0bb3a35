"""What a person did by hand, as the audit keeps it: who, what, to whom, why, and what came of it."""

from datetime import UTC, datetime

import msgspec

DEED_KEPT_S = 2 * 366 * 86_400  # longer than any dispute about who did what


class Deed(msgspec.Struct, frozen=True, omit_defaults=True):
    """Key: (UTC day of `at_ms`, `at_ms`, `id`). `about` names a thing of ours by its id, never a person's datum.

    `outcome` is ``begun`` until it is over: one that stays so was interrupted.
    """

    at_ms: int
    id: str
    actor: str
    what: str
    about: str
    reason: str = ""
    site: str = ""
    outcome: str = ""

    @property
    def day(self) -> str:
        """The UTC day, as an ISO date."""
        return datetime.fromtimestamp(self.at_ms / 1000, UTC).date().isoformat()

    def ended(self, outcome: str) -> "Deed":
        """The same, over."""
        return msgspec.structs.replace(self, outcome=outcome)
