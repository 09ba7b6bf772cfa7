"""Does BigQuery hold what the rules say? What differs is told in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from include.steps.deploy import DATASETS
from tests.include.merge.model.declared import BY_NAME, ENTITIES, Entity
from tests.include.merge.model.driven import Driven, Rows
from tests.include.merge.model.rules import Change, Model, Row, Speaks

Seen = Mapping[str, Rows]


@dataclass
class Watch:
    """Looks after each step of one story, and remembers what the logs said."""

    driven: Driven
    model: Model
    names: Names
    numbers: dict[str, int] = field(default_factory=lambda: dict.fromkeys(BY_NAME, 0))
    moments: list[tuple[str, str, dict[str, Row]]] = field(default_factory=list)
    """After each transaction: an entity that it changed, when its log says that this was, and its table then."""
    is_content: bool = True

    def after(self, changes: Mapping[str, Sequence[Change]], touched: Sequence[Entity]) -> None:
        """Raises AssertionError with all that is not as the rules say, when they say that this is what changed.

        touched: whose tables may have changed; of the others only the ledger is looked at, until the story's end.
        """
        places = [
            f"{place}.{entity.name}" for place in ("common_model", "identity", "change_log") for entity in touched
        ]
        seen = self.driven.look([*places, *_SHARED], self.numbers)
        self.names.learn(self.model, seen)
        wrong = [text for entity in touched for text in self._wrong_tables(entity, seen)]
        wrong += [text for entity in touched for text in self._wrong_log(entity, seen, changes.get(entity.name, ()))]
        self._say([*wrong, *self._wrong_ledgers(seen), *_wrong_authority(self.model, seen["migration.authority"])])

    def at_the_end(self) -> None:
        """All tables once more; the logs played from their beginning give them, and their history each past moment."""
        places = [f"{place}.{name}" for place in ("common_model", "identity", "change_log") for name in BY_NAME]
        histories = [f"history.{name}" for name in BY_NAME] if "history" in DATASETS else []
        seen = self.driven.look([*places, *_SHARED, *histories], {})
        self.names.learn(self.model, seen)
        wrong = [text for entity in ENTITIES for text in self._wrong_tables(entity, seen)]
        for entity in ENTITIES:
            if self._played(entity, seen) != self.model.tables[entity.name]:
                wrong.append(f"the change log of {entity.name}, played from its beginning, gives another table")
        self._say([*wrong, *(self._wrong_history(seen) if histories else [])])

    def _say(self, wrong: Sequence[str]) -> None:
        self.is_content = not wrong
        assert not wrong, "\n".join(["not as the rules say:", *wrong])

    def _wrong_tables(self, entity: Entity, seen: Seen) -> Iterator[str]:
        yield from self.names.wrong(self.model, entity, seen[f"identity.{entity.name}"])
        table, rows = self.model.tables[entity.name], seen[f"common_model.{entity.name}"]
        present = {self.names.of(row[entity.key]): self.names.row(entity, row) for row in rows}
        if len(present) != len(rows):
            yield f"common_model.{entity.name} has two rows of one key"
        for key in sorted(table.keys() | present.keys()):
            if table.get(key) != present.get(key):
                is_so, should = (rows.get(key, "is not there") for rows in (present, table))
                yield f"{_owner(self.model, entity.name, key)}\n    {is_so}\n    by the rules: {should}"

    def _wrong_log(self, entity: Entity, seen: Seen, wanted: Sequence[Change]) -> Iterator[str]:
        new = sorted(seen[f"change_log.{entity.name}"], key=lambda row: row["change_number"])
        first = self.numbers[entity.name] + 1
        if [row["change_number"] for row in new] != list(range(first, first + len(new))):
            yield f"the log of {entity.name} goes on after {first - 1} with {[row['change_number'] for row in new]}"
        logged = [self._change(entity, row) for row in new]
        for change in wanted:
            if logged.count(change) != 1:
                yield f"the log lacks {_told(self.model, entity, change)}"
        for change in logged:
            if change not in wanted:
                yield f"the log has {_told(self.model, entity, change)}"
        self.numbers[entity.name] += len(new)
        self.moments += [(entity.name, at, self.model.tables[entity.name]) for at in {row["changed_at"] for row in new}]

    def _change(self, entity: Entity, row: Mapping[str, Any]) -> Change:
        after = {} if row["operation"] == "delete" else self.names.row(entity, row)
        return Change(row["operation"], row["is_event"], self.names.of(row[entity.key]), after)

    def _wrong_ledgers(self, seen: Seen) -> Iterator[str]:
        for name, number in self.model.numbers.items():
            (ledger,) = [row for row in seen[f"ledger.{name}"] if row["name"] == "entity"]
            if ledger["change_number"] != number:
                yield f"the ledger of {name} counts {ledger['change_number']} changes, by the rules {number}"

    def _played(self, entity: Entity, seen: Seen) -> dict[str, Row]:
        table: dict[str, Row] = {}
        for row in sorted(seen[f"change_log.{entity.name}"], key=lambda row: row["change_number"]):
            change = self._change(entity, row)
            if change.operation == "delete":
                del table[change.key]
            else:
                table[change.key] = change.row
        return table

    def _wrong_history(self, seen: Seen) -> Iterator[str]:
        for name, at, table in self.moments:
            entity, rows = BY_NAME[name], seen[f"history.{name}"]
            valid = [
                row for row in rows if row["valid_from"] <= at and (row["valid_to"] is None or row["valid_to"] > at)
            ]
            then = {self.names.of(row[entity.key]): self.names.row(entity, row) for row in valid}
            if then != table or len(then) != len(valid):
                yield f"the history of {name} as of {at}\n    {then}\n    by the rules: {table}"


_SHARED = [*(f"ledger.{name}" for name in BY_NAME), "migration.authority"]


@dataclass
class Names:
    """Keys as the model knows them. Those that are made of facts are known there by the facts: one key each, always."""

    known: dict[str, str] = field(default_factory=dict)

    def learn(self, model: Model, seen: Seen) -> None:
        for entity in (entity for entity in ENTITIES if entity.identified_by):
            for row in seen.get(f"identity.{entity.name}", ()):
                ref = (row["system"], row["source_key"])
                if ref in model.said[entity.name] and model.identity[entity.name][ref].key not in self.known.values():
                    self.known.setdefault(row[entity.key], model.identity[entity.name][ref].key)

    def of(self, key: str) -> str:
        return self.known.get(key, key)

    def row(self, entity: Entity, row: Mapping[str, Any]) -> Row:
        """A row of the common model as the model writes it."""
        found: Row = {"source_system": row["source_system"]}
        for parent in entity.refers.values():
            key = row[f"{parent}_key"]
            found[f"{parent}_key"] = key and self.of(key)
        return found | {name: _typed(row[name], kind) for name, kind in entity.values.items()}

    def wrong(self, model: Model, entity: Entity, rows: Rows) -> Iterator[str]:
        """Records whose key is not the one of the rules. (One that is gone need not follow its facts.)"""
        wanted = model.identity[entity.name]
        found = {(row["system"], row["source_key"]): self.of(row[entity.key]) for row in rows}
        if len(found) != len(rows):
            yield f"identity.{entity.name} has two rows of one record"
        for ref in sorted(wanted.keys() | found.keys()):
            what = f"{entity.name} {':'.join(ref)}"
            if ref not in wanted or ref not in found:
                yield f"{what} {'has no' if ref in wanted else 'has an'} identity"
            elif found[ref] != wanted[ref].key and (not entity.identified_by or ref in model.said[entity.name]):
                was, should = (_owner(model, entity.name, key) for key in (found[ref], wanted[ref].key))
                yield f"{what} has the key of {was}, by the rules that of {should}"
        yield from _wrong_links(model, entity, rows)


def _wrong_links(model: Model, entity: Entity, rows: Rows) -> Iterator[str]:
    """Which links are in force, and which are listed for a person."""
    for row in rows:
        ref = (row["system"], row["source_key"])
        joins, listed = ref in model.effective[entity.name], model.unsettled[entity.name].get(ref)
        what = f"the link of {entity.name} {':'.join(ref)} to {row['same_as']}"
        if row["is_linked"] != joins:
            yield f"{what} {'joins' if row['is_linked'] else 'does not join'}, against the rules"
        if (row["link_problem"] is None) != (listed is None):
            yield f"{what} is listed as {row['link_problem']!r}, by the rules as {listed!r}"


def _owner(model: Model, entity: str, key: str) -> str:
    """A key in words: the record that minted it, or the facts."""
    minted = [ref for ref, one in model.identity[entity].items() if one.own_key == key]
    return f"{entity} {':'.join(minted[0])}" if minted and not BY_NAME[entity].identified_by else f"{entity} {key}"


def _told(model: Model, entity: Entity, change: Change) -> str:
    event = "" if change.is_event else " (no event)"
    return f"the {change.operation}{event} of {_owner(model, entity.name, change.key)}: {change.row or 'nothing'}"


def _wrong_authority(model: Model, rows: Rows) -> Iterator[str]:
    found = [
        Speaks(row["customer_key"], row["system"], row["decided_by"], row["until"] is None, row["move_id"])
        for row in rows
    ]
    for one in dict.fromkeys([*model.authority, *found]):
        if found.count(one) != model.authority.count(one):
            text = (
                f"{one.system} {'speaks' if one.is_open else 'spoke'} for {_owner(model, 'customer', one.customer_key)}"
            )
            times = f"{found.count(one)} times in authority, by the rules {model.authority.count(one)}"
            yield f"that {text}, decided by {one.decided_by}, is {times}"


def _typed(value: Any, kind: str) -> Any:
    """A value of JSON as the model has it."""
    if value is None or kind in ("STRING", "INT64"):
        return value
    return Decimal(str(value)) if kind == "NUMERIC" else date.fromisoformat(str(value))
