"""A FreeRADIUS of the bench's own for the peers: one folder, one small configuration, one process.

The peers get the smallest server that does their work (no detail files, no realms, no EAP), so that what is
measured is their store module and not a configuration that nobody tuned.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.processes import BenchError, Program, free_port

LIBRARY_FOLDERS = ("/usr/lib/freeradius", "/usr/lib/x86_64-linux-gnu/freeradius", "/usr/lib64/freeradius")
SECRET = "bench-secret-0123456789"

CONFIG = """
prefix = /usr
name = bench
confdir = {folder}
logdir = {folder}
raddbdir = {folder}
radacctdir = {folder}
run_dir = {folder}
db_dir = {folder}
modconfdir = {stock}/mods-config
libdir = {library}
pidfile = {folder}/bench.pid
max_request_time = 60
cleanup_delay = 5
max_requests = 65536
hostname_lookups = no
proxy_requests = no
log {{
    destination = files
    file = {folder}/radius.log
}}
security {{
    allow_vulnerable_openssl = yes
    reject_delay = 0
    status_server = no
}}
thread pool {{
    start_servers = {threads}
    max_servers = {threads}
    min_spare_servers = {threads}
    max_spare_servers = {threads}
    max_requests_per_server = 0
    max_queue_size = 65536
    auto_limit_acct = no
}}
client bench {{
    ipaddr = 127.0.0.1
    secret = {secret}
    require_message_authenticator = yes
    limit_proxy_state = no
}}
modules {{
    pap {{
    }}
{modules}
}}
policy {{
{policy}
}}
server bench {{
    listen {{
        type = auth
        ipaddr = 127.0.0.1
        port = {auth_port}
    }}
    listen {{
        type = acct
        ipaddr = 127.0.0.1
        port = {acct_port}
    }}
    authorize {{
{authorize}
        pap
    }}
    authenticate {{
        Auth-Type PAP {{
            pap
        }}
    }}
    preacct {{
{preacct}
    }}
    accounting {{
{accounting}
    }}
    session {{
{session}
    }}
    post-auth {{
{post_auth}
    }}
}}
"""


@dataclass(frozen=True)
class Sections:
    """What a peer adds to the configuration: unlang text for each place."""

    modules: str
    authorize: str
    accounting: str
    preacct: str = ""
    session: str = ""
    post_auth: str = ""
    policy: str = ""


@dataclass(frozen=True)
class Server:
    """A FreeRADIUS that answers."""

    pid: int
    auth_port: int
    acct_port: int
    secret: str
    log: Path
    metrics_port: int = 0  # 0: it has no metrics


def python_pool(module: str, python_path: str, instances: int, methods: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """(module configuration, unlang per method) of a pool of rlm_python3 instances that are used in turn.

    `methods` are names of hooks; the unlang takes the instance by request number, as our own pool does, because
    load-balance picks at random and lets requests queue behind busy instances.
    """
    functions = "\n".join(f"    mod_{name} = ${{.module}}\n    func_{name} = {name}" for name in methods)
    modules = "\n".join(
        f'python3 py{number} {{\n    python_path = "{python_path}"\n    module = {module}\n{functions}\n}}'
        for number in range(instances)
    )

    def pick(name: str) -> str:
        section = name.replace("post_auth", "post-auth")
        if instances == 1:
            return f"py0.{section}"
        cases = "\n".join(f"case {number} {{\npy{number}.{section}\n}}" for number in range(instances))
        return f'switch "%{{expr:%n %% {instances}}}" {{\n{cases}\n}}'

    return "expr {\n}\n" + modules, {name: pick(name) for name in methods}


def _library() -> str:
    for folder in LIBRARY_FOLDERS:
        if Path(folder).is_dir():
            return folder
    raise BenchError("no FreeRADIUS modules found: apt-get install freeradius freeradius-python3")


def stock_raddb() -> Path:
    """The distribution's configuration, for the stock SQL queries and schema."""
    for folder in [*sorted(Path("/etc/freeradius").glob("3.*")), Path("/etc/raddb")]:
        if (folder / "mods-config").is_dir():
            return folder
    raise BenchError("no stock FreeRADIUS configuration found: apt-get install freeradius-config")


@contextmanager
def radius_server(folder: Path, sections: Sections, *, threads: int) -> Iterator[Server]:
    """Run FreeRADIUS with `sections` until the block ends. Raises BenchError with its log."""
    folder.mkdir(parents=True, exist_ok=True)
    auth_port, acct_port = (free_port(socket.SOCK_DGRAM) for _ in range(2))
    log = folder / "radius.log"
    log.unlink(missing_ok=True)
    (folder / "radiusd.conf").write_text(
        CONFIG.format(
            folder=folder,
            stock=stock_raddb(),
            library=_library(),
            threads=threads,
            secret=SECRET,
            auth_port=auth_port,
            acct_port=acct_port,
            **vars(sections),
        )
    )
    program = Program(["freeradius", "-f", "-d", folder, "-n", "radiusd"], folder / "freeradius.out", env={"TZ": "UTC"})
    try:
        try:
            program.wait_for_text("Ready to process requests", log)
        except BenchError as error:
            tail = log.read_text(errors="replace")[-1500:] if log.exists() else ""
            raise BenchError(f"{error}\n{tail}") from error
        yield Server(program.pid, auth_port, acct_port, SECRET, log)
    finally:
        program.stop()
