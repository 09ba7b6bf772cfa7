"""`plan`: the bite before it is eaten, in the words that a run would use, and nothing is changed by it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from include.catalogue import Catalogue
from include.cli import main
from include.steps import plan_bite
from include.use_case import UseCase
from tests.include.steps.way import Way


def _case(way: Way) -> UseCase:
    """The way's dataset, mapping and topic alone."""
    case = way.catalogue.use_case("customer_base")
    claims = {"sse/customer": list(case.claims["sse/customer"])}
    return replace(case, claims=claims, merges=["customer/from_sse_customer"], publishes=["customer"])


def _mapping(way: Way) -> dict[str, Any]:
    (row,) = plan_bite.mappings(way.catalogue, way.world.servers, _case(way))
    return row


def _dataset(way: Way) -> dict[str, Any]:
    (row,) = plan_bite.datasets(way.catalogue, way.world.servers, _case(way))
    return row


# -- one story, in this order
def test_before_the_first_run_everything_is_new_and_read(way: Way) -> None:
    way.customers([1, 2, 3])
    row, claimed = _dataset(way), len(way.catalogue.use_case("customer_base").claims["sse/customer"])
    assert (row["what"], row["why"], row["rows"]) == ("read: full", "the first batch", 3)
    assert (row["columns there"], len(str(row["columns new"]).split(", "))) == (0, claimed)
    assert _mapping(way)["is"] == "new"


def test_what_was_read_and_not_merged_is_reused_and_waits(way: Way) -> None:
    way.extract()
    row, mapping = _dataset(way), _mapping(way)
    assert (row["what"], row["columns new"]) == ("reused", "")
    assert "not merged yet" in str(row["why"])
    assert (mapping["is"], mapping["batches waiting"], mapping["rows"]) == ("new", "1", 3)
    assert mapping["bytes staged"] > 0


def test_after_the_merge_nothing_waits_and_the_statements_are_told_with_their_bytes(way: Way) -> None:
    way.load()
    way.merge()
    mapping = _mapping(way)
    assert (mapping["is"], mapping["batches waiting"]) == ("merged to batch 1", "")
    assert _dataset(way)["what"] == "read: window"
    rows = list(plan_bite.statements(way.catalogue, way.world.servers, _case(way)))
    compared = next(row for row in rows if row["statement"] == "create conforming")
    assert "conformed.customer" in compared["reads"]
    assert compared["bytes at most"] > 0
    assert rows[-1]["bytes at most"] == sum(row["bytes at most"] for row in rows[:-1])


def test_a_topic_is_there_or_new(way: Way) -> None:
    case, servers = way.catalogue.use_case("customer_base"), way.world.servers
    assert {row["is"] for row in plan_bite.topics(way.catalogue, servers, case)} == {"there"}
    topic = Catalogue.topic
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Catalogue, "topic", lambda self, entity: topic(self, entity).replace(".v1", ".v9"))
        rows = list(plan_bite.topics(way.catalogue, servers, case))
    assert {row["is"] for row in rows} == {"new: run `topics apply`"}


def test_a_use_case_that_nobody_declared_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "customer_bas"]) == 1
    assert "customer_base" in capsys.readouterr().err
