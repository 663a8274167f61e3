"""Say of every key of a config what it is, what it may be and what it is when left out: the fields in words."""

from collections.abc import Iterator
from enum import Enum
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_SEVERAL = (list, tuple)
_UNIONS = (Union, UnionType)


def described_keys(model: type[BaseModel], *, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the keys below `model` as `a.b`, in order, each with its words; `a[].b` is in every entry of a list."""
    for name, field in model.model_fields.items():
        key = prefix + name
        section = section_of(field.annotation)
        if section is None or field.description:
            yield key, _words(field)
        if section is not None:
            yield from described_keys(section, prefix=f"{key}[]." if _is_several(field.annotation) else f"{key}.")


def section_of(annotation: object) -> type[BaseModel] | None:
    """Return the section that a field of this type holds, alone, among other things or as a list; None for none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (*_UNIONS, *_SEVERAL):
        found = (section_of(each) for each in get_args(annotation))
        return next((each for each in found if each is not None), None)
    return None


def _is_several(annotation: object) -> bool:
    inner = get_args(annotation) if get_origin(annotation) in _UNIONS else (annotation,)
    return any(get_origin(each) in _SEVERAL for each in inner)


def _words(field: FieldInfo) -> str:
    choices = [str(each) for each in _choices(field.annotation)]
    is_told = all(choice in (field.description or "") for choice in choices)
    parts = [field.description or "", "" if is_told else f"one of {', '.join(choices)}", _if_left_out(field)]
    return "; ".join(part for part in parts if part)


def _choices(annotation: object) -> list[object]:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return list(inner)
    if origin in (*_UNIONS, *_SEVERAL, Annotated):
        return [choice for each in inner for choice in _choices(each)]
    return []


def _if_left_out(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True, validated_data={})
    # null stands in the description where it means something, a section in the keys below it
    return "" if value is None or section_of(field.annotation) else f"default {_yaml(value)}"


def _yaml(value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_yaml(each) for each in value) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)
