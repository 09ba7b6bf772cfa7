"""Who are the customers? People who do not exist, at places that do not exist."""

from __future__ import annotations

import random
import unicodedata
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache

from include.local.estates.chance import day_between, happens, stream

_TITLES = ("Mr", "Mrs", "Ms", "Miss", "Dr", "Mx")
_FIRST = ("Bel", "Dor", "Fen", "Gav", "Hal", "Jor", "Kel", "Lin", "Mar", "Nel", "Or", "Pel", "Ros", "Sel", "Tam", "Vel")
_ACCENTED = ("Bjø", "Çel", "Dœr", "Éli", "Fiá", "Ğem", "Jüt", "Łuk", "Ñam", "Öri", "Réy", "Šar", "Ťev", "Zoë")
_MIDDLE = ("a", "e", "i", "o", "u", "ai", "ea", "io")
_LAST = ("bet", "dan", "fin", "gor", "lan", "lis", "mir", "na", "nor", "ran", "ric", "sa", "tha", "vin", "wen", "zel")
_HOUSE = ("Ald", "Brask", "Cor", "Drum", "Eld", "Farn", "Grim", "Holt", "Inger", "Kest", "Lorv", "Mund", "Nar", "Quill")
_KIN = ("acre", "bane", "croft", "dell", "ember", "fold", "garth", "hollow", "issen", "low", "mere", "ness", "orne")
_EMOJI = ("😀", "🌟", "⚡", "🐘", "🔥", "🎈")
_DOMAINS = ("example.com", "example.org", "example.net", "mail.example", "post.example")
_STREETS = ("Lane", "Road", "Street", "Close", "Way", "Rise", "Court", "Terrace")
_AREAS = ("ZZ", "QX", "XQ", "VQ", "QV", "XZ")  # no area begins with Q, V or X, and ZZ is nobody's
_INWARD = "ABDEFGHJLNPQRSTUWXYZ"


@dataclass(frozen=True, slots=True)
class Address:
    """A place; `postcode` is of an area that does not exist."""

    line: str
    town: str
    postcode: str


@dataclass(frozen=True, slots=True)
class Person:
    """One person, as spelt correctly: each system then spoils this in its own way."""

    title: str
    first_name: str
    surname: str
    email: str
    phone: str
    born_on: date
    insurance_no: str
    address: Address

    def shouting(self) -> Person:
        """The same letters in capitals: another customer, to a system that compares them exactly."""
        return replace(self, first_name=self.first_name.upper(), surname=self.surname.upper(), email=self.email.upper())


@lru_cache(maxsize=50_000)  # several tables ask for each; at most some 50 MB
def person(seed: int, number: int) -> Person:
    """The person of that number; no two numbers have one e-mail address."""
    rng = stream(seed, "person", number)
    first, surname = first_name(rng), family_name(rng)
    return Person(
        title=rng.choice(_TITLES),
        first_name=first,
        surname=surname,
        email=f"{_plain(first)}.{_plain(surname)}{number}@{rng.choice(_DOMAINS)}",
        phone=_phone(rng),
        born_on=day_between(rng, date(1930, 1, 1), date(2005, 12, 31)),
        insurance_no=_insurance_no(rng),
        address=address(rng),
    )


def first_name(rng: random.Random) -> str:
    """Some have accents, some an emoji (which is two code units in an nvarchar)."""
    name = rng.choice(_ACCENTED if happens(rng, 60) else _FIRST) + rng.choice(_MIDDLE) + rng.choice(_LAST)
    return f"{name} {rng.choice(_EMOJI)}" if happens(rng, 25) else name


def family_name(rng: random.Random) -> str:
    """Some have accents, a hyphen or an apostrophe."""
    name = rng.choice(_HOUSE) + rng.choice(_MIDDLE) + rng.choice(_KIN)
    if happens(rng, 40):
        return name + "-" + rng.choice(_ACCENTED) + rng.choice(_LAST)
    return "O'" + name if happens(rng, 20) else name


def address(rng: random.Random) -> Address:
    street = rng.choice(_HOUSE) + rng.choice(_KIN)
    town = rng.choice(_FIRST) + rng.choice(_KIN)
    inward = f"{rng.randrange(10)}{rng.choice(_INWARD)}{rng.choice(_INWARD)}"
    return Address(
        line=f"{rng.randrange(1, 181)} {street} {rng.choice(_STREETS)}",
        town=town,
        postcode=f"{rng.choice(_AREAS)}{rng.randrange(1, 20)} {inward}",
    )


def _phone(rng: random.Random) -> str:
    """A number that Ofcom keeps for drama: a landline or a mobile."""
    return f"01632 960{rng.randrange(1000):03d}" if happens(rng, 500) else f"07700 900{rng.randrange(1000):03d}"


def _insurance_no(rng: random.Random) -> str:
    """The prefix QQ is never given to anybody."""
    digits = f"{rng.randrange(1_000_000):06d}"
    return f"QQ {digits[:2]} {digits[2:4]} {digits[4:]} {rng.choice('ABCD')}"


def _plain(name: str) -> str:
    """The letters that an e-mail address can be sure of."""
    bare = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "".join(letter for letter in bare.lower() if letter.isalpha())
