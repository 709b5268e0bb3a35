"""The README's tables are what the code says. Run this file as a program to print them anew."""

from pathlib import Path

from coa.families import WAYS
from radius.rlm.vendors import PROFILES, not_carried

README = Path(__file__).resolve().parents[2] / "README.md"


def family_table() -> str:
    lines = [
        "| family | byte cap | speed | CoA | cannot carry | proven against |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for family, profile in PROFILES.items():
        can = profile.capabilities
        cap = ("64 bit" if can.byte_cap_gigawords else "32 bit") if can.byte_cap else "no"
        missing = ", ".join(sorted(limit.value for limit in not_carried(family, can))) or "nothing"
        rate = "yes" if can.rate else "no"
        lines.append(f"| {family.value} | {cap} | {rate} | {can.coa.value} | {missing} | {profile.proof} |")
    return "\n".join(lines)


def entry_table() -> str:
    rows = [f"| {family.value} | {way.entry.value} | {way.enters} |" for family, way in WAYS.items()]
    return "\n".join(["| family | road | way in |", "| --- | --- | --- |", *rows])


def test_the_ways_in() -> None:
    assert entry_table() in README.read_text()


def test_the_router_families() -> None:
    assert family_table() in README.read_text()


if __name__ == "__main__":
    print(family_table(), entry_table(), sep="\n\n")
