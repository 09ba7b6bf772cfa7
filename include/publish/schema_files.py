"""Which schemas were ever promised to the consumers of a topic? (`schemas/<topic>/<version>.avsc` beside the contract)

The newest file is the contract's own schema; all of one topic are compatible with each other (FULL_TRANSITIVE), which
is proven here from the files, before any registry is asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from include.contract import EntityContract
from include.errors import DeclarationError
from include.names import place
from include.publish.schemas import event_schema, schema_text
from include.yaml_file import line_of

_INSTEAD = (
    "add a column of another name and take the old one out; or, for anything else, begin a new version of the topic "
    "({next_topic}). A version that no registry has seen yet may be deleted: then run `python -m include schemas write`"
)


@dataclass(frozen=True)
class SchemaFile:
    """A version that was written, `schema` as it is registered."""

    version: int
    path: Path
    schema: dict[str, Any] = field(repr=False)


def written(folder: Path, topic: str) -> list[SchemaFile]:
    """All versions of a topic's schema, the oldest first. `folder`: the entity's.

    Raises DeclarationError for a file that is no JSON, and for a version that is missing in the row.
    """
    paths = sorted((folder / "schemas" / topic).glob("*.avsc"), key=lambda path: (len(path.stem), path.stem))
    for number, path in enumerate(paths, 1):
        if path.stem != str(number):
            raise DeclarationError(
                f"the schemas of {topic} are not numbered 1, 2, 3, …: {number}.avsc is missing",
                where=f"{place(path)}:1",
                remedy="bring the missing file back: what was promised to consumers is never taken back",
            )
    return [SchemaFile(number, path, _read(path)) for number, path in enumerate(paths, 1)]


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        assert isinstance(found, dict)
        return found
    except (ValueError, AssertionError):
        raise DeclarationError(
            "not a schema as JSON", where=f"{place(path)}:1", remedy="bring the file back as it was"
        ) from None


def schema_mistakes(folder: Path, entity: str, contract: EntityContract) -> Iterator[DeclarationError]:
    """Where the contract breaks what was promised, or the promise is not written down."""
    if contract.event is None:
        yield from _taken_back(folder, entity)
        return
    topic, now = contract.event.topic, event_schema(entity, contract)
    versions = written(folder, topic)
    broken = list(_breaks(folder, now, topic, versions))
    yield from broken
    if not broken and (not versions or schema_text(versions[-1].schema) != schema_text(now)):
        newest = f"not those of {place(versions[-1].path)}" if versions else "written down nowhere"
        yield DeclarationError(
            f"the events of {entity}, as its contract has them, are {newest}",
            where=line_of(folder / "contract.yaml", "columns" if versions else "event"),
            remedy=f"run `python -m include schemas write` (it writes {len(versions) + 1}.avsc), and commit the file",
        )


def _taken_back(folder: Path, entity: str) -> Iterator[DeclarationError]:
    """An event that is no longer there, though its consumers were promised it."""
    for path in sorted((folder / "schemas").glob("*/1.avsc")):
        yield DeclarationError(
            f"{entity} has no event, but {path.parent.name} was promised to consumers",
            where=line_of(folder / "contract.yaml", "columns"),
            remedy=f"bring `event` back; or, when nobody follows the topic any more, delete {place(path.parent)}",
        )


def write_schema(folder: Path, entity: str, contract: EntityContract) -> Path | None:
    """The next version, where the contract asks for one. Raises DeclarationError when it would break an earlier one."""
    if contract.event is None:
        return None
    topic, now = contract.event.topic, event_schema(entity, contract)
    versions = written(folder, topic)
    for mistake in _breaks(folder, now, topic, versions):
        raise mistake
    if versions and schema_text(versions[-1].schema) == schema_text(now):
        return None
    path = folder / "schemas" / topic / f"{len(versions) + 1}.avsc"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_a_line_per_field(now), encoding="utf-8")
    return path


def _a_line_per_field(schema: dict[str, Any]) -> str:
    """For a reviewer's eye: what is new is one line of the difference."""
    head = [f"{json.dumps(key)}: {_json(value)}," for key, value in schema.items() if key != "fields"]
    fields = ",\n    ".join(_json(avro_field) for avro_field in schema["fields"])
    return "\n  ".join(["{", *head, f'"fields": [\n    {fields}\n  ]']) + "\n}\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _breaks(
    folder: Path, now: dict[str, Any], topic: str, versions: Sequence[SchemaFile]
) -> Iterator[DeclarationError]:
    """Each breach once, with the oldest version that it breaks."""
    told: set[str] = set()
    for old in versions:
        for column, problem in incompatible(now, old.schema):
            if column not in told:
                told.add(column)
                yield DeclarationError(
                    f"{problem}: consumers of {topic} still read with {place(old.path)}",
                    where=line_of(folder / "contract.yaml", "columns", column),
                    remedy=_INSTEAD.format(next_topic=_next(topic)),
                )


def incompatible(new: dict[str, Any], old: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(field, what is wrong), unless a reader with either schema understands what was written with the other.

    By Avro's rules of schema resolution, for records as `event_schema` makes them: a field that only one of them has
    must have a default there, and one that both have must be of one type, in all its details.
    """
    if new["name"] != old["name"]:
        yield "", f"the record was called {old['name']}, and is now {new['name']}"
    now, before = ({f["name"]: f for f in schema["fields"]} for schema in (new, old))
    for name in [*before, *(n for n in now if n not in before)]:
        if name in now and name in before:
            if now[name]["type"] != before[name]["type"]:
                yield name, f"{name} was {_type(before[name])}, and is now {_type(now[name])}"
        elif "default" not in (now.get(name) or before[name]):
            yield name, f"{name}, which has no default, was {'taken out' if name in before else 'added'}"


def _type(avro_field: dict[str, Any]) -> str:
    kind = avro_field["type"]
    kind = kind[-1] if isinstance(kind, list) else kind
    if not isinstance(kind, dict):
        return str(kind)
    details = [str(kind[detail]) for detail in ("precision", "scale") if detail in kind]
    return str(kind["logicalType"]) + (f"({', '.join(details)})" if details else "")


def _next(topic: str) -> str:
    stem, _, version = topic.rpartition(".v")
    return f"{stem}.v{int(version) + 1}"
