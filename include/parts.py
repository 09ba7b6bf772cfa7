"""Do the parts of a declaration fit together, as far as each is right by itself?

pydantic asks this only when all parts are right. So that all mistakes are told at once, it is asked again of a copy in
which the parts that are wrong are missing: a check that comes upon one of them ends there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator
from pydantic_core import PydanticCustomError

Mistake = tuple[tuple[str, ...], str]
"""The part of a declaration that is wrong, and what is wrong with it."""
Place = tuple[Any, ...]
_OF_PARTS = "mistakes"


class PartIsWrong(Exception):
    """A check has come upon a part that is missing from the copy: what is wrong with that is told by itself."""


class Strict(BaseModel):
    """A part of a declaration: a key that it does not know is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    if not TYPE_CHECKING:  # else every name would be an attribute for mypy

        def __getattr__(self, name: str) -> Any:
            if name in type(self).model_fields:
                raise PartIsWrong(name)
            raise AttributeError(f"{type(self).__name__} has no {name}")


class Whole(Strict):
    """A declaration whose parts must fit together."""

    def mistakes(self) -> Iterator[Mistake]:
        """What does not."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if found := list(self.mistakes()):
            text = "; ".join(what for _, what in found)
            raise PydanticCustomError(_OF_PARTS, "{text}", {"text": text, "found": found})  # type: ignore[misc]
        return self


def as_far_as_right(*checks: Callable[[], Iterator[Mistake]]) -> Iterator[Mistake]:
    """What each check tells before it comes upon a part that is wrong by itself."""
    for check in checks:
        try:
            yield from check()
        except PartIsWrong:
            continue


def mistakes_beside(error: ValidationError, model: type[BaseModel], data: Any) -> list[Mistake]:
    """What does not fit together, where `error` tells what is wrong by itself."""
    problems = error.errors()
    if not issubclass(model, Whole) or not isinstance(data, dict) or problems[0]["type"] == _OF_PARTS:
        return []
    return list(_right_parts(model, data, [problem["loc"] for problem in problems]).mistakes())


def _right_parts[T: BaseModel](model: type[T], data: Any, wrong: Collection[Place]) -> T:
    """A copy without the parts that are wrong."""
    copy = model.model_construct()
    for name, field in model.model_fields.items():
        below = [place[1:] for place in wrong if place[:1] in ((), (name,))]
        if not below and name in data:
            copy.__dict__[name] = TypeAdapter(field.rebuild_annotation()).validate_python(data[name])
        elif below and _is_of_models(field.annotation) and () not in below:
            copy.__dict__[name] = _each(get_args(field.annotation)[1], data[name], below)
        elif below:
            copy.__dict__.pop(name, None)
    return copy


def _is_of_models(annotation: Any) -> bool:
    """A dict of names to models."""
    return get_origin(annotation) is dict and issubclass(get_args(annotation)[1], BaseModel)


def _each(model: type[BaseModel], data: Any, wrong: Collection[Place]) -> dict[str, BaseModel]:
    return {
        key: _right_parts(model, value, [place[1:] for place in wrong if place[0] == key])
        for key, value in data.items()
    }
