"""Processes that sell, on an engine: their settings, their M-Pesa (a double), and how they are started."""

import json
import os
import subprocess
import sys
from pathlib import Path

from billing.store.open import open_billing
from radius.domain.nas import Site
from radius.secrets import create_key_file
from radius.store.open import StoreKind, open_store
from tests.contract.billing.values import PACKAGE
from tests.contract.values import soon
from tests.fakes.daraja import Daraja
from tests.fakes.portal import SITE
from tests.fakes.ports import free_port
from tests.fixtures_engine import ROOT, Engine, new_prefix, settings

SECRET = "5ecret5ecret5ecret"
_OURS = ("WIFIBILLING_", "MPESA_")


def settings_file(folder: Path, engine: Engine, port: int, **more: object) -> Path:
    """Settings of a new box with a place and a package; `port`: the portal's."""
    prefix = new_prefix()
    values = {
        "state_dir": str(folder), "store_endpoint": engine.url, "table_prefix": prefix, "portal_port": port,
        "portal_metrics_port": free_port(), "billing_metrics_port": free_port(), "log_path": str(folder / "log"),
        **more,
    }  # fmt: skip
    store = open_store(settings(engine.url, StoreKind.EMBEDDED, prefix))
    store.create_tables()
    billing = open_billing(store)
    billing.create_tables()
    billing.ports.add(PACKAGE, soon())
    store.catalogue.add(PACKAGE.terms, soon())
    store.routers.put_site(Site(SITE), soon())
    assert store.close()
    create_key_file(folder / "data.key")
    path = folder / "settings.toml"
    path.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()))
    return path


def our_environment(variables: dict[str, str]) -> dict[str, str]:
    """An environment with none of our variables but those given."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return {**others, **variables, "PYTHONPATH": str(ROOT)}


def start(path: Path, *module: str, **variables: str) -> subprocess.Popen[str]:
    """``python -m`` something with these settings, and none of our variables but those given."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", *module, "--settings", str(path)],
        cwd=ROOT, env=our_environment(variables), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def mpesa(daraja: Daraja, port: int) -> dict[str, str]:
    """Variables that lead to a double, which calls back at a port."""
    return {
        "MPESA_ENVIRONMENT": "sandbox",
        "MPESA_ENDPOINT": daraja.url,
        "MPESA_SHORTCODE": daraja.shortcode,
        "MPESA_CALLBACK_BASE": f"http://127.0.0.1:{port}",
        **{f"MPESA_{name}_REF": f"env:{name}" for name in ("PASSKEY", "CONSUMER_KEY", "CONSUMER_SECRET")},
        "MPESA_CALLBACK_SECRET_REF": "env:CALLBACK_SECRET",
        "PASSKEY": daraja.passkey,
        "CONSUMER_KEY": "key",
        "CONSUMER_SECRET": "secret",
        "CALLBACK_SECRET": SECRET,
    }
