"""The user's cache folder: converted models, downloads, activations. Safe to delete at any time."""

import os
from pathlib import Path

CACHE_VARIABLE = "STEERSMAN_CACHE"


def cache_folder() -> Path:
    """Return the folder named by $STEERSMAN_CACHE, else the user's own cache folder for Steersman."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "steersman"
