"""How do Kafka's jars and the schema registry get here, and are they the right ones?

jgo, a Maven resolver in Python, downloads them (`maven_download.py`, run where jgo is installed). It only warns of a
wrong checksum and takes a half-written file in its cache for a whole one; so every attempt begins with an empty
cache, and nothing is used before it was compared with our own list.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from include.local.bootstrap.checksums import verify
from include.local.bootstrap.journal import Journal, last_words
from include.local.bootstrap.missing import Missing

_SCRIPT = Path(__file__).with_name("maven_download.py")


@dataclass(frozen=True)
class Maven:
    """jgo, installed to `folder`, run by `python`; downloads go to folders below `cache`."""

    folder: Path
    python: Path
    cache: Path
    journal: Journal
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    def lacks(self) -> list[Missing]:
        """Whether the Maven repository answers: asked for one small file."""
        code, said = self.journal.attempt(self._command("probe", "probe"), self._environ())
        if code == 0:
            return []
        return [
            Missing(
                "the Maven repository",
                f"Kafka's jars come from it: {last_words(said)} (log: {self.journal.log})",
                "check the network, or name your mirror in MAVEN_MIRROR_URL",
            )
        ]

    def fetch_jars(self, into: Path, checksums: Path, what: str = "jars") -> None:
        """Kafka's jars, or the `compiler`, verified, in `into`; raises Refused."""
        for jar in verify(self.download(what), checksums):
            os.replace(jar, into / jar.name)

    def fetch_registry(self, into: Path, checksums: Path) -> None:
        """The schema registry's archive, verified, unpacked in `into`; raises Refused."""
        (archive,) = verify(self.download("registry"), checksums)
        _unpack(archive, into)
        archive.unlink()

    def download(self, what: str) -> Path:
        """The folder with the files of `what`, as they came: not verified."""
        shutil.rmtree(self.cache / what, ignore_errors=True)
        self.journal.run(self._command(what, what), self._environ())
        shutil.rmtree(self.cache / what / "repository", ignore_errors=True)
        return self.cache / what / "files"

    def _command(self, what: str, folder: str) -> list[str]:
        return [str(self.python), "-P", str(_SCRIPT), what, str(self.cache / folder)]

    def _environ(self) -> dict[str, str]:
        """jgo's HTTP library knows certificates of one's own by another name than uv does."""
        own = {"PYTHONPATH": str(self.folder), "HOME": str(self.cache)}
        certificates = self.environ.get("SSL_CERT_FILE")
        return {**({"REQUESTS_CA_BUNDLE": certificates} if certificates else {}), **self.environ, **own}


def _unpack(archive: Path, into: Path) -> None:
    """All of a verified archive, without owners or modes that its maker's machine had, where this Python can do so."""
    with tarfile.open(archive) as content:
        if hasattr(tarfile, "data_filter"):
            content.extractall(into, filter="data")
        else:
            content.extractall(into)  # noqa: S202  verified above
