"""How long it takes to group prompts that say nearly the same, and how many planted near duplicates are found.

    taskset -c 0 python benchmarks/near_duplicates.py

Prompts are made of words drawn by Zipf's law. Of every hundred one is repeated with other words in places drawn at
random. `--write` puts the table into docs/results.md.
"""

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import polars as pl
from machine import ROOT, commit_words, machine_words, version_words
from page import page_with_table

from steersman.dataset.near_duplicates import near_duplicate_groups
from steersman.dataset.splitting import split_prompts

PAGE = ROOT / "docs" / "results.md"
NAME = "benchmarks/near_duplicates.py"
SECTION = """
## Near-duplicate prompts

Grouping prompts whose word shingles have a Jaccard similarity of 0.8, so that no group is divided by the split. Of
every hundred prompts one is repeated with three other words; those that are 0.8 alike by a plain comparison must be
found.
"""
THRESHOLD = 0.8
_VOCABULARY = 20_000
_WORDS_PER_PROMPT = 99
_TWIN_SHARE = 0.01
_CHANGED_WORDS = 3


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of prompts, and the seconds it took; `found` of `planted` near duplicates."""

    name: str
    prompts: int
    characters: float
    seconds: float
    groups: int
    planted: int | None = None
    found: int | None = None


def main() -> None:
    """Measure, print the table, and write it where `--write` says so."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=500_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    cases = [
        _planted("prompts of real length", options.prompts, rng=rng),
        _timed("short ids", pl.Series([f"prompt-{number}" for number in range(options.prompts)])),
        _split(options.prompts),
        _planted("one template, 0.73 alike", options.prompts // 25, rng=rng, shared_words=83),
    ]
    command = f"python benchmarks/near_duplicates.py --prompts {options.prompts} --seed {options.seed}"
    table = table_text(cases, command=command)
    print(table)
    if options.write:
        page = page_with_table(PAGE.read_text(encoding="utf-8"), table, name=NAME, section=SECTION)
        PAGE.write_text(page, encoding="utf-8")


def _planted(name: str, number: int, *, rng: np.random.Generator, shared_words: int = 0) -> Case:
    prompts = _prompts(number, rng=rng, shared_words=shared_words)
    twins = [_with_other_words(prompts[place], rng=rng) for place in range(round(number * _TWIN_SHARE))]
    texts = pl.Series(prompts + twins)
    began = perf_counter()
    groups = near_duplicate_groups(texts, threshold=THRESHOLD)
    seconds = perf_counter() - began
    near = [_jaccard(twin, prompt) >= THRESHOLD for twin, prompt in zip(twins, prompts, strict=False)]
    same = groups[number:] == groups[: len(twins)]
    length = float(texts.str.len_chars().cast(pl.Float64).to_numpy().mean())
    found = int((same & near).sum())
    return Case(name, texts.len(), length, seconds, int(groups.max()) + 1, planted=sum(near), found=found)


def _timed(name: str, texts: pl.Series) -> Case:
    began = perf_counter()
    groups = near_duplicate_groups(texts, threshold=THRESHOLD)
    length = float(texts.str.len_chars().cast(pl.Float64).to_numpy().mean())
    return Case(name, texts.len(), length, perf_counter() - began, int(groups.max()) + 1)


def _split(number: int) -> Case:
    texts = pl.Series([f"prompt-{place}" for place in range(number)])
    began = perf_counter()
    found = split_prompts(texts, validation_share=0.1, threshold=THRESHOLD, rng=np.random.default_rng(0))
    length = float(texts.str.len_chars().cast(pl.Float64).to_numpy().mean())
    return Case("the whole split of short ids", number, length, perf_counter() - began, found.num_prompts)


def _prompts(number: int, *, rng: np.random.Generator, shared_words: int) -> list[str]:
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    vocabulary = ["".join(rng.choice(letters, size=size)) for size in rng.integers(2, 11, size=_VOCABULARY)]
    chances = 1 / np.arange(1, _VOCABULARY + 1)
    template = [vocabulary[place] for place in rng.integers(0, _VOCABULARY, size=shared_words)]
    drawn = rng.choice(_VOCABULARY, size=(number, _WORDS_PER_PROMPT - shared_words), p=chances / chances.sum())
    return [" ".join([*template, *(vocabulary[place] for place in row)]).capitalize() + "." for row in drawn.tolist()]


def _with_other_words(prompt: str, *, rng: np.random.Generator) -> str:
    words = prompt.split()
    for place in rng.choice(len(words), size=_CHANGED_WORDS, replace=False):
        words[place] = f"changed{rng.integers(10**9)}"
    return " ".join(words)


def _jaccard(first: str, second: str) -> float:
    sets = []
    for text in (first, second):
        words = text.lower().rstrip(".").split()
        sets.append({tuple(words[place : place + 3]) for place in range(len(words) - 2)})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def table_text(cases: list[Case], *, command: str) -> str:
    """Return the figures as Markdown."""
    return "\n".join(
        [
            "| prompts | number | characters | seconds | groups | near duplicates found |",
            "|---|---|---|---|---|---|",
            *(_line(case) for case in cases),
            "",
            f"- Command: `{command}`. Commit: {commit_words()}. Cores this process may use: {_cores()}.",
            f"- Machine: {machine_words()}. {version_words()}.",
        ]
    )


def _line(case: Case) -> str:
    found = "" if case.planted is None else f"{case.found} of {case.planted}"
    cells = (case.name, f"{case.prompts:,}", f"{case.characters:.0f}", f"{case.seconds:.2f}", f"{case.groups:,}", found)
    return f"| {' | '.join(cells)} |"


def _cores() -> int:
    affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


if __name__ == "__main__":
    main()
