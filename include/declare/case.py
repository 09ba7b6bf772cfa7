"""What is a mapping's test case to begin with? (a row of the source, and what must come of it)"""

from __future__ import annotations

from collections.abc import Iterator

from include.catalogue import Catalogue
from include.declare.files import HERE
from include.mapping import IS_PRESENT
from include.names import MappingName, identifier

CASES = "tests/sql/cases"
_SAMPLES = {
    "INT64": "1",
    "FLOAT64": "1.5",
    "BOOL": "true",
    "STRING": '"text"',
    "BYTES": '"text"',
    "DATE": "2020-07-01",
    "TIME": '"12:00:00"',
    "DATETIME": "2020-07-01 12:00:00",
    "TIMESTAMP": '"2020-07-01 12:00:00+00"',
    "NUMERIC": '"1.5"',
    "BIGNUMERIC": '"1.5"',
}


def case_file(mapping: MappingName, name: str) -> str:
    """Its place in the checkout."""
    return f"{CASES}/{mapping.entity}/{mapping.file_stem}/{identifier(name, HERE)}.yaml"


def case_text(name: MappingName, catalogue: Catalogue) -> str:
    """A case that holds: what is a source's column as it is must come through; the rest is left to say."""
    return (
        "\n".join([*_head(name), "given:", *_given(name, catalogue), "expected:", *_expected(name, catalogue)]) + "\n"
    )


def _head(name: MappingName) -> Iterator[str]:
    yield "# To do: say in one line which choice of the mapping this row is for."
    yield "#"
    yield f"# given      a row of {name.source}; a column that is left out is NULL"
    yield f"# expected   what {name} makes of it; a column that is left out is not compared"


def _given(name: MappingName, catalogue: Catalogue) -> Iterator[str]:
    columns = catalogue.dataset(name.source).columns
    for column in catalogue.mapping(name).source_columns:
        yield f"  {column}: {_SAMPLES[columns[column].type]}"


def _expected(name: MappingName, catalogue: Catalogue) -> Iterator[str]:
    source, mapping = catalogue.dataset(name.source), catalogue.mapping(name)
    for output in mapping.outputs:
        if output.is_plain:
            yield f"  {output.name}: {_SAMPLES[source.columns[output.sources[0]].type]}"
        else:
            made_of = f"what comes of {', '.join(output.sources)}" if output.sources else "always the same"
            yield f"  # {output.name}: to do: {made_of}"
    if not mapping.tells_presence:
        yield f"  {IS_PRESENT}: true"
