"""Write the dataset card: the README.md that stands in a dataset folder and that the hub shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from steersman.config.cleaning import CleanSettings
from steersman.dataset.published import KAPPA
from steersman.dataset.statistics import Column
from steersman.records import ATTRIBUTES

# attribute -> stage -> figures, as `steersman agreement` prints them
Agreement = Mapping[str, Mapping[str, Mapping[str, object] | None]]

_STAGES = {
    "first_three": "first three ratings",
    "all": "all ratings",
    "selected": "after selection",
    "final": "after removal of tasks",
}


@dataclass(frozen=True, slots=True)
class Collection:
    """How the ratings were collected, as far as their table says; None and empty are not recorded.

    `per_response` is the mean number of ratings of a response, `days` the first and the last day of rating.
    """

    annotators: int | None
    annotators_removed: Mapping[str, int]
    per_response: float
    days: tuple[str, str] | None
    guideline_versions: Sequence[str]
    deliveries: Sequence[str]


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card says. `sources` are lines about works and licences; `tasks` and `ratings` are (in, left)."""

    licence: str | None
    sources: Sequence[str]
    simulated: bool
    tasks: tuple[int, int]
    ratings: tuple[int, int]
    dropped: Mapping[str, int]
    splits: Mapping[str, int]
    columns: Mapping[str, Column]
    agreement: Agreement
    rules: CleanSettings
    collection: Collection
    has_preferences: bool = False


def card_text(facts: CardFacts, *, name: str) -> str:
    """Return the card in Markdown, with the header from which the `datasets` library knows the files of each split."""
    parts = (_contents, _collection, _cleaning, _statistics, _agreement, _sources)
    return "\n".join([_header(facts), _title(name, simulated=facts.simulated), *(part(facts) for part in parts)])


def _header(facts: CardFacts) -> str:
    lines = ["---", f"license: {(facts.licence or 'unknown').lower()}", "configs:", "- config_name: default"]
    lines += ["  data_files:"]
    for split in facts.splits:
        lines += [f"  - split: {split}", f"    path: {split}.jsonl.gz"]
    lines += _config("disagreements")
    # its rows name their split themselves, as HelpSteer2's do
    lines += _config("preference") if facts.has_preferences else []
    return "\n".join([*lines, "---", ""])


def _config(name: str) -> list[str]:
    path = f"    path: {name}/{name}.jsonl.gz"
    return [f"- config_name: {name}", "  data_files:", "  - split: train", path]


def _title(name: str, *, simulated: bool) -> str:
    mark = " (SIMULATED ratings)" if simulated else ""
    title = f"# {name}{mark}\n\nPrompts with two responses each, rated on five attributes from 0 to 4.\n"
    warning = (
        "\n**No person rated these responses.** The ratings come from a modelled crowd; they show that the tools work"
        " and say nothing about the quality of the responses.\n"
    )
    return title + warning if simulated else title


def _contents(facts: CardFacts) -> str:
    rows = ", ".join(f"{number} rows in `{split}`" for split, number in facts.splits.items())
    preference = (
        " `preference/` holds strengths of preference from -3 (the first response is much better) to 3; filter on its"
        " column `split`."
    )
    return f"""## Contents

{rows}. Rows 2k and 2k+1 are the two responses to one prompt; no prompt is in both splits. Turns of a conversation are
divided by `<extra_id_1>`, as in HelpSteer2. `disagreements/` holds the selected ratings behind each label, before tasks
were removed for their spread; `rules.yaml` holds every rule they were cleaned by.{preference * facts.has_preferences}
"""


def _collection(facts: CardFacts) -> str:
    found = facts.collection
    people = "Annotators, whose number is not known," if found.annotators is None else f"{found.annotators} annotators"
    lines = [f"{people} gave {found.per_response:.2f} ratings per response on average."]
    if found.days is not None:
        first, last = found.days
        lines.append(f"They rated on {first}." if first == last else f"They rated from {first} to {last}.")
    lines += [
        f"{what}: {', '.join(values)}."
        for what, values in (("Guideline versions", found.guideline_versions), ("Deliveries", found.deliveries))
        if values
    ]
    removed = ", ".join(
        f"{number} for {_words(reason.removeprefix('annotator_'))}"
        for reason, number in found.annotators_removed.items()
    )
    lines.append(f"Annotators removed as not trusted: {removed or 'none'}.")
    return "\n".join(["## Collection", "", *lines, ""])


def _cleaning(facts: CardFacts) -> str:
    rules = facts.rules
    dropped = ", ".join(f"{number} for {_words(reason)}" for reason, number in facts.dropped.items())
    return f"""## Cleaning

{facts.ratings[0]} ratings of {facts.tasks[0]} tasks came in. Of each response the {rules.keep} most-agreeing were kept:
those with the smallest {_CRITERIA[rules.criterion]}, {_chosen_on(rules)}.
A label is their {_LABELS[rules.aggregation]}, as the nearest integer ({_words(rules.rounding)}).
A task was removed when kept helpfulness ratings differed by more than {rules.max_spread}.
{facts.tasks[1]} tasks and {facts.ratings[1]} ratings are left; tasks removed: {dropped or "none"}.
"""


_CRITERIA = {"sum": "sum of absolute pairwise differences", "range": "range", "variance": "variance"}
_LABELS = {
    "mean": "mean",
    "median": "median",
    "majority": "most frequent score",
    "dawid_skene": "posterior mean under Dawid and Skene's model of all trusted ratings",
    "rater_bias": "estimate by a model of all trusted ratings with a bias and a scale per annotator",
}


def _words(reason: str) -> str:
    return reason.replace("_", " ")


def _chosen_on(rules: CleanSettings) -> str:
    if rules.select_on == "joint":
        return "the same ratings for all attributes, over all of them"
    if rules.select_on == "each":
        return "each attribute for itself"
    return f"the same ratings for all attributes, on {rules.select_on} alone"


def _statistics(facts: CardFacts) -> str:
    lines = ["## Statistics", "", "| | mean | standard deviation | Pearson's R with helpfulness |", "|---|---|---|---|"]
    for name, column in facts.columns.items():
        pearson = "undefined" if column.pearson is None else f"{column.pearson:.4f}"
        lines.append(f"| {name.replace('_', ' ')} | {column.mean:.4f} | {column.std:.4f} | {pearson} |")
    return "\n".join([*lines, ""])


def _agreement(facts: CardFacts) -> str:
    lines = [
        "## Agreement of the annotators",
        "",
        "Cohen's kappa with quadratic weights over all pairs of ratings of a response, with its 95 % interval over"
        " tasks. In brackets: what raters who know nothing would reach under the same design, because selection and"
        " removal raise kappa by themselves."
        " The last column is what HelpSteer2's paper reports at the nearest three stages, by its own rules.",
        "",
        "| | " + " | ".join((*_STAGES.values(), "HelpSteer2's paper")) + " |",
        "|---" * (len(_STAGES) + 2) + "|",
    ]
    for attribute in ATTRIBUTES:
        cells = [_agreement_cell(facts.agreement[attribute].get(stage)) for stage in _STAGES]
        cells.append(", ".join(f"{kappa:.3f}" for kappa in KAPPA[attribute].values()))
        lines.append(f"| {attribute} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def _agreement_cell(figures: Mapping[str, object] | None) -> str:
    if figures is None:
        return "not known"
    kappa, ends, chance = (figures.get(name) for name in ("kappa_quadratic", "kappa_ci95", "random_raters"))
    shown = f"{kappa:.3f}" if isinstance(kappa, float) else "undefined"
    shown += f", {ends[0]:.3f} to {ends[1]:.3f}" if isinstance(ends, list) else ""
    return f"{shown} ({chance:.3f})" if isinstance(chance, float) else shown


def _sources(facts: CardFacts) -> str:
    lines = [f"- {source}" for source in facts.sources] or ["- not recorded"]
    licence = facts.licence or "not known; see the sources below before you use it"
    return "\n".join(["## Licence and sources", "", f"Licence: {licence}.", "", *lines, ""])
