"""Gather what the card of a dataset says: counts, collection, licence, sources."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import polars as pl

from steersman.config.cleaning import CleanSettings
from steersman.dataset.card import CardFacts, Collection
from steersman.dataset.cleaning import CleanResult
from steersman.dataset.statistics import describe
from steersman.pipeline.agreement import Agreement
from steersman.pipeline.dataset_folder import Cleaned, WrittenDataset
from steersman.store.ledger import judge
from steersman.store.lineage import Ancestor

_MOST_VALUES = 5


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the ratings came from, and whether a modelled crowd gave any of them."""

    ancestors: tuple[Ancestor, ...]
    simulated: bool


def card_facts(
    cleaned: Cleaned, *, rules: CleanSettings, origin: Origin, agreement: Agreement, written: WrittenDataset
) -> CardFacts:
    """Return what the card of a written dataset says."""
    result = cleaned.result
    return CardFacts(
        licence=_licence(origin.ancestors),
        sources=[*(_source_words(ancestor) for ancestor in origin.ancestors), _verdict_words(origin.ancestors)],
        simulated=origin.simulated,
        tasks=(result.tasks_in, result.tasks_out),
        ratings=(result.ratings_in, result.ratings_kept),
        dropped=result.dropped,
        splits=written.split.rows,
        columns=describe(written.measured),
        agreement=agreement,
        rules=rules,
        collection=_collection(cleaned),
        has_preferences=cleaned.preferences is not None,
    )


def annotators_removed(result: CleanResult) -> dict[str, int]:
    """Return how many annotators were removed, by reason."""
    return dict(sorted(Counter(reason for reason in result.trust.reasons if reason).items()))


def _collection(cleaned: Cleaned) -> Collection:
    rated, ratings = cleaned.result.rated, cleaned.given.ratings
    days = ratings["created_at"].str.slice(0, 10)
    # test questions, and who only answered those, as the key does, are not part of the data
    people, responses = (np.unique(numbers).size for numbers in (rated.grid.annotator, rated.grid.response))
    is_timed = rated.order == "time" and not cleaned.given.is_list
    return Collection(
        annotators=people if rated.is_named else None,
        annotators_removed=annotators_removed(cleaned.result),
        per_response=rated.grid.response.size / max(responses, 1),
        days=(str(days.min()), str(days.max())) if is_timed else None,
        guideline_versions=_values(ratings["guideline_version"]),
        deliveries=_values(ratings["delivery"]),
    )


def _values(column: pl.Series) -> list[str]:
    found: list[str] = column.drop_nulls().unique().sort().to_list()
    return found if len(found) <= _MOST_VALUES else [*found[:_MOST_VALUES], f"and {len(found) - _MOST_VALUES} more"]


def _licence(ancestors: tuple[Ancestor, ...]) -> str | None:
    """Return the licence that all data ancestors share, None where they differ or any ancestor stands in its way."""
    if judge(ancestors).commercial_use != "clear":
        return None
    licences = {ancestor.licence for ancestor in ancestors if ancestor.kind == "data"}
    return licences.pop() if len(licences) == 1 else None


def _verdict_words(ancestors: tuple[Ancestor, ...]) -> str:
    verdict = judge(ancestors)
    reason = f" ({verdict.reasons[0]})" if verdict.reasons else ""
    return f"commercial use: {verdict.commercial_use}{reason}"


def _source_words(ancestor: Ancestor) -> str:
    revision = f" at {ancestor.revision}" if ancestor.revision else ""
    simulated = ", simulated" if ancestor.simulated else ""
    return f"{ancestor.role}: {ancestor.work}{revision} ({ancestor.licence or 'no licence known'}{simulated})"
