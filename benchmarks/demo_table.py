"""The tables of docs/results.md that `demo.py` fills: its figures as records, and as text."""

from collections.abc import Sequence
from dataclasses import dataclass

SECTION = """
## The demo

`steersman demo` from the first prompt to the report, in a process of its own and with an empty cache, so that the time
of converting the model is in it. Peak memory is that of the whole process, read after each stage.
"""


@dataclass(frozen=True, slots=True)
class StageFigures:
    """One stage as the run logged it; the peak is that of the process up to its end."""

    stage: str
    seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class RunFigures:
    """One uninterrupted run; `seconds` is the wall time of the whole process, start of Python included."""

    stages: tuple[StageFigures, ...]
    seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class KillFigures:
    """One kill -9: inside which stage, so many seconds after its folder appeared, and what the next start redid."""

    stage: str
    seconds_inside: float
    repeated: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a run that was killed in every stage came to, beside an uninterrupted one."""

    kills: tuple[KillFigures, ...]
    compared: int
    different: tuple[str, ...]
    partials: int


@dataclass(frozen=True, slots=True)
class Circumstances:
    """How and where the figures were made."""

    command: str
    commit: str
    machine: str
    versions: str


def run_text(figures: RunFigures, *, facts: Circumstances) -> str:
    """Return the figures of an uninterrupted run as Markdown."""
    return "\n".join(
        [
            "| stage | seconds | peak memory so far, GB |",
            "|---|---|---|",
            *(f"| {each.stage} | {each.seconds:.1f} | {each.peak_bytes / 1e9:.2f} |" for each in figures.stages),
            f"| **whole command** | **{figures.seconds:.1f}** | **{figures.peak_bytes / 1e9:.2f}** |",
            "",
            *_circumstance_lines(facts),
        ]
    )


def recovery_text(recovery: Recovery, *, facts: Circumstances) -> str:
    """Return what kill -9 in every stage did, as Markdown."""
    same = recovery.compared - len(recovery.different)
    verdict = f"{same} of {recovery.compared} files of results are the same to the last bit as without a kill"
    if recovery.different:
        verdict += f"; not the same: {', '.join(recovery.different)}"
    return "\n".join(
        [
            "| killed in | seconds after it began | repeated by the next start |",
            "|---|---|---|",
            *(f"| {each.stage} | {each.seconds_inside:.1f} | {_names(each.repeated)} |" for each in recovery.kills),
            "",
            f"The run was killed in one stage after another and finished. {verdict}. "
            f"Half-written files left: {recovery.partials}.",
            "",
            *_circumstance_lines(facts),
        ]
    )


def _names(stages: Sequence[str]) -> str:
    return ", ".join(stages) or "nothing"


def _circumstance_lines(facts: Circumstances) -> list[str]:
    return [
        f"- Command: `{facts.command}`. Commit: {facts.commit}.",
        f"- Machine: {facts.machine}. {facts.versions}.",
    ]
