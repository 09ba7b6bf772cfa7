"""Which batches of a dataset are there? (the numbered log in the bucket)

`<system>/<dataset>/log/00000017.json` names one batch. Creating it is what makes the batch exist; it is never changed
and never deleted. Everything else about a batch (its parts) is worthless without its entry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, BinaryIO, Literal, Protocol

from include.errors import IntegrityError, LostRace, NotDeployed
from include.names import DatasetName

Kind = Literal["full", "window", "cohort"]
_ENTRY = re.compile(r".*/log/(\d{8})\.json")


class ObjectStore(Protocol):
    """What we need of a bucket: `include.clients.cloud_storage.Bucket`."""

    def uri(self, path: str) -> str: ...
    def create(self, path: str, data: bytes | BinaryIO, content_type: str) -> str | None: ...
    def read(self, path: str) -> bytes | None: ...
    def names(self, prefix: str) -> Iterator[str]: ...
    def delete(self, path: str) -> None: ...


@dataclass(frozen=True)
class Part:
    """One Parquet object of a batch: rows, bytes, CRC32C as Cloud Storage gives it (base64)."""

    path: str
    rows: int
    size: int
    crc32c: str


@dataclass(frozen=True)
class CatchUp:
    """What changed while a batch was read in ranges: of one key, its row wins over those of the ranges.

    window: from where to where; columns: name to BigQuery type of what its parts hold.
    """

    window: Mapping[str, Any]
    columns: Mapping[str, str]
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Batch:
    """One entry of the log.

    kind: full (every row), window (what changed since the batch before), cohort (only some customers).
    window: what was read ({} is everything; rowversion low and high; start and stop per partition; of a cohort how many
    ids were asked for, and the SHA-256 of their list: canonical, sorted, a line each).
    position: where the next window begins (hex rowversion, or offsets per partition): a cohort keeps that of the batch
    before; epoch: what the position is worth, compared before the next window.
    columns: name to BigQuery type of what the parts hold (for `landed`: of the landing table); key: which of them are
    the source's key.
    rows: rows in the parts; counted: what the source counted in the same picture (of ranges: in each of theirs; of a
    cohort, asked keys that were not there are rows, too); deleted: known keys that vanished (for `landed`, whose keys
    only the merge sees: how many a person has allowed to vanish).
    table, capture: where and how it was read, as the contract said then.
    keys: parts with the key set, when the batch looked at every key (a full does so by its rows).
    read_at: when the read began (UTC).
    standing: what is so of the source's table until somebody changes it; a note says it when it is new.
    source_types: every column of the source's table to its type there, as T-SQL writes it; empty where not known.
    catch_up: of a full that was read in ranges, what changed meanwhile.
    is_cut: of a window, that there was more: it is fresh only when the next has been read.
    """

    dataset: str
    number: int
    kind: Kind
    window: Mapping[str, Any]
    position: Mapping[str, Any]
    epoch: Mapping[str, Any]
    columns: Mapping[str, str]
    key: tuple[str, ...]
    rows: int
    counted: int
    deleted: int
    parts: tuple[Part, ...]
    keys: tuple[Part, ...] | None
    table: str
    capture: Mapping[str, Any]
    contract_hash: str
    query_hash: str
    attempt: str
    read_at: datetime
    committed_at: datetime
    notes: tuple[str, ...] = field(default=())
    source_types: Mapping[str, str] = field(default_factory=dict)
    standing: tuple[str, ...] = field(default=())
    catch_up: CatchUp | None = None
    is_cut: bool = False

    @property
    def looked_at_all_keys(self) -> bool:
        return self.kind == "full" or self.keys is not None

    @property
    def layers(self) -> tuple[tuple[Part, ...], ...]:
        """The parts of rows; of two rows of one key, that of the later layer wins."""
        return (self.parts, self.catch_up.parts) if self.catch_up else (self.parts,)

    @property
    def named(self) -> tuple[Part, ...]:
        """All objects that the entry names."""
        return (*(part for layer in self.layers for part in layer), *(self.keys or ()))

    def to_json(self) -> bytes:
        plain = asdict(self) | {"read_at": self.read_at.isoformat(), "committed_at": self.committed_at.isoformat()}
        return json.dumps(plain, indent=1, sort_keys=True).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Batch:
        given = json.loads(data)
        if unknown := sorted(set(given) - {one.name for one in fields(cls)}):
            raise NotDeployed(
                f"the log has an entry that a newer version has written: it says {', '.join(unknown)}",
                where=f"batch {given['number']} of {given['dataset']}",
                remedy="deploy that version: this one would not understand what was read",
            )
        for name in ("read_at", "committed_at"):
            given[name] = datetime.fromisoformat(given[name])
        given["parts"] = tuple(Part(**part) for part in given["parts"])
        given["keys"] = None if given["keys"] is None else tuple(Part(**part) for part in given["keys"])
        if given.get("catch_up"):
            late = given["catch_up"]
            given["catch_up"] = CatchUp(late["window"], late["columns"], tuple(Part(**part) for part in late["parts"]))
        given["key"], given["notes"] = tuple(given["key"]), tuple(given["notes"])
        given["standing"] = tuple(given.get("standing", ()))
        return cls(**given)


class DatasetLog:
    """The log of one dataset."""

    def __init__(self, store: ObjectStore, name: DatasetName) -> None:
        self._store, self.name = store, name
        self._read: dict[int, Batch] = {}

    def numbers(self) -> list[int]:
        """The numbers of all batches, in order. Raises IntegrityError when one is missing."""
        found = sorted(
            int(match[1]) for name in self._store.names(f"{self.name}/log/") if (match := _ENTRY.fullmatch(name))
        )
        if found != list(range(1, len(found) + 1)):
            missing = sorted(set(range(1, max(found) + 1)) - set(found))
            raise IntegrityError(
                f"the log of {self.name} lacks batch {missing[0]}",
                where=self._store.uri(self._path(missing[0])),
                remedy="an entry is never deleted: restore the object from the bucket's soft delete",
            )
        return found

    def get(self, number: int) -> Batch:
        """One batch. Raises IntegrityError when there is none of that number."""
        if number not in self._read:
            data = self._store.read(self._path(number))
            if data is None:
                raise IntegrityError(
                    f"{self.name} has no batch {number}",
                    where=self._store.uri(self._path(number)),
                    remedy="see `python -m include batches`",
                )
            self._read[number] = Batch.from_json(data)
        return self._read[number]

    def newest_first(self) -> Iterator[Batch]:
        """The batches, the newest first; each is read when it is asked for."""
        for number in reversed(self.numbers()):
            yield self.get(number)

    def latest(self) -> Batch | None:
        """The newest batch that moves the dataset's position: a cohort does not."""
        return self.newest(lambda batch: batch.kind != "cohort")

    def position(self) -> Mapping[str, Any]:
        """Where the next window begins: that of `latest`, with what windows must wait for behind a cohort."""
        newest = self.newest(lambda batch: True)
        return {} if newest is None else newest.position

    def newest(self, is_wanted: Callable[[Batch], bool]) -> Batch | None:
        """The newest batch that is wanted; None when there is none."""
        return next(filter(is_wanted, self.newest_first()), None)

    def next_number(self) -> int:
        return len(self.numbers()) + 1

    def commit(self, batch: Batch) -> None:
        """Make the batch exist. Raises LostRace when another try has committed this number."""
        if self._store.create(self._path(batch.number), batch.to_json(), "application/json") is not None:
            self._read[batch.number] = batch
            return
        if self.get(batch.number).attempt != batch.attempt:  # else the answer to our own first request was lost
            raise self._lost(batch.number)

    def check_free(self, number: int) -> None:
        """Raises LostRace when this number is committed."""
        if self._store.read(self._path(number)) is not None:
            raise self._lost(number)

    def _lost(self, number: int) -> LostRace:
        return LostRace(
            f"another run committed batch {number} of {self.name} first",
            where=self._store.uri(self._path(number)),
            remedy="tried again by itself, from the batch that won",
        )

    def _path(self, number: int) -> str:
        return f"{self.name}/log/{number:08}.json"
