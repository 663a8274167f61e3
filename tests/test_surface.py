"""The frozen surfaces: every verb with its options, every key of every config, as lists in tests/surface/.

A change of a list is a change of what users rely on, and is meant to be seen in review. To write the lists anew:

    python tests/test_surface.py
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from steersman.cli.main import cli
from steersman.config.annotating import ProjectSettings
from steersman.config.loading import Settings
from steersman.config.planning import PlanSettings
from steersman.config.run import RunSettings, TrainDpoSettings, TrainRewardSettings

# a JSON schema, as pydantic gives it
Schema = dict[str, Any]

SURFACE = Path(__file__).resolve().parent / "surface"
CONFIGS: dict[str, type[Settings]] = {
    "steersman run": RunSettings,
    "steersman train reward": TrainRewardSettings,
    "steersman train dpo": TrainDpoSettings,
    "steersman annotate init": ProjectSettings,
    "steersman annotate plan": PlanSettings,
}


def cli_lines(command: click.Command = cli, path: str = "steersman") -> Iterator[str]:
    """Yield each verb, and below it its arguments and options with type, default and whether they are required."""
    yield path
    yield from (f"    {_parameter_words(each)}" for each in command.params)
    if isinstance(command, click.Group):
        for name, inner in sorted(command.commands.items()):
            yield from cli_lines(inner, f"{path} {name}")


def _parameter_words(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Argument):
        return f"{parameter.make_metavar(click.Context(cli))} ({_type_words(parameter)})"
    words = [" ".join(parameter.opts + parameter.secondary_opts), _type_words(parameter)]
    words += ["required"] if parameter.required else []
    words += ["repeatable"] if parameter.multiple else []
    has_default = isinstance(parameter.default, str | int | float) and not isinstance(parameter.default, bool)
    return ", ".join(words + ([f"default {parameter.default}"] if has_default else []))


def _type_words(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option) and parameter.is_flag:
        return "flag"
    kind = parameter.type
    if isinstance(kind, click.Choice):
        return "|".join(map(str, kind.choices))
    if isinstance(kind, click.IntRange | click.FloatRange):
        return f"{kind.name} {kind.min}..{'' if kind.max is None else kind.max}"
    return kind.name


def config_lines() -> Iterator[str]:
    """Yield every key of every config with its type, its limits and its default."""
    for verb, model in CONFIGS.items():
        schema = model.model_json_schema()
        yield verb
        yield from (f"    {line}" for line in _key_lines(schema, schema, prefix=""))


def _key_lines(section: Schema, whole: Schema, *, prefix: str) -> Iterator[str]:
    required = section.get("required", [])
    for name, key in section["properties"].items():
        inner = _section_of(key, whole)
        words = {word: value for word, value in key.items() if word not in ("title", "description")}
        shown = json.dumps(words, sort_keys=True).replace("#/$defs/", "")
        yield f"{prefix}{name}{' (required)' if name in required else ''}: {shown}"
        if inner is not None:
            yield from _key_lines(inner, whole, prefix=f"{prefix}{name}.")


def _section_of(key: Schema, whole: Schema) -> Schema | None:
    """Return the section that a key holds, alone, in a list or as one of several choices."""
    if "$ref" in key:
        found: Schema = whole["$defs"][key["$ref"].removeprefix("#/$defs/")]
        return found
    inner = [*key.get("anyOf", []), *([key["items"]] if isinstance(key.get("items"), dict) else [])]
    found_inside = (_section_of(each, whole) for each in inner)
    return next((each for each in found_inside if each is not None), None)


def surfaces() -> dict[str, str]:
    """Return the text of each list by the name of its file."""
    return {"cli.txt": "\n".join(cli_lines()) + "\n", "config.txt": "\n".join(config_lines()) + "\n"}


@pytest.mark.parametrize("name", ["cli.txt", "config.txt"])
def test_the_surface_is_as_it_was_agreed(name: str) -> None:
    assert surfaces()[name] == (SURFACE / name).read_text(encoding="utf-8")


def test_there_is_no_list_that_nobody_checks() -> None:
    assert {each.name for each in SURFACE.iterdir()} == set(surfaces())


if __name__ == "__main__":
    for file, text in surfaces().items():
        (SURFACE / file).write_text(text, encoding="utf-8")
