"""Which backbone: the same head on frozen states of several models, after several layers, on HelpSteer2.

    STEERSMAN_DATA=PATH python benchmarks/reward_backbones.py --models smollm2-135m-instruct GEMMA_FOLDER --write

Pairs, folds and heads are those of `reward_evidence.py`. 'untrained' is the first model with weights drawn at random,
which tells what the architecture and the words alone give. `gemma_folder.py` makes a folder of Gemma 3 270M.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from evidence_features import POOLINGS
from evidence_figures import ROUNDS, Accuracy, helpfulness_accuracy
from evidence_folds import Reading
from evidence_plan import SEEDS, ablation_tasks
from evidence_runs import CORPORA, Place, features, results
from machine import ROOT, commit_words, machine_words, version_words
from page import command_words, page_with_table, table_head, table_row
from transformers import AutoConfig, AutoModelForCausalLM

from steersman.errors import ConfigError, SteersmanError
from steersman.modeling.loading import load_tokenizer, quiet_transformers
from steersman.pipeline.models import open_model
from steersman.store.disk import whole_folder
from steersman.store.files import read_lines, write_text

RESULTS_PAGE = ROOT / "docs" / "results.md"
NAME = "benchmarks/reward_backbones.py"
SECTION = """
## Reward models: backbones

Does it matter whose states are read? The same heads, pairs and folds as above, on several frozen models.
"""
_UNTRAINED_SEED = 1


@dataclass(frozen=True, slots=True)
class Backbone:
    """The accuracies on helpfulness by reading of one model; `tokens` went through it."""

    name: str
    num_layers: int
    tokens: int
    accuracies: Mapping[Reading, Accuracy]


def main(argv: list[str]) -> int:
    """Run what is not kept yet; print the table and, with --write, put it into docs/results.md."""
    options = parse(argv)
    try:
        untrained = with_drawn_weights(options.models[0], out=options.out.resolve() / "models" / "untrained")
        models = [*options.models, str(untrained)]
        folders = {Path(name).name: name for name in models}
        if len(folders) < len(models):
            raise ConfigError(f"two of {', '.join(models)} are called the same; rename a folder")
        found = [measured(name, model, options=options) for name, model in folders.items()]
        text = table_text(found, options=options)
        print(text)
        if options.write:
            page = "\n".join(read_lines(RESULTS_PAGE))
            write_text(RESULTS_PAGE, page_with_table(page, text, name=NAME, section=SECTION))
    except SteersmanError as error:
        print(f"reward_backbones: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["smollm2-135m-instruct"], help="embedded names or folders")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "reward-backbones")
    parser.add_argument("--workers", type=int, default=2, help="fits side by side, one thread each")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    return parser.parse_args(argv)


def with_drawn_weights(model: str, *, out: Path) -> Path:
    """Return a folder of the architecture and tokenizer of `model`, its weights drawn as before a training."""
    if not out.exists():
        base = open_model(model, role="features").folder
        with whole_folder(out) as folder, torch.random.fork_rng(devices=[]), quiet_transformers():
            torch.manual_seed(_UNTRAINED_SEED)
            AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base)).save_pretrained(folder)
            load_tokenizer(base).save_pretrained(folder)
    return out


def measured(name: str, model: str, *, options: argparse.Namespace) -> Backbone:
    """Return the figures of one model, at every fourth layer."""
    place = Place(options.out.resolve() / name, model)
    given = features(CORPORA[0], place)
    plan = ablation_tasks(given.num_layers)
    tasks = [task for each in plan.values() for task in each]
    found = dict(zip(tasks, results(tasks, place, workers=options.workers), strict=True))
    accuracies = {
        reading: helpfulness_accuracy([found[task] for task in its], "scores") for reading, its in plan.items()
    }
    return Backbone(name, given.num_layers, given.num_tokens, accuracies)


def table_text(found: list[Backbone], *, options: argparse.Namespace) -> str:
    """Return the table with its notes."""
    heads = ("backbone", "state after", *(f"{pooling.replace('_', ' ')}" for pooling in POOLINGS))
    lines = table_head(*heads)
    for each in found:
        for layers in sorted({reading.layers for reading in each.accuracies}):
            cells = (_cell(each.accuracies[Reading(layers, pooling)]) for pooling in POOLINGS)
            lines.append(table_row(each.name, f"{layers} of {each.num_layers} layers", *cells))
    tokens = ", ".join(f"{each.name} {each.tokens:,}" for each in found)
    command = command_words("reward_backbones.py", options, plain=parse([]), hidden=("out", "workers", "write"))
    return "\n".join(
        [
            *lines,
            "",
            f"- Helpfulness, %, of a scaled Bradley-Terry head on the frozen state; the folds of seed {SEEDS[0]}, 95 %"
            f" intervals from {ROUNDS} bootstrap resamples of pairs. No reading was chosen: the best of a column is the"
            " best of many.",
            f"- Tokens through each model: {tokens}.",
            f"- Command: `{command}`. Commit: {commit_words()}.",
            f"- Machine: {machine_words()}. {version_words()}.",
        ]
    )


def _cell(found: Accuracy) -> str:
    interval = found.interval
    return f"{100 * interval.estimate:.1f} ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
