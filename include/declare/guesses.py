"""What does a column's name betray? (guesses, and marked as such: the data's owner decides)"""

from __future__ import annotations

import re

from include.contract import Privacy
from include.declare.files import snake

_SPECIAL = re.compile(
    r"vulnerab|health|medical|disab|priority_serv|(^|_)psr(_|$)|ethnic|religio|biometric|pregnan|sexual|union_member"
)
_PERSONAL = re.compile(
    r"surname|forename|(^|_)(first|last|full|given|family|middle|maiden|contact|customer|holder)_?names?(_|$)|^name$"
    r"|e_?mail|phone|mobile|telephone|(^|_)(tel|fax|dob|ni|nino|ssn|sex|iban|bic|pin|ip)(_|$)|birth|national_?insurance"
    r"|address|street|post_?code|postal|zip_?code|sort_?code|bank|(^|_)card(_|$)|passport|licen[cs]e|salutation|signature"
    r"|gender|latitude|longitude|(^|_)(subject|notes?|comments?|remarks?|description|body|message|free_?text)(_|$)"
)


def privacy_of(column: str) -> Privacy:
    """By the name alone. Free text (subject, notes, …) counts as personal: it may hold anything."""
    name = snake(column)
    if _SPECIAL.search(name):
        return "special"
    return "personal" if _PERSONAL.search(name) else "none"
