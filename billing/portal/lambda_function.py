"""The portal on Lambda, behind an HTTP API (API Gateway, payload format 2.0): handler ``lambda_function.handler``.

Wired at the first event of an instance and kept. A frozen instance does nothing, so callbacks are settled before they
are answered, and a stream of events is one event; the page asks again.

Behind CloudFront the caller is CloudFront. It says who asks it (`VIEWER`), and shows by a secret (`EDGE_KEY`, setting
`portal_edge_key_ref`) that it is the one who says so; from anybody else the header means nothing.
"""

import hmac
from functools import cache
from typing import Any

from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES  # what is not sent as base64

from billing.portal.deps import Options
from billing.portal.problems import MEDIA_TYPE
from billing.portal.wiring import Portal, build_portal
from billing.told import read_secret
from radius.cloudwatch import Lines
from radius.outlets import lines_of

VIEWER, EDGE_KEY = "x-edge-viewer", "x-edge-key"


@cache
def portal() -> Portal:
    """This instance's. Raises Malformed with what to mend: the invocation fails and says so."""
    return build_portal(None, options=Options(inline=True, events_s=0))


@cache
def _adapter() -> Mangum:
    return Mangum(portal().app, lifespan="off", text_mime_types=[*DEFAULT_TEXT_MIME_TYPES, MEDIA_TYPE])


@cache
def _lines() -> Lines:
    process = portal().process
    return lines_of(process.metrics, "portal", process.core.store.tallies)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one event, and tell what was counted."""
    try:
        return dict(_adapter()(_from_viewer(event), context))
    finally:
        _lines().tell()


@cache
def _edge_key() -> bytes:
    reference = portal().process.core.settings.portal_edge_key_ref
    return read_secret("portal_edge_key_ref", reference).encode() if reference else b""


def _from_viewer(event: dict[str, Any]) -> dict[str, Any]:
    """The event as it would be without CloudFront: limits are of an address, and CloudFront has a few for everybody."""
    headers = event.get("headers") or {}
    key, viewer = _edge_key(), headers.get(VIEWER, "")
    if not key or not viewer or not hmac.compare_digest(headers.get(EDGE_KEY, "").encode(), key):
        return event
    context = event["requestContext"]
    return {**event, "requestContext": {**context, "http": {**context["http"], "sourceIp": viewer}}}
