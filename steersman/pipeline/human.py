"""Human labels instead of a crowd of our own: a sample of HelpSteer2-shaped data as the run's dataset."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from steersman.config.cleaning import CleanSettings
from steersman.config.sections import HumanDataSettings
from steersman.dataset.statistics import measure, statistics
from steersman.errors import DataError
from steersman.pipeline import clean
from steersman.pipeline.lineages import inherited
from steersman.pipeline.stage import Outcome, Product, Stage, run_stage
from steersman.prompts.sampling import sample_tasks
from steersman.records import text_to_messages
from steersman.sources.helpsteer2 import HumanData, read_helpsteer2
from steersman.store.cache import cache_folder
from steersman.store.files import read_table, write_json, write_table
from steersman.tables import EXAMPLES, PROMPTS

LABELS_FOLDER = "labels"
_VALIDATION_SHARE = 0.2
AGGREGATED_NOTE = (
    "These labels were already aggregated when they came: there is one label per response and attribute, so neither"
    " agreement nor the effect of cleaning can be computed."
)


@dataclass(frozen=True, slots=True)
class Sample:
    """Sampled tasks: two rows each; `held_out` prompts are in none of them."""

    training: pl.DataFrame
    validation: pl.DataFrame
    held_out: list[str]
    notes: tuple[str, ...]


def run(settings: HumanDataSettings, *, held_out: int, seed: int, out: Path) -> Outcome:
    """Write the sampled examples, the rating lists behind them and held-out prompts into the run folder `out`."""
    where = Path(settings.path)
    inputs = {"data": where} if where.is_dir() else {}
    places = ("path",) if inputs else ()
    stage = Stage("labels", out, settings, seed, inputs, places=places, also={"held_out": held_out})
    return run_stage(stage, lambda folder: _make(folder, settings=settings, held_out=held_out, seed=seed))


def _make(folder: Path, *, settings: HumanDataSettings, held_out: int, seed: int) -> Product:
    data = read_helpsteer2(settings.path, cache=cache_folder() / "hub")
    sample = draw(data, settings=settings, held_out=held_out, rng=np.random.default_rng([seed, 3]))
    write_table(folder / "train.jsonl", sample.training)
    write_table(folder / "validation.jsonl", sample.validation)
    write_table(folder / "held_out.jsonl", _prompts_table(sample.held_out))
    if data.disagreements is not None:
        chosen = pl.concat([sample.training, sample.validation]).select("prompt", "response").unique()
        lists = data.disagreements.join(chosen, on=["prompt", "response"], how="semi", maintain_order="left")
        write_table(folder / "disagreements.jsonl", lists)
    result = {
        "tasks": (sample.training.height + sample.validation.height) // 2,
        "held_out": len(sample.held_out),
        "has_lists": data.disagreements is not None,
        "notes": list(sample.notes),
    }
    return Product(result, data.ancestors, simulated=data.simulated, notes=(*data.notes, *sample.notes))


def draw(data: HumanData, *, settings: HumanDataSettings, held_out: int, rng: np.random.Generator) -> Sample:
    """Return a sample of tasks: training from the training split, validation and held-out prompts from the other.

    A fifth of the tasks is for validation, fewer where the split has no more; training takes the rest. Where rating
    lists came all tasks are from the training split: cleaning sets some of them aside for validation, whichever split
    they are from, and none of the other split must be learnt from.
    With `max_characters` only tasks that short are drawn, and a note says how many that left.
    """
    training, validation = (_short(each, limit=settings.max_characters) for each in (data.train, data.validation))
    notes = [] if settings.max_characters is None else [_short_note(data, training, validation, settings=settings)]
    if training.height < 2 or validation.height < 4:
        raise DataError(f"{settings.path}: too few tasks of at most {settings.max_characters} characters; raise it")
    share = _VALIDATION_SHARE if data.disagreements is None else 0.0
    askable = _askable(data.validation, limit=settings.max_characters)
    wanted = settings.prompts or round(training.height / 2 / (1 - share))
    # lists are split later, labels need a validation task at least
    least = 1 if share else 0
    count = min(round(share * wanted), validation.height // 2, len(askable) - held_out)
    if count < least:
        raise _too_few(len(askable), settings=settings, held_out=held_out)
    drawn = sample_tasks(training, count=min(wanted - count, training.height // 2), rng=rng)
    # a prompt that both splits hold must neither choose the step of a model trained on it nor judge that model
    learnt = drawn["prompt"].unique().implode()
    unseen, askable = validation.filter(~pl.col("prompt").is_in(learnt)), askable.filter(~askable.is_in(learnt))
    count = min(count, unseen.height // 2, len(askable) - held_out)
    if count < least:
        raise _too_few(len(askable), settings=settings, held_out=held_out)
    checked = sample_tasks(unseen, count=count, rng=rng) if count else validation.clear()
    if settings.prompts and (drawn.height + checked.height) // 2 < wanted:
        notes.append(f"{wanted} tasks were asked for, {(drawn.height + checked.height) // 2} are there.")
    rest = askable.filter(~askable.is_in(checked["prompt"].unique().implode())).to_list()
    chosen = rng.permutation(len(rest))[:held_out]
    return Sample(drawn, checked, [rest[index] for index in sorted(chosen.tolist())], tuple(notes))


def _short_note(
    data: HumanData, training: pl.DataFrame, validation: pl.DataFrame, *, settings: HumanDataSettings
) -> str:
    tasks = f"{training.height // 2} of {data.train.height // 2} training tasks"
    if data.disagreements is None:
        tasks += f" and {validation.height // 2} of {data.validation.height // 2} validation tasks"
    return (
        f"Sampled from the {tasks} whose prompt and two responses have at most {settings.max_characters} characters:"
        " short tasks are over-represented."
    )


def _askable(validation: pl.DataFrame, *, limit: int | None) -> pl.Series:
    # every prompt of the split may be held out, also one whose responses are too long to train on
    prompts = validation["prompt"].unique(maintain_order=True)
    return prompts if limit is None else prompts.filter(prompts.str.len_chars() <= limit)


def _too_few(prompts: int, *, settings: HumanDataSettings, held_out: int) -> DataError:
    return DataError(
        f"{settings.path}: {prompts} validation prompts that are not trained on are too few for {held_out} held-out"
        " prompts and a validation set; lower prompts.held_out"
    )


def _short(examples: pl.DataFrame, *, limit: int | None) -> pl.DataFrame:
    if limit is None:
        return examples
    responses = examples["response"].str.len_chars().to_numpy()
    length = examples["prompt"].str.len_chars().to_numpy()[0::2] + responses[0::2] + responses[1::2]
    return examples.filter(pl.Series(np.repeat(length <= limit, 2)))


def _prompts_table(prompts: list[str]) -> pl.DataFrame:
    rows = [
        {
            "prompt_id": f"held-out-{number:03d}",
            "messages": [{"role": turn.role, "content": turn.content} for turn in text_to_messages(prompt)],
            "source": "validation split",
            "licence": None,
        }
        for number, prompt in enumerate(prompts)
    ]
    return pl.DataFrame(
        rows, schema={name: PROMPTS.schema[name] for name in ("prompt_id", "messages", "source", "licence")}
    )


def run_dataset(labels: Path, *, rules: CleanSettings, seed: int, out: Path) -> Outcome:
    """Make the dataset folder from the sampled labels: cleaned where rating lists came, taken as they are otherwise."""
    inputs = {"labels": labels / "train.jsonl", "validation": labels / "validation.jsonl"}
    lists = labels / "disagreements.jsonl"
    if lists.is_file():
        stage = Stage("clean", out, rules, seed, {**inputs, "lists": lists})
        return run_stage(stage, lambda folder: clean.fill(folder, lists, rules=rules, seed=seed, name=out.name))
    return run_stage(Stage("clean", out, rules, seed, inputs), lambda folder: _as_they_are(folder, labels))


def _as_they_are(folder: Path, labels: Path) -> Product:
    training, validation = (read_table(labels / f"{name}.jsonl", table=EXAMPLES) for name in ("train", "validation"))
    write_table(folder / "train.jsonl.gz", training)
    write_table(folder / "validation.jsonl.gz", validation)
    write_json(folder / "statistics.json", statistics(measure(pl.concat([training, validation]))))
    write_json(folder / "agreement.json", {"note": AGGREGATED_NOTE})
    origin = inherited([labels], role="ratings")
    rows = training.height + validation.height
    result = {"tasks_in": rows // 2, "tasks_out": rows // 2, "rows_out": rows, "note": AGGREGATED_NOTE}
    return Product(result, origin.ancestors, origin.simulated, notes=(AGGREGATED_NOTE,))
