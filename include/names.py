"""What is a thing called in each place: file, task, table, object, topic?"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from include.errors import DeclarationError

SYSTEMS = ("sse", "mis", "platform")
IS_GONE = "_is_gone"
"""Our own column of a window's parts: the row is no longer there."""
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")
_MAPPING = re.compile(rf"(?P<entity>[a-z][a-z0-9_]*)/from_(?P<system>{'|'.join(SYSTEMS)})_(?P<dataset>[a-z][a-z0-9_]*)")


def identifier(text: str, where: str) -> str:
    """`text` if it is a lower-case identifier; raises DeclarationError."""
    if not _IDENTIFIER.fullmatch(text):
        raise DeclarationError(
            f"'{text}' is not a name",
            where=where,
            remedy="use lower-case letters, digits and underscores, a letter first",
        )
    return text


@dataclass(frozen=True, order=True)
class DatasetName:
    """A dataset of a system: `sse/customer`."""

    system: str
    dataset: str

    @classmethod
    def parse(cls, text: str, where: str) -> DatasetName:
        """Raises DeclarationError unless `text` is `<system>/<dataset>`."""
        system, slash, dataset = text.partition("/")
        if not slash or system not in SYSTEMS:
            raise DeclarationError(
                f"'{text}' is not a dataset",
                where=where,
                remedy=f"write <system>/<dataset>, the system one of {', '.join(SYSTEMS)}",
            )
        return cls(system, identifier(dataset, where))

    def __str__(self) -> str:
        return f"{self.system}/{self.dataset}"

    @property
    def flat(self) -> str:
        """The name in a task id, a table's name or `FROM staging.<flat>`: `sse_customer`."""
        return f"{self.system}_{self.dataset}"

    def staging_table(self, batch: int) -> str:
        """The table's name in the dataset `staging`: `sse_customer__17`."""
        return f"{self.flat}__{batch}"

    def keys_table(self, batch: int) -> str:
        """The key set of a batch that scanned the keys: `sse_customer__17_keys`."""
        return f"{self.staging_table(batch)}_keys"

    def catch_up_table(self, batch: int) -> str:
        """What changed while a batch was read in ranges: `sse_customer__17_catch_up`."""
        return f"{self.staging_table(batch)}_catch_up"


@dataclass(frozen=True, order=True)
class MappingName:
    """One row of one dataset to one row of one entity: `customer/from_sse_customer`."""

    entity: str
    source: DatasetName

    @staticmethod
    def is_one(text: str) -> bool:
        """Whether `text` has the form of such a name."""
        return _MAPPING.fullmatch(text) is not None

    @classmethod
    def parse(cls, text: str, where: str) -> MappingName:
        """Raises DeclarationError unless `text` is `<entity>/from_<system>_<dataset>`."""
        match = _MAPPING.fullmatch(text)
        if not match:
            raise DeclarationError(
                f"'{text}' is not a mapping",
                where=where,
                remedy=f"write <entity>/from_<system>_<dataset>, the system one of {', '.join(SYSTEMS)}",
            )
        return cls(match["entity"], DatasetName(match["system"], match["dataset"]))

    def __str__(self) -> str:
        return f"{self.entity}/{self.file_stem}"

    @property
    def file_stem(self) -> str:
        """`from_sse_customer`: the file's name without `.sql`, and its row in `ledger.<entity>`."""
        return f"from_{self.source.flat}"

    @property
    def task(self) -> str:
        """The name in a task id: `customer_from_sse_customer`."""
        return f"{self.entity}_{self.file_stem}"


def did_you_mean(word: object, there: Iterable[object]) -> str:
    """`, did you mean customer` where one of those that are there is nearly what was written."""
    from difflib import get_close_matches  # only where something is wrong

    near = get_close_matches(str(word), [str(name) for name in there], n=1, cutoff=0.75)
    return f", did you mean {near[0]}" if near else ""


def place(path: Path) -> str:
    """A file of `sql/` or `dags/` as it is named in errors: from that folder on, wherever the checkout lies."""
    folders = [index for index, part in enumerate(path.parts[:-1]) if part in ("sql", "dags")]
    return "/".join(path.parts[folders[-1] if folders else -1 :])


def key_column(entity: str) -> str:
    """Our key of an entity: `customer_key`."""
    return f"{entity}_key"
