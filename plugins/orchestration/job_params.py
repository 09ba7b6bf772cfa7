"""What can somebody ask for in the form of a job? (Airflow checks the types; the first task checks the rest)"""

from __future__ import annotations

from collections.abc import Sequence

from airflow.sdk import Param

from include.publish.replay import ANEW, GIVE_UP, HISTORY, STATE
from include.steps.job_form import LONGEST_REASON, OUR_KEY, SHORTEST_REASON
from include.steps.move_request import LEAVE, REFUSE
from orchestration.params import customer_lists


def move_form(systems: Sequence[str], spaces: Sequence[str], cohorts: Sequence[str]) -> dict[str, Param]:
    """systems: those that have customers; spaces: the datasets whose ids a list may hold; cohorts: the queries."""
    return {
        "to_system": Param(
            None,
            type=["null", "string"],
            title="To which system",
            enum=[None, *systems],
            description_md="It speaks for these customers from then on. Only whoever has a present record there, "
            "linked to theirs, can be moved.",
        ),
        **_customers(spaces, cohorts),
        "why": _why(),
        "leave_out_not_ready": Param(
            False,
            type="boolean",
            title="Leave out who is not ready",
            description_md="Move the others. Otherwise one id that is unknown or not ready refuses the whole move.",
        ),
        "ignore_balances": Param(
            False,
            type="boolean",
            title="Whatever their balances",
            description_md="Move also those whose open accounts have other balances in the two systems.",
        ),
        "allow_vanishing": _allow_vanishing(
            "What only the system has that spoke before leaves the common model (a **tombstone**). The report counts "
            "it; a move that would make more vanish than is written here is refused."
        ),
        "dry_run": _dry_run(),
    }


def roll_back_form() -> dict[str, Param]:
    return {
        "move_id": Param(
            None,
            type=["null", "string"],
            title="Which move",
            description_md="The id that the summary of its run names, and **python -m include customer**.",
        ),
        "why": _why(),
        "accounts_opened_since": Param(
            REFUSE,
            type="string",
            enum=[REFUSE, LEAVE],
            title="Accounts that were opened since the move",
            description_md=f"In the system that the customers were moved to. **{REFUSE}** the roll-back when there are "
            f"any (the report lists them), or **{LEAVE}** them there: they are not in the common model until their "
            "customer moves again.",
        ),
        "allow_vanishing": _allow_vanishing(
            "What was there before the move, and what the old system no longer has. The report counts it; a roll-back "
            "that would make more vanish than is written here is refused."
        ),
        "dry_run": _dry_run(),
    }


def replay_form(entities: Sequence[str], spaces: Sequence[str], cohorts: Sequence[str]) -> dict[str, Param]:
    """entities: those that are published; spaces: the datasets whose ids a list may hold; cohorts: the queries."""
    return {
        "entity": Param(
            None,
            type=["null", "string"],
            title="Whose events",
            enum=[None, *entities],
            description_md="Choose one: its topic is named in its contract.",
        ),
        "what": Param(
            STATE,
            type="string",
            enum=[STATE, HISTORY, ANEW, GIVE_UP],
            title="What is sent",
            description_md=f"**{STATE}**: the last event of each key into the entity's own topic, tombstones included; "
            f"consumers end with the right state, wherever they are. **{HISTORY}**: every change of a range into a "
            f"topic of its own, which expires after 7 days. **{ANEW}**: every change from the first one on into the "
            "entity's own topic, which must be empty: after a restored warehouse, or for a new version of the topic. "
            f"**{GIVE_UP}**: what was asked for and is not done yet is not done any more.",
        ),
        **_customers(spaces, cohorts),
        "from_change": _bound(
            "integer", "From change", "The first change number of the history; empty: from the beginning."
        ),
        "to_change": _bound("integer", "To change", "The last one; empty: to the end."),
        "from_time": _bound(
            "string", "From time", "With its zone: **2026-11-27T08:00:00Z**. With numbers, too, both hold."
        ),
        "to_time": _bound("string", "To time", "The last moment that belongs to it; empty: to the end."),
        "topic_was_restored": Param(
            False,
            type="boolean",
            title="The topic was emptied or restored",
            description_md="It lacks events that were sent to it (publishing is refused), and nobody restores anything "
            "any more: the current state mends it.",
        ),
        "why": _why("in the log and the summary of this run"),
        "dry_run": _dry_run(),
    }


def _bound(type_: str, title: str, said: str) -> Param:
    return Param(None, type=["null", type_], title=title, description_md=f"{said} Of a history only.")


def _customers(spaces: Sequence[str], cohorts: Sequence[str]) -> dict[str, Param]:
    """At most one of the three lists."""
    return {
        "ids_of": Param(
            OUR_KEY,
            type="string",
            enum=[OUR_KEY, *spaces],
            title="Whose ids the list holds",
            description_md=f"**{OUR_KEY}**: keys of the common model. A list holds one dataset's ids.",
        ),
        **customer_lists(
            cohorts,
            titles=("These customers", "Or the customers of a list", "Or the customers of a query"),
            ids="Ids, a line each.",
            column=f"the dataset's key, or **{OUR_KEY}**",
        ),
    }


def _allow_vanishing(what: str) -> Param:
    return Param(0, type="integer", minimum=0, title="Keys that may vanish", description_md=what)


def _why(kept: str = "for good in **migration.move**") -> Param:
    return Param(
        None,
        type=["null", "string"],
        title="Why",
        minLength=SHORTEST_REASON,
        maxLength=LONGEST_REASON,
        description_md=f"Must be said, in {SHORTEST_REASON} characters or more. Kept {kept}: write "
        "nobody's data into it.",
    )


def _dry_run() -> Param:
    return Param(
        True,
        type="boolean",
        title="Dry run",
        description_md="Only the report. **Nothing is changed or sent.** It fails where the real run would be refused.",
    )
