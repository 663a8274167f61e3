"""Put ratings by real people, of two public collections, through agreement, selection and preferences.

    STEERSMAN_DATA=PATH python benchmarks/real_raters.py --write

SQuALITY's human evaluation: 300 summaries, three named raters each, three attributes from 0 to 100. PandaLM's test set:
999 pairs of responses, the verdicts of three annotators. Both below PATH, read as `steersman import` reads them. This
is a check on real disagreement, not a measurement of those collections: neither was rated under HelpSteer2's design.
"""

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from machine import ROOT, commit_words
from page import page_with_table

from steersman.config.cleaning import CleanSettings
from steersman.config.importing import ImportSettings
from steersman.config.preferences import PreferenceRules
from steersman.dataset.grid import RatingGrid, grid_from_array, level_counts
from steersman.dataset.preferences import clean_preferences
from steersman.dataset.selection import select_ratings
from steersman.errors import DataError, SteersmanError
from steersman.pipeline.import_data import run
from steersman.records import ATTRIBUTES, NUM_LEVELS
from steersman.stats.coefficients import (
    fleiss_kappa,
    gwet_coefficient,
    krippendorff_alpha,
    krippendorff_alphas,
    pooled_kappa,
)
from steersman.stats.counts import count_tables
from steersman.stats.intraclass import intraclass_single
from steersman.stats.kappa import Coefficient
from steersman.stats.raters import rater_figures, rater_tables
from steersman.stats.resampling import percentile_interval, resample_groups
from steersman.store.files import read_lines, read_table, write_text
from steersman.tables import PREFERENCE_RATINGS
from steersman.tables.imported import UNIT_SCORES

RESULTS_PAGE = ROOT / "docs" / "results.md"
SECTION = """
## Real raters

Two public collections with every rater's own answers, put through the same code. SQuALITY's scores from 0 to 100 are
taken as 101 levels for alpha and the intraclass correlation; for selection they are cut into five levels of 20 points.
Its two most agreeing of three ratings show on real data what selection does by itself: raters who answer at random gain
more by it than these do.
"""
ROUNDS = 2000
RANDOM_UNITS = 20_000
POINTS = 101
POINTS_PER_LEVEL = 20
KEPT = 2
SQUALITY_ATTRIBUTES = ("correctness", "selection", "overall")
VERDICT_LEVELS = 3

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scores:
    """SQuALITY's ratings: of R ratings, sorted by unit, then rater, `unit` (R,), `rater` (R,) and `points` (R, 3).

    `names` are the raters, `question` (U,) is the question whose answers a unit summarises: its three units depend on
    each other.
    """

    unit: Numbers
    rater: Numbers
    points: Numbers
    question: Numbers
    names: tuple[str, ...]


def main(argv: list[str]) -> int:
    """Print the tables and, with --write, put them into docs/results.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/results.md")
    options = parser.parse_args(argv)
    try:
        text = measured()
        print(text)
        if options.write:
            page = "\n".join(read_lines(RESULTS_PAGE))
            write_text(RESULTS_PAGE, page_with_table(page, text, name="benchmarks/real_raters.py", section=SECTION))
    except SteersmanError as error:
        print(f"real_raters: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def measured() -> str:
    """Return all figures as Markdown."""
    folder = os.environ.get("STEERSMAN_DATA")
    if not folder:
        raise DataError("STEERSMAN_DATA is not set; let it name the folder that holds squality/ and pandalm/")
    with tempfile.TemporaryDirectory() as scratch:
        squality = imported("squality", Path(folder) / "squality", out=Path(scratch) / "squality")
        pandalm = imported("pandalm", Path(folder) / "pandalm", out=Path(scratch) / "pandalm")
        scores = scores_of(read_table(found(squality, "unit_scores"), table=UNIT_SCORES))
        verdicts = read_table(found(pandalm, "preference_ratings"), table=PREFERENCE_RATINGS)
    command = f"- Command: `python benchmarks/real_raters.py`. Commit: {commit_words()}. Intervals: {ROUNDS} resamples."
    return "\n\n".join(
        [agreement_text(scores), raters_text(scores), selection_text(scores), pandalm_text(verdicts), command]
    )


def imported(source: str, where: Path, *, out: Path) -> Path:
    """Import a collection and return the folder of its tables."""
    run(ImportSettings.model_validate({"source": source, "where": str(where)}), out=out)
    return out


def found(folder: Path, table: str) -> Path:
    """Return the file of a table in an imported folder."""
    files = sorted(file for file in folder.rglob(f"*{table}*") if file.is_file())
    if len(files) != 1:
        raise DataError(f"{folder}: one file of {table} is needed, found {[file.name for file in files]}")
    return files[0]


def scores_of(table: pl.DataFrame) -> Scores:
    """Return the ratings of a UNIT_SCORES table of SQuALITY; a unit is called story-question-system."""
    wide = table.pivot(on="attribute", index=["unit", "rater"], values="score").sort("unit", "rater")
    units = wide["unit"].unique(maintain_order=True)
    return Scores(
        unit=numbered(wide["unit"]),
        rater=numbered(wide["rater"]),
        points=wide.select(SQUALITY_ATTRIBUTES).to_numpy().round().astype(np.int64),
        question=numbered(units.str.replace(r"-bart-dpr$|-bart$|-human$", "")),
        names=tuple(wide["rater"].unique().sort().to_list()),
    )


def numbered(names: pl.Series) -> Numbers:
    """Return the place of each name among the sorted different ones."""
    return np.asarray(names.rank("dense").cast(pl.Int64).to_numpy() - 1)


def unit_counts(scores: Scores, levels: Numbers, *, num_levels: int) -> Numbers:
    """Return how many ratings of each unit fell on each level, (U, K)."""
    cells = np.bincount(scores.unit * num_levels + levels, minlength=scores.question.size * num_levels)
    return cells.reshape(-1, num_levels).astype(np.int64)


def agreement_text(scores: Scores) -> str:
    """Return alpha and the intraclass correlation of each attribute."""
    lines = [
        f"**SQuALITY**: {scores.question.size} summaries, {len(scores.names)} raters, {scores.unit.size} ratings from 0"
        " to 100. Intervals draw questions; the three summaries of a question belong together.",
        "",
        "| attribute | alpha, interval | alpha, ordinal | ICC(1) | alpha, interval, five levels | its 95 % interval |",
        "|---|---|---|---|---|---|",
    ]
    for place, name in enumerate(SQUALITY_ATTRIBUTES):
        tables = count_tables(unit_counts(scores, scores.points[:, place], num_levels=POINTS))
        figures = [
            defined(krippendorff_alpha(tables, metric="interval")),
            defined(krippendorff_alpha(tables, metric="ordinal")),
            defined(intraclass_single(tables)),
        ]
        alpha, low, high = five_level_alpha(scores, place)
        cells = " | ".join(f"{figure:.3f}" for figure in (*figures, alpha))
        lines.append(f"| {name} | {cells} | {low:.3f} to {high:.3f} |")
    return "\n".join(lines)


def defined(coefficient: Coefficient) -> float:
    """Return the value of a coefficient; raises DataError where it has none."""
    if coefficient.value is None:
        raise DataError(f"a coefficient is undefined: {coefficient.reason}")
    return coefficient.value


def five_levels(scores: Scores, place: int) -> Numbers:
    """Return the scores of one attribute on levels of 20 points; 100 belongs to the highest."""
    return np.minimum(scores.points[:, place] // POINTS_PER_LEVEL, NUM_LEVELS - 1)


def five_level_alpha(scores: Scores, place: int) -> tuple[float, float, float]:
    """Return interval alpha on five levels, and the ends of its bootstrap interval, questions being drawn."""
    counts = unit_counts(scores, five_levels(scores, place), num_levels=NUM_LEVELS)
    drawn = resample_groups(counts, unit_groups=scores.question, rng=np.random.default_rng(0), rounds=ROUNDS)
    interval = percentile_interval(krippendorff_alphas(drawn, metric="interval"))
    if interval is None:
        raise DataError("alpha is undefined in every resample")
    return defined(krippendorff_alpha(count_tables(counts), metric="interval")), *interval


def raters_text(scores: Scores) -> str:
    """Return what each of SQuALITY's raters does beside the others, on the overall score in five levels."""
    levels = five_levels(scores, SQUALITY_ATTRIBUTES.index("overall"))
    figures = rater_figures(
        rater_tables(levels, unit=scores.unit, rater=scores.rater, num_levels=NUM_LEVELS), weights="quadratic"
    )
    lines = ["| rater | summaries | kappa with the others | bias, levels | spread, levels |", "|---|---|---|---|---|"]
    for each in figures:
        kappa = "undefined" if each.agreement.value is None else f"{each.agreement.value:.3f}"
        bias = "unknown" if each.bias is None else f"{each.bias:+.2f}"
        lines.append(f"| {scores.names[each.rater]} | {each.ratings} | {kappa} | {bias} | {each.spread:.2f} |")
    return "\n".join(lines)


def selection_text(scores: Scores) -> str:
    """Return kappa before and after keeping the two most agreeing of three, beside raters who answer at random."""
    real = squality_grid(scores)
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, NUM_LEVELS, size=(RANDOM_UNITS, 2, 3, len(ATTRIBUTES)))
    random_grid = grid_from_array(drawn, raters=np.full(RANDOM_UNITS, 3))
    # the same three attributes are given in both
    random_grid = replace(random_grid, given=np.broadcast_to(real.given[0], random_grid.given.shape))
    rules = CleanSettings.model_validate({"keep": KEPT})
    lines = [
        "| attribute, five levels | kappa, all three | two most agreeing | random raters, all | random raters, two |",
        "|---|---|---|---|---|",
    ]
    kept = [(grid, np.ones_like(grid.given), select_ratings(grid, rules=rules)) for grid in (real, random_grid)]
    for place, name in enumerate(SQUALITY_ATTRIBUTES):
        cells = [f"{kappa(grid, used, place):.3f}" for grid, *stages in kept for used in stages]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def squality_grid(scores: Scores) -> RatingGrid:
    """Return SQuALITY's ratings in five levels as a grid; of our five attributes, the first three hold its own."""
    ratings = scores.unit.size
    levels = np.zeros((ratings, len(ATTRIBUTES)), dtype=np.int8)
    given = np.zeros((ratings, len(ATTRIBUTES)), dtype=np.bool_)
    for place in range(len(SQUALITY_ATTRIBUTES)):
        levels[:, place], given[:, place] = five_levels(scores, place), True
    starts = np.searchsorted(scores.unit, scores.unit)
    return RatingGrid(
        scores=levels,
        given=given,
        response=scores.unit,
        annotator=scores.rater,
        task=np.arange(scores.question.size),
        rank=np.arange(ratings) - starts,
        rows=np.arange(ratings),
        num_tasks=scores.question.size,
    )


def kappa(grid: RatingGrid, used: npt.NDArray[np.bool_], place: int) -> float:
    """Return the pooled quadratic kappa of the used ratings of one attribute."""
    tables = count_tables(level_counts(grid, used=used, attribute=place))
    return defined(pooled_kappa(tables, weights="quadratic"))


def pandalm_text(verdicts: pl.DataFrame) -> str:
    """Return how well PandaLM's annotators agree, and what cleaning makes of their verdicts."""
    rows = verdicts.sort("task_id", "annotator")
    tasks = numbered(rows["task_id"])
    cells = np.bincount(tasks * VERDICT_LEVELS + rows["strength"].to_numpy() + 1)
    tables = count_tables(cells.reshape(-1, VERDICT_LEVELS).astype(np.int64))
    result = clean_preferences(verdicts, rules=PreferenceRules.model_validate({}))
    figures = [
        krippendorff_alpha(tables, metric="nominal"),
        krippendorff_alpha(tables, metric="ordinal"),
        fleiss_kappa(tables),
        gwet_coefficient(tables, weights="unweighted"),
    ]
    shown = " | ".join(f"{defined(each):.3f}" for each in figures)
    dropped = ", ".join(f"{number} for {reason.replace('_', ' ')}" for reason, number in result.dropped.items())
    return "\n".join(
        [
            f"**PandaLM**: {result.tasks_in} pairs, three verdicts each, as strengths -1, 0 and 1.",
            "",
            "| alpha, nominal | alpha, ordinal | Fleiss' kappa | Gwet's AC1 |",
            "|---|---|---|---|",
            f"| {shown} |",
            "",
            f"Cleaned as preferences, {result.tasks_out} pairs are left; dropped: {dropped or 'none'}.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
