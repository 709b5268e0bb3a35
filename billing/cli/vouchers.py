"""`vouchers`: batches of codes, made, printed once, looked after, and ended."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO, TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NamedTuple

import msgspec
import typer

from billing.cli import find, progress
from billing.cli.exits import Exit, Nobody
from billing.cli.frame import Frame, command
from billing.cli.progress import All
from billing.cli.show import Column, amount, when
from billing.domain.batch import Batch, BatchRefusal
from billing.domain.journal import Account, AccountKind
from billing.domain.package import Package
from billing.domain.voucher import CodeRules, Voucher, VoucherRefusal
from billing.paper.roll import write_roll
from billing.paper.sheet import write_sheet
from billing.paper.slips import Brand, Slip, check_brand, slips
from billing.paper.table import ENCODING, write_csv
from billing.ports import PAGE_MAX, KeptVoucher
from billing.services.paper_care import Replaced
from billing.services.word import Word
from radius.domain.errors import Malformed
from radius.domain.nas import Language

app = typer.Typer(name="vouchers", help="Codes on paper.", no_args_is_help=True)

LIST_MAX = 50
DAY_S = 86_400
FOR_EVER = 1 << 40  # beyond any instant that a sweep is due at
_ALIVE = {"stock", "sold"}
_WHY = {
    VoucherRefusal.SOLD: "it was sold: say who pays its money back (--paid-back-from)",
    VoucherRefusal.USED: "it was used: refund the customer instead",
    VoucherRefusal.VOID: "it was cancelled before",
    VoucherRefusal.EXPIRED: "it is over",
    VoucherRefusal.NOT_YET: "it is still good",
}

_Batch = Annotated[str, typer.Argument(metavar="BATCH", help="Capital letters and digits, such as B12.")]
_Serial = Annotated[str, typer.Argument(metavar="SERIAL", help="As printed beside the code, such as B12-0007.")]
_Reason = Annotated[str, typer.Option("--reason", help="Kept with the change.")]
_Back = Annotated[
    str, typer.Option("--paid-back-from", metavar="WHERE", help="Who pays sold ones back: cash:SELLER or bank:main.")
]

BATCHES = (
    Column("BATCH", "batch"),
    Column("PACKAGE", "package"),
    Column("PRICE", "cents", amount, right=True),
    Column("COUNT", "count", right=True),
    Column("STATE", "state"),
    Column("SITE", "site"),
    Column("HOLDER", "holder"),
    Column("MADE", "made_at", when),
    Column("USE BY", "redeem_by", when),
)
COLUMNS = (
    Column("SERIAL", "serial"),
    Column("PACKAGE", "package"),
    Column("PRICE", "cents", amount, right=True),
    Column("STATE", "state"),
    Column("HELD OR SOLD BY", "seller"),
    Column("CUSTOMER", "customer"),
    Column("USE BY", "redeem_by", when),
)


@command(
    app, "batch",
    "vouchers batch B12 --package day --count 240 --holder mary\n"
    "vouchers batch L3 --package week.2 --count 48 --holder duka-1 --site lodge --use-within 90d",
)  # fmt: skip
def batch(
    frame: Frame,
    name: _Batch,
    package: Annotated[str, typer.Option(metavar="PACKAGE", help="A code, or one version.")],
    count: Annotated[int, typer.Option(min=1, help="How many.")],
    holder: Annotated[str, typer.Option(help="Who has the paper, and answers for what is used unsold.")],
    use_within: Annotated[str, typer.Option(metavar="TIME", help="From now on: 90d; default: for ever.")] = "",
    length: Annotated[int, typer.Option(help="Digits of a code.")] = find.CODES.length,
    reason: _Reason = "",
) -> None:
    """Make a batch of codes; at --site if they are for one site. Begun once, it is finished by the same command."""
    sold = version_of(frame, package)
    redeem_by = frame.now + find.seconds(use_within) if use_within else 0
    wanted = Batch(name, sold.id, sold.price_cents, count, frame.now, holder, redeem_by, frame.site, CodeRules(length))
    routers = len(frame.directory.all_routers())
    with frame.deed(name, reason):
        made = _make(frame, wanted, max(1, routers))
    text = (
        f"Batch {name}: {made.made} codes for {sold.id}. Print them, once: wifibilling vouchers sheet {name} --out FILE"
    )
    frame.show.done(text, batch_facts(made))


def _make(frame: Frame, wanted: Batch, routers: int) -> Batch:
    try:
        return frame.billing.desk.batches.make(wanted, frame.actor, frame.now, nas_count=routers)
    except Malformed as bad:
        if bad.field != "code length":
            raise
        raise Malformed("length", f"{bad.fix}; say it by --length") from None


@command(
    app, "sheet",
    "vouchers sheet B12 --out b12.pdf --brand 'Kilimani WiFi'\nvouchers sheet B12 --out b12.pdf --roll 58",
)  # fmt: skip
def sheet(
    frame: Frame,
    name: _Batch,
    out: Annotated[Path, typer.Option(metavar="FILE", help="A new file: .pdf, or .csv for a printer's own program.")],
    brand: Annotated[str, typer.Option(help="Whose vouchers they are; default: as in the settings.")] = "",
    support: Annotated[str, typer.Option(help="A phone number for questions.")] = "",
    portal_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where the QR code leads; default: the portal; '': the bare code.")
    ] = None,
    language: Annotated[Language, typer.Option(help="Of the paper.")] = Language.ENGLISH,
    per_page: Annotated[int, typer.Option(help="On A4: 8, 10, 12, 15, 18, 21 or 24.")] = 24,
    roll: Annotated[int, typer.Option(help="On a roll of 58 or 80 mm instead; 0: A4.")] = 0,
    reason: _Reason = "",
) -> Exit:
    """Print the codes of a batch. This can be done once: afterwards nobody can read them, also not here."""
    portal = frame.settings.portal_url
    leads = portal_url if portal_url is not None else f"{portal}/v" if portal else ""
    layout = Layout(
        check_brand(Brand(brand or frame.selling.brand, support, language, leads)), out.suffix, per_page, roll
    )
    found = _batch(frame, name)
    sold = version_of(frame, found.package)
    # Codes can be had once: whatever cannot be printed is found out before.
    trial = slips(msgspec.structs.replace(found, count=1), sold, ["0" * found.rules.length], language)
    _print(trial, BytesIO(), layout)
    frame.sure(f"Write all codes of {name} to {out}? It can be done once.")
    with _new_file(out) as file, frame.deed(name, reason) as came:
        exported = frame.billing.desk.batches.export(name)
        if isinstance(exported, BatchRefusal):
            came(f"refused: {exported.value}")
            seen = exported is BatchRefusal.SEEN
            why = "was printed before; replace what was lost, or cancel the batch" if seen else f"is {exported.value}"
            frame.show.done(f"Nothing was written: {name} {why}.", {"batch": name, "written": False})
            return Exit.NOT
        pages = _print(slips(exported.batch, sold, exported.codes, language), file, layout)
    text = f"{exported.batch.count} codes are in {out} ({pages} pages), and nowhere else: keep it safe."
    frame.show.done(text, {"batch": name, "written": True, "file": str(out), "pages": pages})
    return Exit.DONE


class Layout(NamedTuple):
    """How it is printed. `suffix`: of the file; `roll_mm` 0: A4."""

    brand: Brand
    suffix: str
    per_page: int
    roll_mm: int


def _print(made: Iterator[Slip], file: BinaryIO, layout: Layout) -> int:
    if layout.suffix == ".csv":
        return _write_csv(made, file)
    if layout.suffix != ".pdf":
        raise Malformed("out", "must end in .pdf or .csv")
    if layout.roll_mm:
        return write_roll(made, file, layout.brand, layout.roll_mm)
    return write_sheet(made, file, layout.brand, layout.per_page)


def _write_csv(made: Iterator[Slip], file: BinaryIO) -> int:
    text = TextIOWrapper(file, ENCODING, newline="")
    write_csv(made, text)
    text.detach()  # the file is its opener's to close
    return 1


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """A file that is not there yet and that its owner alone reads: it holds money. Raises Malformed."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as refused:
        raise Malformed("out", f"{path} cannot be made: {refused.strerror}") from None
    with os.fdopen(descriptor, "wb") as file:
        try:
            yield file
        finally:
            if not file.tell():
                path.unlink()


@command(app, "list", "vouchers list\nvouchers list B12 --state stock")
def list_vouchers(
    frame: Frame,
    name: Annotated[str, typer.Argument(metavar="[BATCH]", help="Its vouchers; without: the batches.")] = "",
    state: Annotated[str, typer.Option(help="stock, sold, used, void or expired.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=9_999, help="At most so many.")] = LIST_MAX,
    whole: All = False,
) -> None:
    """Batches that have vouchers which are still good; of one batch its vouchers by serial number."""
    if not name:
        found = _alive(frame, limit)
        here = [batch_facts(each) for each in found if frame.site in {"", each.site}]
        frame.show.table(sorted(here, key=lambda row: str(row["batch"])), BATCHES, "No batch has good vouchers.")
        return
    search = progress.search(limit, whole=whole)
    latest = search.through(frame.billing.desk.batches.latest(_batch(frame, name)))
    wanted = (kept for kept in latest if state in {"", kept.voucher.state.value})
    rows = [voucher_facts(kept) for kept in islice(wanted, limit)]
    frame.show.table(rows, COLUMNS, "No such voucher.")
    if len(rows) == limit and not frame.as_json:
        frame.note(f"The first {limit}; more with --limit.")
    search.told(frame, "vouchers")


def _alive(frame: Frame, limit: int) -> list[Batch]:
    """A batch with good vouchers is swept again and again, so the index of due work names it."""
    ports = frame.billing.store.ports
    names = ports.due_things(Batch, FOR_EVER, limit, frame.deadline())
    pages = (names[first : first + PAGE_MAX] for first in range(0, len(names), PAGE_MAX))
    return [kept.thing for page in pages for kept in ports.things(Batch, page, frame.deadline())]


@command(app, "show", "vouchers show B12-0007")
def show(frame: Frame, serial: _Serial) -> None:
    """One voucher by its serial number: what became of it."""
    frame.show.item(voucher_facts(_voucher(frame, serial)), COLUMNS)


@command(
    app, "cancel",
    "vouchers cancel B12-0007 --reason 'printed badly'\n"
    "vouchers cancel B12-0008 --reason 'customer gave it back' --paid-back-from cash:mary\n"
    "vouchers cancel B12 --reason 'paper was stolen' --apply",
)  # fmt: skip
def cancel(
    frame: Frame,
    what: Annotated[str, typer.Argument(metavar="SERIAL|BATCH", help="One voucher, or a whole batch.")],
    reason: _Reason = "",
    paid_back_from: _Back = "",
    apply: Annotated[bool, typer.Option("--apply", help="Of a batch: do it, not only count them.")] = False,
) -> Exit:
    """Make a voucher worth nothing, or what is left of a batch. What was used stays used; sold ones need who pays."""
    back = _account(paid_back_from)
    if "-" not in what:
        return _cancel_batch(frame, what, reason, back, apply=apply)
    kept = _voucher(frame, what)
    frame.sure(f"Cancel {what} ({kept.package}, {amount(kept.price_cents)}, {kept.voucher.state.value})?")
    word = Word(frame.actor, frame.why(reason))
    with frame.deed(what, word.reason) as came:
        ended = frame.billing.desk.paper_care.void(what, word, frame.now, back)
        came("done" if isinstance(ended, Voucher) else "refused")
    done = isinstance(ended, Voucher)
    text = f"Not cancelled: {_WHY[ended]}." if isinstance(ended, VoucherRefusal) else f"{what} is worth nothing now."
    frame.show.done(text, {"serial": what, "cancelled": done})
    return Exit.DONE if done else Exit.NOT


def _cancel_batch(frame: Frame, name: str, reason: str, back: Account | None, *, apply: bool) -> Exit:
    found = _batch(frame, name)
    alive = [kept for kept in frame.billing.desk.batches.latest(found) if kept.voucher.state.value in _ALIVE]
    sold = sum(kept.voucher.state.value == "sold" for kept in alive)
    if not apply:
        text = f"Dry run: {len(alive)} of {found.count} are still good, {sold} of them sold; cancel them with --apply."
        frame.show.done(text, {"batch": name, "good": len(alive), "sold": sold, "applied": False})
        return Exit.DONE
    word = Word(frame.actor, frame.why(reason))
    with frame.deed(name, word.reason):
        ended = frame.billing.desk.paper_care.void_batch(name, word, frame.now, back)
    text = f"{ended.ended} are worth nothing now; {ended.left} stay good (sold, and nobody paid them back)."
    frame.show.done(text, {"batch": name, "cancelled": ended.ended, "left": ended.left, "applied": True})
    return Exit.DONE if not ended.left else Exit.NOT


@command(app, "replace", "vouchers replace B12-0007 --reason 'the printer ate it'")
def replace(frame: Frame, serial: _Serial, reason: _Reason = "") -> Exit:
    """Another code for one that is lost: the old one is worth nothing from now on. The new one is shown once."""
    frame.sure(f"Replace {serial}? Its old code will not work any more.")
    word = Word(frame.actor, frame.why(reason))
    with frame.deed(serial, word.reason) as came:
        made = frame.billing.desk.paper_care.replace(serial, word, frame.now)
        came("done" if isinstance(made, Replaced) else "refused")
    if made is None:
        raise Nobody(f"there is no voucher {serial}")
    if isinstance(made, VoucherRefusal):
        frame.show.done(f"Not replaced: {_WHY[made]}.", {"serial": serial, "replaced": False})
        return Exit.NOT
    facts = {"serial": made.serial, "code": made.code, "replaced": True}
    frame.show.done(f"{serial} is worth nothing now; {made.serial} has the code {made.code}.", facts)
    return Exit.DONE


def version_of(frame: Frame, package: str) -> Package:
    """A version by its id, or the newest of a code; raises Malformed."""
    shelf = frame.billing.desk.shelf
    found = next((each for each in shelf.packages() if each.id == package), None)
    return found or shelf.newest(package)


def batch_facts(found: Batch) -> dict[str, Any]:
    """What is told of a batch: nothing of its codes."""
    return {
        "batch": found.id,
        "package": found.package,
        "cents": found.price_cents,
        "count": found.count,
        "made": found.made,
        "state": found.state.value if found.made == found.count else "begun",
        "site": found.site,
        "holder": found.holder,
        "made_at": found.made_at,
        "redeem_by": found.redeem_by,
    }


def voucher_facts(kept: KeptVoucher) -> dict[str, Any]:
    """What is told of a voucher: nothing of its code."""
    return {
        "serial": kept.voucher.serial,
        "package": kept.package,
        "cents": kept.price_cents,
        "state": kept.voucher.state.value,
        "seller": kept.seller,
        "customer": kept.subscriber,
        "redeem_by": kept.voucher.redeem_by,
    }


def _batch(frame: Frame, name: str) -> Batch:
    kept = frame.billing.store.ports.thing(Batch, name, frame.deadline())
    if kept is None:
        raise Nobody(f"there is no batch {name}")
    return kept.thing


def _voucher(frame: Frame, serial: str) -> KeptVoucher:
    kept = frame.billing.store.ports.voucher(serial, frame.deadline())
    if kept is None:
        raise Nobody(f"there is no voucher {serial}")
    return kept


def _account(text: str) -> Account | None:
    """`cash:mary`, `bank:main`, `float:duka-1`; None for nothing."""
    kinds = {"cash": AccountKind.CASH, "bank": AccountKind.BANK, "float": AccountKind.FLOAT}
    kind, colon, of = text.partition(":")
    if not text:
        return None
    if kind not in kinds or not colon or not of:
        raise Malformed("paid-back-from", "must be cash:SELLER, bank:main or float:AGENT")
    return Account(kinds[kind], of)
