"""Make a form of the settings of a project from their pydantic model, and settings of what the form sends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from steersman.config.annotating import ProjectSettings
from steersman.config.describing import section_of

Kind = Literal["whole", "number", "text", "yes", "choice", "lines"]
# faults by key, such as `overlap.most`; a rule over several keys stands at their section
Faults = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class FormField:
    """One key of the settings as a field of a form; `value` is what is shown, as text."""

    key: str
    title: str
    hint: str
    kind: Kind
    value: str
    choices: tuple[str, ...]
    lowest: str
    highest: str
    is_needed: bool


@dataclass(frozen=True, slots=True)
class FormSection:
    """The fields of one section."""

    key: str
    title: str
    hint: str
    fields: tuple[FormField, ...]


class SettingsFaultError(Exception):
    """What is wrong with a form of settings, by key."""

    def __init__(self, faults: Faults) -> None:
        super().__init__("; ".join(f"{key}: {words}" for key, said in faults.items() for words in said))
        self.faults = faults


def settings_form(values: Mapping[str, str]) -> list[FormSection]:
    """Return the form with `values` by key, as they were sent or as `values_of` gives them."""
    single, sections = [], []
    for name, info in ProjectSettings.model_fields.items():
        section = section_of(info.annotation)
        if section is None:
            single.append(_field(name, info, values=values))
        else:
            fields = tuple(_field(f"{name}.{key}", each, values=values) for key, each in section.model_fields.items())
            sections.append(FormSection(name, _title(name), (section.__doc__ or "").strip(), fields))
    return [*sections, FormSection("others", "Others", "", tuple(single))]


def values_of(settings: ProjectSettings) -> dict[str, str]:
    """Return the value of each key as the form shows it."""
    found: dict[str, str] = {}
    for name in ProjectSettings.model_fields:
        value = getattr(settings, name)
        if isinstance(value, BaseModel):
            found |= {f"{name}.{key}": _shown(getattr(value, key)) for key in type(value).model_fields}
        else:
            found[name] = _shown(value)
    return found


def parsed_settings(sent: Mapping[str, str]) -> ProjectSettings:
    """Return the settings that a form sent; raises SettingsFaultError that names each key with its faults."""
    values: dict[str, object] = {}
    for name, info in ProjectSettings.model_fields.items():
        section = section_of(info.annotation)
        if section is None:
            values[name] = _value(sent.get(name, ""), info)
        else:
            values[name] = {
                key: _value(sent.get(f"{name}.{key}", ""), each) for key, each in section.model_fields.items()
            }
    try:
        return ProjectSettings.model_validate(values)
    except ValidationError as error:
        raise SettingsFaultError(_faults(error)) from error


def changed_keys(before: Mapping[str, object], after: Mapping[str, object]) -> list[tuple[str, str, str]]:
    """Return key, old and new value of everything that differs between two stored settings."""
    old, new = _flat(before), _flat(after)
    return [(key, old.get(key, "-"), new.get(key, "-")) for key in {**old, **new} if old.get(key) != new.get(key)]


def _field(key: str, info: FieldInfo, *, values: Mapping[str, str]) -> FormField:
    kind = _kind(info)
    bounds = {type(each): each for each in info.metadata}
    lowest, highest = bounds.get(Ge), bounds.get(Le)
    return FormField(
        key=key,
        title=_title(key.rpartition(".")[2]),
        # in a form nothing is what a file calls null
        hint=(info.description or "").replace("null =", "empty ="),
        kind=kind,
        value=values.get(key, ""),
        choices=tuple(str(each) for each in get_args(info.annotation)) if kind == "choice" else (),
        lowest=str(lowest.ge) if isinstance(lowest, Ge) else "0" if Gt in bounds else "",
        highest=str(highest.le) if isinstance(highest, Le) else "",
        is_needed=kind in ("whole", "number") and type(None) not in get_args(info.annotation),
    )


def _kind(info: FieldInfo) -> Kind:
    if get_origin(info.annotation) is Literal:
        return "choice"
    if get_origin(info.annotation) is tuple:
        return "lines"
    types = get_args(info.annotation) or (info.annotation,)
    kinds: Mapping[type, Kind] = {bool: "yes", int: "whole", float: "number"}
    return next((kinds[each] for each in types if each in kinds), "text")


def _value(text: str, info: FieldInfo) -> object:
    kind = _kind(info)
    if kind == "yes":
        return text == "yes"
    if kind == "lines":
        return tuple(line.strip() for line in text.splitlines() if line.strip())
    return None if not text and type(None) in get_args(info.annotation) else text


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, tuple | list):
        return "\n".join(str(each) for each in value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)


def _faults(error: ValidationError) -> dict[str, list[str]]:
    faults: dict[str, list[str]] = {}
    for each in error.errors(include_url=False):
        key = ".".join(str(part) for part in each["loc"][:2] if isinstance(part, str))
        faults.setdefault(key, []).append(each["msg"].removeprefix("Value error, "))
    return faults


def _flat(settings: Mapping[str, object]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{key}": str(each) for key, each in value.items()}
        else:
            found[name] = str(value)
    return found


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()
