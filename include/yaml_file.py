"""What does a YAML file declare, and on which line is what is wrong? (for any model of pydantic's)"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from include.errors import DeclarationError
from include.names import place
from include.parts import mistakes_beside

_SHAPES = {
    "list_type": "a list: [a, b]",
    "string_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "dict_type": "names with values: {name: value}",
    "model_type": "names with values: {name: value}",
    "model_attributes_type": "names with values: {name: value}",
}
"""What to write, by pydantic's word for what is wrong."""


def line_of(path: Path, *at: str | int) -> str:
    """`path:line` of a part of a contract, `("columns", "Surname")`; of the nearest part around it that is there."""
    lines: dict[tuple[Any, ...], int] = {}
    node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    _plain(node, (), lines, place(path))
    return f"{place(path)}:{_nearest(lines, at)}"


def _nearest(lines: Mapping[tuple[Any, ...], int], at: tuple[Any, ...]) -> int:
    """The line of the last part on the way that the file has (pydantic puts a union's choice in between)."""
    there: tuple[Any, ...] = ()
    for part in at:
        there = (*there, part) if (*there, part) in lines else there
    return lines.get(there, 1)


def read_model[T: BaseModel](path: Path, model: type[T]) -> T:
    """Raises DeclarationError that names each thing that is wrong with its line."""
    where = place(path)
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except FileNotFoundError:
        raise DeclarationError(
            "there is no such contract", where=where, remedy="write it, or correct the name"
        ) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DeclarationError(
            f"not YAML: {error.problem}", where=f"{where}:{line}", remedy="mend the syntax"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise DeclarationError("not text that YAML could be", where=f"{where}:1", remedy="save it as UTF-8") from None
    lines: dict[tuple[Any, ...], int] = {}
    data = _plain(node, (), lines, where)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first, *others = _mistakes(error, lines, where, model, data)
        first.others = tuple(others)
        raise first from None


def said_of_columns(path: Path, word: str) -> dict[str, str]:
    """What each column says under a word (`references`), of a contract that may be wrong elsewhere."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        data = _plain(node, (), {}, place(path))
    except (yaml.YAMLError, UnicodeDecodeError, DeclarationError):  # told where the whole contract is read
        return {}
    columns = data.get("columns") if isinstance(data, dict) else None
    settings = columns.items() if isinstance(columns, dict) else ()
    return {name: s[word] for name, s in settings if isinstance(s, dict) and isinstance(s.get(word), str)}


def _plain(node: yaml.Node | None, at: tuple[Any, ...], lines: dict[tuple[Any, ...], int], file: str) -> Any:
    """The node as Python's own values; fills `lines` with the line of each path; refuses a key given twice."""
    if node is None:
        return None
    lines.setdefault(at, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key, value in node.value:
            if key.value in found:
                where = f"{file}:{key.start_mark.line + 1}"
                raise DeclarationError(f"'{key.value}' is given twice", where=where, remedy="keep one of them")
            lines[(*at, key.value)] = key.start_mark.line + 1
            found[key.value] = _plain(value, (*at, key.value), lines, file)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_plain(value, (*at, index), lines, file) for index, value in enumerate(node.value)]
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (ValueError, yaml.YAMLError):  # a date that the calendar does not have, a tag of one's own
        raise DeclarationError(
            f"'{node.value}' is no value that YAML knows",
            where=f"{file}:{node.start_mark.line + 1}",
            remedy="correct it, or write it in quotes",
        ) from None


def _mistakes(
    error: ValidationError, lines: Mapping[tuple[Any, ...], int], file: str, model: type[BaseModel], data: Any
) -> list[DeclarationError]:
    """All that pydantic found, and what does not fit together of the rest, each at its line, from the top."""
    found = [(_nearest(lines, at), what) for at, what in mistakes_beside(error, model, data)]
    for problem in error.errors():
        if problem["type"] == "mistakes":
            found += [(_nearest(lines, at), what) for at, what in problem["ctx"]["found"]]
            continue
        at = _in_the_file(problem["loc"], lines)
        label = ".".join(str(part) for part in at) or "the contract"
        found.append((_nearest(lines, at), f"{label}: {_said(problem, model)}"))
    found.sort()
    remedy = "correct this line; sql/sources/sse/customer and sql/common_model/customer hold contracts to compare with"
    return [DeclarationError(message, where=f"{file}:{line}", remedy=remedy) for line, message in found]


def _in_the_file(loc: Sequence[Any], lines: Mapping[tuple[Any, ...], int]) -> tuple[Any, ...]:
    """pydantic's place without the tag that tells which of several models was meant: the file has no such key."""
    at: tuple[Any, ...] = ()
    for part in loc[:-1]:
        at = (*at, part) if (*at, part) in lines else at
    return (*at, *loc[-1:])


def _said(problem: Any, model: type[BaseModel]) -> str:
    """What is wrong, in our words where pydantic's do not say what to write."""
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "extra_forbidden":
        return f"is not known here; there are: {', '.join(_keys(model, problem['loc'][:-1]))}"
    if kind == "missing":
        return "is missing"
    if kind == "union_tag_invalid":
        return f"{context['discriminator']} is '{context['tag']}': write one of {context['expected_tags']}"
    if kind == "literal_error":
        return f"is '{problem['input']}': write {context['expected']}"
    if kind in _SHAPES:
        return f"is {_shown(problem['input'])}: write {_SHAPES[kind]}{_such_as(problem, model)}"
    return str(problem["msg"]).removeprefix("Value error, ")


def _shown(value: object) -> str:
    """As YAML writes it, but for what is long."""
    if isinstance(value, (dict, list)):
        return "a list" if isinstance(value, list) else "names with values"
    return json.dumps(value, default=str, ensure_ascii=False) if value is not None else "empty"


def _such_as(problem: Any, model: type[BaseModel]) -> str:
    """For text that YAML has taken for something else: what stands there when nothing is said, else the same in
    quotes."""
    if problem["type"] != "string_type" or isinstance(problem["input"], (dict, list, type(None))):
        return ""
    field = model.model_fields.get(str(problem["loc"][0])) if len(problem["loc"]) == 1 else None
    usual = field.default if field and isinstance(field.default, str) else None
    return f", such as {usual}" if usual else f' in quotes: "{problem["input"]}"'


def _keys(annotation: Any, loc: Sequence[Any]) -> list[str]:
    """The keys that may be given at a place."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields
        return _keys(fields[loc[0]].annotation, loc[1:]) if loc else list(fields)
    if isinstance(annotation, UnionType):  # of models that a word of theirs tells apart
        (model,) = [one for one in get_args(annotation) if loc[0] in _tags(one)]
        return _keys(model, loc[1:])
    return _keys(get_args(annotation)[-1], loc[1:])  # of a dict or a list


def _tags(model: type[BaseModel]) -> list[str]:
    literals = [field.annotation for field in model.model_fields.values() if get_origin(field.annotation) is Literal]
    return [word for literal in literals for word in get_args(literal)]
