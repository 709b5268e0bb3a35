"""A shelf for access tokens in memory (`billing.mpesa.tokens.Shelf`)."""

from billing.mpesa.tokens import Shared


class OneShelf:
    def __init__(self) -> None:
        self.token: Shared | None = None

    def kept(self) -> Shared | None:
        return self.token

    def put(self, token: Shared) -> None:
        self.token = token
