"""Settings: one frozen model, from the environment and a TOML file; the environment wins.

A variable is ``WIFIBILLING_`` and the field's name in capitals; only `environment` is plain ``ENVIRONMENT``, which the
dashboards' dimension is named after. The file is named by an argument or by ``WIFIBILLING_SETTINGS`` and holds the same
fields in lower case. A name that nobody knows is refused: a misspelt limit is not a limit. Secrets are never values
here, only references to where they are. What programs that sell are told stands in tables of the same file (`TABLES`).
Where there are no files, ``WIFIBILLING_SETTINGS`` is the reference of a document that AWS keeps (`radius.vaults`), like
``ssm:/wifi-billing/settings:3``; a process reads it once.
"""

import json
import os
import re
import socket
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from ipaddress import IPv4Address, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AliasChoices,
    AwareDatetime,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from radius.domain.clock import RELEASE_AT
from radius.domain.errors import Malformed
from radius.domain.tunnel import check_key

PREFIX = "WIFIBILLING_"
FILE_VARIABLE = "WIFIBILLING_SETTINGS"
TABLES = ("alerts", "backup", "billing", "callbacks", "incidents", "mail", "notices", "sms")  # of the file: `table`
KEPT = ("ssm:", "secretsmanager:")  # how a document begins that is no file
EMBEDDED_ENDPOINT = "http://127.0.0.1:8450"
UNSHOWN = ("key_ref", "store_endpoint")  # a secret pasted into the wrong place must not end up on a terminal


class SettingsError(Malformed):
    """Settings that cannot be used: a line for each problem, naming the field and the fix."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("settings", "\n  ".join(("cannot be used", *self.problems)))


def _reference(text: str) -> str:
    scheme, colon, rest = text.partition(":")
    if colon and scheme in ("ssm", "secretsmanager") and re.fullmatch(r"[A-Za-z0-9/_.:+=@-]{1,512}", rest):
        return text
    if scheme == "file" and rest.startswith("/"):
        return text
    if scheme == "env" and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", rest):
        return text
    raise ValueError(
        "must say where the secret is: file:/absolute/path, env:NAME, ssm:/name or secretsmanager:name,"
        " never the secret itself"
    )


def _endpoint(text: str) -> str:
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname or url.path.strip("/") or url.query or url.fragment:
        raise ValueError("must be like https://host:port")
    if url.username or url.password:
        raise ValueError("must not carry a user or a password")
    if url.scheme == "http" and not _near(url.hostname):
        raise ValueError("must be https:// for a host that is neither this one nor a private address")
    return text.rstrip("/")


def _near(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_private
    except ValueError:
        return False


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("must be an absolute path")
    return path


def _host_name() -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:63] or "node"


def _address(text: str) -> str:
    ip_address(text)
    return text


def _networks(text: str) -> str:
    names = [name.strip() for name in text.split(",")] if text.strip() else []
    for name in names:
        if ip_network(name).prefixlen == 0:
            raise ValueError("must name the proxies, not everybody: whoever is believed says where others come from")
    return ",".join(names)


def _addresses(text: str) -> str:
    names = [name.strip() for name in text.split(",")] if text.strip() else []
    return ",".join(str(IPv4Address(name)) for name in names)


def _host_port(text: str) -> str:
    host, _, port = text.rpartition(":")
    named = re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", host, re.ASCII)
    if not (named and port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise ValueError("must be like hub.example.net:51820")
    return text


def _network(text: str) -> str:
    network = ip_network(text)
    if network.version != 4 or not 8 <= network.prefixlen <= 29:
        raise ValueError("must be an IPv4 network between /8 and /29")
    return text


def _public_key(text: str) -> str:
    try:
        return check_key("hub_public_key", text)
    except Malformed as bad:
        raise ValueError(bad.fix) from None


HostPort = Annotated[str, AfterValidator(_host_port)]
Network = Annotated[str, AfterValidator(_network)]
PublicKey = Annotated[str, AfterValidator(_public_key)]
Addresses = Annotated[str, AfterValidator(_addresses)]
Address = Annotated[str, AfterValidator(_address)]
Networks = Annotated[str, AfterValidator(_networks)]
Reference = Annotated[str, AfterValidator(_reference)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]


class Settings(BaseSettings):
    """Everything a RADIUS node and its companions can be told. Units are the last word of a name."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", populate_by_name=True, validate_default=True
    )

    # Who we are
    environment: Identifier = Field(default="production", validation_alias=AliasChoices("ENVIRONMENT", "environment"))
    node_id: Identifier = Field(default_factory=_host_name)
    state_dir: AbsolutePath = Path("/var/lib/wifibilling")

    # The store
    store_kind: Literal["embedded", "dynamodb"] = "embedded"
    store_endpoint: Endpoint | None = Field(
        default_factory=lambda data: EMBEDDED_ENDPOINT if data.get("store_kind") == "embedded" else None
    )
    region: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")] = "af-south-1"
    store_file: AbsolutePath = Field(  # where the embedded engine keeps its tables, for backups
        default_factory=lambda data: Path(f"{data.get('state_dir')}/engine/wifibilling.sqlite")
    )
    table_prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{0,100}$")] = ""
    # The tables of the Region that may take over, as eu-west-1 or eu-west-1/prefix-: see radius/store/fence.py
    other_region: Annotated[
        str | None, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-\d(/[A-Za-z0-9_.-]{0,100})?$")
    ] = None
    key_ref: Reference = Field(default_factory=lambda data: f"file:{data.get('state_dir')}/data.key")

    # One packet. The deadline is below any router's patience (RouterOS waits 300 ms to 1.1 s, most others 1 to 5 s).
    request_deadline_ms: int = Field(default=500, ge=50, le=5_000)
    post_auth_share_ms: int = Field(default=200, ge=10, le=4_000)
    hook_pool_instances: int = Field(default=96, ge=1, le=256)
    store_connections_max: int = Field(default=64, ge=1, le=1_024)

    # The degrade policy: what a known customer gets while the store is away (once an outage)
    degraded_known_s: int = Field(default=86_400, ge=0, le=7 * 86_400)
    degraded_session_s: int = Field(default=1_800, ge=60, le=14_400)
    degraded_lease_bytes: int = Field(default=50 * 1024**2, ge=1024**2, le=10 * 1024**3)

    # Caches of this node (an aggregate takes about 2 KB, a name 0.3 KB)
    subscriber_cache_entries: int = Field(default=50_000, ge=100, le=5_000_000)
    names_cache_entries: int = Field(default=100_000, ge=100, le=10_000_000)
    names_cache_s: int = Field(default=30, ge=1, le=3_600)
    terms_cache_entries: int = Field(default=2_000, ge=10, le=100_000)
    routers_refresh_s: int = Field(default=10, ge=1, le=30)  # a new router works within 30 s

    # The spool
    spool_dir: AbsolutePath = Field(default_factory=lambda data: Path(f"{data.get('state_dir')}/spool"))
    heartbeat_s: int = Field(default=15, ge=5, le=60)

    # The sender of Disconnect- and CoA-Requests: its own address, where a router accepts only that one
    coa_source: Address | None = None

    # Where routers reach us. `hub_endpoint`: name and port of our end of their WireGuard tunnels, as the internet sees
    # it; none: there are no tunnels. Its public key is needed only where its own file (`state_dir`/hub.pub) is not.
    # `radius_address`: who answers routers without a tunnel, `radius_second_address` another one. `coa_addresses`: whom
    # they see Disconnect- and CoA-Requests come from, with commas between, where that is not who answers them.
    hub_endpoint: HostPort | None = None
    hub_network: Network = "10.99.0.0/16"
    hub_public_key: PublicKey | None = None
    radius_address: Address | None = None
    radius_second_address: Address | None = None
    coa_addresses: Addresses = ""
    radius_auth_port: int = Field(default=1_812, ge=1, le=65_535)
    radius_acct_port: int = Field(default=1_813, ge=1, le=65_535)
    radius_rotated_auth_port: int = Field(default=18_120, ge=1, le=65_535)
    radius_rotated_acct_port: int = Field(default=18_130, ge=1, le=65_535)

    # The portal: what customers' pages and M-Pesa talk to, behind a proxy that speaks HTTPS. `portal_proxies`: whose
    # X-Forwarded-For is believed, as addresses and networks with commas between them; empty: nobody's.
    portal_bind: Address = "127.0.0.1"
    portal_port: int = Field(default=8_460, ge=1, le=65_535)
    portal_proxies: Networks = "127.0.0.1"
    # On Lambda: the secret by which CloudFront shows that it says who asks; none: there is no CloudFront before it.
    portal_edge_key_ref: Reference | None = None
    # How browsers and routers reach it.
    portal_url: Endpoint | None = None

    # The clock: readings before it are wrong
    clock_floor: AwareDatetime | None = None

    # What is told to operators
    log_path: AbsolutePath | None = None  # standard output
    log_format: Literal["json", "pretty"] = "json"
    log_level: Literal["INFO", "WARN", "ERROR"] = "INFO"
    tracing: bool = False  # spans by OpenTelemetry: see `radius.tracing`
    metrics_bind: Address = "127.0.0.1"
    metrics_port: int = Field(default=9_812, ge=0, le=65_535)  # 0: no endpoint
    worker_metrics_port: int = Field(default=9_813, ge=0, le=65_535)
    coa_metrics_port: int = Field(default=9_814, ge=0, le=65_535)
    portal_metrics_port: int = Field(default=9_815, ge=0, le=65_535)
    billing_metrics_port: int = Field(default=9_816, ge=0, le=65_535)
    cloudwatch: bool = False  # hosts send metrics there each minute, with the rights of their role

    @property
    def clock_floor_at(self) -> int:
        """The instant (UTC seconds) that a right clock cannot be below."""
        return max(RELEASE_AT, int(self.clock_floor.timestamp()) if self.clock_floor else 0)

    @property
    def other_tables(self) -> tuple[str, str] | None:
        """Region and prefix of the other tables."""
        region, slash, prefix = (self.other_region or "").partition("/")
        return (region, prefix if slash else self.table_prefix) if region else None

    @model_validator(mode="after")
    def _agree(self) -> "Settings":
        """What fields must be together. The field at fault comes first in the message (see `_problem`)."""
        if self.post_auth_share_ms >= self.request_deadline_ms:
            raise ValueError(f"post_auth_share_ms: must be less than request_deadline_ms ({self.request_deadline_ms})")
        if self.store_kind == "embedded" and self.store_endpoint is None:
            raise ValueError(f"store_endpoint: must name the embedded store, e.g. {EMBEDDED_ENDPOINT}")
        return self


def load(path: Path | None = None) -> Settings:
    """Settings from the environment and the file at `path` (or what ``WIFIBILLING_SETTINGS`` names, or none).

    Raises SettingsError with all problems at once.
    """
    environ = {name.upper() for name in os.environ}
    named = _named(path)
    written = _read(named) if named else {}
    problems = [*_unknown_variables(), *_unknown_keys(written, named)]
    from_file = {  # the environment wins
        field: value
        for field, value in written.items()
        if field in Settings.model_fields and _variable(field) not in environ
    }
    try:
        settings = Settings(**from_file)
    except ValidationError as bad:
        for error in bad.errors(include_url=False):
            if error["type"] == "default_factory_not_called":
                continue  # only says that another field is at fault
            field, text = _problem(error)
            source = f"in {named}" if field in from_file else f"{_variable(field)} in the environment"
            problems.append(f"{field}: {text} ({source})")
        raise SettingsError(problems) from None  # the original would show what was in the fields
    if problems:
        raise SettingsError(problems)
    return settings


def table(name: str, path: Path | None = None) -> dict[str, Any]:
    """What one of `TABLES` says, not looked into: its variable, which is JSON, else that of the file; {} for neither.

    Raises SettingsError.
    """
    said = os.environ.get(_variable(name))
    if said is None:
        named = _named(path)
        found = _read(named).get(name, {}) if named else {}
    else:
        try:
            found = json.loads(said)
        except ValueError:
            found = None
    if not isinstance(found, dict):
        raise SettingsError([f"{name}: must be a table in the file, or JSON such as {{}} in {_variable(name)}"])
    return found


def kept_document() -> str:
    """The text of the document that the environment names by a reference; empty where it names none.

    Raises SettingsError.
    """
    said = os.environ.get(FILE_VARIABLE, "")
    return _document(said) if said.startswith(KEPT) else ""


@cache
def _document(reference: str) -> str:
    from radius import vaults  # noqa: PLC0415 - boto3 takes longer to load than most commands to run

    try:
        return vaults.fetch(FILE_VARIABLE, reference)
    except Malformed as bad:
        raise SettingsError([f"{FILE_VARIABLE}: {bad.fix}"]) from None


def _named(path: Path | None) -> Path | str | None:
    """A file, or the reference of a document."""
    said = os.environ.get(FILE_VARIABLE, "")
    return path or (said if said.startswith(KEPT) else Path(said) if said else None)


def _read(named: Path | str) -> dict[str, Any]:
    try:
        return tomllib.loads(_document(named) if isinstance(named, str) else named.read_text("utf-8"))
    except OSError as refused:
        raise SettingsError([f"{named}: cannot be read: {refused.strerror}"]) from refused
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as bad:
        raise SettingsError([f"{named}: is not TOML: {bad}"]) from bad


def _variable(field: str) -> str:
    return "ENVIRONMENT" if field == "environment" else PREFIX + field.upper()


def _unknown_variables() -> list[str]:
    known = {_variable(field) for field in (*Settings.model_fields, *TABLES)} | {FILE_VARIABLE}
    strange = sorted(name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known)
    return [f"{name}: is no setting{_meant(name.upper(), known)}" for name in strange]


def _unknown_keys(values: Mapping[str, Any], path: Path | str | None) -> list[str]:
    known = (*Settings.model_fields, *TABLES)
    return [f"{key}: is no setting{_meant(key, known)} (in {path})" for key in sorted(values) if key not in known]


def _meant(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _problem(error: ErrorDetails) -> tuple[str, str]:
    """The field at fault, and what is wanted of it instead of what is there."""
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if not error["loc"]:  # from `_agree`, which names the field first
        field, _, message = message.partition(": ")
        return field, message
    field = str(error["loc"][0]).lower()
    return field, message if field in UNSHOWN else f"{message}, not {error['input']!r}"
