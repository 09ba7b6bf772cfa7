"""Which field of a form does Airflow refuse, and what is expected? (its own words quote the value, which may be
somebody's name)"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from include.errors import FormError

_WORDS = re.compile(
    r"Invalid input for param (?P<field>\w+): .*?^Failed validating '(?P<rule>\w+)' in schema(?P<below>\S*):$",
    re.DOTALL | re.MULTILINE,
)
_SAID = {
    "pattern": "like the pattern {}",
    "minLength": "at least {} characters long",
    "maxLength": "at most {:,} characters long",
    "maxItems": "a list of at most {:,} entries",
    "minimum": "{:,} or more",
}


def form_refused(dag_id: str, said: str, params: Callable[[], Mapping[str, Any]]) -> FormError | None:
    """Airflow's refusal `said` as ours, without the value; None when it is about something else. params: the DAG's, as
    the API gives them."""
    found = _WORDS.match(said)
    if found is None:
        return None
    field, rule = found["field"], found["rule"]
    whole = part = params()[field]["schema"]
    for name in re.findall(r"\['(\w+)'\]", found["below"]):
        part = part[name]
    which = "each entry of the field" if part is not whole else "the field"
    meant = str(whole.get("description_md", "")).replace("**", "")
    return FormError(
        f"{which} {field} must be {_expected(rule, part[rule])}, and what is given is not",
        where=f"the form of {dag_id}",
        remedy=f"nothing was begun: correct {field}, and ask again" + (f" ({meant})" if meant else ""),
    )


def _expected(rule: str, value: Any) -> str:
    listed = value if isinstance(value, list | tuple) else [value]
    match rule:
        case "enum":
            return f"one of: {', '.join('null' if one is None else str(one) for one in listed)}"
        case "type":
            return f"of the type {' or '.join(listed)}"
        case _:
            return _SAID.get(rule, "right by the rule " + rule + " ({})").format(value)
