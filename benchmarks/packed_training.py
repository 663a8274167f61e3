"""What each piece of the packed forward and backward pass brings, one line each.

    STEERSMAN_DATA=PATH python benchmarks/packed_training.py --write
    python benchmarks/packed_training.py --small

SmolLM2-135M on pairs of PATH/helpsteer2/train.jsonl, the pairwise loss, gradients of all weights, no optimiser step.
The first lines add one piece after another, the others change one thing of what the engine does. Every line runs in
processes of its own, which take turns. With --small the tiny model on made-up pairs, to see that everything works.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch
from machine import ROOT, commit_words, machine_words, version_words
from packed_training_table import NAME, SECTION, Circumstances, Spent, table_text
from page import page_with_table
from reward_speed_data import EMBEDDED, TINY, prepare
from reward_speed_peak import PeakTask, operations, peaks
from reward_speed_records import MODEL_FOLDER, read_groups
from reward_speed_watch import resident_bytes
from transformers import PreTrainedModel

from steersman.engine.batching import micro_batches
from steersman.errors import RunError, SteersmanError
from steersman.modeling.attention import attention
from steersman.modeling.chat import Group
from steersman.modeling.compiling import compiled_kernels
from steersman.modeling.fused import leaner_layers
from steersman.modeling.kernels import PLAIN
from steersman.modeling.layers import layers_of
from steersman.modeling.loading import load_backbone
from steersman.modeling.packed_attention import PACKED, packed_attention
from steersman.modeling.packing import pack
from steersman.modeling.precision import Precision, fast_precision
from steersman.modeling.rows import Row, autocast, states_of
from steersman.reward.bradley_terry import bradley_terry_loss
from steersman.store.files import read_json, read_lines, write_json, write_text

RESULTS_PAGE = ROOT / "docs" / "results.md"
BATCH_PAIRS = 8
_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Piece:
    """One line: a way to run the same rows.

    `pieces` is how many of attention by blocks, leaner layers, embedding in place and compiled kernels are in place.
    """

    words: str
    pieces: int = 3
    row_tokens: int = 1024
    reads_few: bool = True
    casts_per_row: bool = False


PIECES = {
    "transformers": Piece("transformers under the dense mask", pieces=0, reads_few=False),
    "attention": Piece("+ attention in blocks of grouped queries", pieces=1, reads_few=False),
    "layers": Piece("+ leaner norms, rotary embeddings and gated units", pieces=2, reads_few=False),
    "embedding": Piece("+ gradient of the embedding added in place", reads_few=False),
    "engine": Piece("**+ last layer at the tokens that are read: the engine**"),
    "compiled": Piece("+ kernels by torch.compile", pieces=4),
    "casts": Piece("the engine, weights cast for every row", casts_per_row=True),
    "alone": Piece("the engine, a pair a row", row_tokens=1),
    "rows-2048": Piece("the engine, rows up to 2048 tokens", row_tokens=2048),
    "rows-4096": Piece("the engine, rows up to 4096 tokens", row_tokens=4096),
}


def main(argv: list[str]) -> int:
    """Run the benchmark; print its table and, with --write, put it into docs/results.md."""
    options = parse(argv)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    try:
        if options.piece is not None:
            write_json(options.result, asdict(spent_by(PIECES[options.piece], options=options)))
            return 0
        table = measured_table(options, argv)
        print(table)
        if options.write:
            page = "\n".join(read_lines(RESULTS_PAGE))
            write_text(RESULTS_PAGE, page_with_table(page, table, name=NAME, section=SECTION))
    except SteersmanError as error:
        print(f"packed_training: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="processes per line, taking turns with the other lines")
    parser.add_argument("--steps", type=int, default=2, help="measured batches of eight pairs, after one of warm-up")
    parser.add_argument("--lines", nargs="+", choices=[*PIECES], default=[*PIECES])
    parser.add_argument("--small", action="store_true", help="the tiny model and short made-up pairs, in seconds")
    parser.add_argument("--threads", type=int, help="of PyTorch; default: PyTorch's own choice")
    parser.add_argument("--seed", type=int, default=1, help="of the choice of pairs")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "packed-training")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    parser.add_argument("--piece", choices=[*PIECES], help=argparse.SUPPRESS)
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def measured_table(options: argparse.Namespace, argv: Sequence[str]) -> str:
    """Return the table, after every line has run in its own processes."""
    model = TINY if options.small else EMBEDDED
    num_pairs = (1 + options.steps) * BATCH_PAIRS
    prepared = prepare(options.out, model=model, num_pairs=num_pairs, is_made=options.small, seed=options.seed)
    groups = read_groups(options.out)[BATCH_PAIRS:]
    precision = fast_precision(_CPU)
    task = PeakTask(prepared.hidden, prepared.feedforward, 1024, 2048, "cpu", options.threads)
    runs: dict[str, list[Spent]] = {name: [] for name in options.lines}
    peak = 0.0
    for _ in range(options.repeats):
        for name in options.lines:
            runs[name].append(_in_a_process(name, options=options, argv=argv))
            peak = max(peak, peaks(task)[precision])
    told = Circumstances(
        prepared=prepared,
        precision=precision,
        tokens=sum(group.num_tokens for group in groups),
        operations=operations(groups, prepared=prepared),
        peak=peak,
        where=f"{machine_words()}; {torch.get_num_threads()} threads; {version_words()}; commit {commit_words()}",
        command="python benchmarks/packed_training.py " + " ".join(argv),
    )
    return table_text({PIECES[name].words: found for name, found in runs.items()}, told=told)


def _in_a_process(name: str, *, options: argparse.Namespace, argv: Sequence[str]) -> Spent:
    result = cast(Path, options.out) / "result.json"
    command = [sys.executable, __file__, *argv, "--piece", name, "--result", str(result)]
    done = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RunError(f"the line {name!r} failed: {done.stderr.strip()[-2000:]}")
    return Spent(**cast("dict[str, float]", read_json(result)))


def spent_by(piece: Piece, *, options: argparse.Namespace) -> Spent:
    """Return what the measured batches took in this process, which is fresh."""
    groups = read_groups(options.out)
    batches = [groups[first : first + BATCH_PAIRS] for first in range(0, len(groups), BATCH_PAIRS)]
    model = load_backbone(options.out / MODEL_FOLDER, dtype=torch.float32, device=_CPU).requires_grad_(True)
    head = torch.randn(model.config.hidden_size, generator=torch.Generator().manual_seed(0)) * 0.02
    precision = fast_precision(_CPU)
    with ExitStack() as stack:
        _put_in_place(stack, model, piece=piece)
        first_loss = _gradients(model, head, batches[0], piece=piece, precision=precision)
        # what is resident now has weights, gradients and the compiler, and no activations
        before = resident_bytes("VmRSS")
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        begin, cpu_begin = time.perf_counter(), time.process_time()
        for batch in batches[1:]:
            _gradients(model, head, batch, piece=piece, precision=precision)
        return Spent(
            seconds=time.perf_counter() - begin,
            cpu_seconds=time.process_time() - cpu_begin,
            peak_bytes=resident_bytes("VmHWM") - before,
            first_loss=first_loss,
        )


def _put_in_place(stack: ExitStack, model: PreTrainedModel, *, piece: Piece) -> None:
    if piece.pieces == 1:
        stack.enter_context(attention(model, PACKED))
    if piece.pieces == 2:
        stack.enter_context(attention(model, PACKED))
        stack.enter_context(leaner_layers(layers_of(model)))
    if piece.pieces >= 3:
        kernels = compiled_kernels(_CPU) if piece.pieces == 4 else PLAIN
        stack.enter_context(packed_attention(model, kernels=kernels))


# shapes: head (D,), states (N, D) and scores (N,) of the N responses of a row
def _gradients(
    model: PreTrainedModel, head: torch.Tensor, batch: Sequence[Group], *, piece: Piece, precision: Precision
) -> float:
    """Return the mean loss of a batch, its gradients left in the weights."""
    model.zero_grad(set_to_none=True)
    tokens = [group.num_tokens for group in batch]
    total = 0.0
    with ExitStack() as step:
        if not piece.casts_per_row:
            step.enter_context(autocast(_CPU, precision=precision))
        for numbers in micro_batches(range(len(batch)), tokens=tokens, budget=piece.row_tokens):
            with autocast(_CPU, precision=precision):
                loss = _loss(model, head, [batch[number] for number in numbers], piece=piece) / len(batch)
            loss.backward()
            total += loss.item()
    return total


def _loss(model: PreTrainedModel, head: torch.Tensor, groups: Sequence[Group], *, piece: Piece) -> torch.Tensor:
    row = Row(pack(groups), None)
    places = torch.tensor(row.packed.last_tokens)
    if piece.reads_few:
        states = states_of(model, row, num_lower=0, places=places)
    else:
        states = states_of(model, row, num_lower=0)[places]
    scores = (states * head).sum(dim=1)
    return bradley_terry_loss(scores[0::2], scores[1::2])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
