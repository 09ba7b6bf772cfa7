"""A table of cases, as its catalog has it, and its contract."""

from __future__ import annotations

from pathlib import Path

from include.catalogue import Catalogue
from include.declare.files import write_new
from include.declare.source import contract_text
from include.extract.catalog import Captures, Catalog
from include.extract.types import SourceColumn
from include.names import DatasetName, MappingName

DATABASE = "declared"
CASE = DatasetName("mis", "salesforce_case")
MAPPING = MappingName("interaction", CASE)
TEXT = "SQL_Latin1_General_CP1_CI_AS"


def case_table(*more: SourceColumn) -> Catalog:
    return Catalog(
        [
            SourceColumn("CaseId", "char", nullable=False, collation=TEXT),
            SourceColumn("CustomerRef", "varchar", collation=TEXT),
            SourceColumn("Subject", "nvarchar", collation=TEXT),
            SourceColumn("OpenedAt", "datetime2", fraction=3, nullable=False),
            SourceColumn("Order", "int"),
            SourceColumn("On", "bit"),
            *more,
        ],
        ["CaseId"],
    )


def write(root: Path, dataset: DatasetName, text: str) -> Catalogue:
    write_new(Catalogue(root).dataset_path(dataset), text)
    return Catalogue(root)


def new_source(
    root: Path, catalog: Catalog, unique: list[list[str]] | None = None, captures: Captures | None = None
) -> str:
    return contract_text(CASE, "OldDB.Salesforce.Case", catalog, unique or [], Catalogue(root), captures or Captures())
