"""What is put on sale: the next version of a package, with the terms that it promises."""

from collections.abc import Callable

import msgspec

from billing.domain.package import Package, Visibility, check_next
from billing.services.book import Book
from radius.domain.errors import Malformed
from radius.domain.terms import Terms
from radius.ports import Outcome


class Shelf:
    """Puts packages on sale and takes them off. `add_terms` raises Malformed for an id that means something else."""

    def __init__(self, book: Book, add_terms: Callable[[Terms], object]) -> None:
        self._book = book
        self._add_terms = add_terms

    def packages(self) -> list[Package]:
        """All versions of all packages, by id."""
        return self._book.stores.packages.packages(self._book.deadline())

    def newest(self, code: str) -> Package:
        """The newest version of a package; raises Malformed for an unknown code."""
        versions = [each for each in self.packages() if each.code == code]
        if not versions:
            raise Malformed("package", f"{code} is not known")
        return max(versions, key=lambda each: each.version)

    def put(self, package: Package) -> Package:
        """Sell this version from now on. The terms go first: what is on sale can be granted. Raises Malformed."""
        check_next(package, self.packages())
        self._add_terms(package.terms)
        if self._book.stores.packages.add(package, self._book.deadline()) is Outcome.CONFLICT:
            raise Malformed("version", f"{package.id} was put on sale by somebody else meanwhile; look again")
        return package

    def next_of(self, code: str, **changes: object) -> Package:
        """The newest version of a package with these changes, as the one after it; not on sale yet."""
        before = self.newest(code)
        version = before.version + 1
        terms = msgspec.structs.replace(before.terms, id=f"{code}.{version}")
        return msgspec.structs.replace(before, version=version, terms=terms, **changes)

    def hide(self, code: str) -> Package:
        """Take a package off sale: what was sold goes on. Once more changes nothing."""
        before = self.newest(code)
        if before.visibility is Visibility.HIDDEN:
            return before
        return self.put(self.next_of(code, visibility=Visibility.HIDDEN))
