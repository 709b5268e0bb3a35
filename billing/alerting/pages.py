"""What a process of this machine tells of itself: its metrics, over the page that Prometheus reads."""

import httpx

PAGE_S = 5.0
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - to find who listens there


def page(bind: str, port: int) -> str | None:
    """A process's metrics; None where it does not answer."""
    try:
        answer = httpx.get(f"http://{EVERYWHERE.get(bind, bind)}:{port}/metrics", timeout=PAGE_S)
    except httpx.HTTPError:
        return None
    return answer.text if answer.is_success else None
