"""The portal on Lambda, behind an HTTP API (API Gateway, payload format 2.0): handler ``lambda_function.handler``.

Wired at the first event of an instance and kept. A frozen instance does nothing, so callbacks are settled before they
are answered, and a stream of events is one event; the page asks again.
"""

import time
from functools import cache
from typing import Any

from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES  # what is not sent as base64

from billing.portal.deps import Options
from billing.portal.problems import MEDIA_TYPE
from billing.portal.wiring import Portal, build_portal
from radius.cloudwatch import Lines


@cache
def portal() -> Portal:
    """This instance's. Raises Malformed with what to mend: the invocation fails and says so."""
    return build_portal(None, options=Options(inline=True, events_s=0))


@cache
def _adapter() -> Mangum:
    return Mangum(portal().app, lifespan="off", text_mime_types=[*DEFAULT_TEXT_MIME_TYPES, MEDIA_TYPE])


@cache
def _lines() -> Lines:
    return Lines(portal().process.metrics, time.time)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one event, and tell what was counted."""
    try:
        return dict(_adapter()(event, context))
    finally:
        _lines().tell()
