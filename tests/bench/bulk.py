"""Fill a store with millions of items: dump what the product wrote, add items made alike, import, go on with the copy.

dynoxide's `import` command takes DynamoDB's export format (one gzipped JSON line an item) at about 28,000 items a
second, where BatchWriteItem reaches 4,000. The items themselves come from the product's own record functions.
"""

import gzip
import json
import subprocess
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import boto3

from tests.bench.processes import BenchError

FILE_ITEMS_MAX = 50_000  # an import reads file by file
BATCH_MAX = 25  # BatchWriteItem

TypedItem = Mapping[str, Mapping[str, Any]]


def dynamodb(port: int) -> Any:
    """A boto3 client for the store on a loopback port."""
    return boto3.client(
        "dynamodb",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="af-south-1",
        aws_access_key_id="bench",
        aws_secret_access_key="bench",
    )


def dump(port: int, folder: Path) -> list[str]:
    """Write schema.json and every present item below `folder`; returns the tables' names. For small stores."""
    client = dynamodb(port)
    names: list[str] = client.list_tables()["TableNames"]
    schema = []
    for name in names:
        described = client.describe_table(TableName=name)
        schema.append({"Table": described["Table"]})
        pages = client.get_paginator("scan").paginate(TableName=name, ConsistentRead=True)
        write_items(folder, name, "present", (item for page in pages for item in page["Items"]))
    (folder / "schema.json").write_text(json.dumps(schema, default=str))
    return names


def write_items(folder: Path, table: str, label: str, items: Iterable[TypedItem]) -> int:
    """Write items of one table as export files; returns how many."""
    data = folder / table / "data"
    data.mkdir(parents=True, exist_ok=True)
    count, source = 0, iter(items)
    while part := list(islice(source, FILE_ITEMS_MAX)):
        with gzip.open(data / f"{label}-{count:09d}.json.gz", "wt", compresslevel=1) as out:
            for item in part:
                out.write(json.dumps({"Item": item}, separators=(",", ":")) + "\n")
        count += len(part)
    return count


def put(port: int, table: str, items: Iterable[TypedItem]) -> int:
    """Write items into a running store, some 4,000 a second; returns how many."""
    client, count, source = dynamodb(port), 0, iter(items)
    while part := list(islice(source, BATCH_MAX)):
        left = client.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": item}} for item in part]})
        if left.get("UnprocessedItems"):
            raise BenchError("the store did not take a batch")
        count += len(part)
    return count


def import_into(binary: Path, folder: Path, database: Path) -> None:
    """Make a new database file of everything below `folder`. Raises BenchError with what dynoxide said."""
    command = [str(binary), "import", "--source", str(folder), "--schema", str(folder / "schema.json")]
    command += ["--output", str(database), "--force"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"dynoxide import: {(done.stderr or done.stdout).strip()[-500:]}")
