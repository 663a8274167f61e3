"""Train and score a reward model on HelpSteer2 as a user would, and set it beside the baselines it must beat.

    STEERSMAN_DATA=PATH python benchmarks/helpsteer2_reward.py --seeds 1 2 3 --write

Reads PATH/helpsteer2/train.jsonl and validation.jsonl. A tenth of the training pairs is set aside to choose the
training step by, so that the validation pairs decide nothing but the figures. Vectors of the frozen encoders are kept
in --out and reused; so are finished runs, by the verbs themselves.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import polars as pl
from helpsteer2_table import NAME, SECTION, Circumstances, Figures, ModelFigures, table_text
from machine import ROOT, commit_words, machine_words, version_words
from page import page_with_table

from steersman.config.loading import load_settings
from steersman.config.run import TrainRewardSettings
from steersman.errors import DataError, RunError, SteersmanError
from steersman.evaluate.baselines import vector_ridge_scores
from steersman.evaluate.pairwise import PairwiseAccuracy, paired_difference, pairwise_accuracy
from steersman.evaluate.regression import regression_fit
from steersman.pipeline.baselines import ATTRIBUTE, baseline_scores, embedded_rows, read_rated_pairs
from steersman.protocols import FloatArray
from steersman.store.arrays import write_array
from steersman.store.files import (
    read_lines,
    read_rows,
    sha256_file,
    write_json,
    write_table,
    write_text,
)
from steersman.tables import Column, Table

CONFIG = ROOT / "configs" / "reward-helpsteer2.yaml"
RESULTS_PAGE = ROOT / "docs" / "results.md"
DEVELOPMENT_EVERY = 10
LONGEST_CONVERSATION = 8192
MINILM_RIDGE = "ridge on MiniLM embeddings"
FROZEN_RIDGE = "ridge on frozen SmolLM2 features"
SCORES = Table("scores", {ATTRIBUTE: Column("number")})

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Corpus:
    """HelpSteer2's two files, and the part of the training rows that the reward model trains on."""

    train_file: Path
    validation_file: Path
    train: pl.DataFrame
    validation: pl.DataFrame
    fitted_file: Path
    development_file: Path

    @property
    def labels(self) -> Numbers:
        """Helpfulness of the validation rows, shape (rows,)."""
        return self.validation[ATTRIBUTE].cast(pl.Float64).to_numpy()


def main(argv: list[str]) -> int:
    """Run the benchmark; print its table and, with --write, put it into docs/results.md."""
    options = parse(argv)
    try:
        figures = measure(options)
        write_json(options.out / "results.json", asdict(figures))
        print(table_text(figures))
        if options.write:
            page = "\n".join(read_lines(RESULTS_PAGE))
            write_text(RESULTS_PAGE, page_with_table(page, table_text(figures), name=NAME, section=SECTION))
    except SteersmanError as error:
        print(f"helpsteer2_reward: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "helpsteer2-reward")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--rounds", type=int, default=10_000, help="bootstrap resamples behind each interval")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    return parser.parse_args(argv)


def measure(options: argparse.Namespace) -> Figures:
    """Return the figures of the baselines and of one reward model per seed."""
    started = time.monotonic()
    text = "\n".join(read_lines(options.config))
    settings = load_settings(text, model=TrainRewardSettings, source=str(options.config))
    corpus = read_corpus(options.out / "data")
    features = {MINILM_RIDGE: minilm_vectors(corpus, out=options.out)}
    rivals = {
        name: rival.scores
        for name, rival in baseline_scores(corpus.train, corpus.validation, features=features, embedder=None).items()
    }
    rivals[FROZEN_RIDGE] = frozen_ridge(corpus, settings=settings, out=options.out)
    found = {name: accuracy_of(corpus.labels, scores, rounds=options.rounds) for name, scores in rivals.items()}
    best = max(found, key=lambda name: found[name].accuracy.estimate)
    models = tuple(
        model_figures(corpus, rivals[best], seed=seed, options=options) for seed in dict.fromkeys(options.seeds)
    )
    facts = circumstances(corpus, settings=settings, options=options, seconds=time.monotonic() - started)
    return Figures(found, best_baseline=best, models=models, circumstances=facts)


def read_corpus(out: Path) -> Corpus:
    """Return HelpSteer2 below $STEERSMAN_DATA, with every tenth training pair written apart into `out`."""
    name = os.environ.get("STEERSMAN_DATA")
    if not name:
        raise DataError("STEERSMAN_DATA is not set; let it name the folder that holds helpsteer2/")
    folder = Path(name).resolve() / "helpsteer2"
    train, validation = (read_rated_pairs(folder / f"{part}.jsonl") for part in ("train", "validation"))
    is_development = (pl.int_range(pl.len()) // 2) % DEVELOPMENT_EVERY == 0
    write_table(out / "train.jsonl", train.filter(~is_development))
    write_table(out / "development.jsonl", train.filter(is_development))
    return Corpus(
        train_file=folder / "train.jsonl",
        validation_file=folder / "validation.jsonl",
        train=train,
        validation=validation,
        fitted_file=out / "train.jsonl",
        development_file=out / "development.jsonl",
    )


def model_figures(corpus: Corpus, rival: Numbers, *, seed: int, options: argparse.Namespace) -> ModelFigures:
    """Train and score one reward model through the command line, and judge its helpfulness column."""
    run = options.out / f"seed-{seed}"
    scores_file = options.out / f"scores-{seed}.jsonl"
    sets = (f"seed={seed}", f"data.train={corpus.fitted_file}", f"data.validation={corpus.development_file}")
    overrides = [part for each in sets for part in ("--set", each)]
    trained = steersman("train", "reward", str(options.config), "--out", str(run), *overrides)
    scored = steersman("score", str(run), str(corpus.validation_file), "--out", str(scores_file))
    scores = np.array([row[ATTRIBUTE] for row in read_rows(scores_file, table=SCORES)], dtype=np.float64)
    if len(scores) != corpus.validation.height:
        raise DataError(f"{scores_file}: {len(scores)} rows for {corpus.validation.height} rows scored")
    mean_label = float(cast("float", corpus.train[ATTRIBUTE].mean()))
    return ModelFigures(
        seed=seed,
        accuracy=accuracy_of(corpus.labels, scores, rounds=options.rounds),
        gain_on_best=paired_difference(corpus.labels, scores, rival, rng=resampling(), rounds=options.rounds),
        fit=regression_fit(corpus.labels, scores, constant=mean_label, rng=resampling(), rounds=options.rounds),
        training_pairs=cast("int", trained["train_pairs"]),
        development_pairs=cast("int", trained["validation_pairs"]),
        dropped_long=cast("int", trained["dropped_long"]),
        best_step=cast("int | None", trained.get("best_step")),
        steps=cast("int", trained["steps"]),
        train_seconds=cast("float", trained["seconds"]),
        score_seconds=cast("float", scored["seconds"]),
    )


def steersman(*arguments: str) -> Mapping[str, object]:
    """Return the JSON result of one `steersman` command; its progress goes to our stderr."""
    beside = Path(sys.executable).with_name("steersman")
    program = str(beside) if beside.exists() else shutil.which("steersman")
    if program is None:
        raise RunError("the command 'steersman' is not installed; run: pip install -e '.[train]'")
    done = subprocess.run([program, *arguments, "--json"], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise RunError(f"steersman {' '.join(arguments)}: exit code {done.returncode}; its message is above")
    return cast("Mapping[str, object]", json.loads(done.stdout))


def minilm_vectors(corpus: Corpus, *, out: Path) -> tuple[FloatArray, FloatArray]:
    """Return joint MiniLM vectors of the training and validation rows."""
    files = (corpus.train_file, corpus.validation_file)

    def embed(path: Path) -> None:
        from steersman.backends.minilm import load_minilm

        both = embedded_rows(corpus.train, corpus.validation, embedder=load_minilm())
        write_array(path, np.concatenate(both))

    vectors = kept(out, "minilm", [sha256_file(file) for file in files], make=embed)
    return vectors[: corpus.train.height], vectors[corpus.train.height :]


def frozen_ridge(corpus: Corpus, *, settings: TrainRewardSettings, out: Path) -> Numbers:
    """Return the scores of a ridge on the untrained backbone's features, fitted on the pairs short enough for them.

    The split into frozen and trained layers is that of the reward model, so both share the cached activations.
    """
    model, tune = settings.reward.model, settings.reward.tune

    def vectors(data: Path, max_tokens: int) -> FloatArray:
        def extract(path: Path) -> None:
            from steersman.pipeline import features

            features.run(model, data, out=path, max_tokens=max_tokens, tune=tune)

        return kept(out, "frozen", [model, max_tokens, tune.layers, sha256_file(data)], make=extract)

    train = vectors(corpus.train_file, settings.reward.max_tokens)
    is_short = np.isfinite(train).all(axis=1)
    rows = corpus.train.filter(pl.Series(is_short))
    found = vector_ridge_scores(
        rows, train[is_short], vectors(corpus.validation_file, LONGEST_CONVERSATION), attribute=ATTRIBUTE
    )
    return found.scores


def kept(out: Path, name: str, identity: list[object], *, make: Callable[[Path], None]) -> FloatArray:
    """Return the array that `make` writes whole to the path it is given, or did in an earlier run."""
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    path = out / "vectors" / f"{name}-{digest}.npy"
    if not path.exists():
        make(path)
    return cast("FloatArray", np.load(path, allow_pickle=False))


def accuracy_of(labels: Numbers, scores: Numbers, *, rounds: int) -> PairwiseAccuracy:
    """Return the pairwise accuracy; every scorer meets the same resamples."""
    return pairwise_accuracy(labels, scores, rng=resampling(), rounds=rounds)


def resampling() -> np.random.Generator:
    """Return the generator behind every interval."""
    return np.random.default_rng(0)


def circumstances(
    corpus: Corpus, *, settings: TrainRewardSettings, options: argparse.Namespace, seconds: float
) -> Circumstances:
    """Return how and where the figures were made; no names of hosts or folders."""
    seeds = " ".join(str(seed) for seed in dict.fromkeys(options.seeds))
    tune = settings.reward.tune
    config = "" if options.config.resolve() == CONFIG else f" --config {options.config.name}"
    size = f"upper {tune.layers} layers" if tune.mode == "upper" else tune.mode
    return Circumstances(
        command=f"python benchmarks/helpsteer2_reward.py --seeds {seeds}{config}",
        commit=commit_words(),
        machine=machine_words(),
        versions=version_words(),
        backbone=f"{settings.reward.model}, {size} trained, config `{options.config.name}`",
        all_pairs=corpus.train.height // 2,
        shared_prompts=len(set(corpus.train["prompt"]) & set(corpus.validation["prompt"])),
        rounds=options.rounds,
        seconds=seconds,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
