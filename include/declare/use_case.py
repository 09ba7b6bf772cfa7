"""What is a use case to begin with? (its claims are exactly what its mappings read)"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from include.catalogue import Catalogue
from include.declare.files import HERE, title
from include.errors import RequestError
from include.merge.statement import needed_columns
from include.names import DatasetName, MappingName, identifier

_LINE = 120
REUSE = "what was read within it, for whomever, is taken if a mapping of ours has not merged it yet; else we read on"


@dataclass(frozen=True)
class Wanted:
    """What the command line said, or did not say."""

    name: str
    mappings: Sequence[MappingName]
    owner: str
    priority: int
    tier: int
    schedule: str | None
    freshness: str


def use_case_text(wanted: Wanted, catalogue: Catalogue) -> str:
    """A file that passes `check`. Raises RequestError when no mapping is named."""
    identifier(wanted.name, HERE)
    if not wanted.mappings:
        raise RequestError(
            "a use case merges something", where=HERE, remedy="say --mapping <entity>/from_<system>_<dataset>"
        )
    entities = list(dict.fromkeys(mapping.entity for mapping in wanted.mappings))
    return "\n".join(
        [
            *_text(wanted, entities, catalogue),
            *_declaration(wanted, _published(entities, catalogue), claims(wanted, catalogue)),
        ]
    )


def claims(wanted: Wanted, catalogue: Catalogue) -> dict[DatasetName, list[str]]:
    """Per dataset the columns that its mappings need, in the contract's order."""
    found: dict[DatasetName, list[str]] = {}
    for mapping in wanted.mappings:
        source = catalogue.dataset(mapping.source)
        needed = {*needed_columns(catalogue.mapping(mapping), source), *found.get(mapping.source, [])}
        found[mapping.source] = [column for column in source.columns if column in needed]
    return found


def _text(wanted: Wanted, entities: Sequence[str], catalogue: Catalogue) -> Iterator[str]:
    """The docstring, shown in Airflow and sent with alerts."""
    topics = " and ".join(f"`{catalogue.topic(entity)}`" for entity in _published(entities, catalogue)) or "nothing"
    yield f'"""{title(wanted.name)}: to do: what for, in one sentence.'
    yield ""
    yield "**Who asks.** To do: which team, for which work; who reads"
    yield f"{' and '.join(f'`{entity}`' for entity in entities)} from the common model, and who follows {topics}."
    yield ""
    yield "**What breaks when this is late.** To do: who notices it first, and after how many hours. Nothing is lost:"
    yield "the next run reads on from where the last one ended."
    yield ""
    yield "**At 3 a.m.** Open the task that is red and read the lines under *Task failed with exception* in its log:"
    yield "what is wrong, where, and what to do. *Unavailable* things are tried again by themselves; *Refused* things"
    yield "need a person. To do: whom to call. Running the DAG again is always safe: what is done is not done twice."
    yield '"""'
    yield ""


def _published(entities: Sequence[str], catalogue: Catalogue) -> list[str]:
    return [entity for entity in entities if entity in catalogue.published_entities()]


def _declaration(wanted: Wanted, published: Sequence[str], claimed: dict[DatasetName, list[str]]) -> Iterator[str]:
    yield "from include.use_case import UseCase"
    yield "from orchestration.use_case_dag import use_case_dag"
    yield ""
    yield "dag = use_case_dag("
    yield "    UseCase("
    yield f'        name="{wanted.name}",'
    yield f'        purpose="{title(wanted.name)}: to do.",  # shown in the list of DAGs'
    yield f'        owner="{wanted.owner}",  # the team that is told when it fails'
    yield f"        priority={wanted.priority},  # 1 eats first, 9 last"
    yield f"        tier={wanted.tier},  # 1 wakes somebody, 2 next working day, 3 next sprint"
    schedule = f'"{wanted.schedule}"' if wanted.schedule else "None"
    yield f"        schedule={schedule},  # cron in Europe/London; None: by hand only"
    yield f"        # {REUSE}"
    yield f'        freshness="{wanted.freshness}",'
    yield "        claims={  # what nobody claims is never read: take out what you do not need"
    for dataset, columns in claimed.items():
        yield from _list(f'"{dataset}": ', columns, 12)
    yield "        },"
    yield from _list("merges=", [str(mapping) for mapping in wanted.mappings], 8)
    yield from _list("publishes=", list(published), 8)
    yield "    ),"
    yield "    doc=__doc__,"
    yield ")"
    yield ""


def _list(before: str, words: Sequence[str], indent: int) -> Iterator[str]:
    """As the formatter writes it: on one line, or a line per word."""
    quoted, margin = [f'"{word}"' for word in words], " " * indent
    line = f"{margin}{before}[{', '.join(quoted)}],"
    if len(line) <= _LINE:
        yield line
        return
    yield f"{margin}{before}["
    yield from (f"{margin}    {word}," for word in quoted)
    yield f"{margin}],"
