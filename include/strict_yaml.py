"""How does a YAML file become a model, and in which line is what is wrong in it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from include.errors import DeclarationError
from include.names import place

Lines = Mapping[tuple[Any, ...], int]


class Strict(BaseModel):
    """A part of a declaration: a key that it does not know is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_yaml[T: Strict](path: Path, model: type[T], remedy: str) -> T:
    """The file as `model`. Raises DeclarationError with path:line for each thing that is wrong, and `remedy`."""
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
    lines: dict[tuple[Any, ...], int] = {}
    data = _plain(node, (), lines, where)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        text, line = _in_words(error, lines, model)
        raise DeclarationError(text, where=f"{where}:{line}", remedy=remedy) from None


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
    return yaml.SafeLoader("").construct_object(node)


def _in_words(error: ValidationError, lines: Lines, model: type[BaseModel]) -> tuple[str, int]:
    """All that pydantic found, each with its line; and the line of the first."""
    found = []
    for problem in error.errors():
        at = _in_the_file(problem["loc"], lines)
        label = ".".join(str(part) for part in at) or "the contract"
        while at not in lines and at:
            at = at[:-1]
        found.append((lines.get(at, 1), f"{label}: {_said(problem, model)}"))
    return "; ".join(f"line {line}: {message}" for line, message in found), found[0][0]


def _in_the_file(loc: Sequence[Any], lines: Lines) -> tuple[Any, ...]:
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
    return str(problem["msg"]).removeprefix("Value error, ")


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
