"""Evidence on reward models: objectives, readings, number of pairs and training data, on real pairs.

    STEERSMAN_DATA=PATH python benchmarks/reward_evidence.py --write

Reads PATH/helpsteer2, oasst1, hh_rlhf and rewardbench. Features of the frozen model and finished fits are kept in --out
and used again; remove the folder to begin anew.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from evidence_baselines import BASELINES
from evidence_data import Pairs
from evidence_figures import (
    Accuracy,
    best_reading,
    helpfulness_accuracy,
    scorers,
    transfers,
)
from evidence_folds import Reading, readings, screened
from evidence_heads import strengths_of
from evidence_plan import (
    SEEDS,
    ablation_tasks,
    baseline_tasks,
    curve_tasks,
    head_tasks,
    transfer_tasks,
)
from evidence_runs import CORPORA, Arrays, Place, Task, corpus, features, results
from evidence_table import NAME, SECTION, Circumstances, Figures, table_text
from machine import ROOT, commit_words, machine_words, version_words
from page import page_with_table

from steersman.errors import SteersmanError
from steersman.records import ATTRIBUTES
from steersman.store.files import read_lines, write_text

RESULTS_PAGE = ROOT / "docs" / "results.md"
CHOSEN_ON = CORPORA[1:3]


def main(argv: list[str]) -> int:
    """Run the benchmark; print its tables and, with --write, put them into docs/results.md."""
    options = parse(argv)
    try:
        text = table_text(measure(options))
        print(text)
        if options.write:
            page = "\n".join(read_lines(RESULTS_PAGE))
            write_text(RESULTS_PAGE, page_with_table(page, text, name=NAME, section=SECTION))
    except SteersmanError as error:
        print(f"reward_evidence: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m-instruct", help="the frozen model: embedded name or folder")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "reward-evidence")
    parser.add_argument("--workers", type=int, default=2, help="fits side by side, one thread each")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/results.md")
    return parser.parse_args(argv)


def measure(options: argparse.Namespace) -> Figures:
    """Return all figures."""
    place = Place(options.out.resolve(), options.model)
    given = {name: features(name, place) for name in CORPORA}
    num_layers = given[CORPORA[0]].num_layers
    screens = {name: screen(name, place) for name in CHOSEN_ON}
    reading = best_reading(screens)
    plan = {
        "heads": head_tasks(reading),
        "baselines": baseline_tasks(),
        "curve": [task for tasks in curve_tasks(reading).values() for task in tasks],
        "ablation": [task for tasks in ablation_tasks(num_layers).values() for task in tasks],
        "transfer": [task for tasks in transfer_tasks(reading).values() for task in tasks],
    }
    tasks = [task for each in plan.values() for task in each]
    found = dict(zip(tasks, results(tasks, place, workers=options.workers), strict=True))
    return Figures(
        reading=reading,
        screens=screens,
        scorers=scorers(arrays(found, plan["heads"]), arrays(found, plan["baselines"])),
        readings={
            each: helpfulness_accuracy(arrays(found, its), "scores") for each, its in ablation_tasks(num_layers).items()
        },
        curve=curve_of(found, reading=reading),
        transfers=transfers({name: arrays(found, its) for name, its in transfer_tasks(reading).items()}),
        circumstances=circumstances(options, tokens=sum(each.num_tokens for each in given.values()), found=found),
    )


def screen(name: str, place: Place) -> dict[Reading, float]:
    """Return the accuracy, 0-1, of a quick ridge on a corpus by reading: mean over seeds, at its best penalty."""
    given = features(name, place)
    found = {
        each: screened(corpus(name), given.at(layers=each.layers, pooling=each.pooling), seeds=SEEDS)
        for each in readings(given.num_layers)
    }
    return {each: float(accuracies.mean(axis=0).max()) for each, accuracies in found.items()}


def arrays(found: Mapping[Task, Arrays], tasks: Sequence[Task]) -> list[Arrays]:
    """Return what `tasks` gave, in order."""
    return [found[task] for task in tasks]


def curve_of(found: Mapping[Task, Arrays], *, reading: Reading) -> dict[tuple[str, int], Accuracy]:
    """Return the accuracy on helpfulness by scorer and number of training pairs."""
    curve = {}
    for (name, pairs), tasks in curve_tasks(reading).items():
        keys = BASELINES[1:] if name == "baselines" else ("scores",)
        for key in keys:
            curve[key if name == "baselines" else name, pairs] = helpfulness_accuracy(arrays(found, tasks), key)
    return curve


def circumstances(options: argparse.Namespace, *, tokens: int, found: Mapping[Task, Arrays]) -> Circumstances:
    """Return how and where the figures were made; no names of hosts or folders."""
    pairs: Pairs = corpus(CORPORA[0])
    model = "" if options.model == "smollm2-135m-instruct" else f" --model {Path(options.model).name}"
    return Circumstances(
        command=f"python benchmarks/reward_evidence.py{model}",
        commit=commit_words(),
        machine=machine_words(),
        versions=version_words(),
        model=Path(options.model).name,
        pairs=len(pairs),
        untied={name: int((strengths_of(pairs, name) != 0).sum()) for name in ATTRIBUTES},
        shared_prompts=sum(count > 1 for count in Counter(pairs.prompts).values()),
        tokens=tokens,
        fits=len(found),
        fit_seconds=sum(float(each["seconds"]) for each in found.values()),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
