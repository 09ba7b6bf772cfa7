"""What is Cloud Storage here? (gcp-storage-emulator; `cloud_storage_launcher` mends what we need)"""

from __future__ import annotations

import sys
import urllib.error

from include.local.laptop import BUCKET, LOCATION, PROJECT, Laptop
from include.local.servers.server import Server, request


def cloud_storage(laptop: Laptop) -> Server:
    url = laptop.url("cloud_storage")
    return Server(
        name="cloud_storage",
        command=(
            *(sys.executable, "-m", "include.local.servers.cloud_storage_launcher"),
            *("--port", str(laptop.ports["cloud_storage"]), "--folder", str(laptop.state / "cloud_storage")),
        ),
        environ={},
        ports=("cloud_storage",),
        is_ready=lambda began: "items" in request(f"{url}/storage/v1/b?project={PROJECT}"),
        furnish=lambda: _make_bucket(url),
    )


def _make_bucket(url: str) -> None:
    """The bucket of staged parts and the log. Deleted objects are gone at once: a laptop's disk is small."""
    bucket = {"name": BUCKET, "location": LOCATION, "softDeletePolicy": {"retentionDurationSeconds": "0"}}
    try:
        request(f"{url}/storage/v1/b?project={PROJECT}", method="POST", body=bucket)
    except urllib.error.HTTPError as error:
        if error.code != 409:
            raise
