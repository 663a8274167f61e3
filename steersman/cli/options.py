"""What verbs share: options, the result on stdout, the config reader."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from steersman.errors import ConfigError

if TYPE_CHECKING:
    from steersman.config.loading import Settings

S = TypeVar("S", bound="Settings")

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
PATH = click.Path(path_type=Path)
F = TypeVar("F", bound=Callable[..., object])

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a key of the config, e.g. reward.optimiser.epochs=2.",
)
seed_option = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Every random choice follows from it."
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Check the config, print it resolved, and stop.")


def out_option(text: str, *, default: str | None = None) -> Callable[[F], F]:
    """Return the option --out of a verb that makes something."""
    if default is None:
        # click takes an explicit default=None for a value, and asks for nothing
        return click.option("--out", type=PATH, required=True, help=text)
    return click.option("--out", type=PATH, default=default, show_default=True, help=text)


def emit(result: Mapping[str, object], *, as_json: bool, text: str) -> None:
    """Print `result` as JSON or `text` for people, on stdout."""
    # flushed here: a reader that has left is noticed inside the error boundary
    print(json.dumps(result, indent=2, ensure_ascii=False) if as_json else text, flush=True)


def say(text: str) -> None:
    """Tell the user what is going on, on stderr."""
    print(text, file=sys.stderr, flush=True)


def load_config(path: Path, *, model: "type[S]", overrides: tuple[str, ...]) -> "S":
    """Return the settings in the YAML file `path`."""
    from steersman.config.loading import load_settings

    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; configs/ holds examples") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as a YAML file ({error})") from error
    return load_settings(text, model=model, source=str(path), overrides=overrides)
