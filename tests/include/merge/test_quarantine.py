"""A row that cannot be merged is kept aside with the rule that it broke; the others go on, and it comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.catalogue import Catalogue
from include.errors import TooManyBadRows
from include.merge.execute import keep_evidence
from include.merge.statement import Chain, evidence_statement
from include.names import DatasetName, MappingName
from tests.conftest import World
from tests.declarations import PEOPLE, copied
from tests.include.merge.merging import SSE_CUSTOMER, Merging, Row, sse_customer

SSE = DatasetName("sse", "customer")


@pytest.fixture(scope="module")
def lenient(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """Half of SSE's customers may be kept aside."""
    root = copied(Path(tmp_path_factory.mktemp("declared")), *PEOPLE)
    contract = root / "sql" / "sources" / "sse" / "customer" / "contract.yaml"
    contract.write_text(f"quarantine_at_most: 50%\n{contract.read_text(encoding='utf-8')}", encoding="utf-8")
    return Catalogue(root)


@pytest.fixture
def merging(world: World, lenient: Catalogue) -> Iterator[Merging]:
    found = Merging(world.servers, lenient, {SSE})
    yield found
    found.clear()


def _aside(merging: Merging) -> list[Row]:
    return merging.rows("quarantine", SSE.flat, order="source_key, batch")


def test_a_row_that_breaks_a_rule_is_kept_aside_as_it_came_and_the_others_go_on(merging: Merging) -> None:
    rows = [sse_customer(1), sse_customer(2, Status=None), sse_customer(None), sse_customer(4), sse_customer(5)]  # type: ignore[arg-type]
    done = merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 1, rows, full=True))
    assert (done.quarantined, done.rows_taken, sorted(merging.model())) == (2, 5, ["1", "4", "5"])
    no_key, neither = _aside(merging)
    assert (no_key["source_key"], no_key["rule"], no_key["batch"]) == (None, "no key", 1)
    assert (neither["source_key"], neither["rule"], neither["mapping"]) == (
        "2",
        "is_present is NULL",
        "from_sse_customer",
    )
    assert json.loads(neither["raw"])["Surname"] == "Doe"


def test_whoever_is_kept_aside_counts_as_present_and_keeps_what_was_said_before(merging: Merging) -> None:
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 1, [sse_customer(1), sse_customer(2, "Old")], full=True))
    rows = [sse_customer(1, RowVer=2), sse_customer(2, "New", Status=None, RowVer=2)]
    done = merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 2, rows, full=True))
    assert (done.quarantined, done.removed, merging.model()["2"]["family_name"]) == (1, 0, "Old")
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 3, [], keys=[1, 2]))
    assert (merging.model()["2"]["family_name"], len(_aside(merging))) == ("Old", 1)


def test_a_newer_row_takes_its_key_back(merging: Merging) -> None:
    rows = [sse_customer(1), sse_customer(2, Status=None)]
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 1, rows, full=True))
    done = merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 2, [sse_customer(2, "Mended", RowVer=2)]))
    assert (done.quarantined, merging.model()["2"]["family_name"], _aside(merging)) == (0, "Mended", [])


def test_a_newer_row_of_the_same_chain_makes_a_bad_one_nobodys_business(merging: Merging) -> None:
    bad = merging.batch(SSE_CUSTOMER, 1, [sse_customer(1), sse_customer(2, Status=None)], full=True)
    good = merging.batch(SSE_CUSTOMER, 2, [sse_customer(2, "Mended", RowVer=2)])
    done = merging.merge(SSE_CUSTOMER, bad, good)
    assert (done.quarantined, sorted(merging.model()), _aside(merging)) == (0, ["1", "2"], [])


def test_whoever_is_gone_is_no_longer_kept_aside(merging: Merging) -> None:
    rows = [sse_customer(1), sse_customer(2, Status=None)]
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 1, rows, full=True))
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 2, [], keys=[1]))
    assert _aside(merging) == []


def test_the_same_batches_once_more_keep_nothing_twice(merging: Merging) -> None:
    batch = merging.batch(SSE_CUSTOMER, 1, [sse_customer(1), sse_customer(2), sse_customer(None)], full=True)  # type: ignore[arg-type]
    merging.merge(SSE_CUSTOMER, batch)
    merging.merge(SSE_CUSTOMER, batch)
    assert [row["rule"] for row in _aside(merging)] == ["no key"]


def test_two_rows_of_one_key_are_both_kept_aside(merging: Merging) -> None:
    rows = [sse_customer(1), sse_customer(2), sse_customer(3, "One"), sse_customer(3, "Other")]
    done = merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 1, rows, full=True))
    assert (done.quarantined, sorted(merging.model())) == (1, ["1", "2"])
    aside = _aside(merging)
    assert sorted(json.loads(row["raw"])["Surname"] for row in aside) == ["One", "Other"]
    assert {row["rule"] for row in aside} == {"two rows of one key"}


def test_more_than_the_contract_allows_are_refused_and_their_evidence_is_kept(merging: Merging) -> None:
    rows = [sse_customer(1), sse_customer(2, Status=None), sse_customer(3, Status=None)]
    batch = merging.batch(SSE_CUSTOMER, 1, rows, full=True)
    with pytest.raises(
        TooManyBadRows, match=r"2 of 3 rows of sse/customer cannot be merged.*2 x is_present"
    ) as refused:
        merging.merge(SSE_CUSTOMER, batch)
    assert "quarantine.sse_customer" in refused.value.remedy
    assert (merging.rows("conformed", "customer"), _aside(merging)) == ([], [])
    name = MappingName.parse(SSE_CUSTOMER, "test")
    evidence = evidence_statement(merging.catalogue, merging.servers.cloud.table, name, Chain((1,), (batch,)))
    for _ in range(2):
        keep_evidence(merging.servers.big_query, evidence, name.file_stem, "test")
        assert [row["source_key"] for row in _aside(merging)] == ["2", "3"]
