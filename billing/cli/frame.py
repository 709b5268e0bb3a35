"""What every command stands on: settings, the services behind them, who acts, and how it is asked, said and audited.

A command is a function whose first argument is a `Frame`. `command` registers it and gives it the options that all
have, so that they mean the same everywhere and may stand behind the command as people type them.
"""

import inspect
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from rich.console import Console

from billing.cli.exits import Declined, Exit, outcome_of
from billing.cli.show import WIDTH_UNSEEN, Show
from billing.who import os_user
from radius import settings as settings_module
from radius.domain.deed import Deed
from radius.domain.entitlement import ZONE_DEFAULT
from radius.domain.errors import Contended, Fenced, Malformed, RadiusError, Unavailable
from radius.services.directory import Directory
from radius.settings import FILE_VARIABLE, KEPT, Settings
from radius.store.desk import make_client
from radius.wiring import BACKGROUND_DEADLINE_S, Core, build_core, store_settings

if TYPE_CHECKING:  # selling is imported by what sells: lists of sessions are there in two thirds of the time
    from billing.wallet import Money
    from billing.wiring import Billing, BillingSettings

BOX_SETTINGS = Path(__file__).resolve().parents[2] / "deploy" / ".state" / "settings.toml"
PANEL = "Everywhere"
ROOT = "wifibilling"
UNKNOWN = "Whether it was done is not known; the same command again is safe."
UNCHANGED = "Nothing was changed; the same command again is safe."
AUDIT_THEMSELVES = ("backup", "region")  # no line of the audit tells how far these came
WHOLE_TABLES_S = 30.0  # a page of a table, over a far line


class Given(NamedTuple):
    """The options that every command has."""

    settings: Path | None
    site: str
    as_json: bool
    actor: str
    yes: bool


def clock() -> float:
    """UTC seconds."""
    return time.time()


class Frame:
    """One run of one command. What it needs is opened when it is first used."""

    def __init__(self, given: Given, what: str) -> None:
        self.site = given.site
        self.actor = given.actor or os_user()
        self.now = int(clock())
        self.interrupted = ""  # what is said where Ctrl-C ends it: how to go on
        self.lost = "" if what.startswith(AUDIT_THEMSELVES) else UNCHANGED  # said where the store does not answer
        self._given = given
        self._what = what
        console = Console(file=sys.stdout, highlight=False)
        if not console.is_terminal:
            console = Console(file=sys.stdout, highlight=False, width=WIDTH_UNSEEN)
        self.show = Show(console, as_json=given.as_json)

    # -- what is behind it -----------------------------------------------------------------------------------------

    @cached_property
    def settings_file(self) -> Path | None:
        """Of `--settings`, else of the environment (None), else of the box that `deploy/run` keeps in this clone."""
        said = os.environ.get(FILE_VARIABLE, "")
        named = self._given.settings or (Path(said) if said and not said.startswith(KEPT) else None)
        return BOX_SETTINGS if named is None and not said and _there(BOX_SETTINGS) else named

    @cached_property
    def settings(self) -> Settings:
        """The core's."""
        return settings_module.load(self.settings_file)

    @cached_property
    def selling(self) -> "BillingSettings":
        """Those of selling."""
        from billing.settings import load as load_selling  # noqa: PLC0415 - see above

        return load_selling(self.settings_file).billing

    @cached_property
    def core(self) -> Core:
        """The core's services."""
        try:
            return build_core(self.settings)
        except Malformed as wrong:
            if self.settings_file is not None:
                raise
            raise Malformed(
                wrong.field, f"{wrong.fix}; no settings were named: --settings FILE or ${FILE_VARIABLE}"
            ) from None

    @cached_property
    def billing(self) -> "Billing":
        """The services of selling."""
        from billing.shelf import StoredTokens  # noqa: PLC0415 - see above
        from billing.wiring import build_billing  # noqa: PLC0415

        money = self.billing_money
        made = build_billing(self.core, self.selling, money.provider, money.read, money.read_notice)
        money.share(StoredTokens(made.book, self.core.keys, money.provider.shortcode))
        return made

    @cached_property
    def raw_client(self) -> Any:
        """DynamoDB's own words, for whole tables (`radius.store.copying`)."""
        return client_of(self.settings)

    @cached_property
    def billing_money(self) -> "Money":
        """The provider, and how what it says is read."""
        return money_of_environment()

    @cached_property
    def directory(self) -> Directory:
        """Routers and sites as they are now."""
        self.core.directory.refresh(self.now, self.deadline())
        return self.core.directory

    @property
    def speaks_with_mpesa(self) -> bool:
        """Whether this process was told how: else the worker of selling does what needs it."""
        from billing.wallet import ByHand  # noqa: PLC0415 - see above

        return not isinstance(self.billing_money.provider, ByHand)

    def deadline(self) -> float:
        """Of one request to the store."""
        return time.monotonic() + BACKGROUND_DEADLINE_S

    @property
    def zone(self) -> str:
        """The zone of the site that is looked at, whose days are meant."""
        site = next((each for each in self.directory.all_sites() if each.id == self.site), None)
        return site.zone if site else ZONE_DEFAULT

    def tick(self) -> None:
        """Time has passed: look at everything anew."""
        self.now = int(clock())
        self.__dict__.pop("directory", None)

    def close(self) -> None:
        """Close what was opened."""
        if "billing_money" in self.__dict__:
            self.billing_money.close()
        if "raw_client" in self.__dict__:
            self.raw_client.close()
        if "core" in self.__dict__:
            self.core.close()

    def check_site(self) -> None:
        """Raises Malformed for a site that is not there: else a slip of the pen looks like a quiet place.

        With the store away nobody knows, and what the command can do without it is done.
        """
        if not self.site:
            return
        try:
            known = self.directory
        except Unavailable:
            return
        there = {each.id for each in known.all_sites()}
        if self.site not in there | {each.site for each in known.all_routers()}:  # the site's own record may be broken
            raise Malformed("site", f"{self.site} is not known: add the site first (wifibilling sites add)")

    # -- how it speaks ---------------------------------------------------------------------------------------------

    @property
    def as_json(self) -> bool:
        """Whether a script reads it."""
        return self.show.as_json

    def note(self, text: str) -> None:
        """A word beside the answer, for people: never in what a script reads."""
        typer.echo(text, err=True)

    def sure(self, question: str) -> None:
        """Ask before one customer is cut or money moves; raises Declined."""
        if self._given.yes:
            return
        if not sys.stdin.isatty():
            raise Declined(f"{question} Nobody is there to ask: say --yes")
        if not typer.confirm(question, err=True):
            raise Declined("not done")

    def why(self, reason: str) -> str:
        """The reason of a change, asked for where it was not given; raises Malformed without one."""
        text = reason.strip()
        if not text and sys.stdin.isatty() and not self._given.yes:
            text = str(typer.prompt("Why", err=True)).strip()
        if not text:
            raise Malformed("reason", "must be given (--reason TEXT): it is kept with the change")
        return text

    @contextmanager
    def deed(self, about: str, reason: str = "") -> Iterator[Callable[[str], None]]:
        """Audit a change: written down before it is begun, and again when it is over. Call what it yields to say how.

        What ends by an error is noted with it. What stays `begun` was interrupted: nobody knows how far it came.
        """
        deed = self._deed(about, reason, "begun")
        outcome = ""

        def came(text: str) -> None:
            nonlocal outcome
            outcome = text

        self.core.store.deeds.note(deed, self.deadline())
        self.lost = UNKNOWN
        try:
            yield came
            outcome = outcome or "done"
        except RadiusError as error:
            outcome = outcome_of(error)
            raise
        finally:
            self.core.store.deeds.note(deed.ended(outcome or "interrupted"), self.deadline())

    def noted_deed(self, about: str, reason: str, outcome: str) -> None:
        """Audit a change by one line, where it cannot be written down before and after. Raises Unavailable."""
        self.lost = UNKNOWN
        self.core.store.deeds.note(self._deed(about, reason, outcome), self.deadline())

    def _deed(self, about: str, reason: str, outcome: str) -> Deed:
        at_ms = int(clock() * 1000)
        return Deed(at_ms, secrets.token_hex(4), self.actor, self._what, about, reason, self.site, outcome)


def money_of_environment() -> "Money":
    """The provider that this process was told of."""
    from billing.wallet import money_of_environment as told  # noqa: PLC0415 - see above

    return told()


def client_of(settings: Settings) -> Any:
    """A client for whole tables; close it."""
    where = store_settings(settings)
    return make_client(
        where.endpoint_url,
        where.region,
        where.credentials,
        timeout_s=WHOLE_TABLES_S,
        connect_timeout_s=where.connect_timeout_s,
        connections=where.connections,
    )


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        raise Malformed("settings", f"{path} belongs to another user: use sudo, or name yours by --settings") from None


_COMMON: dict[str, Any] = {
    "settings": Annotated[
        Path | None,
        typer.Option(
            "--settings",
            metavar="FILE",
            help=f"Default: ${FILE_VARIABLE}, else this clone's box.",
            rich_help_panel=PANEL,
        ),
    ],
    "site": Annotated[str, typer.Option("--site", metavar="SITE", help="One site only.", rich_help_panel=PANEL)],
    "as_json": Annotated[bool, typer.Option("--json", help="JSON instead of a table.", rich_help_panel=PANEL)],
    "actor": Annotated[
        str, typer.Option("--as", metavar="NAME", help="Who acts; default: you.", rich_help_panel=PANEL)
    ],
    "yes": Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.", rich_help_panel=PANEL)],
}
_DEFAULTS: dict[str, Any] = {"settings": None, "site": "", "as_json": False, "actor": "", "yes": False}


def command(
    app: typer.Typer, name: str, examples: str = ""
) -> Callable[[Callable[..., Exit | None]], Callable[..., None]]:
    """Register a function as a command with the options that all have. `examples`: lines shown below its help."""

    def register(function: Callable[..., Exit | None]) -> Callable[..., None]:
        what = " ".join(word for word in (app.info.name, name) if isinstance(word, str) and word != ROOT)

        @wraps(function)
        def run(**given: Any) -> None:
            frame = Frame(Given(**{each: given.pop(each) for each in _COMMON}), what)
            try:
                frame.check_site()
                code = function(frame, **given)
            except KeyboardInterrupt:
                if frame.interrupted:
                    frame.note(frame.interrupted)
                raise
            except (Contended, Fenced):
                raise
            except Unavailable:
                if frame.lost:
                    frame.note(frame.lost)
                raise
            finally:
                frame.close()
            if code:
                raise typer.Exit(int(code))

        own = list(inspect.signature(function).parameters.values())[1:]
        common = [
            inspect.Parameter(each, inspect.Parameter.KEYWORD_ONLY, default=_DEFAULTS[each], annotation=annotation)
            for each, annotation in _COMMON.items()
        ]
        positional = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own]
        run.__signature__ = inspect.Signature([*positional, *common])  # type: ignore[attr-defined]  # what Typer reads
        run.__annotations__ = {one.name: one.annotation for one in [*positional, *common]}
        del run.__wrapped__  # it would show Typer the frame
        app.command(name, epilog=_epilog(examples))(run)
        return run

    return register


def _epilog(examples: str) -> str | None:
    lines = [line.strip() for line in examples.strip().splitlines()]
    return "\n".join(["\b", "Examples:", *(f"  wifibilling {line}" for line in lines)]) if examples else None
