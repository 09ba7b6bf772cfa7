"""Is there what the command line names? (the argument is to blame, not a file that nobody has written)"""

from __future__ import annotations

from collections.abc import Sequence

from include.catalogue import Catalogue
from include.declare.files import HERE
from include.errors import RequestError
from include.names import DatasetName, MappingName, did_you_mean


def entity_named(text: str, catalogue: Catalogue) -> str:
    """Raises RequestError unless there is such an entity."""
    _require("entity", text, catalogue.entity_names(), f"python -m include new entity {text}")
    return text


def dataset_named(text: str, catalogue: Catalogue) -> DatasetName:
    """Raises DeclarationError for what is no dataset's name, RequestError unless there is a contract of it."""
    name = DatasetName.parse(text, HERE)
    _require("dataset", name, catalogue.dataset_names(), f"python -m include new source {name.system} <table>")
    return name


def mapping_named(text: str, catalogue: Catalogue) -> MappingName:
    """Raises DeclarationError for what is no mapping's name, RequestError unless there is such a mapping."""
    name = MappingName.parse(text, HERE)
    there = catalogue.well_named_mappings()
    _require("mapping", name, there, f"python -m include new mapping {name.entity} {name.source}")
    return name


def _require(kind: str, name: object, there: Sequence[object], begin: str) -> None:
    if name not in there:
        raise RequestError(
            f"there is no {kind} {name}{did_you_mean(name, there)}",
            where=HERE,
            remedy=f"correct the name, or begin it: `{begin}`; there are: {', '.join(map(str, there))}",
        )
