"""What do the rules of merging say that the common model is? A small model of them, in plain Python.

It knows nothing of how the statements find what is affected: after each transaction it says of every key what must
be there, and the difference from before is what the change log must say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.include.merge.model.batches import Read, Record, canonical
from tests.include.merge.model.declared import BY_NAME, ENTITIES, PRECEDENCE, Entity, dataset
from tests.include.merge.model.links import Identity, Ref, components, settled

Row = dict[str, Any]


def minted(salt: str, entity: str, system: str, source_key: str) -> str:
    """The key of a record that has no other: a salted hash of who named it first."""
    text = "\x1f".join((salt, entity, system, dataset(system, entity), source_key))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Change:
    """An entry of a change log, without number and time."""

    operation: str
    is_event: bool
    key: str
    row: Row = field(hash=False)


@dataclass(frozen=True)
class Speaks:
    """A row of the authority: `is_open` while it is true."""

    customer_key: str
    system: str
    decided_by: str
    is_open: bool = True
    move_id: str | None = None


@dataclass(frozen=True)
class Move:
    """A move or a roll-back that was made: each customer with the system that spoke before, and its transaction."""

    move_id: str
    was: tuple[tuple[str, str], ...]
    transaction: int


@dataclass
class Model:
    """All that is true after the transactions so far."""

    salt: str
    said: dict[str, dict[Ref, Record]] = field(default_factory=lambda: {e.name: {} for e in ENTITIES})
    identity: dict[str, dict[Ref, Identity]] = field(default_factory=lambda: {e.name: {} for e in ENTITIES})
    tables: dict[str, dict[str, Row]] = field(default_factory=lambda: {e.name: {} for e in ENTITIES})
    numbers: dict[str, int] = field(default_factory=lambda: {e.name: 0 for e in ENTITIES})
    authority: list[Speaks] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    log: dict[str, list[tuple[int, Change]]] = field(default_factory=lambda: {e.name: [] for e in ENTITIES})
    transaction: int = 0
    effective: dict[str, dict[Ref, Ref]] = field(default_factory=lambda: {e.name: {} for e in ENTITIES})
    having: set[tuple[str, str]] = field(default_factory=set)
    """(system, entity): from the first merge of everything on a system has the entity."""
    unsettled: dict[str, dict[Ref, str]] = field(default_factory=lambda: {e.name: {} for e in ENTITIES})

    # -- transactions; each gives what the change logs must have got
    def merge(self, system: str, entity: Entity, reads: Sequence[Read]) -> dict[str, list[Change]]:
        """The batches of one dataset, in order, at once."""
        before = dict(self.identity["customer"])
        if any(read.is_full for read in reads):
            self.having.add((system, entity.name))
        said = self._after(system, entity, reads)
        new = [ref for ref in said if ref not in self.identity[entity.name]]
        self.said[entity.name] = {ref: one for ref, one in self.said[entity.name].items() if ref[0] != system} | said
        for ref in new:
            own = minted(self.salt, entity.name, *ref)
            self.identity[entity.name][ref] = Identity(own, self.numbers[entity.name] + 1, own)
        self._hear_links(entity, said)
        return self._settle(before)

    def move(self, customer_keys: Sequence[str], system: str, move_id: str) -> dict[str, list[Change]]:
        """From now on another system speaks for these customers."""
        was = tuple((key, self.speaks_for(key) or "") for key in customer_keys)
        for key in customer_keys:
            self._decide(key, system, "move", move_id)
        changes = self._resolve()
        self.moves.append(Move(move_id, was, self.transaction))
        return changes

    def roll_back(self, move: Move, move_id: str) -> dict[str, list[Change]]:
        """Who spoke before the move speaks again."""
        for key, system in move.was:
            self._decide(key, system, "roll_back", move_id)
        self.moves.remove(move)
        return self._resolve()

    def movable(self, system: str) -> list[Ref]:
        """Customers, each by one of its records, that may be moved to a system: it has one record that counts."""
        found: dict[str, Ref] = {}
        for ref, one in sorted(self.identity["customer"].items()):
            if self.speaks_for(one.key) not in (None, system) and self._has(one.key, system) == 1:
                found.setdefault(one.key, ref)
        return list(found.values())

    def immovable(self, system: str) -> list[Ref]:
        """All other customers, each by one of its records."""
        keys = {self.identity["customer"][ref].key for ref in self.movable(system)}
        found = {one.key: ref for ref, one in sorted(self.identity["customer"].items(), reverse=True)}
        return [ref for key, ref in found.items() if key not in keys]

    def may_be_rolled_back(self) -> list[Move]:
        """Moves after which nobody has decided anew, and whose systems of before still have records that count."""
        decided = {(s.customer_key, s.move_id) for s in self.authority if s.is_open}
        return [
            move
            for move in self.moves
            if all((key, move.move_id) in decided and self._has(key, system) for key, system in move.was)
        ]

    def since(self, move: Move, changes: dict[str, list[Change]]) -> dict[str, int]:
        """Of the keys that a roll-back takes away: how many came with the move or later, how many were there before."""
        opened = lost = 0
        for entity, found in changes.items():
            for key in (change.key for change in found if change.operation == "delete"):
                past = [(at, one.operation) for at, one in self.log[entity] if one.key == key and at < self.transaction]
                before = [operation for at, operation in past if at < move.transaction]
                opened += not any(at <= move.transaction and operation != "delete" for at, operation in past)
                lost += bool(before) and before[-1] != "delete"
        return {"opened": opened, "lost": lost}

    def _has(self, customer_key: str, system: str) -> int:
        """How many records that count."""
        known, said = self.identity["customer"], self.said["customer"].items()
        return sum(r.counts and known[ref].key == customer_key and ref[0] == system for ref, r in said)

    def speaks_for(self, customer_key: str) -> str | None:
        return next((s.system for s in self.authority if s.is_open and s.customer_key == customer_key), None)

    # -- conform
    def _after(self, system: str, entity: Entity, reads: Sequence[Read]) -> dict[Ref, Record]:
        """What the system says after these batches: the newest row of each key; who is absent from a look is gone."""
        said = {ref: one for ref, one in self.said[entity.name].items() if ref[0] == system}
        for read in reads:
            if read.is_full:
                said = {}
            for key, record in read.rows.items():
                ref = (system, canonical(system, key))
                if record is None:
                    said.pop(ref, None)
                else:
                    said[ref] = record
            if read.keys is not None:
                said = {ref: one for ref, one in said.items() if ref[1] in read.keys}
        return said

    def _hear_links(self, entity: Entity, said: dict[Ref, Record]) -> None:
        """A row makes, changes or unmakes the link of its record, also one that does not count. A deletion is no
        unlink."""
        known = self.identity[entity.name]
        for ref, record in said.items():
            if ref[0] in entity.links_in:
                known[ref] = replace(known[ref], copy_of=record.copy_of, taken_over_at=record.taken_over_at)

    # -- identity
    def _settle(self, before: dict[Ref, Identity]) -> dict[str, list[Change]]:
        linked_before = dict(self.effective["customer"])
        for entity in ENTITIES:
            self._mint_from_facts(entity)
            self._join(entity)
        self._decide_after(before, linked_before)
        return self._resolve()

    def _mint_from_facts(self, entity: Entity) -> None:
        if not entity.identified_by:
            return
        known = self.identity[entity.name]
        for ref, record in self.said[entity.name].items():
            facts = [self._fact(entity, name, ref, record) for name in entity.identified_by]
            own = f"{entity.name} of {', '.join(facts)}"
            known[ref] = replace(known[ref], own_key=own)

    def _fact(self, entity: Entity, name: str, ref: Ref, record: Record) -> str:
        """A reference among the facts stands for the key of what it refers to."""
        if name in entity.refers:
            return str(self._parent_key(entity.refers[name], ref[0], record.values[name]))
        return str(record.values[name])

    def _join(self, entity: Entity) -> None:
        links, listed = settled(entity, self.identity[entity.name])
        self.effective[entity.name], self.unsettled[entity.name] = links, listed
        known = self.identity[entity.name]
        for members in components(known, links):
            oldest = min((known[ref].first_number, known[ref].own_key) for ref in members)
            for ref in members:
                known[ref] = replace(known[ref], key=oldest[1])

    # -- authority
    def _decide_after(self, before: dict[Ref, Identity], linked_before: dict[Ref, Ref]) -> None:
        known, links = self.identity["customer"], self.effective["customer"]
        heard = {ref for ref in links if known[ref].taken_over_at and not (ref in before and before[ref].taken_over_at)}
        fresh = {ref for ref, to in links.items() if linked_before.get(ref) != to}
        spoke = {s.customer_key: s.system for s in self.authority if s.is_open}
        for members in components(known, links):
            key = known[next(iter(members))].key
            taken = [ref for ref in members & (fresh | heard) if known[ref].taken_over_at]
            if taken:
                self._decide(key, max(taken, key=lambda ref: (known[ref].taken_over_at, ref))[0], "link")
            elif members & fresh:
                self._decide(key, self._of_linked_to(members, fresh, before, spoke), "link")
            self._decide_without_links(key, members)

    def _of_linked_to(
        self, members: set[Ref], fresh: set[Ref], before: dict[Ref, Identity], spoke: dict[str, str]
    ) -> str | None:
        """Who spoke for the side that the new links lead to; when nobody did yet, who would now, by precedence."""
        links = self.effective["customer"]
        root = next(ref for ref in members if ref not in links)
        kept = {ref: to for ref, to in links.items() if ref not in fresh}
        side = next(part for part in components(members, kept) if root in part)
        keys = {before[ref].key for ref in (root,) if ref in before}
        return next((spoke[key] for key in keys if key in spoke), None) or self._by_precedence(side)

    def _decide_without_links(self, key: str, members: set[Ref]) -> None:
        speaks = self.speaks_for(key)
        if speaks is None:
            self._decide(key, self._by_precedence(members), "precedence")
        elif speaks not in {system for system, _ in members}:
            self._decide(key, self._by_precedence(members), "unlink")

    def _by_precedence(self, members: Iterable[Ref]) -> str | None:
        said = self.said["customer"]
        there = {ref[0] for ref in members if ref in said and said[ref].counts}
        return min(there, key=PRECEDENCE.index, default=None)

    def _decide(self, key: str, system: str | None, decided_by: str, move_id: str | None = None) -> None:
        if system is None or self.speaks_for(key) == system:
            return
        self.authority = [
            replace(s, is_open=False) if s.is_open and s.customer_key == key else s for s in self.authority
        ]
        self.authority.append(Speaks(key, system, decided_by, move_id=move_id))

    # -- resolve
    def _resolve(self) -> dict[str, list[Change]]:
        changes = {}
        self.transaction += 1
        for entity in ENTITIES:
            wanted = self._wanted(entity)
            changes[entity.name] = list(_difference(entity, self.tables[entity.name], wanted))
            self.tables[entity.name] = wanted
            self.numbers[entity.name] += len(changes[entity.name])
            self.log[entity.name] += [(self.transaction, change) for change in changes[entity.name]]
        return changes

    def _wanted(self, entity: Entity) -> dict[str, Row]:
        """One winner per key: the customer's system if it has the entity, else by precedence, then the lowest id."""
        candidates: dict[str, list[tuple[int, str, Row]]] = {}
        for ref, record in self.said[entity.name].items():
            key, row = self.identity[entity.name][ref].key, self._row(entity, ref, record)
            if record.counts and self._may_speak(entity, key, ref[0], record):
                candidates.setdefault(key, []).append((PRECEDENCE.index(ref[0]), ref[1], row))
        return {key: min(found, key=lambda one: one[:2])[2] for key, found in candidates.items()}

    def _row(self, entity: Entity, ref: Ref, record: Record) -> Row:
        row: Row = {"source_system": ref[0]}
        for name, parent in entity.refers.items():
            row[f"{parent}_key"] = self._parent_key(parent, ref[0], record.values[name])
        return row | {name: record.values[name] for name in entity.values}

    def _may_speak(self, entity: Entity, key: str, system: str, record: Record) -> bool:
        if entity.mastered == "always":
            return True
        speaks = self.speaks_for(self._customer_of(entity, key, system, record) or "")
        return speaks is None or speaks == system or (speaks, entity.name) not in self.having

    def _customer_of(self, entity: Entity, key: str, system: str, record: Record) -> str | None:
        """Whose it is: a customer's own key, the customer of a record, or of what the record's system says that it
        belongs to."""
        if entity.name == "customer":
            return key
        if "customer_id" in entity.refers:
            return self._parent_key("customer", system, record.values["customer_id"])
        ((name, parent),) = entity.refers.items()
        held = self.said[parent].get((system, canonical(system, str(record.values[name]))))
        return held and self._customer_of(BY_NAME[parent], "", system, held)

    def _parent_key(self, parent: str, system: str, source_id: Any) -> str | None:
        """The key of what a reference means, which may not have been seen yet."""
        if source_id is None:
            return None
        ref = (system, canonical(system, str(source_id)))
        known = self.identity[parent].get(ref)
        return known.key if known else minted(self.salt, parent, *ref)


def _difference(entity: Entity, before: dict[str, Row], after: dict[str, Row]) -> Iterator[Change]:
    for key in before.keys() | after.keys():
        was, now = before.get(key), after.get(key)
        if was is None or now is None:
            operation = "insert" if was is None else "delete"
            yield Change(operation, entity.has_event, key, now or {})
        elif was != now:
            shown = [name for name in now if name not in (*entity.withheld, "source_system")]
            is_event = entity.has_event and any(was[name] != now[name] for name in shown)
            yield Change("update", is_event, key, now)
