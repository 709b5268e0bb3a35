"""A browser without scripts: cookies, links, forms, redirects. What a script would press by itself is marked."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx


@dataclass
class Form:
    """A form as it stands in a page."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    by_itself: bool = False


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[tuple[str, bool]] = []
        self.text: list[str] = []
        self._form: Form | None = None
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(said.get("action", ""), said.get("method", "get"), by_itself="data-go" in said)
            self.forms.append(self._form)
        elif tag == "input" and self._form is not None:
            kind = said.get("type", "text")
            if kind not in ("radio", "checkbox") or "checked" in said:
                self._form.fields[said["name"]] = said.get("value", "")
            else:
                self._form.fields.setdefault(said["name"], "")
        elif tag == "a":
            self.links.append((said.get("href", ""), "data-go" in said))
        elif tag in ("style", "script"):
            self._hidden += 1

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag in ("style", "script"):
            self._hidden -= 1

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.text.append(data)


class Browser:
    """One tab. `page` is the last answer."""

    def __init__(self, client: httpx.Client | None = None, language: str = "en") -> None:
        self.client = client or httpx.Client(timeout=20)
        self.client.headers["Accept-Language"] = language
        self.page: httpx.Response = httpx.Response(204)

    def close(self) -> None:
        self.client.close()

    def open(self, address: str) -> str:
        return self._took(self.client.get(address, follow_redirects=True))

    def submit(self, action: str, **typed: str) -> str:
        """The form whose action ends so, with what was typed into it."""
        form = next(each for each in self.forms if each.action.split("?")[0].endswith(action))
        unknown = set(typed) - set(form.fields)
        assert not unknown, f"{action} has no fields {unknown}"
        address, sent = urljoin(str(self.page.url), form.action), {**form.fields, **typed}
        if form.method == "post":
            return self._took(self.client.post(address, data=sent, follow_redirects=True))
        return self._took(self.client.get(address, params=sent, follow_redirects=True))

    def go(self) -> str:
        """What a script does by itself, until nothing more is to be done."""
        for _ in range(6):
            form = next((each for each in self.forms if each.by_itself), None)
            link = next((href for href, by_itself in self._read().links if by_itself), None)
            if form is not None:
                self.submit(form.action)
            elif link is not None:
                self.open(link)
            else:
                break
        return self.text

    @property
    def forms(self) -> list[Form]:
        return self._read().forms

    @property
    def links(self) -> list[str]:
        return [href for href, _ in self._read().links]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._read().text).split())

    def _read(self) -> _Reader:
        reader = _Reader()
        reader.feed(self.page.text)
        return reader

    def _took(self, page: httpx.Response) -> str:
        self.page = page
        return self.text
