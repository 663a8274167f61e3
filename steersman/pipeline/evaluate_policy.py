"""Compare an aligned policy with its start: answers to held-out prompts, scored by the run's reward model."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from steersman.config.sections import EvaluateSettings, GeneratorSettings
from steersman.errors import DataError
from steersman.evaluate.length import length_statistics
from steersman.evaluate.policy import compare_rewards
from steersman.pipeline.lineages import inherited
from steersman.pipeline.respond import MEMORY_FOLDER, memory, open_writer
from steersman.pipeline.scorers import open_scorer
from steersman.pipeline.stage import Outcome, Product, Stage, run_stage
from steersman.protocols import Generated, Progress, no_progress
from steersman.records import Message, prompt_to_text
from steersman.store.files import read_table, sha256_tree, write_json, write_jsonl
from steersman.store.lineage import merge_ancestors
from steersman.store.runs import CHECKPOINT_FOLDER, SAMPLES_FILE
from steersman.tables import PROMPTS

SCORER_NOTE = (
    "Rewards come from the reward model trained in this run on the same kind of labels the policy was aligned with;"
    " they show that the loop works, not that people would prefer the responses."
)


@dataclass(frozen=True, slots=True)
class Contest:
    """What is compared: the `start` model and the run folder `align` of the policy, judged by the one of `reward`."""

    start: str
    align: Path
    reward: Path
    held_out: Path


def run(
    contest: Contest, *, settings: EvaluateSettings, seed: int, out: Path, progress: Progress = no_progress
) -> Outcome:
    """Answer the held-out prompts by both models, score the answers and compare, into the run folder `out`."""
    inputs = {
        "held_out": contest.held_out,
        "reward": contest.reward / CHECKPOINT_FOLDER,
        "policy": contest.align / CHECKPOINT_FOLDER,
    }
    stage = Stage("evaluate", out, settings, seed, inputs, keep=(MEMORY_FOLDER,))
    return run_stage(stage, lambda folder: _make(folder, contest, settings=settings, seed=seed, progress=progress))


def _make(folder: Path, contest: Contest, *, settings: EvaluateSettings, seed: int, progress: Progress) -> Product:
    held_out = contest.held_out
    prompts = read_table(held_out, table=PROMPTS)
    if prompts.height < 2:
        raise DataError(f"{held_out}: at least two held-out prompts are needed for an interval; raise prompts.held_out")
    conversations = [
        [Message(turn["role"], turn["content"]) for turn in turns] for turns in prompts["messages"].to_list()
    ]
    policy = str(contest.align / CHECKPOINT_FOLDER)
    answers = [
        [each.text for each in _answers(folder, model, conversations, settings=settings, seed=seed, progress=progress)]
        for model in (contest.start, policy)
    ]
    texts = [prompt_to_text(messages) for messages in conversations]
    opened = open_scorer(str(contest.reward))
    with progress("rewards", 2 * len(texts), "row") as advance:
        before, after = (opened.scorer.score(texts, each, advance=advance).rewards for each in answers)
    rng = np.random.default_rng([seed, 2])
    compared = compare_rewards(before, after, rng=rng, rounds=settings.bootstrap_rounds)
    lengths = [length_statistics(each, rng=rng, rounds=settings.bootstrap_rounds) for each in answers]
    result: dict[str, object] = {
        "reward_before": asdict(compared.before),
        "reward_after": asdict(compared.after),
        "reward_difference": asdict(compared.difference),
        "win_share": asdict(compared.win_share),
        "ties": compared.ties,
        "length_before": asdict(lengths[0].mean_characters),
        "length_after": asdict(lengths[1].mean_characters),
        "prompts": prompts.height,
        "scorer_note": SCORER_NOTE,
    }
    rows = zip(prompts["prompt_id"].to_list(), texts, *answers, before.tolist(), after.tolist(), strict=True)
    names = ("prompt_id", "prompt", "before", "after", "reward_before", "reward_after")
    write_jsonl(folder / SAMPLES_FILE, [dict(zip(names, row, strict=True)) for row in rows])
    write_json(folder / "result.json", result)
    inheritance = inherited([held_out, contest.reward, contest.align], role="evaluation")
    return Product(result, merge_ancestors([inheritance.ancestors]), inheritance.simulated)


def _answers(
    folder: Path,
    model: str,
    conversations: Sequence[Sequence[Message]],
    *,
    settings: EvaluateSettings,
    seed: int,
    progress: Progress,
) -> list[Generated]:
    generator = GeneratorSettings(name=Path(model).parent.name or model, model=model, temperature=settings.temperature)
    writer = open_writer(
        generator, max_new_tokens=settings.max_new_tokens, batch_size=settings.batch_size, role="policy"
    )
    texts = [[asdict(message) for message in messages] for messages in conversations]
    identity = {"weights": sha256_tree(writer.model.folder), "settings": settings.model_dump(), "seed": seed}
    recall, keep = memory(folder / MEMORY_FOLDER, identity=identity, texts=texts)
    label = "answers after" if Path(model).is_dir() else "answers before"
    with progress(label, len(conversations) * settings.max_new_tokens, "token") as advance:
        return writer.generator.generate_with_memory(
            conversations, sampling=writer.sampling, seed=seed, advance=advance, recall=recall, keep=keep
        )
