"""Whatever the systems say, in whatever order: the common model is what the rules say, after every step."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from include.local.platform import Platform
from include.steps.deploy import apply_tables
from tests.conftest import bare_world
from tests.include.merge.model.batches import Batch, Record
from tests.include.merge.model.declared import ACCOUNT, AGREEMENT, CUSTOMER, declare
from tests.include.merge.model.driven import Driven
from tests.include.merge.model.stories import Stories

STORIES, STEPS = int(os.environ.get("STORIES", "1")), int(os.environ.get("STEPS", "16"))
SHRINKS = os.environ.get("SHRINK", "1") == "1"


@pytest.fixture(scope="module")
def driven(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Driven:
    world, catalogue = bare_world(platform, "stories"), declare(Path(tmp_path_factory.mktemp("declared")))
    apply_tables(catalogue, world.servers, lambda text: None)
    return Driven(world.servers, catalogue)


@pytest.mark.timeout(3600)
def test_after_every_step_of_a_random_story_the_common_model_is_what_the_rules_say(driven: Driven) -> None:
    Stories.driven = driven
    run_state_machine_as_test(
        Stories,
        settings=settings(
            max_examples=STORIES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink) if SHRINKS else (Phase.generate,),
            print_blob=True,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_record_that_is_linked_and_links_brings_no_new_system_to_the_customer_it_names(driven: Driven) -> None:
    """A copy of mis a waits for it, and mis a says it is SSE's 1, and SSE speaks for him: so it stays."""
    Stories.driven = driven
    story = Stories()
    story.merged(Batch("sse", CUSTOMER, {"1": _customer()}, "full"))
    story.merged(Batch("platform", CUSTOMER, {"p": _customer("mis:a")}))
    story.merged(Batch("mis", CUSTOMER, {"a": _customer("sse:1")}))
    story.teardown()


def test_a_record_that_is_too_far_from_the_end_of_its_chain_does_not_hold_and_the_others_do(driven: Driven) -> None:
    """platform p1 is a copy of mis m1, which is a copy of p2, … of m5: nine steps from p1, eight from m1."""
    Stories.driven = driven
    story = Stories()
    old = {f"m{n}": _customer(f"platform:p{n + 1}" if n < 5 else None) for n in range(1, 6)}
    story.merged(Batch("mis", CUSTOMER, old, "full"))
    story.merged(Batch("platform", CUSTOMER, {f"p{n}": _customer(f"mis:m{n}") for n in range(1, 6)}))
    assert story.model.unsettled["customer"] == {("platform", "p1"): "too far from the end"}
    assert len(story.model.tables["customer"]) == 2
    story.teardown()


def test_agreements_of_the_system_that_a_customer_left_end_when_his_new_system_brings_its_own(driven: Driven) -> None:
    """Whose an agreement is, its own system's account says, also when that account is in the common model no more."""
    Stories.driven = driven
    story, mine = Stories(), Record({"account_id": "1", "tariff": "x"})
    story.merged(Batch("sse", CUSTOMER, {"1": _customer(), "2": _customer()}, "full"))
    accounts = {key: Record({"customer_id": key, "balance": None}) for key in ("1", "2")}
    story.merged(Batch("sse", ACCOUNT, accounts, "full"))
    story.merged(Batch("sse", AGREEMENT, {"1": mine, "2": Record({"account_id": "2", "tariff": "x"})}, "full"))
    story.merged(Batch("platform", CUSTOMER, {"p": _customer("sse:1")}, "full"))
    story.moved(([("sse", "1")], "platform"))
    assert len(story.model.tables["agreement"]) == 2
    story.merged(Batch("platform", ACCOUNT, {}, "full"))
    theirs = {"q": Record({"account_id": "q", "tariff": "y"})}
    story.merged(Batch("platform", AGREEMENT, theirs))
    assert len(story.model.tables["agreement"]) == 3
    story.merged(Batch("platform", AGREEMENT, {}, "full"))
    assert len(story.model.tables["agreement"]) == 2
    story.latest_move_rolled_back()
    assert len(story.model.tables["agreement"]) == 3
    story.teardown()


def test_a_customer_whom_his_system_no_longer_has_goes_when_all_that_it_has_is_there(driven: Driven) -> None:
    """Some of SSE's customers are merged; SSE speaks for 1 and loses him, and a copy of his is there until then."""
    Stories.driven = driven
    story = Stories()
    story.merged(Batch("sse", CUSTOMER, {"1": _customer(), "2": _customer()}))
    story.merged(Batch("platform", CUSTOMER, {"p": _customer("sse:1")}, "full"))
    story.merged(Batch("sse", CUSTOMER, {"1": _customer(counts=False)}))
    assert len(story.model.tables["customer"]) == 2
    story.merged(Batch("sse", CUSTOMER, {"3": _customer()}, "full"))
    assert len(story.model.tables["customer"]) == 2
    story.teardown()


def _customer(copy_of: str | None = None, *, counts: bool = True) -> Record:
    return Record({"name": "x", "email": None}, counts, copy_of)
