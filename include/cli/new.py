"""`new source | entity | mapping | use-case | case`: where do I begin? (files that are right as they stand)"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from include.catalogue import ROOT, Catalogue
from include.cli.arguments import dataset_named, entity_named, mapping_named
from include.cli.report import numbered
from include.cli.servers import servers
from include.declare.case import case_file, case_text
from include.declare.entity import entity_text
from include.declare.files import HERE, from_root, refuse_if_there, write_new
from include.declare.landing import landing_text
from include.declare.mapping import mapping_text
from include.declare.source import contract_text, dataset_name, parse_table
from include.declare.use_case import REUSE, Wanted, use_case_text
from include.errors import RequestError
from include.extract.catalog import read_captures, read_catalog, read_unique_indexes
from include.names import SYSTEMS, MappingName
from include.publish.schema_files import write_schema
from include.steps.check import problems
from include.steps.left_to_do import left_to_do

_IN_BIG_QUERY = "platform"
_CHECK = "python -m include check"


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("new", help="begin a source, an entity, a mapping, a use case, a test case")
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="what")
    _add_source(kinds)
    _add_entity(kinds)
    mapping = kinds.add_parser("mapping", help="one row of a dataset to one row of an entity")
    mapping.add_argument("entity")
    mapping.add_argument("dataset", help="for example mis/salesforce_case")
    mapping.set_defaults(run=_mapping)
    _add_use_case(kinds)
    case = kinds.add_parser("case", help="a test case of a mapping: a row, and what must come of it")
    case.add_argument("mapping", help="for example customer/from_sse_customer")
    case.add_argument("name", help="what the row is about: blank_surname")
    case.set_defaults(run=_case)


def _add_source(kinds: Any) -> None:
    source = kinds.add_parser("source", help="a dataset's contract, from the catalog of its system")
    source.add_argument("system", choices=SYSTEMS)
    source.add_argument("table", help="Database.schema.Table, or dataset.table of a landing table in BigQuery")
    source.add_argument("--name", help="of the dataset (the table's own, in our spelling)")
    source.set_defaults(run=_source)


def _add_entity(kinds: Any) -> None:
    entity = kinds.add_parser("entity", help="an entity's contract, and its first schema")
    entity.add_argument("name", help="for example interaction")
    entity.add_argument("--from", dest="after", metavar="dataset", help="with the columns of this dataset")
    entity.set_defaults(run=_entity)


def _add_use_case(kinds: Any) -> None:
    case = kinds.add_parser("use-case", help="a file of dags/: who asks, how urgent, which columns and mappings")
    case.add_argument("name", help="what the business calls it: agent_service")
    case.add_argument("--mapping", action="append", default=[], help="may be said several times")
    case.add_argument("--owner", default="to-do", help="the team that is told when it fails")
    case.add_argument("--priority", type=int, default=5, help="1 eats first, 9 last (5)")
    case.add_argument("--tier", type=int, default=3, help="1 wakes somebody, 2 next working day, 3 next sprint (3)")
    case.add_argument("--schedule", help="cron in Europe/London (by hand only)")
    case.add_argument("--freshness", default="6h", help=f"{REUSE} (6h)")
    case.set_defaults(run=_use_case)


def _source(args: argparse.Namespace) -> int:
    catalogue, form = Catalogue(), "dataset.table" if args.system == _IN_BIG_QUERY else "Database.schema.Table"
    parts = parse_table(args.table, form)
    name, table = dataset_name(args.system, parts, args.name), ".".join(parts)
    refuse_if_there(catalogue.dataset_path(name))
    clients = servers()
    if args.system == _IN_BIG_QUERY:
        facts = clients.big_query.facts(f"{clients.cloud.project}.{table}")
        text = landing_text(name, table, facts.columns if facts else None, catalogue)
    else:
        with clients.sql_server(args.system, parts[0]) as session:
            catalog = read_catalog(session, table)
            unique = [] if catalog.primary_key else read_unique_indexes(session, table)
            captures = read_captures(session, table)
        text = contract_text(name, table, catalog, unique, catalogue, captures)
    return _tell(
        [write_new(catalogue.dataset_path(name), text)],
        "read it: `describes`, `owner` and what is called a guess are for the table's owner to confirm, privacy first",
        f"python -m include new entity <name> --from {name}     an entity with these columns, or",
        f"python -m include new mapping <entity> {name}     to an entity that is there",
        "make docs",
    )


def _entity(args: argparse.Namespace) -> int:
    catalogue = Catalogue()
    path = catalogue.entity_path(args.name)
    after = dataset_named(args.after, catalogue) if args.after else None
    written = [write_new(path, entity_text(args.name, after, catalogue))]
    catalogue = Catalogue()
    schema = write_schema(catalogue.entity_folder(args.name), args.name, catalogue.entity(args.name))
    written += [from_root(schema)] if schema else []
    return _tell(
        written,
        "read it, and edit it: each column is a promise to all consumers (then: python -m include schemas write)",
        f"python -m include new mapping {args.name} {after or '<system>/<dataset>'}",
        "make golden docs",
        "when it is deployed: python -m include tables apply, topics apply, schemas register",
    )


def _mapping(args: argparse.Namespace) -> int:
    catalogue = Catalogue()
    name = MappingName(entity_named(args.entity, catalogue), dataset_named(args.dataset, catalogue))
    path = catalogue.mapping_path(name)
    refuse_if_there(path)
    return _tell(
        [write_new(path, mapping_text(name, catalogue))],
        "read it: what is NULL is said to be, and `Choices` is where a reader looks for what was decided",
        f"python -m include new case {name} <what the row is about>     a row, and what must come of it",
        f"python -m include new use-case <name> --mapping {name}     or add it to `merges` of one that is there",
        "make golden docs     the statements that it becomes, for a reviewer's eye",
    )


def _use_case(args: argparse.Namespace) -> int:
    catalogue = Catalogue()
    wanted = Wanted(
        args.name,
        [mapping_named(mapping, catalogue) for mapping in args.mapping],
        args.owner,
        args.priority,
        args.tier,
        args.schedule,
        args.freshness,
    )
    return _tell(
        [_write_if_right(catalogue.dags / f"{args.name}.py", use_case_text(wanted, catalogue))],
        "read it, and say who asks, what breaks and whom to call: this is what is read at 3 a.m.",
        _CHECK,
        "make golden docs check",
        "when it is deployed: a dry run first, then a bite, then everything (docs/deploying.md)",
    )


def _write_if_right(path: Path, text: str) -> str:
    """Writes a file that all follows from the arguments; raises RequestError, and writes nothing, if it were wrong.

    It is tried in a copy of the declarations: a wrong file in `dags/` would be an import error in Airflow at once.
    """
    refuse_if_there(path)
    root = Catalogue().sql.parent
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in ("dags", "sql"):
            shutil.copytree(root / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        (copy / path.relative_to(root)).write_text(text, encoding="utf-8")
        wrong = [error for error in problems(Catalogue(copy)) if error.where.startswith(f"{from_root(path)}:")]
    if wrong:
        raise RequestError(
            f"{from_root(path)} is not written: {'; '.join(error.problem for error in wrong)}",
            where=HERE,
            remedy="; ".join(dict.fromkeys(error.remedy for error in wrong)),
        )
    return write_new(path, text)


def _case(args: argparse.Namespace) -> int:
    catalogue = Catalogue()
    name = mapping_named(args.mapping, catalogue)
    return _tell(
        [write_new(ROOT / case_file(name, args.name), case_text(name, catalogue))],
        "give the row the values that it is about, and say what must come of them",
        "make check     runs all cases by GoogleSQL's own evaluator, without a server",
    )


def _tell(written: Sequence[str], *next_steps: str) -> int:
    """What was written, whether it is right, and what a person does next; 1 when something written is not right."""
    catalogue = Catalogue()
    wrong, todos = list(problems(catalogue)), left_to_do(catalogue)
    not_right = [error for error in wrong if error.where.partition(":")[0] in written]
    for file in written:
        here = [error for error in not_right if error.where.startswith(f"{file}:")]
        left = [todo for todo in todos if todo.file == file]
        print(f"{file} is written, {_as_it_is(here, left)}")
        for line in (*here, *left):
            print(line)
    if wrong:
        print(f"`{_CHECK}` finds {numbered(len(wrong), 'problem')} in all")
    print("What to do next:")
    for step in next_steps:
        print(f"  {step}")
    return 1 if not_right else 0


def _as_it_is(wrong: Sequence[object], left: Sequence[object]) -> str:
    if wrong:
        return "but is not right yet:"
    return f"and passes check; {numbered(len(left), 'to-do')} left in it:" if left else "and is right as it stands"
