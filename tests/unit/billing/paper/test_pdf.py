import io
from collections.abc import Callable, Iterable

import pytest

from billing.domain.voucher import printed as grouped
from billing.paper.roll import write_roll
from billing.paper.sheet import GRIDS, write_sheet
from billing.paper.slips import Brand, Slip
from radius.domain.errors import Malformed
from radius.domain.nas import Language
from tests.unit.billing.paper.printed import BRAND, LONG_NAME, LONGEST, URL, frames, pages, slip


def sheet(slips: Iterable[Slip], brand: Brand = BRAND, **more: int) -> bytes:
    out = io.BytesIO()
    write_sheet(slips, out, brand, **more)
    return out.getvalue()


def roll(slips: Iterable[Slip], brand: Brand = BRAND, **more: int) -> bytes:
    out = io.BytesIO()
    write_roll(slips, out, brand, **more)
    return out.getvalue()


def test_a_sheet_shows_every_code_once_to_people_and_to_cameras() -> None:
    slips = [slip(number) for number in range(1, 31)]
    read = list(pages(sheet(slips)))
    assert [size for size, _, _ in read] == [(210.0, 297.0)] * 2
    assert [len(codes) for _, _, codes in read] == [24, 6]
    scanned = [text for _, _, codes in read for text in codes]
    assert sorted(scanned) == sorted(f"{URL}#{each.code}" for each in slips)
    for each in slips:
        assert sum(text.count(grouped(each.code)) for _, text, _ in read) == 1
        assert sum(text.count(f"No. {each.serial} ") for _, text, _ in read) == 1


def test_a_sheet_says_whose_it_is_what_it_costs_how_it_is_used_until_when_and_who_helps() -> None:
    [(_, text, _)] = pages(sheet([slip(1, site="Kibera")]))
    flat = " ".join(text.split())
    for said in (
        "Kijani WiFi",
        "KES 50",
        "1 hour",
        "Kibera",
        "join the WiFi",
        "Use by 31/12/2026",
        "Help: 0712 345 678",
    ):
        assert said in flat
    assert "B12-0001 - B12-0001 page 1" in flat


def test_swahili_paper_speaks_swahili() -> None:
    [(_, text, _)] = pages(sheet([slip(1)], Brand("Kijani", "0712345678", Language.SWAHILI, URL)))
    flat = " ".join(text.split())
    for said in ("Ksh 50", "Skani, au jiunge na WiFi", "Tumia hadi 31/12/2026", "Msaada: 0712345678", "Na. B12-0001"):
        assert said in flat


@pytest.mark.parametrize("per_page", GRIDS)
def test_the_longest_texts_fit_every_grid_and_the_longest_address_is_read(per_page: int) -> None:
    slips = [
        slip(number, 16, LONG_NAME, "Kibera, Olympic, stage ya matatu na soko") for number in range(1, per_page + 1)
    ]
    [(_, text, codes)] = pages(sheet(slips, LONGEST, per_page=per_page), 300)
    assert sorted(codes) == sorted(f"{LONGEST.portal_url}#{each.code}" for each in slips)
    assert text.count("simu mbili") == per_page


@pytest.mark.parametrize("paper_mm", [58, 80])
def test_a_roll_has_one_voucher_a_page_as_wide_as_the_paper(paper_mm: int) -> None:
    slips = [slip(1), slip(2, 32, LONG_NAME)]
    (short, _, first), (long, text, second) = pages(roll(slips, paper_mm=paper_mm))
    assert short[0] == long[0] == pytest.approx(paper_mm, abs=0.1)
    assert long[1] > short[1]  # two lines of code, or of name, take more paper
    assert [first, second] == [[f"{URL}#{each.code}"] for each in slips]
    assert "".join(slips[1].code) in "".join(text.split())


@pytest.mark.parametrize("draw", [sheet, roll])
@pytest.mark.parametrize("length", [12, 16])
def test_a_white_frame_is_around_every_qr_code(draw: Callable[..., bytes], length: int) -> None:
    white = list(frames(draw([slip(number, length, LONG_NAME) for number in range(1, 25)], LONGEST)))
    assert white
    assert min(white) >= 3.75


def test_without_an_address_the_qr_code_is_the_bare_code() -> None:
    [(_, _, codes)] = pages(roll([slip(1)], Brand("Kijani")))
    assert codes == [slip(1).code]


@pytest.mark.parametrize("draw", [sheet, roll])
def test_the_same_vouchers_give_the_same_bytes(draw: Callable[..., bytes]) -> None:
    slips = [slip(number) for number in range(1, 4)]
    assert draw(slips) == draw(iter(slips))
    assert draw(slips) != draw([slip(1), slip(2), slip(4)])


def test_a_code_is_large_and_one_that_cannot_be_is_refused() -> None:
    with pytest.raises(Malformed, match="code length: must be at most"):
        sheet([slip(1, 64)], per_page=24)
    [(_, text, _)] = pages(sheet([slip(1, 64)], per_page=8))
    assert slip(1, 64).code in "".join(text.split())


def test_a_qr_code_that_a_camera_would_not_read_is_refused() -> None:
    with pytest.raises(Malformed, match="portal_url: is too long"):
        sheet([slip(1, 32)], LONGEST, per_page=24)
    [(_, _, codes)] = pages(sheet([slip(1, 32)], LONGEST, per_page=8))
    assert codes == [f"{LONGEST.portal_url}#{slip(1, 32).code}"]


@pytest.mark.parametrize(
    ("draw", "more", "field"), [(sheet, {"per_page": 7}, "per_page"), (roll, {"paper_mm": 57}, "paper_mm")]
)
def test_paper_of_another_shape_is_refused_by_name(
    draw: Callable[..., bytes], more: dict[str, int], field: str
) -> None:
    with pytest.raises(Malformed, match=rf"^{field}: must be one of"):
        draw([slip(1)], **more)


@pytest.mark.parametrize("draw", [sheet, roll])
def test_an_empty_batch_gives_no_paper(draw: Callable[..., bytes]) -> None:
    with pytest.raises(Malformed, match=r"^count"):
        draw([])
