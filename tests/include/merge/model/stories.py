"""Stories: random steps through the real statements, and after each of them a look whether the rules still hold.

A step is one batch of one dataset, merged at once or later. Its words are those of the story that a failure prints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from include.errors import IntegrityError
from tests.include.merge.model import declared
from tests.include.merge.model.batches import Batch, Record, Source, canonical, sources
from tests.include.merge.model.compared import Names, Watch
from tests.include.merge.model.declared import BY_NAME, Entity, touched
from tests.include.merge.model.driven import SALT, Driven
from tests.include.merge.model.links import Ref
from tests.include.merge.model.rules import Change, Model

IDS = {"sse": ("1", "2", "3"), "mis": ("a", "b"), "platform": ("p", "q")}
"""Few, so that records meet."""
_WRITTEN = {"mis": ("a", "b", "A ", "B")}
"""References are written as people write them."""
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "STRING": st.sampled_from(("x", "y", None)),
    "INT64": st.integers(1, 3),
    "NUMERIC": st.sampled_from((Decimal("1.00"), Decimal("2.50"))),
    "DATE": st.sampled_from((date(2026, 1, 31), date(2026, 2, 1))),
}
_FACTS = st.sampled_from(("m1", "m2"))
_TAKEN_OVER = st.sampled_from((None, datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)))
_KINDS = {
    "sse": ("window", "window", "full", "keys"),
    "mis": ("window", "full"),
    "platform": ("window", "window", "full"),
}


def references(system: str, entity: Entity, name: str) -> st.SearchStrategy[str | None]:
    ids = st.sampled_from(_WRITTEN.get(system, IDS[system]))
    return ids if entity.identified_by else st.none() | ids


def copies(system: str, entity: Entity) -> st.SearchStrategy[str | None]:
    """What a record says of being a copy: often a true one, sometimes nonsense."""
    others = [one for one in entity.systems if one != system]
    true = [f"{other}:{key}" for other in others for key in _WRITTEN.get(other, IDS[other])]
    return st.none() | st.sampled_from(true) | st.sampled_from((*true, "nobody", f"{system}:{IDS[system][0]}"))


@st.composite
def records(draw: st.DrawFn, system: str, entity: Entity) -> Record:
    values: dict[str, Any] = {name: draw(references(system, entity, name)) for name in entity.refers}
    for name, kind in entity.values.items():
        is_fact = name in entity.identified_by and kind == "STRING"
        values[name] = draw(_FACTS if is_fact else _VALUES[kind])
    copy_of = draw(copies(system, entity)) if system in entity.links_in else None
    taken = copy_of and declared.says_taken_over(system, entity.name)
    return Record(
        values, draw(st.sampled_from((True, True, True, False))), copy_of, draw(_TAKEN_OVER) if taken else None
    )


@st.composite
def batches(draw: st.DrawFn, *entities: str) -> Batch:
    """A batch of one of these entities' datasets."""
    entity = BY_NAME[draw(st.sampled_from([e for e in entities if e in BY_NAME] or ["customer"]))]
    system = draw(st.sampled_from(entity.systems))
    ids = draw(st.lists(st.sampled_from(IDS[system]), max_size=3, unique=True))
    says = {key: draw(st.none() | records(system, entity) | records(system, entity)) for key in ids}
    kind = draw(st.sampled_from(_KINDS[system]))
    missing = draw(st.frozensets(st.sampled_from(IDS[system]), max_size=1)) if kind == "keys" else frozenset()
    return Batch(system, entity, says, kind, frozenset(canonical(system, key) for key in missing))


def merged_since_a_full() -> st.SearchStrategy[tuple[str, str]]:
    """Datasets whose mapping could be changed: what it has merged begins with everything."""
    return st.runner().flatmap(lambda story: st.sampled_from(story.could_start_anew()))


@st.composite
def movable(draw: st.DrawFn) -> tuple[list[Ref], str]:
    """Customers who can be moved together, and to which system."""
    model = draw(st.runner()).model
    system = draw(st.sampled_from([one for one in declared.PRECEDENCE if model.movable(one)]))
    return draw(st.lists(st.sampled_from(model.movable(system)), min_size=1, max_size=2, unique=True)), system


@st.composite
def immovable(draw: st.DrawFn) -> tuple[Ref, str]:
    """A customer who cannot be moved, and to which system."""
    model = draw(st.runner()).model
    system = draw(st.sampled_from([one for one in declared.PRECEDENCE if model.immovable(one)]))
    return draw(st.sampled_from(model.immovable(system))), system


def told(changes: Mapping[str, Sequence[Change]]) -> dict[str, int]:
    """What the report of a move says beforehand."""
    found = [change for of_entity in changes.values() for change in of_entity]
    vanishing = sum(change.operation == "delete" for change in found)
    return {"changes": len(found), "events": sum(change.is_event for change in found), "vanishing": vanishing}


class Stories(RuleBasedStateMachine):
    """The machine of hypothesis: one instance is one story."""

    driven: ClassVar[Driven]
    names: ClassVar[Names] = Names()

    def __init__(self) -> None:
        super().__init__()
        self.driven.forget()
        self.model = Model(SALT)
        self.sources = sources()
        self.fresh: set[tuple[str, str]] = set()
        """The dataset that was merged in the step before: to do it again is worth a step, and once."""
        self.watch = Watch(self.driven, self.model, self.names)

    @rule(batch=batches("customer"))
    def merged(self, batch: Batch) -> None:
        """A batch of customers is read and merged, with those before it that were not merged yet."""
        source = self._read(batch)
        self.watch.is_content = False
        waiting = source.waiting
        self.driven.merge(source, waiting)
        source.merged = len(source.reads)
        self.fresh = {source.place}
        self.watch.after(self.model.merge(source.system, source.entity, waiting), touched(source.entity))

    @rule(batch=batches("account", "agreement"))
    def theirs_merged(self, batch: Batch) -> None:
        self.merged(batch)

    @rule(batch=batches("supply_point", "meter_reading", "payment"))
    def of_the_world_merged(self, batch: Batch) -> None:
        self.merged(batch)

    @precondition(lambda self: sum(len(source.waiting) for source in self.sources.values()) < 3)
    @rule(batch=batches("customer", "account"))
    def read(self, batch: Batch) -> None:
        """Merged late: together with what is read next of the dataset."""
        self._read(batch)

    @precondition(lambda self: self.could_start_anew())
    @rule(place=merged_since_a_full())
    def merged_anew(self, place: tuple[str, str]) -> None:
        """All since the latest full is taken once more, as after a change of the mapping: nothing is written."""
        source, self.watch.is_content, self.fresh = self.sources[place], False, set()
        self.driven.merge(source, source.since_latest_full())
        self.watch.after({}, touched(source.entity))

    @precondition(lambda self: self.fresh)
    @rule()
    def sent_again(self) -> None:
        """The answer to the last merge was lost: the same is sent once more, and finds that it was done."""
        self.fresh = set()
        self.watch.after({}, touched(self.driven.merge_last_again().entity))

    @precondition(lambda self: any(self.model.movable(system) for system in declared.PRECEDENCE))
    @rule(who=movable())
    def moved(self, who: tuple[list[Ref], str]) -> None:
        """Customers, each named by a record of theirs, are moved to another system."""
        self.watch.is_content, self.fresh = False, set()
        keys = sorted(self.model.identity["customer"][ref].key for ref in who[0])
        move_id = f"move {self.model.transaction}"
        changes = self.model.move(keys, who[1], move_id)
        self.driven.move(keys, who[1], move_id, told(changes))
        self.watch.after(changes, touched(declared.CUSTOMER))

    @precondition(lambda self: any(self.model.immovable(system) for system in declared.PRECEDENCE))
    @rule(who=immovable())
    def move_refused(self, who: tuple[Ref, str]) -> None:
        """He is there already, has no record there that counts, or two, or nobody speaks for him: nothing happens."""
        self.watch.is_content, self.fresh = False, set()
        key, move_id = self.model.identity["customer"][who[0]].key, f"refused after {self.model.transaction}"
        with pytest.raises(IntegrityError, match="who can be moved"):
            self.driven.move([key], who[1], move_id, told({}))
        self.watch.after({}, touched(declared.CUSTOMER))

    @precondition(lambda self: self.model.may_be_rolled_back())
    @rule()
    def latest_move_rolled_back(self) -> None:
        self.watch.is_content, self.fresh = False, set()
        move = self.model.may_be_rolled_back()[-1]
        move_id = f"roll-back {self.model.transaction}"
        changes = self.model.roll_back(move, move_id)
        counts = {**told(changes), **self.model.since(move, changes)}
        self.driven.roll_back([key for key, _ in move.was], move.move_id, move_id, counts)
        self.watch.after(changes, touched(declared.CUSTOMER))

    def could_start_anew(self) -> list[tuple[str, str]]:
        return sorted(place for place in self.fresh if self.sources[place].since_latest_full())

    def _read(self, batch: Batch) -> Source:
        source = self.sources[batch.place]
        self.driven.stage(source, source.read(batch))
        return source

    def teardown(self) -> None:
        if self.watch.is_content:
            self.watch.at_the_end()
