"""Does another run read this batch already? (advice, never a lock: the log alone decides who has won)"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from include.errors import DataPlatformError, NotNow
from include.names import DatasetName
from include.stage.log import ObjectStore
from include.stage.parquet import parts_of

BEAT = timedelta(seconds=30)
"""How often who reads says that it still does."""
LASTS = timedelta(minutes=2)
"""For how long that is believed."""
STAYS = timedelta(minutes=15)
"""For how long, where another task of the run goes on: it may have to wait for a slot."""


class Store(ObjectStore, Protocol):
    """What we need of a bucket to claim: `include.clients.cloud_storage.Bucket`."""

    def replace(self, path: str, data: bytes, content_type: str) -> None: ...
    def updated_at(self, path: str) -> datetime | None: ...


@dataclass(frozen=True)
class Claim:
    """That a run reads batch `number` of a dataset. It lies beside the parts: whoever sweeps them takes it along."""

    store: Store
    dataset: DatasetName
    number: int
    run: str

    @property
    def path(self) -> str:
        return f"{parts_of(self.dataset, self.number)}claim.json"

    @contextmanager
    def held(self, *, stays: bool = False) -> Iterator[None]:
        """Say so until the end; with `stays` a little longer, because another task of the run goes on. Raises NotNow
        when another run does, and has said so not long ago."""
        self._give_way()
        lasts = STAYS if stays else LASTS
        self._say(lasts)
        done = threading.Event()
        beating = threading.Thread(target=self._beat, args=(done, lasts), name=f"claim {self.path}", daemon=True)
        beating.start()
        try:
            yield
        finally:
            done.set()
            beating.join(timeout=BEAT.total_seconds())
            if not stays:
                with suppress(DataPlatformError):
                    self.store.delete(self.path)

    def _give_way(self) -> None:
        data = self.store.read(self.path)
        if data is None:
            return
        said = json.loads(data)
        since, now = self.store.updated_at(self.path), datetime.now(UTC)
        if (
            said["run"] == self.run
            or since is None
            or now - since > timedelta(seconds=said.get("lasts_s", LASTS.total_seconds()))
        ):
            return
        raise NotNow(
            f"the run {said['run']} reads batch {self.number} of {self.dataset} already",
            where=self.store.uri(self.path),
            remedy="wait: what it reads is used here, too, if it is fresh enough; looked at again in a minute",
            until=now + timedelta(minutes=1),
        )

    def _beat(self, done: threading.Event, lasts: timedelta) -> None:
        while not done.wait(BEAT.total_seconds()):
            with suppress(DataPlatformError):  # then another may read the same, which is waste and no harm
                self._say(lasts)

    def _say(self, lasts: timedelta) -> None:
        said = {"run": self.run, "lasts_s": lasts.total_seconds()}
        self.store.replace(self.path, json.dumps(said).encode(), "application/json")
