"""How does gcp-storage-emulator become Cloud Storage enough for us? (no file of the library is changed)

Mended here, because our code, or DuckDB in the local BigQuery server, needs it:
- preconditions (`ifGenerationMatch`, …) answer 412; as shipped they are ignored, and the log of batches rests on them
- the index of objects is replaced in one act; as shipped a kill while it is written leaves a server that never starts
- requests run in threads, changes one after the other; as shipped one slow request stops all others
- pages and offsets of listings; a bucket's location, labels and lifecycle; `moveTo`
- the XML API's HEAD, range GET and listing, by which DuckDB reads `gs://`
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import threading
import urllib.parse
from functools import partial
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from typing import Any
from xml.sax.saxutils import escape

from gcp_storage_emulator import server as emulator  # type: ignore[import-untyped]
from gcp_storage_emulator.handlers import buckets, objects  # type: ignore[import-untyped]
from gcp_storage_emulator.storage import Storage  # type: ignore[import-untyped]

_ONE_CHANGE_AT_A_TIME = threading.RLock()
_MOVE = re.compile(r"(?:/storage/v1)?/b/(?P<bucket>[-.\w]+)/o/(?P<source>.+)/moveTo/o/(?P<target>.+)")
_JSON_API = ("/storage/", "/download/", "/upload/", "/b/", "/batch")
_BUCKET_FIELDS = (
    "labels",
    "lifecycle",
    "versioning",
    "storageClass",
    "iamConfiguration",
    "retentionPolicy",
    "softDeletePolicy",
)
_CONDITION_FAILED = {
    "error": {
        "code": 412,
        "message": "At least one of the pre-conditions you specified did not hold.",
        "errors": [{"reason": "conditionNotMet", "domain": "global", "message": "conditionNotMet"}],
    }
}


class WholeStorage(Storage):  # type: ignore[misc]
    """The library's storage, its index written to a second file and then put in place."""

    def _write_config_to_file(self) -> None:
        index = {
            "buckets": self.buckets,
            "objects": self.objects,
            "resumable": self.resumable,
            "bucket_iam_policies": self.bucket_iam_policies,
            "soft_deleted": self.soft_deleted,
        }
        self._store.write_bytes(".meta.new", json.dumps(index).encode())
        os.replace(self._store._disk_path(".meta.new"), self._store._disk_path(".meta"))


class Handler(emulator.RequestHandler):  # type: ignore[misc]
    """One HTTP request of either API."""

    def _answer(self) -> None:
        method = self.headers.get("x-http-method-override") or self.command
        request = emulator.Request(self, method)
        if method in ("HEAD", "GET") and _is_xml(request.path):
            return _XmlApi(self, request, self.storage).answer(method)
        response = emulator.Response(self)
        request.data  # noqa: B018  reads the body, which must not happen while others wait for the lock
        with _ONE_CHANGE_AT_A_TIME:
            _route(request, response, self.storage)
        response.close()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815  the names that http.server calls


def _is_xml(path: str) -> bool:
    return not path.startswith(_JSON_API) and path not in ("/", "/wipe", "/b")


def _route(request: Any, response: Any, storage: Any) -> None:
    move = _MOVE.fullmatch(request.path)
    if move and request.method == "POST":
        return _move(move, request, response, storage)
    for pattern, handlers in emulator.HANDLERS:
        match = re.fullmatch(pattern, request.path)
        if match:
            request.set_match(match)
            return _handle(_handler(handlers, request), request, response, storage)
    response.status = HTTPStatus.NOT_IMPLEMENTED


def _handler(handlers: Any, request: Any) -> Any:
    """Some clients upload to the plain path of objects: the query says that it is one."""
    upload = objects.insert if request.method == "POST" and request.query.get("uploadType") else None
    return handlers.get(request.method) or upload


def _handle(handler: Any, request: Any, response: Any, storage: Any) -> None:
    if handler is None:
        response.status = HTTPStatus.NOT_IMPLEMENTED
    elif _condition_fails(request, storage):
        response.status = HTTPStatus.PRECONDITION_FAILED
        response.json(_CONDITION_FAILED)
    else:
        handler(request, response, storage)
        if handler is objects.ls:
            _cut_to_page(request, response)
        elif handler is buckets.insert and response.status < 300:
            _keep_bucket_fields(request, response, storage)


def _condition_fails(request: Any, storage: Any) -> bool:
    """Whether the object is another than the request supposes; generation 0 stands for no object."""
    bucket, name = _target(request, storage)
    if not name:
        return False
    found = storage.objects.get(bucket, {}).get(name) or {"generation": 0, "metageneration": 0}
    for key, field, wanted in (
        ("ifGenerationMatch", "generation", True),
        ("ifGenerationNotMatch", "generation", False),
        ("ifMetagenerationMatch", "metageneration", True),
        ("ifMetagenerationNotMatch", "metageneration", False),
    ):
        if key in request.query and (int(request.query[key][0]) == int(found[field])) is not wanted:
            return True
    return False


def _target(request: Any, storage: Any) -> tuple[str | None, str | None]:
    """Bucket and name of the object that a request makes, changes or reads."""
    given = request.params or {}
    if "dest_object_id" in given:
        return given["dest_bucket_name"], given["dest_object_id"]
    if "object_id" in given:
        return given["bucket_name"], re.sub(r"/compose$", "", given["object_id"])
    if "upload_id" in request.query:
        upload = storage.resumable.get(request.query["upload_id"][0]) or {}
        return upload.get("bucket"), upload.get("name")
    return given.get("bucket_name"), _uploaded_name(request)


def _uploaded_name(request: Any) -> str | None:
    if "name" in request.query:
        return str(request.query["name"][0])
    body = request.data
    return (body.get("meta") or body).get("name") if isinstance(body, dict) else None


def _cut_to_page(request: Any, response: Any) -> None:
    if response.status >= 300:
        return
    asked = {key: values[0] for key, values in request.query.items()}
    listing = json.loads(response._content)
    items = [item for item in listing["items"] if _is_wanted(item["name"], asked)]
    most = min(int(asked.get("maxResults", 1000)), 1000)
    listing["items"] = items[:most]
    if len(items) > most:
        listing["nextPageToken"] = base64.urlsafe_b64encode(items[most - 1]["name"].encode()).decode()
    response.json(listing)


def _is_wanted(name: str, asked: dict[str, str]) -> bool:
    after = base64.urlsafe_b64decode(asked["pageToken"]).decode() if "pageToken" in asked else ""
    return (
        name > after
        and name >= asked.get("startOffset", "")
        and ("endOffset" not in asked or name < asked["endOffset"])
    )


def _keep_bucket_fields(request: Any, response: Any, storage: Any) -> None:
    bucket = storage.buckets[request.data["name"]]
    bucket["location"] = (request.data.get("location") or "US").upper()
    bucket.update({field: request.data[field] for field in _BUCKET_FIELDS if field in request.data})
    storage._write_config_to_file()
    response.json(bucket)


def _move(move: re.Match[str], request: Any, response: Any, storage: Any) -> None:
    """`objects.move`: a copy and a deletion that nobody sees between."""
    bucket, source, target = move["bucket"], urllib.parse.unquote(move["source"]), urllib.parse.unquote(move["target"])
    if source not in storage.objects.get(bucket, {}):
        response.status = HTTPStatus.NOT_FOUND
        return
    response.json(objects._copy(request.base_url, storage, bucket, source, bucket, target))
    storage.delete_file(bucket, source)


class _XmlApi:
    """`/<bucket>/<object>`, as S3 speaks it."""

    def __init__(self, handler: Any, request: Any, storage: Any) -> None:
        self.handler, self.request, self.storage = handler, request, storage

    def answer(self, method: str) -> None:
        bucket, _, key = urllib.parse.unquote(self.request.path).lstrip("/").partition("/")
        if not key:
            return self._send(200, self._listing(bucket).encode(), {"Content-Type": "application/xml"})
        found = self.storage.objects.get(bucket, {}).get(key)
        if not found:
            return self._send(404, b"", {})
        headers = {
            "Content-Type": found.get("contentType") or "application/octet-stream",
            "ETag": f'"{found["etag"]}"',
            "Accept-Ranges": "bytes",
            "x-goog-generation": found["generation"],
            "Last-Modified": self.handler.date_time_string(),
        }
        if method == "HEAD":
            return self._send(200, b"", {**headers, "Content-Length": str(found["size"])})
        self._send_content(bucket, key, headers)

    def _send_content(self, bucket: str, key: str, headers: dict[str, str]) -> None:
        path = self.storage._store._disk_path(f"{bucket}/{key}")
        size = path.stat().st_size
        asked = re.match(r"bytes=(\d*)-(\d*)", self.handler.headers.get("Range") or "")
        first = int(asked[1] or 0) if asked else 0
        last = min(int(asked[2]), size - 1) if asked and asked[2] else size - 1
        with path.open("rb") as content:
            content.seek(first)
            body = content.read(last - first + 1)
        ranged = {"Content-Range": f"bytes {first}-{last}/{size}"} if asked else {}
        self._send(206 if asked else 200, body, {**headers, **ranged})

    def _listing(self, bucket: str) -> str:
        prefix = (self.request.query.get("prefix") or [""])[0]
        found = sorted(self.storage.objects.get(bucket, {}).items())
        rows = "".join(_xml_entry(name, item) for name, item in found if name.startswith(prefix))
        return (
            "<?xml version='1.0' encoding='UTF-8'?><ListBucketResult xmlns='http://doc.s3.amazonaws.com/2006-03-01'>"
            f"<Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{rows.count('<Contents>')}</KeyCount>"
            f"<IsTruncated>false</IsTruncated>{rows}</ListBucketResult>"
        )

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.handler.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.handler.send_header(key, value)
        self.handler.end_headers()
        self.handler.wfile.write(body)


def _xml_entry(name: str, item: dict[str, str]) -> str:
    return (
        f"<Contents><Key>{escape(name)}</Key><LastModified>{item['updated']}</LastModified>"
        f'<ETag>"{item["etag"]}"</ETag><Size>{item["size"]}</Size><StorageClass>STANDARD</StorageClass></Contents>'
    )


class _Threads(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", required=True, help="absolute path; holds the buckets")
    options = parser.parse_args()
    storage = WholeStorage(data_dir=options.folder)
    _Threads(("127.0.0.1", options.port), partial(Handler, storage)).serve_forever()


if __name__ == "__main__":
    main()
