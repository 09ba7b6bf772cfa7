"""A world in which some of SSE's customers are prepared on the platform: merged by the real statements, then moved."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from include.errors import FormError
from include.run import Run
from include.steps.move_back import check_roll_back
from include.steps.move_check import check_move
from include.steps.move_make import move_customers
from include.steps.move_request import MoveRequest, RollBackRequest
from tests.include.merge.merging import SSE_ACCOUNT, SSE_CUSTOMER, Merging, Row, sse_account, sse_customer

_runs = itertools.count(1)
WHY = "the cohort of June moves"


@dataclass
class Moving(Merging):
    """Rows go in by hand, a batch each time. `kept`: the reports that ended in a refusal."""

    kept: list[dict[str, Any]] = field(default_factory=list)

    _batches: dict[str, int] = field(default_factory=dict)
    _keys: dict[tuple[str, str, str], str] = field(default_factory=dict)

    # -- what the systems say
    def sse(self, customers: Sequence[Row] = (), accounts: Sequence[Row] = ()) -> None:
        """A window of SSE's rows, as they are now."""
        for mapping, rows in ((SSE_CUSTOMER, customers), (SSE_ACCOUNT, accounts)):
            if rows:
                number = self._next(mapping)
                self.merge(mapping, self.batch(mapping, number, rows, full=number == 1))

    def platform(self, customers: Sequence[Row] = (), accounts: Sequence[Row] = ()) -> None:
        """Records that the platform lands now, each by its key."""
        for entity, rows in (("customer", customers), ("account", accounts)):
            mapping = f"{entity}/from_platform_{entity}"
            if rows:
                self.land(mapping, self._next(mapping), rows)

    def _next(self, mapping: str) -> int:
        self._batches[mapping] = self._batches.get(mapping, 0) + 1
        return self._batches[mapping]

    # -- what people do
    @staticmethod
    def begin(job: str = "move_cohort") -> Run:
        return Run.begin(job, f"test-{next(_runs)}", 1)

    def report(self, *ids: str, to: str = "platform", run: Run | None = None, **form: Any) -> dict[str, Any]:
        """Of a dry run, unless the form says otherwise; `ids` are SSE's."""
        given = {"ids_of": "sse/customer", "cohort": ids, **form}
        request = MoveRequest(to, WHY, **given)
        return check_move(self.catalogue, self.servers, run or self.begin(), request, self.kept.append)

    def refused_report(self, *ids: str, **form: Any) -> dict[str, Any]:
        """What is kept of a report that ends in a refusal."""
        with pytest.raises(FormError):
            self.report(*ids, **form)
        return self.kept[-1]

    def move(self, *ids: str, to: str = "platform", run: Run | None = None, **form: Any) -> dict[str, Any]:
        """Checked, and made."""
        run = run or self.begin()
        request = MoveRequest(to, WHY, **{"ids_of": "sse/customer", "cohort": ids, "dry_run": False, **form})
        report = check_move(self.catalogue, self.servers, run, request, self.kept.append)
        return self.make(run, request, report)

    def make(
        self, run: Run, request: MoveRequest | RollBackRequest, report: dict[str, Any], approval: Any = None
    ) -> dict[str, Any]:
        """A task gets what another one said as JSON."""
        said = json.loads(json.dumps(report))
        run = replace(run, token=Run.begin(run.use_case, run.run_id, 1).token)
        return move_customers(self.catalogue, self.servers, run, request, said, approval, "somebody")

    def roll_back(self, move_id: str, *, run: Run | None = None, **form: Any) -> dict[str, Any]:
        run = run or self.begin("roll_back_move")
        request = RollBackRequest(move_id, WHY, **{"dry_run": False, **form})
        report = check_roll_back(self.catalogue, self.servers, run, request, self.kept.append)
        return self.make(run, request, report)

    def back_report(self, move_id: str, **form: Any) -> dict[str, Any]:
        request = RollBackRequest(move_id, WHY, **form)
        run = self.begin("roll_back_move")
        return check_roll_back(self.catalogue, self.servers, run, request, self.kept.append)

    # -- looking
    def key(self, source_key: str, entity: str = "customer", system: str = "sse") -> str:
        """As it was when it was first asked for: read once."""
        asked = (entity, system, source_key)
        if asked not in self._keys:
            for row in self.rows("identity", entity):
                self._keys.setdefault((entity, row["system"], row["source_key"]), row[f"{entity}_key"])
        return self._keys[asked]

    def speaks(self) -> dict[str, str]:
        """Source key in SSE to the system that speaks."""
        keys = {
            row["customer_key"]: row["source_key"]
            for row in self.rows("identity", "customer")
            if row["system"] == "sse"
        }
        open_rows = [row for row in self.rows("migration", "authority") if row["until"] is None]
        return {keys[row["customer_key"]]: row["system"] for row in open_rows if row["customer_key"] in keys}


def platform_customer(key: str, copy_of: int | None = None, family_name: str | None = "Doe", **more: Any) -> Row:
    """Prepared: nobody was taken over yet."""
    row: Row = {"kafka_key": key, "customer_id": key, "family_name": family_name, "is_active": True}
    row["created_at"] = "2020-01-01T00:00:00Z"
    return {**row, "imported_from": copy_of and f"sse:{copy_of}", **more}


def platform_account(key: str, customer: str, copy_of: str | None = None, balance: str = "1.0000", **more: Any) -> Row:
    row: Row = {"kafka_key": key, "account_id": key, "customer_id": customer, "balance_gbp": balance}
    return {**row, "imported_from": copy_of and f"sse:{copy_of}", **more}


__all__ = ["WHY", "Moving", "platform_account", "platform_customer", "sse_account", "sse_customer"]
