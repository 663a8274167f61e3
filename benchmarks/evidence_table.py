"""The tables of docs/results.md that `reward_evidence.py` fills, from figures to Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evidence_baselines import BASELINES
from evidence_features import POOLINGS
from evidence_figures import ROUNDS, Accuracy, Judged, Scorer
from evidence_folds import FOLDS, Reading
from evidence_plan import COMPARED_PAIRS, SEEDS
from evidence_runs import HELPFULNESS
from page import table_head, table_row

from steersman.records import ATTRIBUTES
from steersman.stats.bootstrap import Interval

NAME = "benchmarks/reward_evidence.py"
SECTION = """
## Reward models: objectives, readings, data

Which objective, which state of the model, which data, how many pairs? Heads on the frozen backbone answer that on all
of HelpSteer2's pairs, each judged by a head that has not seen its prompt.
"""
_NO = "-"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """How and where the figures were made, and from what; `tokens` went through the frozen model, in all corpora."""

    command: str
    commit: str
    machine: str
    versions: str
    model: str
    pairs: int
    untied: Mapping[str, int]
    shared_prompts: int
    tokens: int
    fits: int
    fit_seconds: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything in the tables; what was not run is empty.

    `screens` are accuracies, 0-1, by corpus and reading, of the quick ridge that chose `reading`, at its best penalty.
    """

    reading: Reading
    screens: Mapping[str, Mapping[Reading, float]]
    scorers: Sequence[Scorer]
    readings: Mapping[Reading, Accuracy]
    curve: Mapping[tuple[str, int], Accuracy]
    transfers: Mapping[str, Mapping[str, Judged]]
    circumstances: Circumstances


def table_text(figures: Figures) -> str:
    """Return the tables with their notes."""
    parts = [
        accuracy_lines(figures),
        helpfulness_lines(figures),
        error_lines(figures),
        reading_lines(figures),
        curve_lines(figures),
        transfer_lines(figures),
        circumstance_lines(figures),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def accuracy_lines(figures: Figures) -> list[str]:
    """Return the accuracy of every scorer on every attribute."""
    untied = figures.circumstances.untied
    names = [f"{name} ({untied[name]})" for name in ATTRIBUTES]
    return [
        f"**Pairs ranked as people rated them**, %, with 95 % intervals over pairs; in brackets of the head the untied"
        f" pairs of {figures.circumstances.pairs}. Ties in a label are left out, equal scores are wrong:",
        "",
        *table_head("scorer", *names),
        *(
            table_row(_bold(each.name), *(_accuracy(each.accuracies.get(name)) for name in ATTRIBUTES))
            for each in figures.scorers
        ),
    ]


def helpfulness_lines(figures: Figures) -> list[str]:
    """Return what else is known of helpfulness, by scorer."""
    lines = table_head(
        "scorer",
        "points above the best baseline",
        "least to greatest seed",
        "one turn",
        "several turns",
        "Spearman with labels",
        "calibration",
    )
    for each in figures.scorers:
        low, high = each.accuracies[HELPFULNESS].spread
        lines.append(
            table_row(
                _bold(each.name),
                _NO if each.gain is None else _points(each.gain),
                f"{100 * low:.1f} to {100 * high:.1f}",
                *(_percent(found) for found in each.turns),
                f"{each.spearman:.3f}",
                _calibration(each),
            )
        )
    return [
        "**Helpfulness.** Differences are on the same pairs. Calibration: the slope of labels on predictions where the"
        " head predicts labels (1 is calibrated), and else the expected error of sigmoid(gap), 0 to 1:",
        "",
        *lines,
    ]


def error_lines(figures: Figures) -> list[str]:
    """Return squared errors beside those of the training mean."""
    rows = [
        table_row(each.name, *(f"{each.errors[name][0]:.3f} / {each.errors[name][1]:.3f}" for name in ATTRIBUTES))
        for each in figures.scorers
        if each.errors is not None
    ]
    return [
        "**Mean squared error / that of the training mean**, squared levels:",
        "",
        *table_head("head", *ATTRIBUTES),
        *rows,
    ]


def reading_lines(figures: Figures) -> list[str]:
    """Return the accuracy on helpfulness by what is read of the frozen model."""
    layers = sorted({each.layers for each in figures.readings})
    rows = [
        table_row(f"{count} layers", *(_short(figures.readings[Reading(count, pooling)]) for pooling in POOLINGS))
        for count in layers
    ]
    return [
        f"**What is read** (scaled Bradley-Terry, helpfulness, %, the folds of seed {SEEDS[0]}; all intervals are about"
        " 4 points to either side):",
        "",
        *table_head("state after", "last token", "end of turn", "mean of the answer"),
        *rows,
    ]


def curve_lines(figures: Figures) -> list[str]:
    """Return the accuracy on helpfulness by the number of training pairs."""
    names = list(dict.fromkeys(name for name, _ in figures.curve))
    sizes = sorted({pairs for _, pairs in figures.curve})
    rows = [table_row(f"{pairs}", *(_short(figures.curve[name, pairs]) for name in names)) for pairs in sizes]
    return [
        f"**More pairs** (helpfulness, %; untied training pairs, {len(SEEDS[:3])} seeds of {FOLDS} folds):",
        "",
        *table_head("training pairs", *names),
        *rows,
    ]


def transfer_lines(figures: Figures) -> list[str]:
    """Return how heads of equally many pairs of each corpus do on the pairs of all."""
    sets = next(iter(figures.transfers.values()))
    heads = [f"{name} ({found.pairs})" for name, found in sets.items()]
    rows = [
        table_row(
            source,
            *(
                f"{100 * each.mean:.1f} ({100 * each.spread[0]:.1f} to {100 * each.spread[1]:.1f})"
                for each in found.values()
            ),
        )
        for source, found in figures.transfers.items()
    ]
    return [
        f"**Which data** (Bradley-Terry, {COMPARED_PAIRS} untied pairs of each, {len(SEEDS)} draws; mean, least and"
        " greatest, %; in brackets of the head the pairs judged, of corpora those with other prompts):",
        "",
        *table_head("trained on", *heads),
        *rows,
    ]


def circumstance_lines(figures: Figures) -> list[str]:
    """Return how the figures were made."""
    facts, reading = figures.circumstances, figures.reading
    return [
        f"- Heads: on {facts.model}, frozen, the state after {reading.layers} layers, {reading.pooling} over the"
        " answer. That reading was chosen on Open Assistant and HH-RLHF alone, by a quick ridge on gaps; no label of"
        " HelpSteer2 had a say. The penalty of each head is chosen inside its training pairs.",
        f"- That ridge, %, at its best penalty: {'; '.join(_screen(name, figures) for name in figures.screens)}.",
        f"- {len(SEEDS)} seeds, each with {FOLDS} folds of prompts of both of HelpSteer2's files (prompts in several"
        f" pairs: {facts.shared_prompts}); a figure is the mean over seeds, pair by pair. TF-IDF and MiniLM predict"
        f" attributes beside helpfulness with seed {SEEDS[0]} only. Intervals: {ROUNDS} bootstrap resamples of pairs.",
        f"- Compute: {facts.tokens:,} tokens through the frozen model, once; {facts.fits} fits, in all"
        f" {facts.fit_seconds:,.0f} CPU seconds.",
        f"- Command: `{facts.command}`. Commit: {facts.commit}.",
        f"- Machine: {facts.machine}. {facts.versions}.",
    ]


def _screen(name: str, figures: Figures) -> str:
    found = figures.screens[name]
    best = max(found, key=lambda each: found[each])
    last = Reading(max(each.layers for each in found), "last")
    shown = {"chosen": figures.reading, "last token of the last layer": last, f"best there ({_words(best)})": best}
    return f"{name} {', '.join(f'{words} {100 * found[each]:.1f}' for words, each in shown.items())}"


def _words(reading: Reading) -> str:
    return f"{reading.layers} layers, {reading.pooling}"


def _bold(name: str) -> str:
    return name if name in BASELINES else f"**{name}**"


def _accuracy(found: Accuracy | None) -> str:
    return _NO if found is None else _percent(found.interval)


def _percent(found: Interval) -> str:
    return f"{100 * found.estimate:.1f} ({100 * found.low:.1f} to {100 * found.high:.1f})"


def _short(found: Accuracy) -> str:
    return f"{100 * found.interval.estimate:.1f}"


def _points(found: Interval) -> str:
    return f"{100 * found.estimate:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})"


def _calibration(each: Scorer) -> str:
    if each.label_calibration is not None and each.label_calibration.slope is not None:
        return f"slope {each.label_calibration.slope:.2f}"
    return _NO if each.expected_error is None else f"error {each.expected_error:.3f}"
