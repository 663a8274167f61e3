"""The real pairs behind the evidence on reward models: HelpSteer2, Open Assistant, HH-RLHF and parts of RewardBench."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from steersman.config.importing import ImportSettings
from steersman.errors import DataError
from steersman.pipeline.import_data import run
from steersman.records import ATTRIBUTES
from steersman.store.files import read_table
from steersman.tables import EXAMPLES, PAIRS

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of responses; P pairs. `strengths` (P,) are above 0 where the first response is better, 0 for a tie.

    `labels` (2P, A) are the ratings of HelpSteer2's attributes, rows 2k and 2k+1 of pair k; None elsewhere. `units`
    (P,) number the prompts: no prompt may be on both sides of a split. `subsets` name parts that are judged apart.
    """

    name: str
    prompts: Sequence[str]
    responses: Sequence[tuple[str, str]]
    strengths: Numbers
    labels: Numbers | None
    units: npt.NDArray[np.int64]
    subsets: Sequence[str]

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def characters(self) -> Numbers:
        """Characters of each response, (2P,)."""
        return np.array([len(text) for pair in self.responses for text in pair], dtype=np.float64)

    @property
    def is_multi_turn(self) -> npt.NDArray[np.bool_]:
        """Whether the prompt has more than one turn, (P,)."""
        return np.array(["<extra_id_1>" in prompt for prompt in self.prompts])


def data_folder() -> Path:
    """Return the folder in $STEERSMAN_DATA; raises DataError when it is not set."""
    name = os.environ.get("STEERSMAN_DATA")
    if not name:
        raise DataError("STEERSMAN_DATA is not set; let it name the folder that holds helpsteer2/")
    return Path(name).resolve()


def helpsteer2() -> Pairs:
    """Return the pairs of both of HelpSteer2's files; helpfulness says which response is better."""
    folder = data_folder() / "helpsteer2"
    parts = [read_table(folder / f"{part}.jsonl", table=EXAMPLES) for part in ("train", "validation")]
    rows = pl.concat([part.select("prompt", "response", *ATTRIBUTES) for part in parts])
    labels = rows.select(ATTRIBUTES).cast(pl.Float64).to_numpy()
    return _pairs(
        "HelpSteer2",
        rows["prompt"].gather_every(2).to_list(),
        list(zip(rows["response"].gather_every(2), rows["response"].gather_every(2, offset=1), strict=True)),
        strengths=labels[0::2, 0] - labels[1::2, 0],
        labels=labels,
    )


def open_assistant(*, most: int, seed: int) -> Pairs:
    """Return pairs of Open Assistant's rankings of English answers, the better first or second by chance."""
    return _imported("Open Assistant", "oasst", data_folder() / "oasst1" / "validation.en.jsonl", most=most, seed=seed)


def hh_rlhf(*, most: int, seed: int) -> Pairs:
    """Return pairs of HH-RLHF's harmless base set, the chosen first or second by chance."""
    path = data_folder() / "hh_rlhf" / "harmless-base.test.jsonl.gz"
    return _imported("HH-RLHF", "hh-rlhf", path, most=most, seed=seed)


def reward_bench(*, seed: int) -> Pairs:
    """Return the three subsets of RewardBench at hand, the chosen first or second by chance."""
    rows = pl.read_ndjson(data_folder() / "rewardbench" / "filtered_part.jsonl")
    return _shuffled("RewardBench", rows, seed=seed, subsets=rows["subset"].to_list())


def _imported(name: str, source: str, path: Path, *, most: int, seed: int) -> Pairs:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / source
        run(ImportSettings.model_validate({"source": source, "where": str(path)}), out=out)
        rows = read_table(next(out.glob("pairs.*.jsonl.gz")), table=PAIRS)
    prompts = rows["prompt"].unique(maintain_order=True)
    # whole prompts, in an order that only the seed decides, until there are enough pairs
    order = prompts.gather(np.random.default_rng(seed).permutation(len(prompts)))
    ranked = rows.join(pl.DataFrame({"prompt": order, "place": np.arange(len(order))}), on="prompt")
    return _shuffled(name, ranked.sort("place", maintain_order=True).head(most), seed=seed)


def _shuffled(name: str, rows: pl.DataFrame, *, seed: int, subsets: Sequence[str] | None = None) -> Pairs:
    """Put each chosen response first or second by chance, so that nothing can be learnt from its place."""
    is_first = np.random.default_rng([seed, 1]).random(rows.height) < 0.5
    chosen, rejected = rows["chosen"].to_list(), rows["rejected"].to_list()
    responses = [
        (good, bad) if first else (bad, good) for first, good, bad in zip(is_first, chosen, rejected, strict=True)
    ]
    strengths = np.where(is_first, 1.0, -1.0)
    return _pairs(name, rows["prompt"].to_list(), responses, strengths=strengths, subsets=subsets)


def _pairs(
    name: str,
    prompts: list[str],
    responses: Sequence[tuple[str, str]],
    *,
    strengths: Numbers,
    labels: Numbers | None = None,
    subsets: Sequence[str] | None = None,
) -> Pairs:
    numbers = {prompt: number for number, prompt in enumerate(dict.fromkeys(prompts))}
    units = np.array([numbers[prompt] for prompt in prompts])
    return Pairs(name, prompts, responses, strengths, labels, units, subsets or [name] * len(prompts))
