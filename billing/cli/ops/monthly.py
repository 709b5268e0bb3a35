"""Monthly: cost, access, who was refused, certificates, the API's log, cold starts, tables, caches, storage."""

from collections.abc import Iterator

from billing.cli import callbacks
from billing.cli.finding import Finding, untold
from billing.cli.frame import Frame
from billing.cli.ops import access, box, logs, spending, tables
from billing.cli.ops.page import Task


def portal_certificate(frame: Frame) -> Iterator[Finding]:
    """As a phone meets it."""
    url = frame.settings.portal_url
    yield callbacks.certificate(url) if url else untold("certificate", "no portal_url is set")


TASKS = (
    Task("cost", (), (), (spending.cost,)),
    Task("access", (), (box.secret_files,), (access.access,)),
    Task("audit trail", (box.deeds,), (), (access.trail,)),
    Task("certificates", (portal_certificate,), (), (access.certificates,)),
    Task("API log", (), (box.answers,), (logs.api_log,)),
    Task("cold starts", (), (), (logs.cold_starts,)),
    Task("tables", (), (box.room,), (tables.utilisation,)),
    Task("caches", (box.caches,), (), (spending.cloudfront,)),
    Task("storage", (), (box.kept_backups,), (spending.storage,)),
)
