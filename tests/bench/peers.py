"""The peers: (a) rlm_sql + PostgreSQL, (b) a boto3 tutorial hook, (c) and (d) hooks without work."""

import os
import site
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench import engines
from tests.bench.bulk import dynamodb
from tests.bench.packets import Customer
from tests.bench.processes import HERE, children
from tests.bench.radiusd import Sections, Server, python_pool, radius_server, stock_raddb
from tests.bench.subjects import Store, no_store

POOL_INSTANCES = 32  # as many as worker threads, FreeRADIUS's own default for max_servers
IN_FLIGHT_MAX = 256  # a burst of more than about 270 packets overflows the default socket buffer
BATCH_ITEMS_MAX = 25  # BatchWriteItem
POSTGRES_THREADS = {0: 32, 5: 100, 80: 200}  # added ms -> worker threads and connections, where more did not help

SQL_MODULES = """
    sql {{
        dialect = "postgresql"
        driver = "rlm_sql_postgresql"
        server = "127.0.0.1"
        port = {port}
        login = "postgres"
        radius_db = "radius"
        acct_table1 = "radacct"
        acct_table2 = "radacct"
        postauth_table = "radpostauth"
        authcheck_table = "radcheck"
        groupcheck_table = "radgroupcheck"
        authreply_table = "radreply"
        groupreply_table = "radgroupreply"
        usergroup_table = "radusergroup"
        client_table = "nas"
        group_attribute = "SQL-Group"
        delete_stale_sessions = yes
        pool {{
            start = {threads}
            min = {threads}
            max = {threads}
            spare = 0
            uses = 0
            retry_delay = 30
            lifetime = 0
            idle_timeout = 0
            max_retries = 5
        }}
        $INCLUDE {stock}/mods-config/sql/main/postgresql/queries.conf
    }}
    sqlcounter noresetcounter {{
        sql_module_instance = sql
        dialect = "postgresql"
        counter_name = Max-All-Session-Time
        check_name = Max-All-Session
        key = User-Name
        reset = never
        $INCLUDE {stock}/mods-config/sql/counter/postgresql/noresetcounter.conf
    }}
    sqlcounter datacounter {{
        sql_module_instance = sql
        dialect = "postgresql"
        counter_name = Max-All-Octets-Used
        check_name = Max-All-Octets
        reply_name = Mikrotik-Total-Limit
        key = User-Name
        reset = never
        query = "SELECT SUM(AcctInputOctets + AcctOutputOctets) FROM radacct WHERE UserName='%{{${{key}}}}'"
    }}
    preprocess {{
    }}
    expr {{
    }}
"""

# 2 GB of data (a sqlcounter counts in 32 bits), a year of time, two devices; passwords follow from the number
SQL_SEED = """
INSERT INTO radcheck (UserName, Attribute, op, Value)
SELECT '2547' || lpad(n::text, 8, '0'), a.attribute, ':=',
       CASE a.attribute WHEN 'Cleartext-Password' THEN 'pw-' || lpad(n::text, 8, '0') ELSE a.value END
FROM generate_series(0, {last}) n,
     (VALUES ('Cleartext-Password', ''), ('Max-All-Session', '31536000'), ('Max-All-Octets', '{octets}'),
             ('Simultaneous-Use', '2')) AS a (attribute, value);
INSERT INTO radreply (UserName, Attribute, op, Value)
SELECT '2547' || lpad(n::text, 8, '0'), a.attribute, '=', a.value
FROM generate_series(0, {last}) n,
     (VALUES ('Idle-Timeout', '600'), ('Acct-Interim-Interval', '300'), ('Mikrotik-Rate-Limit', '2M/4M'))
     AS a (attribute, value);
"""
SQL_QUOTA_BYTES = 4_000_000_000  # below 2**32; the bench's sessions use 10 kB and 64 kB an interim


class _Peer:
    """What all peers have in common: no Class, and the same server whatever is counted."""

    @abstractmethod
    def serve(self, folder: Path, store_port: int | None, delay_ms: float) -> AbstractContextManager[Server]:
        """See `Subject.serve`."""

    def set_aside(self, server: Server) -> int:
        return 0

    def serve_metered(self, folder: Path, store_port: int | None) -> AbstractContextManager[Server]:
        return self.serve(folder, store_port, 0)

    def classes(self, server: Server, customers: Sequence[Customer]) -> Sequence[bytes]:
        return [b""] * len(customers)


@dataclass(frozen=True)
class Postgres(_Peer):
    """(a) Stock schema, queries and indexes; counters for time and data; simul_count; a post-auth row."""

    key: str = "a"
    title: str = "(a) rlm_sql + PostgreSQL"
    has_store: bool = True

    def _threads(self, delay_ms: float) -> int:
        return POSTGRES_THREADS[max(ms for ms in POSTGRES_THREADS if ms <= delay_ms)]

    def in_flight(self, delay_ms: float) -> int:
        return min(2 * self._threads(delay_ms), IN_FLIGHT_MAX)

    @contextmanager
    def store(self, folder: Path, customers: Sequence[Customer]) -> Iterator[Store]:
        engines.install_postgres()
        connections = max(POSTGRES_THREADS.values()) + 20
        with engines.postgres(folder, connections=connections) as engine:
            engines.psql(engine.port, "CREATE DATABASE radius", database="postgres")
            schema = stock_raddb() / "mods-config/sql/main/postgresql/schema.sql"
            engines.psql(engine.port, schema.read_text())
            engines.psql(engine.port, SQL_SEED.format(last=len(customers) - 1, octets=SQL_QUOTA_BYTES))
            engines.psql(engine.port, "VACUUM ANALYZE")
            yield Store(engine.port, engine.version, lambda: [engine.pid, *children(engine.pid)])

    @contextmanager
    def serve(self, folder: Path, store_port: int | None, delay_ms: float) -> Iterator[Server]:
        threads = self._threads(delay_ms)
        stock = stock_raddb()
        sections = Sections(
            modules=SQL_MODULES.format(port=store_port, threads=threads, stock=stock),
            policy=f"$INCLUDE {stock}/policy.d/accounting",
            authorize="sql\nnoresetcounter\ndatacounter",
            preacct="acct_unique",
            accounting="sql",
            session="sql",
            post_auth="sql",
        )
        with radius_server(folder, sections, threads=threads) as server:
            yield server


@dataclass(frozen=True)
class Tutorial(_Peer):
    """(b) One instance, one blocking call a hook: what most examples on the web do."""

    dynoxide: Path
    key: str = "b"
    title: str = "(b) one boto3 hook"
    has_store: bool = True

    def in_flight(self, delay_ms: float) -> int:
        return 4

    @contextmanager
    def store(self, folder: Path, customers: Sequence[Customer]) -> Iterator[Store]:
        with engines.dynoxide(self.dynoxide, folder) as engine:
            _seed_users(engine.port, customers)
            yield Store(engine.port, engine.version, lambda: [engine.pid])

    @contextmanager
    def serve(self, folder: Path, store_port: int | None, delay_ms: float) -> Iterator[Server]:
        os.environ["BENCH_STORE_URL"] = f"http://127.0.0.1:{store_port}"
        with radius_server(folder, _python("tutorial", 1), threads=POOL_INSTANCES) as server:
            yield server


def _seed_users(port: int, customers: Sequence[Customer]) -> None:
    client = dynamodb(port)
    client.create_table(
        TableName="users",
        KeySchema=[{"AttributeName": "username", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "username", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for at in range(0, len(customers), BATCH_ITEMS_MAX):
        items = [
            {"PutRequest": {"Item": {"username": {"S": c.name}, "password": {"S": c.password}}}}
            for c in customers[at : at + BATCH_ITEMS_MAX]
        ]
        client.batch_write_item(RequestItems={"users": items})


def _python(module: str, instances: int, *, post_auth: bool = False, as_dict: bool = False) -> Sections:
    methods = ("authorize", "accounting", "post_auth") if post_auth else ("authorize", "accounting")
    path = ":".join([str(HERE / "hooks"), *site.getsitepackages()])
    modules, unlang = python_pool(module, path, instances, methods)
    if as_dict:
        modules = modules.replace(f"module = {module}", f"module = {module}\n    pass_all_vps_dict = yes")
    return Sections(
        modules=modules,
        authorize=unlang["authorize"],
        accounting=unlang["accounting"],
        post_auth=unlang.get("post_auth", ""),
    )


@dataclass(frozen=True)
class Idle(_Peer):
    """(c) A pool as large as ours whose hook returns OK; the password comes from unlang."""

    key: str = "c"
    title: str = "(c) a hook that does nothing"
    has_store: bool = False
    instances: int = POOL_INSTANCES

    def in_flight(self, delay_ms: float) -> int:
        return 128

    def store(self, folder: Path, customers: Sequence[Customer]) -> AbstractContextManager[Store]:
        return no_store()

    def _sections(self) -> Sections:
        bare = _python("noop", self.instances)
        password = 'update control {\n&Cleartext-Password := "pw-%{User-Name}"\n}\n'
        password += 'if (&User-Name =~ /^2547(.*)$/) {\nupdate control {\n&Cleartext-Password := "pw-%{1}"\n}\n}\n'
        return Sections(bare.modules, password + bare.authorize, bare.accounting)

    @contextmanager
    def serve(self, folder: Path, store_port: int | None, delay_ms: float) -> Iterator[Server]:
        with radius_server(folder, self._sections(), threads=self.instances) as server:
            yield server


@dataclass(frozen=True)
class Shape(Idle):
    """(d) The calls and the reply of a real accept without the work behind them."""

    key: str = "d"
    title: str = "(d) our calls and reply, no work"

    def _sections(self) -> Sections:
        return _python("shape", self.instances, post_auth=True, as_dict=True)
