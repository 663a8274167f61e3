"""Refuse to replace a finished result that is asked for differently now, and say what differs."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from steersman.config.loading import parse_yaml
from steersman.errors import SteersmanError, join_faults
from steersman.store.lineage import read_lineage
from steersman.store.runs import CONFIG_FILE


def differences(folder: Path, *, settings: Mapping[str, object], inputs: Mapping[str, str]) -> str:
    """Return in words in what the finished result in `folder` differs from `settings` and the hashes of `inputs`.

    Keys of settings by their dotted names, also those that only one of the two has.
    """
    try:
        text = (folder / CONFIG_FILE).read_text(encoding="utf-8")
        before = dict(_leaves(parse_yaml(text, source=CONFIG_FILE)))
        hashes = read_lineage(folder).inputs
    except (OSError, ValueError, SteersmanError):
        # somebody changed the folder: what it was made from cannot be told
        return "what it was made from"
    now = dict(_leaves(settings))
    # what the settings of now leave out decides no result
    keys = [key for key in {**now, **before} if key.partition(".")[0] in settings and before.get(key) != now.get(key)]
    files = [f"the content of '{name}'" for name in {**hashes, **inputs} if hashes.get(name) != inputs.get(name)]
    return join_faults([*keys, *files]) if keys or files else "what it was made from"


def _leaves(values: Mapping[str, object], *, prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, prefix=f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
