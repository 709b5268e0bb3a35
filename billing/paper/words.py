"""What paper says, in English and Swahili. A native reader should look at the Swahili before a customer does."""

from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from radius.domain.entitlement import ZONE_DEFAULT
from radius.domain.nas import Language


class Words(NamedTuple):
    """The texts of one language."""

    how: str
    use_by: str
    number: str
    help: str
    page: str
    close: str
    seller: str
    site: str
    sold: str
    other: str
    booked: str
    counted: str
    even: str
    short: str
    over: str
    handed_in: str
    left: str
    signed: str
    received: str


WORDS = {
    Language.ENGLISH: Words(
        how="Scan it, or join the WiFi and type this code.",
        use_by="Use by",
        number="No.",
        help="Help",
        page="page",
        close="Day close",
        seller="Seller",
        site="Site",
        sold="Sold",
        other="Other bookings",
        booked="Booked",
        counted="Counted",
        even="Difference",
        short="SHORT",
        over="OVER",
        handed_in="Handed in",
        left="Left in hand",
        signed="Seller's signature",
        received="Received by",
    ),
    Language.SWAHILI: Words(
        how="Skani, au jiunge na WiFi kisha andika namba hii.",
        use_by="Tumia hadi",
        number="Na.",
        help="Msaada",
        page="ukurasa",
        close="Kufunga siku",
        seller="Muuzaji",
        site="Kituo",
        sold="Mauzo",
        other="Mengineyo",
        booked="Kwenye vitabu",
        counted="Iliyohesabiwa",
        even="Tofauti",
        short="PUNGUFU",
        over="ZIADA",
        handed_in="Iliyokabidhiwa",
        left="Iliyobaki mkononi",
        signed="Sahihi ya muuzaji",
        received="Imepokewa na",
    ),
}


def last_day(redeem_by: int, pattern: str = "%d/%m/%Y", zone: str = ZONE_DEFAULT) -> str:
    """The last day of use before `redeem_by` (UTC seconds), empty for 0; with the time if it ends within a day."""
    if not redeem_by:
        return ""
    end = datetime.fromtimestamp(redeem_by, ZoneInfo(zone))
    if (end.hour, end.minute, end.second) == (0, 0, 0):
        return (end - timedelta(seconds=1)).strftime(pattern)
    return end.strftime(f"{pattern} %H:%M")
