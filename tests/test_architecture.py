"""What the house promises about imports: light doors, a base without torch, rooms that keep to their row."""

import configparser
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "steersman"
# What takes seconds or a device to load; none of it may be loaded by looking at the help.
HEAVY = {"torch", "transformers", "peft", "polars", "pandas", "numpy", "scipy", "sklearn", "matplotlib", "datasets"}
HEAVY |= {"huggingface_hub", "fastapi", "sqlalchemy", "openai", "ray"}
GRADIENTS = {"torch", "transformers", "peft", "safetensors", "gguf"}
# The rooms that may load torch; all others are looked at below.
WITH_TORCH = {"modeling", "engine", "reward", "align", "backends", "pipeline", "serving", "cli"}


def modules_loaded_by(statement: str) -> set[str]:
    """Return the top-level modules in memory after a statement, in a fresh Python."""
    code = (
        f"import sys\n{statement}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


def rooms_without_torch() -> list[str]:
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    return sorted(rooms - WITH_TORCH - {"__init__", "__main__"})


def modules_of(room: str) -> list[str]:
    files = [PACKAGE / f"{room}.py"] if (PACKAGE / f"{room}.py").exists() else sorted((PACKAGE / room).rglob("*.py"))
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files]
    # a database migration is loaded by Alembic, never imported
    return [name for name in names if ".migrations" not in name]


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_asking_for_help_loads_nothing_heavy(option: str) -> None:
    statement = f"from steersman.cli.main import main\ntry: main(['{option}'])\nexcept SystemExit: pass"
    assert modules_loaded_by(statement) & HEAVY == set()


@pytest.mark.parametrize("room", rooms_without_torch())
def test_a_room_without_gradients_loads_no_torch(room: str) -> None:
    assert modules_loaded_by(f"import {', '.join(modules_of(room))}") & GRADIENTS == set()


def test_the_base_installation_asks_for_no_torch() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {re.split(r"[^\w-]", dependency)[0].lower() for dependency in project["dependencies"]}
    assert asked & {"torch", "transformers", "peft", "ray", "vllm", "sentence-transformers"} == set()


def test_every_dependency_of_the_extras_we_test_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    asked = [re.split(r"[^\w-]", each)[0] for each in project["dependencies"] + extras["train"] + extras["dev"]]
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pinned = set(re.findall(r"^([\w.-]+)==[\w.]+$", pins, flags=re.MULTILINE))
    assert {name.lower().replace("_", "-") for name in asked} <= {name.lower().replace("_", "-") for name in pinned}


def test_the_rooms_of_the_import_contract_are_all_of_them() -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter", encoding="utf-8")
    listed = set(re.findall(r"\w+", parser["importlinter:contract:layers"]["layers"]))
    found = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert (parser["importlinter:contract:layers"]["exhaustive"], found - {"__init__", "__main__"} - listed) == (
        "true",
        set(),
    )
