"""The provider's access token, kept in the store for all processes of a shortcode, sealed."""

from billing.domain.api_token import ApiToken
from billing.mpesa.tokens import Shared
from billing.ports import Kept, Posting
from billing.services.book import Book
from billing.services.codes import Seals
from radius.domain.errors import Corrupt, Unavailable

_FIELD = "api token"
KEPT_S = 3_600  # after its end: then the store may delete it


class StoredTokens:
    """A `billing.mpesa.tokens.Shelf`. Threads may share it."""

    def __init__(self, book: Book, seals: Seals, shortcode: str) -> None:
        self._book = book
        self._seals = seals
        self._shortcode = shortcode

    def kept(self) -> Shared | None:
        """What was put last; None where there is none, or it cannot be had."""
        try:
            found = self._there()
            if found is None:
                return None
            token = found.thing
            return Shared(self._seals.unseal(token.sealed, self._shortcode, _FIELD, 0), token.renew_at)
        except (Corrupt, Unavailable):  # sealed under a key that was changed, or nobody to ask
            return None

    def put(self, token: Shared) -> None:
        """Leave it for the others; of two at once one stays, and both work until one is refused."""
        sealed = self._seals.seal(token.text, self._shortcode, _FIELD, 0)
        try:
            found = self._there()
            version = found.version + 1 if found else 1
            made = Kept(ApiToken(self._shortcode, sealed, token.renew_at), version, 0, token.renew_at + KEPT_S)
            self._book.post(Posting(self._book.new_id(), things=(made,)))
        except Unavailable:
            return

    def _there(self) -> Kept[ApiToken] | None:
        return self._book.stores.customers.thing(ApiToken, self._shortcode, self._book.deadline())
