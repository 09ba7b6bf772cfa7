"""Which customers was it that a report told of? (a list in the bucket that nobody changes: its name is its digest)"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from include.errors import IntegrityError
from include.steps.servers import Servers


def freeze(servers: Servers, keys: Sequence[str], folder: str = "moves") -> str:
    """Keep the sorted keys; the path in the bucket."""
    path = f"{folder}/{digest_of(keys)}.txt"
    servers.bucket.create(path, "\n".join(keys).encode(), "text/plain")  # there already: the same list
    return path


def frozen(servers: Servers, path: str, digest: str) -> list[str]:
    """The list that was frozen. Raises IntegrityError when it is not the one that was reported on."""
    data = servers.bucket.read(path)
    keys = [] if data is None else data.decode().split("\n")
    if digest_of(keys) != digest:
        raise IntegrityError(
            "the frozen list of customers is gone, or is not the one that the report is about",
            where=servers.bucket.uri(path),
            remedy="nothing was changed. Find out who may write there, then trigger the job again",
        )
    return keys


def digest_of(keys: Sequence[str]) -> str:
    """Of sorted keys."""
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()
