"""What is there, who asks for it, and where does each column come from? (`docs/catalogue.md`, from the declarations)"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from include.catalogue import Catalogue
from include.contract import DatasetColumn, DatasetContract, EntityContract
from include.mapping import IS_PRESENT, SAME_AS, TAKEN_OVER_AT
from include.names import DatasetName
from include.publish.schema_files import written
from include.use_case import UseCase

PAGE = "docs/catalogue.md"
_HEAD = """# Catalogue

Written by `make docs` from `dags/` and `sql/`; a test fails when it is out of date. Do not edit it.
"""


def page(catalogue: Catalogue) -> str:
    """The whole page, as Markdown. Raises DeclarationError when a declaration is wrong."""
    parts = [_HEAD, *_use_cases(catalogue), *_datasets(catalogue), *_entities(catalogue)]
    return "\n".join(parts)


def _use_cases(catalogue: Catalogue) -> Iterator[str]:
    yield "## Use cases\n"
    rows = [
        (
            f"`{case.name}`",
            case.purpose,
            case.owner,
            case.priority,
            case.tier,
            f"`{case.schedule}`" if case.schedule else "by hand",
            case.freshness,
            ", ".join(f"`{catalogue.topic(entity)}`" for entity in case.publishes),
        )
        for case in catalogue.use_cases.values()
    ]
    head = ("use case", "purpose", "owner", "priority", "tier", "schedule (London)", "fresh for", "topics")
    yield table(head, rows)
    for case in catalogue.use_cases.values():
        yield f"### {case.name}\n\n{catalogue.text_of(case)}\n"
        yield table(("claims of", "columns", "read by"), _claims(case))


def _claims(case: UseCase) -> list[tuple[object, ...]]:
    return [
        (
            dataset,
            ", ".join(f"`{c}`" for c in columns),
            ", ".join(f"{m}" for m in case.mappings if str(m.source) == dataset),
        )
        for dataset, columns in case.claims.items()
    ]


def _datasets(catalogue: Catalogue) -> Iterator[str]:
    yield "## Datasets\n"
    for name in catalogue.dataset_names():
        contract = catalogue.dataset(name)
        claimed = {
            column: [case.name for case in catalogue.use_cases.values() if column in case.claims.get(str(name), [])]
            for column in contract.columns
        }
        yield f"### {name}\n\n{contract.describes}\n\n{_facts(name, contract)}\n"
        head, becomes = ("column", "type", "privacy", "claimed by", "becomes", "what"), _becomes(catalogue, name)
        yield table(
            head,
            [
                (
                    f"`{n}`",
                    c.type,
                    _privacy(c.privacy),
                    ", ".join(claimed[n]) or "nobody: never read",
                    ", ".join(f"`{target}`" for target in becomes.get(n, [])),
                    _what(c),
                )
                for n, c in contract.columns.items()
            ],
        )


def _becomes(catalogue: Catalogue, name: DatasetName) -> dict[str, list[str]]:
    """Column of a dataset to the columns of the common model that are made of it: `customer.family_name`."""
    found: dict[str, list[str]] = {}
    for mapping in (m for m in catalogue.mapping_names() if m.source == name):
        columns = dict(
            zip(catalogue.entity(mapping.entity).columns, catalogue.entity(mapping.entity).model_columns(), strict=True)
        )
        for output in catalogue.mapping(mapping).outputs:
            for column in output.sources:
                found.setdefault(column, []).append(f"{mapping.entity}.{columns.get(output.name, output.name)}")
    return found


def _what(column: DatasetColumn) -> str:
    refers = f"an id of {column.refers_to}" if column.refers_to else ""
    offset = f"minutes from UTC of {column.offset_of}" if column.offset_of else ""
    return "; ".join(part for part in (column.describes, refers, offset) if part)


def _facts(name: DatasetName, contract: DatasetContract) -> str:
    facts = [
        f"Owner {contract.owner}",
        f"table `{contract.table}`",
        f"key {', '.join(f'`{column}`' for column in contract.key)}",
        f"captured by {contract.capture.method}",
        f"deletions: {contract.deletes}, at most {contract.deletes_at_most} in one batch",
    ]
    return "; ".join(facts) + "."


def _entities(catalogue: Catalogue) -> Iterator[str]:
    yield "## Entities of the common model\n"
    for entity in catalogue.entity_names():
        contract = catalogue.entity(entity)
        yield f"### {entity}\n\n{contract.describes}\n\n{_promises(catalogue, entity, contract)}\n"
        yield table(("column", "type", "privacy", "in the event", "what"), _columns(contract))
        yield f"Where the columns of `{entity}` come from:\n"
        yield _lineage(catalogue, entity, contract)
        yield from _choices(catalogue, entity)


def _choices(catalogue: Catalogue, entity: str) -> Iterator[str]:
    """What each mapping says of what it decided: `Choices` of the comment at its top."""
    for name in catalogue.mapping_names(entity):
        words = " ".join(catalogue.mapping(name).header.partition("Choices")[2].split())
        if words:
            yield f"- `{name}`: {words}"
    yield ""


def _promises(catalogue: Catalogue, entity: str, contract: EntityContract) -> str:
    facts = [
        f"Owner {contract.owner}",
        *_topic(catalogue, entity, contract),
        *_who_speaks(catalogue, entity, contract),
        *([f"in a part per month of `{contract.partitioned_by}`"] if contract.partitioned_by else []),
        f"kept {contract.retention.keep} after `{contract.retention.after}`",
    ]
    return "; ".join(facts) + "."


def _topic(catalogue: Catalogue, entity: str, contract: EntityContract) -> list[str]:
    if contract.event is None:
        return ["no topic: nothing of it is published"]
    versions = written(catalogue.entity_folder(entity), contract.event.topic)
    return [
        f"topic `{contract.event.topic}`, schema version {len(versions)}",
        f"read by {', '.join(contract.consumers) or 'nobody'}",
    ]


def _who_speaks(catalogue: Catalogue, entity: str, contract: EntityContract) -> list[str]:
    ranks = ", then ".join(contract.precedence)
    if contract.mastered == "always":
        names = ", ".join(f"`{name}`" for name in contract.identified_by)
        same = f"two records with one {names} are one" if names else "each record is one of its own, but for links"
        return [same, f"of several systems' records of one, {ranks} speaks"]
    through = " of ".join(f"`{name}`" for name in reversed(catalogue.customer_through(entity)))
    speaks = f"where systems are first seen together, {ranks} speaks"
    return [f"belongs to the customer of {through}, whose system speaks for it", speaks] if through else [speaks]


def _columns(contract: EntityContract) -> list[tuple[object, ...]]:
    published = contract.published()
    named = zip(contract.model_columns(), contract.columns.values(), strict=True)
    return [
        (f"`{name}`", column.type, _privacy(column.privacy), "yes" if name in published else "no", column.describes)
        for name, column in named
    ]


def _lineage(catalogue: Catalogue, entity: str, contract: EntityContract) -> str:
    """A row per column, a table column per mapping: the source columns that it is made of."""
    mappings = [catalogue.mapping(name) for name in catalogue.mapping_names(entity)]
    named = [(f"`{n}`", name, "") for n, name in zip(contract.model_columns(), contract.columns, strict=True)]
    named.append(("counts when", IS_PRESENT, "always"))
    links = [("is the same as", SAME_AS, "–"), ("speaks since", TAKEN_OVER_AT, "–")]
    named += [link for link in links if any(mapping.gives(link[1]) for mapping in mappings)]
    rows = [
        (words, *(_sources(mapping.output(name).sources) if mapping.gives(name) else without for mapping in mappings))
        for words, name, without in named
    ]
    return table(("column", *(str(mapping.name.source) for mapping in mappings)), rows)


def _sources(columns: Sequence[str]) -> str:
    return ", ".join(f"`{column}`" for column in columns) or "–"


def _privacy(privacy: str) -> str:
    return "" if privacy == "none" else f"**{privacy}**"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines) + "\n"


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
