"""Parse YAML, apply overrides, validate, and say plainly what is wrong. Touches no file: callers hand in the text."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from steersman.config.choices import one_fault_each
from steersman.config.describing import section_of
from steersman.errors import ConfigError, join_faults

_MERGE_TAG = "tag:yaml.org,2002:merge"
# how pydantic calls the things that a value may be
_CHOICE = re.compile(r"(dict|list|tuple|literal)\[.*\]", re.DOTALL)


class Settings(BaseModel):
    """The base of every config section: frozen, extra keys forbidden, numbers finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)


S = TypeVar("S", bound=Settings)


def load_settings(text: str, *, model: type[S], source: str, overrides: Sequence[str] = ()) -> S:
    """Return the settings in a YAML text after applying overrides of the form `a.b=value`.

    Raises ConfigError that names every wrong key with the nearest valid one, and every wrong value with its rule.
    """
    return validate_settings(with_overrides(parse_yaml(text, source=source), overrides), model=model, source=source)


def parse_yaml(text: str, *, source: str) -> dict[str, object]:
    """Return the mapping in a YAML text; raises ConfigError when it is none or names a key twice."""
    value = _yaml_value(text, source=source)
    if not isinstance(value, dict):
        raise ConfigError(f"{source}: a mapping of keys to values is needed")
    return value


def _yaml_value(text: str, *, source: str) -> object:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        faults = _repeated_keys(node, source=source)
        value = None if faults else yaml.safe_load(text)
    except RecursionError as error:
        raise ConfigError(f"{source}: nested too deep to be read") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: not YAML ({' '.join(str(error).split())})") from error
    except (ValueError, LookupError, AttributeError) as error:
        # so PyYAML ends on a date, a number or a tag whose text does not fit
        raise ConfigError(f"{source}: not YAML (a value does not fit its type: {error})") from error
    if faults:
        raise ConfigError(join_faults(faults))
    return value


def _repeated_keys(root: yaml.Node | None, *, source: str) -> list[str]:
    """Return the keys that one mapping below `root` holds twice; PyYAML would take the last in silence."""
    faults: list[tuple[int, str]] = []
    seen: set[int] = set()
    waiting = [root] if root is not None else []
    while waiting:
        node = waiting.pop()
        # an alias gives the same node again, also inside of itself
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            faults += _repeated_in(node)
            waiting += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
    return [f"{source}:{line}: {words}" for line, words in sorted(faults)]


def _repeated_in(mapping: yaml.MappingNode) -> list[tuple[int, str]]:
    lines: dict[tuple[str, str], int] = {}
    faults = []
    for key, _ in mapping.value:
        # of other keys PyYAML itself says that they cannot be one; "<<" merges, as often as it stands there
        if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE_TAG:
            continue
        line = key.start_mark.line + 1
        first = lines.get((key.tag, key.value))
        if first is not None:
            faults.append((line, f"the key '{key.value}' stands on line {first} already, keep one of the two"))
        lines.setdefault((key.tag, key.value), line)
    return faults


def with_overrides(values: Mapping[str, object], overrides: Iterable[str]) -> dict[str, object]:
    """Return a copy of `values` with each `a.b=value` set; the value is read as YAML."""
    result = dict(values)
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator or not key:
            raise ConfigError(f"--set {override}: write it as key=value, for example --set seed=2")
        value = _yaml_value(text, source=f"--set {override}")
        result = _with_value(result, key.split("."), value, override=override)
    return result


def _with_value(
    values: Mapping[str, object], keys: Sequence[str], value: object, *, override: str
) -> dict[str, object]:
    first, *rest = keys
    if not rest:
        return {**values, first: value}
    inner = values.get(first)
    if inner is not None and not isinstance(inner, dict):
        raise ConfigError(f"--set {override}: '{first}' holds no keys of its own")
    return {**values, first: _with_value(inner or {}, rest, value, override=override)}


def validate_settings(values: Mapping[str, object], *, model: type[S], source: str) -> S:
    """Return `values` as `model`, or raise ConfigError as `load_settings` does."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = [_fault_words(each, model=model) for each in one_fault_each(error.errors(), choice=_CHOICE)]
        raise ConfigError(f"{source}: {join_faults(faults)}") from error


def _fault_words(fault: ErrorDetails, *, model: type[BaseModel]) -> str:
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        valid = valid_keys(model, [str(part) for part in fault["loc"][:-1]])
        nearest = difflib.get_close_matches(str(fault["loc"][-1]), valid, n=1, cutoff=0.0)
        hint = f"; did you mean '{nearest[0]}'?" if nearest else ""
        return f"unknown key '{key}'{hint}"
    if fault["type"] == "missing":
        return f"'{key}' is missing"
    words = fault["msg"].removeprefix("Value error, ")
    # a rule over several keys names them; the whole section would only hide them
    is_section = fault["type"] == "value_error" and isinstance(fault["input"], Mapping)
    shown = "" if is_section else f" (got {str(fault['input'])[:60]})"
    return f"'{key}': {words}{shown}" if key else f"{words}{shown}"


def valid_keys(model: type[BaseModel], path: Sequence[str]) -> list[str]:
    """Return the keys the section at `path` of `model` knows, empty where it is no section."""
    section: type[BaseModel] | None = model
    for part in path:
        if section is None:
            return []
        if part.isdigit():
            continue
        field = section.model_fields.get(part)
        section = section_of(field.annotation) if field else None
    return sorted(section.model_fields) if section else []


def dump_settings(settings: Settings) -> str:
    """Return the resolved settings as YAML; loading it again gives equal settings."""
    return yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
