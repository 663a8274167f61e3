"""A scorer on a Ray cluster: shards of rows go through a pool of actors, each of which holds the model.

Shards have an even number of rows, so that the two of a pair stay together. Ray is an extra and is imported only here,
when it is asked for.
"""

import logging
import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from steersman.errors import PluginError, SteersmanError
from steersman.protocols import Advance, FloatArray, Scored, Scorer

if TYPE_CHECKING:
    from ray.data import Dataset

SHARD_ROWS = 512
CPUS_PER_ACTOR = 2

Measure = Callable[[Sequence[str], Sequence[str]], list[int]]


class RayScorer:
    """A `MeasuringScorer` whose scores come from scorers that `make` gives in the actors; `advance` counts rows.

    Without `num_actors` there is one per GPU of the cluster, or one per two CPUs where it has no GPU. It joins the
    cluster that RAY_ADDRESS names, or starts one on this machine.
    """

    def __init__(self, make: Callable[[], Scorer], *, measure: Measure, num_actors: int | None) -> None:
        self._make = make
        self._measure = measure
        self._num_actors = num_actors

    def lengths(self, prompts: Sequence[str], responses: Sequence[str]) -> list[int]:
        """Return the tokens of each prompt with its response, counted on this machine."""
        return self._measure(prompts, responses)

    def score(self, prompts: Sequence[str], responses: Sequence[str], *, advance: Advance) -> Scored:
        """Return the scores of all rows, in order.

        Raises PluginError where Ray is not installed or cannot start, and ValueError when there are not as many
        responses as prompts.
        """
        if len(prompts) != len(responses):
            raise ValueError(f"{len(prompts)} prompts and {len(responses)} responses; one of each makes a row")
        if not prompts:
            return self._make().score([], [], advance=advance)
        pieces: dict[int, Scored] = {}
        for shard in self._shards(prompts, responses).iter_rows():
            first, scored = _unpacked(shard)
            pieces[first] = scored
            advance(len(scored.rewards))
        return _joined([pieces[first] for first in sorted(pieces)])

    def _shards(self, prompts: Sequence[str], responses: Sequence[str]) -> "Dataset":
        # unless somebody asks for it, Ray is to tell its makers nothing
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
            from ray.data import ActorPoolStrategy, DataContext
        except ModuleNotFoundError as error:
            raise PluginError(f"scoring on a Ray cluster needs {error.name}: pip install 'steersman[ray]'") from error
        try:
            ray.init(ignore_reinit_error=True, log_to_driver=False, logging_level="error")
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise PluginError(f"Ray cannot start or be reached ({error}); look at RAY_ADDRESS") from error
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        DataContext.get_current().enable_progress_bars = False
        rows = [
            {
                "first": first,
                "prompts": list(prompts[first : first + SHARD_ROWS]),
                "responses": list(responses[first : first + SHARD_ROWS]),
            }
            for first in range(0, len(prompts), SHARD_ROWS)
        ]
        has_gpus = ray.cluster_resources().get("GPU", 0) > 0
        share = {"num_gpus": 1.0} if has_gpus else {"num_cpus": float(CPUS_PER_ACTOR)}
        pool = ActorPoolStrategy(size=min(len(rows), self._num_actors or _pool_size(ray.cluster_resources())))
        blocks = ray.data.from_items(rows, override_num_blocks=len(rows))
        return cast("Dataset", blocks.map(_Actor, fn_constructor_args=(self._make,), compute=pool, **share))


def _pool_size(resources: Mapping[str, float]) -> int:
    return int(resources.get("GPU", 0)) or max(1, int(resources.get("CPU", 1)) // CPUS_PER_ACTOR)


class _Actor:
    """Holds a scorer, and scores one shard at a time; runs in a process of Ray's."""

    def __init__(self, make: Callable[[], Scorer]) -> None:
        self._scorer = make()

    def __call__(self, shard: Mapping[str, object]) -> dict[str, object]:
        prompts, responses = (list(cast("Sequence[str]", shard[name])) for name in ("prompts", "responses"))
        try:
            scored = self._scorer.score(prompts, responses, advance=lambda amount: None)
        except SteersmanError as error:
            # raised here it would reach the other side as a traceback of Ray's
            return {"first": shard["first"], "scored": None, "fault": pickle.dumps(error)}
        return {"first": shard["first"], "scored": pickle.dumps(scored), "fault": None}


def _unpacked(shard: Mapping[str, object]) -> tuple[int, Scored]:
    """Return where a shard begins and its scores; raises what its actor refused."""
    if shard["fault"] is not None:
        raise pickle.loads(cast(bytes, shard["fault"]))
    return cast(int, shard["first"]), cast(Scored, pickle.loads(cast(bytes, shard["scored"])))


def _joined(pieces: Sequence[Scored]) -> Scored:
    def joined(parts: Sequence[FloatArray | None]) -> FloatArray | None:
        found = [part for part in parts if part is not None]
        return np.concatenate(found) if found else None

    return Scored(
        pieces[0].names,
        np.concatenate([each.outputs for each in pieces]),
        np.concatenate([each.rewards for each in pieces]),
        sum(each.num_tokens for each in pieces),
        levels=joined([each.levels for each in pieces]),
        preferences=joined([each.preferences for each in pieces]),
    )
