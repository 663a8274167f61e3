"""Where a figure was measured, in words that hold no names of hosts or folders."""

import os
import platform
import subprocess
from pathlib import Path

from steersman.store.lineage import software_versions, source_commit

ROOT = Path(__file__).resolve().parents[1]


def machine_words() -> str:
    """Return cores, processor and operating system."""
    return f"{os.cpu_count()} cores, {_processor()}, {platform.system()}"


def version_words() -> str:
    """Return the versions of Python, Steersman and the packages that shape results."""
    return ", ".join(f"{name} {version}" for name, version in software_versions().items())


def commit_words() -> str:
    """Return the commit of this tree, and whether tracked files differ from it."""
    command = ["git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no"]
    changed = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return f"{(source_commit() or 'unknown')[:12]}{' with local changes' if changed else ''}"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor() or platform.machine()
    lines = (line.partition(":") for line in cpuinfo.read_text(encoding="utf-8").splitlines())
    facts = {key.strip(): value.strip() for key, _, value in lines}
    name = facts.get("model name", platform.machine())
    return f"{name} (family {facts.get('cpu family', '?')}, model {facts.get('model', '?')})"
