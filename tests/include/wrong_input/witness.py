"""Who sees that a refusal said what it must, and that tables, log and topics are as they were before it?"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from include.catalogue import Catalogue
from include.errors import DataPlatformError
from include.publish.position import POSITIONS_TOPIC
from include.steps.deploy import DATASETS
from tests.conftest import World
from tests.include.steps.way import Way

SECRETS = ("Verysecret", "hunter2")
"""The customers' name and the password that tests use: neither may be in anything that is said."""


@dataclass
class Witness:
    """`way`: a world in which every verb has something to do, so that who goes on in spite of a mistake is seen."""

    way: Way
    _before: Mapping[str, Any] = field(default_factory=dict)
    _changes: int = 0

    def begin(self) -> None:
        """Batch 1 is published, batch 2 merged, batch 3 read, and a change waits at the source."""
        self.way.customers([1, 2, 3], surname=SECRETS[0])
        for verb in (self.way.extract, self.way.load, self.way.merge, self.way.publish):
            verb()
        self._change(1)
        for verb in (self.way.extract, self.way.load, self.way.merge):
            verb()
        self._change(2)
        self.way.extract()
        self._change(3)
        self._before = picture(self.way.world)

    def goes_on(self) -> None:
        """Once the mistake is mended each verb does what has waited for it, and nothing twice."""
        assert self.way.publish()["events"] == 1
        assert self.way.load()["rows_loaded"] == 1
        assert self.way.merge()["updated"] == 1
        assert self.way.extract()["rows"] == 1
        self._change(1)
        self._before = picture(self.way.world)

    def _change(self, customer: int) -> None:
        self._changes += 1
        set_name = f"SET FirstName = N'{SECRETS[0]} {self._changes}'"
        self.way.sql(f"UPDATE dbo.Customer {set_name} WHERE CustomerId = {customer}")

    @contextmanager
    def refused(self, kind: type[DataPlatformError], *words: str) -> Iterator[None]:
        """The block is refused with these words in what is said, with nobody's secret, and without any effect."""
        with pytest.raises(DataPlatformError) as caught:
            yield
        check_said(caught.value, kind, *words)
        assert picture(self.way.world) == self._before

    def topic(self, name: str) -> str:
        return self.way.world.servers.kafka_settings.topic(name)

    def with_declaration(self, root: Path, file: str, right: str, wrong: str) -> Way:
        """The same way, with declarations of its own below `root` in one of which a word is another."""
        declared = self.way.catalogue.sql.parent
        shutil.copytree(declared, root, dirs_exist_ok=True)
        text = (root / file).read_text(encoding="utf-8")
        assert right in text
        (root / file).write_text(text.replace(right, wrong), encoding="utf-8")
        return replace(self.way, catalogue=Catalogue(root))


def check_said(error: DataPlatformError, kind: type[DataPlatformError], *words: str) -> None:
    """What is said is of this kind, tells what, where and what to do with these words, and no secret."""
    said = str(error)
    assert type(error) is kind, said
    assert [word for word in words if word not in said] == [], said
    assert all((error.problem, error.where, error.remedy))
    chain = f"{said} {error!r} {error.__cause__!r} {error.__context__!r}"
    assert [secret for secret in SECRETS if secret in chain] == []


def picture(world: World) -> dict[str, Any]:
    """All that a run can leave behind: rows, staging tables, objects with their generations, the topics' ends."""
    servers = world.servers
    return {
        "rows": _rows(world),
        "staging": _staging(world),
        "objects": [(blob.name, blob.generation) for blob in servers.bucket._bucket.list_blobs()],
        "topics": {topic: servers.kafka.end_offsets(topic) for topic in _topics(world)},
    }


def _rows(world: World) -> dict[str, Any]:
    """Every table of the world with its rows, as `tabledata.list` gives them: that is cheaper than a query of each."""
    client, prefix, found = world.servers.big_query._client, world.servers.cloud.dataset_prefix, dict[str, Any]()
    for dataset in DATASETS:
        for table in client.list_tables(prefix + dataset):
            if table.table_type == "VIEW":
                continue
            page = client._connection.api_request("GET", f"{table.path}/data")
            assert "pageToken" not in page
            found[f"{dataset}.{table.table_id}"] = page.get("rows", [])
    return found


def _staging(world: World) -> dict[str, Any]:
    """Each staging table's last change: loaded again with the same rows is a change, too."""
    client = world.servers.big_query._client
    found = client.list_tables(f"{world.servers.cloud.dataset_prefix}staging")
    return {table.table_id: client.get_table(table).modified for table in found}


def _topics(world: World) -> list[str]:
    """In a topic that is never cut its end alone tells whether anything was written, aborted transactions included."""
    events = [Catalogue().topic(entity) for entity in ("customer", "account")]
    return [world.servers.kafka_settings.topic(topic) for topic in (*events, POSITIONS_TOPIC)]
