"""`steersman respond`: two responses per prompt, from two different generators."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from steersman.backends.transformers_generator import Keep, Recall, TransformersGenerator
from steersman.config.sections import GeneratorSettings, ResponsesSettings
from steersman.errors import DataError
from steersman.modeling.loading import load_policy, load_tokenizer
from steersman.modeling.precision import default_device, fast_precision, torch_dtype
from steersman.pipeline.models import ModelFolder, local_models, open_model
from steersman.pipeline.origins import prompts_origin
from steersman.pipeline.stage import Outcome, Product, Stage, run_stage
from steersman.protocols import Generated, Progress, Sampling, no_progress
from steersman.records import Message
from steersman.responses.planning import Assignment, assign_generators, response_id, responses_table
from steersman.store.files import read_json, read_table, sha256_tree, write_json, write_table
from steersman.store.lineage import merge_ancestors
from steersman.store.runs import fingerprint
from steersman.tables import PROMPTS

RESPONSES_FILE = "responses.jsonl"
MEMORY_FOLDER = "batches"


@dataclass(frozen=True, slots=True)
class Writer:
    """A generator with what its settings say about how it samples."""

    generator: TransformersGenerator
    sampling: Sampling
    model: ModelFolder


def run(
    prompts: Path, settings: ResponsesSettings, *, seed: int, out: Path, progress: Progress = no_progress
) -> Outcome:
    """Write `responses.jsonl` into the run folder `out`: two rows per prompt, in order of the prompts.

    Every finished batch is kept in `out/batches`, so that an interrupted run goes on where it stopped.
    """
    if not prompts.is_file():
        raise DataError(f"{prompts}: no such file; make it with steersman prompts")
    writers = {f"model of {each.name}": each.model for each in settings.generators}
    stage = Stage(
        "responses", out, settings, seed, {"prompts": prompts, **local_models(writers)}, keep=(MEMORY_FOLDER,)
    )
    return run_stage(stage, lambda folder: _make(folder, prompts, settings=settings, seed=seed, progress=progress))


def open_writer(settings: GeneratorSettings, *, max_new_tokens: int, batch_size: int, role: str) -> Writer:
    """Return the generator that `settings` describe; its model is loaded when it is first needed."""
    model = open_model(settings.model, role=role)

    def load() -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        device = default_device()
        network = load_policy(model.folder, dtype=torch_dtype(fast_precision(device)), device=device)
        return network, load_tokenizer(model.folder)

    generator = TransformersGenerator(
        load,
        name=settings.name,
        licence=model.licence,
        batch_size=batch_size,
        system=settings.system,
    )
    sampling = Sampling(settings.temperature, settings.top_p, settings.top_k, max_new_tokens)
    return Writer(generator, sampling, model)


def memory(folder: Path, *, identity: Mapping[str, object], texts: Sequence[object]) -> tuple[Recall, Keep]:
    """Return how a generator recalls and keeps its batches in `folder`: by rows, and by the content of the prompts."""

    def place(rows: Sequence[int]) -> Path:
        return folder / f"{fingerprint({**identity, 'rows': list(rows), 'texts': [texts[row] for row in rows]})}.json"

    def recall(rows: Sequence[int]) -> list[Generated] | None:
        if not place(rows).is_file():
            return None
        value = read_json(place(rows))
        return [Generated(**row) for row in value] if isinstance(value, list) else None

    def keep(rows: Sequence[int], responses: list[Generated]) -> None:
        write_json(place(rows), [asdict(response) for response in responses])

    return recall, keep


def _make(folder: Path, prompts: Path, *, settings: ResponsesSettings, seed: int, progress: Progress) -> Product:
    table = read_table(prompts, table=PROMPTS)
    writers = [
        open_writer(each, max_new_tokens=settings.max_new_tokens, batch_size=settings.batch_size, role="responses")
        for each in settings.generators
    ]
    rng = np.random.default_rng([seed, 1])
    plan = assign_generators(table.height, num_generators=len(writers), rng=rng)
    conversations = [
        [Message(turn["role"], turn["content"]) for turn in turns] for turns in table["messages"].to_list()
    ]
    found: dict[Assignment, Generated] = {}
    for number, writer in enumerate(writers):
        mine = [each for each in plan if each.generator == number]
        texts = [conversations[each.prompt] for each in mine]
        budget = len(mine) * settings.max_new_tokens
        with progress(f"responses by {writer.generator.name}", budget, "token") as advance:
            recall, keep = memory(
                folder / MEMORY_FOLDER,
                identity={
                    **settings.generators[number].model_dump(),
                    "weights": sha256_tree(writer.model.folder),
                    "max": settings.max_new_tokens,
                    "seed": seed + number,
                },
                texts=[[asdict(message) for message in messages] for messages in texts],
            )
            responses = writer.generator.generate_with_memory(
                texts, sampling=writer.sampling, seed=seed + number, advance=advance, recall=recall, keep=keep
            )
        found.update(zip(mine, responses, strict=True))
    rows = _rows(table, plan, found, writers=writers, seed=seed)
    write_table(folder / RESPONSES_FILE, rows)
    asked = prompts_origin(prompts, table)
    ancestors = merge_ancestors([asked.ancestors, *(writer.model.ancestors for writer in writers)])
    finished = sum(generated.is_finished for generated in found.values())
    tokens = sum(generated.num_tokens for generated in found.values())
    result = {"responses": rows.height, "tokens": tokens, "finished": finished, "unfinished": rows.height - finished}
    return Product(result, ancestors, simulated=asked.simulated or any(writer.model.is_simulated for writer in writers))


def _rows(
    prompts: pl.DataFrame,
    plan: Sequence[Assignment],
    found: Mapping[Assignment, Generated],
    *,
    writers: Sequence[Writer],
    seed: int,
) -> pl.DataFrame:
    ids = prompts["prompt_id"].to_list()
    rows: list[dict[str, object]] = []
    for each in plan:
        writer, generated = writers[each.generator], found[each]
        sampling = {
            **asdict(writer.sampling),
            "num_tokens": generated.num_tokens,
            "is_finished": generated.is_finished,
        }
        rows.append(
            {
                "prompt_id": ids[each.prompt],
                "response_id": response_id(ids[each.prompt], each.position),
                "response": generated.text,
                "generator": writer.generator.name,
                "generator_licence": writer.generator.licence,
                "sampling": json.dumps(sampling),
                "seed": seed + each.generator,
            }
        )
    return responses_table(rows)
