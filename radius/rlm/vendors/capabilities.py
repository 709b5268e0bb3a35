"""Overrides of a router's capabilities: closed names, exact types, no contradictions."""

from enum import StrEnum

import msgspec

from radius.domain.errors import Malformed
from radius.domain.nas import Capabilities, CoaScope, OctetView
from radius.rlm.vendors.profile import Profile

_WORDS: dict[str, type[StrEnum]] = {"octet_view": OctetView, "coa": CoaScope}


def merge(capabilities: Capabilities, overrides: dict[str, str | bool]) -> Capabilities:
    """`capabilities` with `overrides` (JSON values by field name).

    Switching something off takes with it what depends on it; switching on what depends on something that is off, or
    an unknown field or value, raises Malformed naming the field.
    """
    fields = {name: getattr(capabilities, name) for name in capabilities.__struct_fields__}
    for name, value in overrides.items():
        if name not in fields:
            raise Malformed(name, f"is no capability; there are {', '.join(sorted(fields))}")
        fields[name] = _value(name, value)
    for name, needed, there in (
        ("byte_cap_gigawords", "byte_cap", fields["byte_cap"]),
        ("coa_byte_cap", "byte_cap", fields["byte_cap"]),
        ("coa_byte_cap", "coa=change", fields["coa"] is CoaScope.CHANGE),
    ):
        if fields[name] and not there:
            if overrides.get(name):
                raise Malformed(name, f"needs {needed}")
            fields[name] = False
    return msgspec.structs.replace(capabilities, **fields)


def _value(name: str, value: str | bool) -> StrEnum | bool:
    words = _WORDS.get(name)
    if words is None:
        if not isinstance(value, bool):
            raise Malformed(name, "must be true or false")
        return value
    try:
        return words(value)  # type: ignore[arg-type]  # a bool is no member and raises like any other wrong word
    except ValueError:
        raise Malformed(name, f"must be one of {', '.join(words)}") from None


def check_words(profile: Profile, capabilities: Capabilities) -> Capabilities:
    """Return `capabilities` if the family has attributes for them; raise Malformed naming what it has no word for."""
    gigawords = profile.byte_cap is not None and bool(profile.byte_cap.gigawords)
    for name, wanted, there in (
        ("byte_cap", capabilities.byte_cap, profile.byte_cap is not None),
        ("byte_cap_gigawords", capabilities.byte_cap_gigawords, gigawords),
        ("rate", capabilities.rate, bool(profile.speeds or profile.rate_text)),
        ("acct_update", capabilities.acct_update, bool(profile.answered)),
    ):
        if wanted and not there:
            raise Malformed(name, f"no attribute of {profile.family} routers says it")
    # Believed of a family whose CoA carries none, each longer lease would be a Disconnect of somebody with data left.
    if capabilities.coa_byte_cap and not profile.capabilities.coa_byte_cap:
        raise Malformed("coa_byte_cap", f"no CoA of {profile.family} routers moves it")
    return capabilities
