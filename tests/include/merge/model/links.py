"""Which links are in force, and which records are one? (of the model of the rules)"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from tests.include.merge.model.batches import canonical
from tests.include.merge.model.declared import Entity

Ref = tuple[str, str]
"""A record within an entity: (system, canonical source key)."""
LONGEST_CHAIN = 8


@dataclass(frozen=True)
class Identity:
    """What is remembered of a record for ever. `copy_of`: what its latest counting row said of being a copy."""

    own_key: str
    first_number: int
    key: str
    copy_of: str | None = None
    taken_over_at: datetime | None = None


def settled(entity: Entity, known: dict[Ref, Identity]) -> tuple[dict[Ref, Ref], dict[Ref, str]]:
    """The links that are in force, and those that a person must look at, with what is wrong with them."""
    links: dict[Ref, Ref] = {}
    listed: dict[Ref, str] = {}
    for ref, one in known.items():
        if one.copy_of is None:
            continue
        to, problem = read_link(entity, ref, one.copy_of)
        if problem:
            listed[ref] = problem
        elif to in known:
            links[ref] = to
    for ref in list(links):
        way = list(_way(ref, links))
        if way[-1] == ref:
            listed[ref] = "lies on a cycle"
    links = {ref: to for ref, to in links.items() if ref not in listed}
    listed |= {ref: "too far from the end" for ref in links if len(list(_way(ref, links))) > LONGEST_CHAIN}
    return {ref: to for ref, to in links.items() if ref not in listed}, listed


def read_link(entity: Entity, ref: Ref, text: str) -> tuple[Ref, str]:
    """The record that a text names, or what is wrong with it."""
    system, colon, key = text.partition(":")
    if not colon or not key:
        return ref, "cannot be read"
    if system == ref[0]:
        return ref, "names its own system"
    if system not in entity.systems:
        return ref, "names a system that has none of these"
    return (system, canonical(system, key)), ""


def _way(ref: Ref, links: dict[Ref, Ref]) -> Iterator[Ref]:
    """Where the links lead from a record, until the end or the first record that comes twice."""
    passed = [ref]
    while passed[-1] in links:
        passed.append(links[passed[-1]])
        yield passed[-1]
        if passed[-1] in passed[:-1]:
            return


def components(known: Iterable[Ref], links: dict[Ref, Ref]) -> list[set[Ref]]:
    """The records, those together that links among them join."""
    part = {ref: {ref} for ref in known}
    for one, to in links.items():
        if one in part and part[one] is not part[to]:
            part[one] |= part[to]
            for ref in part[to]:
                part[ref] = part[one]
    return list({id(members): members for members in part.values()}.values())
