"""The access token of a shortcode, as the processes that sell under it share it: sealed, for an hour."""

from typing import ClassVar

from billing.domain.thing import Thing


class ApiToken(Thing, frozen=True, omit_defaults=True):
    """One token. `sealed` opens to its text; at `renew_at` (UTC seconds) somebody asks for another."""

    KIND: ClassVar[str] = "AT"

    shortcode: str
    sealed: str
    renew_at: int

    @property
    def name(self) -> str:
        """The shortcode."""
        return self.shortcode
