"""How do we speak to Cloud Storage? (objects that are created once; claims alone are overwritten)"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO

from google.api_core import exceptions as google_errors
from google.cloud import storage

from include.connections import GoogleCloudSettings
from include.errors import ForbiddenError, NotDeployed, Unavailable

_CHUNK = 4 << 20
"""Bytes of a file that are in memory while it is uploaded, and are sent again when the connection breaks."""


class Bucket:
    """The bucket that holds the staged parts and the log; paths are inside it, without `gs://`."""

    def __init__(self, settings: GoogleCloudSettings) -> None:
        client = storage.Client(project=settings.project, credentials=settings.credentials)
        self._bucket = client.bucket(settings.bucket)
        self.name = settings.bucket

    def uri(self, path: str) -> str:
        return f"gs://{self.name}/{path}"

    def create(self, path: str, data: bytes | BinaryIO, content_type: str) -> str | None:
        """Create an object; its CRC32C (base64), or None when one of that name is there already.

        Raises NotDeployed without a bucket, ForbiddenError, Unavailable.
        """
        blob = self._bucket.blob(path, chunk_size=None if isinstance(data, bytes) else _CHUNK)
        try:
            if isinstance(data, bytes):
                blob.upload_from_string(data, content_type=content_type, if_generation_match=0, checksum="crc32c")
            else:
                blob.upload_from_file(
                    data, content_type=content_type, if_generation_match=0, rewind=True, checksum="crc32c"
                )
        except google_errors.PreconditionFailed:
            return None
        except Exception as error:
            raise self._translate(error, path) from error
        return str(blob.crc32c)

    def replace(self, path: str, data: bytes, content_type: str) -> None:
        """Write an object, whether there is one of that name or not."""
        try:
            self._bucket.blob(path).upload_from_string(data, content_type=content_type, checksum="crc32c")
        except Exception as error:
            raise self._translate(error, path) from error

    def updated_at(self, path: str) -> datetime | None:
        """When an object was last written, by the bucket's clock; None when there is none."""
        blob = self._found(path)
        return None if blob is None else blob.updated

    def size(self, path: str) -> int | None:
        """An object's bytes, counted; None when there is none."""
        blob = self._found(path)
        return None if blob is None else blob.size

    def _found(self, path: str) -> storage.Blob | None:
        """What the bucket says of an object."""
        try:
            return self._bucket.get_blob(path)
        except Exception as error:
            raise self._translate(error, path) from error

    def read(self, path: str) -> bytes | None:
        """An object's bytes, or None when there is none."""
        try:
            return bytes(self._bucket.blob(path).download_as_bytes())
        except google_errors.NotFound as error:
            if "bucket does not exist" in str(error):  # asking whether it does needs a right that nobody gave us
                raise self._translate(error, path) from error
            return None
        except Exception as error:
            raise self._translate(error, path) from error

    def names(self, prefix: str) -> Iterator[str]:
        """The names below `prefix`, in order."""
        try:
            yield from (blob.name for blob in self._bucket.list_blobs(prefix=prefix))
        except Exception as error:
            raise self._translate(error, prefix) from error

    def delete(self, path: str) -> None:
        """Delete an object; nothing happens when it is gone."""
        try:
            self._bucket.blob(path).delete()
        except google_errors.NotFound:
            return
        except Exception as error:
            raise self._translate(error, path) from error

    def _translate(self, error: Exception, path: str) -> Exception:
        where = self.uri(path)
        if isinstance(error, google_errors.NotFound) and "upload_id=" not in str(error):  # else an upload has ended
            return NotDeployed(
                f"there is no bucket {self.name}",
                where=where,
                remedy="create it, or correct the extra `bucket` of the connection google_cloud_default",
            )
        if isinstance(error, google_errors.Forbidden | google_errors.Unauthorized):
            return ForbiddenError(
                "Cloud Storage does not allow it",
                where=where,
                remedy="grant what `python -m include grants bucket --to <service account>` prints",
            )
        return Unavailable(
            f"Cloud Storage: {type(error).__name__}",
            where=where,
            remedy="tried again by itself; if it lasts, see its status page",
        )
