"""The verbs that turn ratings into labels: agreement, clean."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from steersman.cli.options import PATH, as_json_option, emit, out_option, say, seed_option
from steersman.cli.tables import agreement_text, annotators_text, clean_text, replay_text

if TYPE_CHECKING:
    from steersman.config.cleaning import CleanSettings

F = TypeVar("F", bound=Callable[..., object])

_ATTRIBUTES = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
_RULES = (
    click.option(
        "--keep", type=click.IntRange(min=2), default=3, show_default=True, help="Most-agreeing ratings kept."
    ),
    click.option(
        "--criterion",
        type=click.Choice(["sum", "range", "variance"]),
        default="sum",
        show_default=True,
        help="What agreement is measured by: sum of absolute pairwise differences, range, or variance.",
    ),
    click.option(
        "--select-on",
        type=click.Choice(["joint", "each", *_ATTRIBUTES]),
        default="joint",
        show_default=True,
        help="The same ratings for all attributes, by all of them (joint) or by one; or each attribute for itself.",
    ),
    click.option(
        "--max-spread",
        type=click.IntRange(0, 4),
        default=2,
        show_default=True,
        help="Helpfulness spread of a kept task.",
    ),
    click.option(
        "--min-ratings", type=click.IntRange(min=1), default=2, show_default=True, help="Fewest ratings of a kept task."
    ),
    click.option(
        "--trust/--no-trust", "is_trust", default=True, show_default=True, help="Remove untrusted annotators first."
    ),
    click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        help="Set any other rule of docs/cleaning.md, e.g. trust.min_agreement=0.2.",
    ),
)


def rules_options(verb: F) -> F:
    """Add the options that say how ratings are cleaned, in the order they are listed."""
    for option in reversed(_RULES):
        verb = option(verb)
    return verb


def _rules(options: Mapping[str, object]) -> "CleanSettings":
    from steersman.config.cleaning import CleanSettings
    from steersman.config.loading import validate_settings, with_overrides

    values = {name: value for name, value in options.items() if name not in ("is_trust", "overrides")}
    overrides = options["overrides"]
    named = [f"trust.enabled={str(options['is_trust']).lower()}", *(overrides if isinstance(overrides, tuple) else ())]
    return validate_settings(with_overrides(values, named), model=CleanSettings, source="the rules of cleaning")


@click.command()
@click.argument("ratings", type=PATH)
@rules_options
@click.option("--by", metavar="COLUMNS", help="Apart for each value of guideline_version, delivery, or both.")
@click.option("--annotators", "is_people", is_flag=True, help="Show each annotator, and each two of them, instead.")
@click.option(
    "--min-overlap", type=click.IntRange(min=2), default=20, show_default=True, help="Responses two of them must share."
)
@click.option("--rounds", type=click.IntRange(min=100), default=1000, show_default=True, help="Bootstrap resamples.")
@seed_option
@as_json_option
def agreement(ratings: Path, seed: int, rounds: int, as_json: bool, **options: object) -> None:
    """Say how well annotators agree at each stage of cleaning, beside what random raters would reach.

    Example: steersman agreement ratings/ratings.jsonl --by guideline_version
    """
    by, is_people, min_overlap = (options.pop(name) for name in ("by", "is_people", "min_overlap"))
    rules = _rules(options)
    if is_people and isinstance(min_overlap, int):
        if by is not None:
            raise click.UsageError("--by and --annotators do not go together")
        from steersman.pipeline import annotators

        people = annotators.run(ratings, rules=rules, min_overlap=min_overlap)
        _say_ignored(ratings)
        emit(people, as_json=as_json, text=annotators_text(people))
        return
    from steersman.pipeline import agreement as pipeline

    if by is None:
        result = pipeline.run(ratings, rules=rules, seed=seed, rounds=rounds)
        _say_ignored(ratings)
        emit(result, as_json=as_json, text=agreement_text(result))
        return
    groups = pipeline.run_by(ratings, by=_columns(str(by)), rules=rules, seed=seed, rounds=rounds)
    _say_ignored(ratings)
    emit(groups, as_json=as_json, text="\n\n".join(f"{name}\n{agreement_text(each)}" for name, each in groups.items()))


def _say_ignored(ratings: Path) -> None:
    """Name on stderr the columns that are not read: the figures on stdout have no place for them."""
    from steersman.pipeline.ratings_file import ignored_columns

    ignored = ignored_columns(ratings)
    if ignored:
        say(f"note: columns of the ratings that are ignored: {', '.join(ignored)}")


def _columns(names: str) -> tuple[str, ...]:
    """Return the columns that `names` lists, each once."""
    return tuple(dict.fromkeys(name.strip() for name in names.split(",")))


@click.command()
@click.argument("ratings", type=PATH, required=False)
@out_option("The dataset folder to make; with --replay, the folder of the comparison.")
@rules_options
@click.option(
    "--aggregation",
    type=click.Choice(["mean", "median", "majority", "dawid_skene", "rater_bias"]),
    default="mean",
    show_default=True,
    help="How scores become a label.",
)
@click.option("--validation-share", type=click.FloatRange(0, 1, max_open=True), default=0.1, show_default=True)
@click.option("--preferences", type=PATH, help="A table of preference ratings of the same tasks.")
@click.option("--licence", help="The licence of ratings beside which no lineage.json says one, e.g. CC-BY-4.0.")
@click.option(
    "--replay",
    metavar="helpsteer2|FOLDER",
    help="Clean the ratings HelpSteer2 released, from the hub or a folder, and compare with its labels.",
)
@seed_option
@as_json_option
def clean(out: Path, seed: int, as_json: bool, **options: object) -> None:
    """Turn ratings into labels: a dataset folder in HelpSteer2's shape, with card and lineage.

    Example: steersman clean ratings/ratings.jsonl --out datasets/mine
    """
    ratings, preferences, replay, licence = (
        options.pop(name) for name in ("ratings", "preferences", "replay", "licence")
    )
    if (ratings is None) == (replay is None) or (replay is not None and (preferences or licence)):
        raise click.UsageError("give RATINGS, the file to clean, or --replay, which brings its own")
    rules = _rules(options)
    if isinstance(ratings, Path):
        from steersman.pipeline import clean as pipeline

        compared, terms = (
            preferences if isinstance(preferences, Path) else None,
            None if licence is None else str(licence),
        )
        result = pipeline.run(ratings, out=out, rules=rules, seed=seed, preferences=compared, licence=terms)
        emit(result, as_json=as_json, text=clean_text(result, out=out))
        return
    from steersman.pipeline import replay as replaying

    found = replaying.run(str(replay), out=out, rules=rules)
    notes = found["notes"]
    for note in notes if isinstance(notes, list) else ():
        say(f"note: {note}")
    emit(found, as_json=as_json, text=replay_text(found, page=out / replaying.PAGE_FILE))
