"""How far the provider's own list of what came has been read."""

from typing import ClassVar

from billing.domain.thing import Thing


class Pulled(Thing, frozen=True, omit_defaults=True):
    """The period that is being read: it began at `since` (UTC seconds), `offset` transactions of it were read.

    `first`: the receipt that the last page began with; a list that begins so again has no further page.
    """

    KIND: ClassVar[str] = "PT"

    shortcode: str
    since: int
    until: int = 0
    offset: int = 0
    first: str = ""

    @property
    def name(self) -> str:
        """The shortcode."""
        return self.shortcode
