"""What is a server of the platform?"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from include.local.laptop import HOST


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Server:
    """How it is started and what shows that it is ready.

    `is_ready` gets the time at which the process began and asks the server something real; it may raise OSError.
    `prepare` runs before the process starts, `furnish` when it is ready; both may run again and again.
    """

    name: str
    command: tuple[str, ...]
    environ: Mapping[str, str] = field(repr=False)
    ports: tuple[str, ...]
    is_ready: Callable[[float], bool]
    prepare: Callable[[], None] = _nothing
    furnish: Callable[[], None] = _nothing
    patience: float = 90  # seconds until it must be ready


_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def request(url: str, *, method: str = "GET", body: Any = None, token: str = "", timeout: float = 5) -> Any:
    """The JSON (or text) that a local server answers; raises OSError, of which urllib's HTTPError is one."""
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, method=method, headers=headers, data=data)  # noqa: S310  our own address
    with _NO_PROXY.open(asked, timeout=timeout) as answer:
        text = answer.read().decode()
    try:
        return json.loads(text)
    except ValueError:
        return text


def here(port: int) -> tuple[str, int]:
    return HOST, port
