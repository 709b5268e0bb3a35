"""The one renderer of all profiles: `Limits` to attribute triples.

A limit of zero means "unlimited" to some routers and "nothing" to others, so none is ever sent: what is too small
becomes the least that the attribute can say, what is too large the most (never the remainder of a wrap).
"""

from radius.domain.limits import Limits
from radius.domain.nas import Capabilities
from radius.domain.terms import INTERIM_S_MIN, Rate
from radius.rlm.timestamps import terminate_time
from radius.rlm.vendors.profile import UINT32_MAX, UINT64_MAX, ByteCap, Limit, Profile, Speed

Pair = tuple[str, str, str]  # (attribute, operator, value)

BURST_S_DEFAULT = 1  # what RouterOS assumes where a burst has no time


def pairs_of(limits: Limits, profile: Profile, capabilities: Capabilities) -> list[Pair]:
    """Render; the order is fixed. `limits` must grant something: a session or a cap of zero is the caller's reject."""
    if limits.session_s < 1 or (limits.total_bytes is not None and limits.total_bytes < 1):
        raise AssertionError(f"limits that grant nothing are a reject: {limits.session_s} s, {limits.total_bytes} B")
    pairs = [
        _set("Session-Timeout", str(min(limits.session_s, UINT32_MAX))),
        _set("Acct-Interim-Interval", str(min(max(limits.interim_s, INTERIM_S_MIN), UINT32_MAX))),
    ]
    if limits.idle_s is not None and capabilities.idle_timeout:
        pairs.append(_set("Idle-Timeout", _whole(limits.idle_s)))
    if limits.total_bytes is not None and capabilities.byte_cap and profile.byte_cap is not None:
        pairs += _byte_cap(limits.total_bytes, profile.byte_cap, wide=capabilities.byte_cap_gigawords)
    if limits.rate is not None and capabilities.rate:
        pairs += _rate(limits.rate, profile)
    if profile.wall_clock_end:
        pairs.append(_set("WISPr-Session-Terminate-Time", terminate_time(limits.ends_at, limits.zone)))
    if profile.port_limit:
        pairs.append(_set("Port-Limit", _whole(limits.devices)))
    if profile.addresses and limits.fixed_ip:
        pairs.append(_set("Framed-IP-Address", limits.fixed_ip))
    if profile.addresses and limits.pool:
        pairs.append(_set("Framed-Pool", limits.pool))
    # Class is octets (RFC 2865 §5.25): hex, so that no text of it can be read as something else.
    pairs.append(_set("Class", f"0x{limits.class_text.encode('ascii').hex()}"))
    return pairs


def unsaid(profile: Profile, capabilities: Capabilities) -> frozenset[Limit]:
    """Limits that `pairs_of` leaves out for this profile and these capabilities."""
    rate = capabilities.rate and bool(profile.rate_text or profile.speeds)
    byte_cap = capabilities.byte_cap and profile.byte_cap is not None
    said = {
        Limit.IDLE: capabilities.idle_timeout,
        Limit.BYTES: byte_cap,
        Limit.BYTES_4GIB: byte_cap and capabilities.byte_cap_gigawords,
        Limit.RATE: rate,
        Limit.BURST: rate and bool(profile.rate_text),
        Limit.DEVICES: profile.port_limit,
        Limit.FIXED_IP: profile.addresses,
        Limit.POOL: profile.addresses,
    }
    return frozenset(limit for limit, there in said.items() if not there)


def _set(attribute: str, value: str) -> Pair:
    return attribute, ":=", value


def _whole(number: int) -> str:
    return str(min(max(number, 1), UINT32_MAX))


def _byte_cap(total_bytes: int, words: ByteCap, *, wide: bool) -> list[Pair]:
    if not wide or not words.gigawords:
        return [_set(words.attribute, str(min(total_bytes, UINT32_MAX)))]
    high, low = divmod(min(total_bytes, UINT64_MAX), UINT32_MAX + 1)
    if low == 0:
        # Some routers read a zero low word as "no data" or "no limit": one byte less instead.
        high, low = high - 1, UINT32_MAX
    pairs = [_set(words.attribute, str(low))]
    if high:
        pairs.append(_set(words.gigawords, str(high)))
    return pairs


def _rate(rate: Rate, profile: Profile) -> list[Pair]:
    if profile.rate_text:
        return [_set(profile.rate_text, routeros_rate(rate))]
    return [pair for speed in profile.speeds for pair in _speed(rate, speed)]


def _speed(rate: Rate, speed: Speed) -> list[Pair]:
    return [
        _set(attribute, _whole(max(bps // speed.unit_bps, speed.least)))
        for attribute, bps in ((speed.up, rate.up_bps), (speed.down, rate.down_bps))
    ]


def routeros_rate(rate: Rate) -> str:
    """RouterOS rate string, from the router's side: rx is what the customer sends (up), tx what it receives (down).

    ``rx/tx [rx-burst/tx-burst rx-threshold/tx-threshold rx-time/tx-time]`` (help.mikrotik.com, RADIUS). A burst in
    one direction only, or below the rate, is raised to the rate there; a missing threshold is the rate.
    """
    plain = _both(rate.up_bps, rate.down_bps)
    if not (rate.burst_up_bps or rate.burst_down_bps):
        return plain
    burst = _both(max(rate.burst_up_bps, rate.up_bps), max(rate.burst_down_bps, rate.down_bps))
    threshold = _both(rate.threshold_up_bps or rate.up_bps, rate.threshold_down_bps or rate.down_bps)
    seconds = rate.burst_s or BURST_S_DEFAULT
    return f"{plain} {burst} {threshold} {seconds}/{seconds}"


def _both(up_bps: int, down_bps: int) -> str:
    return f"{_routeros_number(up_bps)}/{_routeros_number(down_bps)}"


def _routeros_number(bps: int) -> str:
    """The suffix k is 1,000 and M 1,000,000; what is no multiple stays a plain number."""
    bps = min(max(bps, 1), UINT32_MAX)
    if bps % 1_000_000 == 0:
        return f"{bps // 1_000_000}M"
    if bps % 1_000 == 0:
        return f"{bps // 1_000}k"
    return str(bps)
