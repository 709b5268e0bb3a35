"""The text of our files: ``@@{name}`` in the templates under ``raddb`` is filled in, and what repeats is generated.

Generated are the pool of Python instances, the policy that walks it and the policy for unreadable text, because they
repeat one pattern for each instance and each attribute. Nothing is written here.
"""

from __future__ import annotations

import ipaddress
import string

from freeradius_config.layout import HERE, Layout, PortPair, find_libdir

TEMPLATES = HERE / "raddb"
# Half-done EAP conversations kept at once, each about 50 KB with its TLS session.
EAP_SESSIONS_MAX = 4096

# String attributes in which routers put what people typed (SSIDs, site names, user names): repaired one by one.
TEXT_ATTRIBUTES = (
    "User-Name",
    "User-Password",
    "Called-Station-Id",
    "Calling-Station-Id",
    "NAS-Identifier",
    "NAS-Port-Id",
    "Acct-Session-Id",
    "Acct-Multi-Session-Id",
    "Connect-Info",
    "Filter-Id",
    "Framed-Pool",
    "WISPr-Location-ID",
    "WISPr-Location-Name",
    "WISPr-Logoff-URL",
    "Mikrotik-Realm",
    "Mikrotik-Group",
    "ChilliSpot-Version",
    "ChilliSpot-OriginalURL",
    "Aruba-Essid-Name",
    "Aruba-Location-Id",
    "Aruba-AP-Group",
    "Aruba-Device-Type",
    "Ruckus-SSID",
    "Ruckus-Location",
)
# Of FreeRADIUS's own attributes, those that the last filter must not take from the hook and from the sections after it
# (``wb_origin`` makes the others again). The filter's list may not name them: rlm_attr_filter warns at every start of
# each that can be in no packet.
OWN_ATTRIBUTES = ("EAP-Type", *(f"Tmp-String-{number}" for number in range(1, 6)))
# Exactly what rlm_utf8 accepts (fr_utf8_char: no control characters, no surrogates, no overlong forms), on the hex
# digits of the value: FreeRADIUS is built with POSIX expressions here and with PCRE there; hex means the same to both.
_TAIL = "[89ab][0-9a-f]"
UTF8_HEX_PATTERN = (
    "^([2-6][0-9a-f]|7[0-9a-e]"
    f"|(c[2-9a-f]|d[0-9a-f]){_TAIL}"
    f"|(e0[ab][0-9a-f]|e[1-9abcef]{_TAIL}|ed[89][0-9a-f]){_TAIL}"
    f"|(f0[9ab][0-9a-f]|f[1-3]{_TAIL}|f48[0-9a-f]){_TAIL}{_TAIL})*$"
)
# Kept as they are by %{escape:..}; "=" begins an escape, the rest have a meaning in FreeRADIUS's own strings.
SAFE_CHARACTERS = "".join(
    character
    for character in map(chr, range(0x20, 0x7F))
    if character.isalnum() or character in "@.-_:/ +,;!?*#&()<>[]|~^"
)


class FreeradiusTemplate(string.Template):
    """``@@{name}``: FreeRADIUS itself uses ``${..}`` and ``%{..}``."""

    delimiter = "@@"


def ours(layout: Layout, status_secret: str) -> dict[str, str]:
    """Return every file of ours by its path inside raddb. Raises LayError if FreeRADIUS is not installed."""
    values = _values(layout, status_secret)
    files = {
        name: _render(name, values)
        for name in (
            "radiusd.conf",
            "dictionary.wifibilling",
            "policy.d/wifibilling",
            "mods-config/attr_filter/wifibilling_reject",
            "mods-config/attr_filter/wifibilling_inner",
            "mods-config/attr_filter/wifibilling_known",
            "sites-available/wifibilling_inner",
            "sites-available/wifibilling_status",
        )
    }
    for path in sorted((TEMPLATES / "mods-available").iterdir()):
        files[f"mods-available/{path.name}"] = _render(f"mods-available/{path.name}", values)
    for pair in (layout.pair_a, layout.pair_b):
        of_pair = values | {
            "pair": pair.name,
            "pair_lower": pair.name.lower(),
            "listeners": render_listeners(layout, pair),
        }
        for site in ("pair", "clients"):
            name = f"sites-available/wifibilling_{site}"
            files[f"{name}_{pair.name.lower()}"] = _render(name, of_pair)
    files["mods-available/wifibilling_pool"] = render_pool_modules(layout)
    files["policy.d/wifibilling_pool"] = render_pool_policy(layout.pool_size)
    files["policy.d/wifibilling_text"] = render_text_policy()
    return files


def render_listeners(layout: Layout, pair: PortPair) -> str:
    """Return the ``listen`` sections of one pair."""
    sections: list[str] = []
    for address in layout.listen_addresses:
        key = "ipv6addr" if ipaddress.ip_address(address).version == 6 else "ipaddr"
        sections.extend(
            f"\tlisten {{\n\t\ttype = {kind}\n\t\t{key} = {address}\n\t\tport = {port}\n\t}}"
            for kind, port in (("auth", pair.auth), ("acct", pair.acct))
        )
    return "\n".join(sections)


def render_pool_modules(layout: Layout) -> str:
    """Return the Python instances: the pool, and the one that names dynamic clients."""
    # python_path_mode exists since 3.2.7; older servers ignore the word and append, as 3.2.5 and 3.2.6 do.
    python_path = ":".join(str(path) for path in (*layout.site_packages, layout.repo_dir))
    common = (
        f'\tpython_path = "{python_path}"\n\tpython_path_mode = prepend\n\tcext_compat = yes\n'
        f"\tmodule = {layout.hooks_module}\n\tmod_instantiate = ${{.module}}\n\tfunc_instantiate = instantiate\n"
        "\tmod_detach = ${.module}\n\tfunc_detach = detach\n"
    )
    calls = "".join(
        f"\tmod_{name} = ${{.module}}\n\tfunc_{name} = {name}\n"
        for name in ("authorize", "authenticate", "accounting", "post_auth")
    )
    config = f'\tconfig {{\n\t\tsettings = "{layout.settings_file}"\n\t}}\n'
    text = [
        "# Generated by lay.py. One mutex guards each instance, so there are as many as workers; all share one",
        "# interpreter and one imported application. wb_clients runs in the receiving thread, outside the pool.",
    ]
    text += [f"python3 wb_{number} {{\n{common}{calls}{config}}}\n" for number in range(layout.pool_size)]
    lookup = "\tmod_authorize = ${.module}\n\tfunc_authorize = client_lookup\n"
    text.append(f"python3 wb_clients {{\n{common}{lookup}{config}}}\n")
    return "\n".join(text)


def render_pool_policy(pool_size: int) -> str:
    """Return ``wb_pool``: the instance of a request goes round by its number, so none waits while another idles."""
    cases = "".join(f'\t\tcase "{number}" {{\n\t\t\twb_{number}\n\t\t}}\n' for number in range(pool_size))
    return f'# Generated by lay.py.\nwb_pool {{\n\tswitch "%{{expr:%n %% {pool_size}}}" {{\n{cases}\t}}\n}}\n'


def render_text_policy() -> str:
    """Return ``wb_text``: makes every string attribute valid UTF-8, or the hook fails before Python runs.

    The ordinary packet costs one pass of rlm_utf8. ``wb_wire`` undoes it for User-Name and User-Password.
    """
    kept = {"User-Name": "Tmp-Integer-8", "User-Password": "Tmp-Integer-7"}
    repairs = []
    for name in TEXT_ATTRIBUTES:
        keep = f"\t\t\tupdate control {{\n\t\t\t\t&{kept[name]} := 1\n\t\t\t}}\n" if name in kept else ""
        repairs.append(
            f'\t\tif (&{name} && "%{{hex:&{name}}}" !~ /{UTF8_HEX_PATTERN}/i) {{\n{keep}'
            f'\t\t\tupdate request {{\n\t\t\t\t&{name} := "%{{escape:%{{{name}}}}}"\n\t\t\t}}\n\t\t}}\n'
        )
    return (
        "# Generated by lay.py.\nwb_text {\n\tutf8.authorize {\n\t\tfail = 1\n\t}\n\tif (fail) {\n"
        '\t\tupdate request {\n\t\t\t&Tmp-String-5 := "escaped"\n\t\t\t&Module-Failure-Message !* ANY\n\t\t}\n'
        # rlm_eap has put the same bytes there; the lists are all converted at every call
        "\t\tupdate reply {\n\t\t\t&User-Name !* ANY\n\t\t}\n"
        + "".join(repairs)
        + "\t\tutf8.authorize {\n\t\t\tfail = 1\n\t\t}\n\t\tif (fail) {\n"
        + _update("control", "&{0} := &request:{0}")
        + "\t\t\twb_known.authorize\n"
        + "\t\t\twb_origin\n"
        + _update("request", "&{0} := &control:{0}")
        + _update("control", "&{0} !* ANY")
        + "\t\t}\n\t\tok\n\t}\n}\n"
    )


def _update(section: str, change: str) -> str:
    """Return an ``update`` of a list that does `change` to each of our own attributes."""
    changes = "".join(f"\t\t\t\t{change.format(name)}\n" for name in OWN_ATTRIBUTES)
    return f"\t\t\tupdate {section} {{\n{changes}\t\t\t}}\n"


def _values(layout: Layout, status_secret: str) -> dict[str, str]:
    in_server = layout.message_authenticator_policy == "server"
    run_as = [f"\tuser = {layout.user}"] if layout.user else []
    run_as += [f"\tgroup = {layout.group}"] if layout.group else []
    return {
        "state_dir": str(layout.state_dir),
        "spool_dir": str(layout.spool_dir),
        "raddb_dir": str(layout.raddb_dir),
        "libdir": str(layout.libdir or find_libdir()),
        "max_requests": str(layout.max_requests),
        "worker_threads": str(layout.worker_threads or layout.pool_size),
        "run_as": "\n".join(run_as),
        "eap_sessions_max": str(EAP_SESSIONS_MAX),
        "tls_max_version": layout.tls_max_version,
        "safe_characters": SAFE_CHARACTERS,
        "status_port": str(layout.status_port),
        "status_secret": status_secret,
        "require_ma": "yes" if in_server else "no",
        # "=" leaves a per-router exception of the hook in force
        "require_ma_operator": "=" if in_server else ":=",
        "require_ma_words": "decided by the server" if in_server else "decided by the hook, router by router",
    }


def _render(name: str, values: dict[str, str]) -> str:
    return FreeradiusTemplate((TEMPLATES / name).read_text(encoding="utf-8")).substitute(values)
