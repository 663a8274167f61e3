"""How fast this machine multiplies matrices, and how many operations a training needs: together, the share of the peak.

    python benchmarks/reward_speed_peak.py TASK.json RESULT.json

`reward_speed.py` starts it, so that the peak is measured between the trainings and not once on a quiet machine.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import cast, get_args

import torch
from reward_speed_data import Prepared

from steersman.modeling.chat import Group
from steersman.modeling.precision import Precision, torch_dtype
from steersman.store.files import read_json, write_json

_REPEATS = 5
# forward, gradients of the inputs and of the weights: a multiplication and an addition each
_OPERATIONS_PER_PRODUCT = 6
# scores and weighted values, each with one forward and two backward products
_OPERATIONS_PER_SEEN_TOKEN = 12


@dataclass(frozen=True, slots=True)
class PeakTask:
    """What to multiply: rows of `tokens` by the model's matrices, and squares of `square` by each other."""

    hidden: int
    feedforward: int
    tokens: int
    square: int
    device: str
    threads: int | None


def main(argv: list[str]) -> int:
    """Measure the task in the first file and write operations per second by number format to the second."""
    task_file, result_file = map(Path, argv)
    write_json(result_file, peaks(PeakTask(**cast("dict[str, int]", read_json(task_file)))))  # type: ignore[arg-type]
    return 0


def write_peak_task(path: Path, task: PeakTask) -> None:
    """Write a task for `main`."""
    write_json(path, asdict(task))


def peaks(task: PeakTask) -> dict[Precision, float]:
    """Return the operations per second of the fastest product in each number format."""
    if task.threads is not None:
        torch.set_num_threads(task.threads)
    sizes = [
        (task.tokens, task.hidden, task.hidden),
        (task.tokens, task.hidden, task.feedforward),
        (task.tokens, task.feedforward, task.hidden),
        (task.square, task.square, task.square),
    ]
    best: dict[Precision, float] = {}
    formats: tuple[Precision, ...] = get_args(Precision)
    for precision, size in product(formats, sizes):
        best[precision] = max(best.get(precision, 0.0), _rate(size, precision=precision, device=task.device))
    return best


def _rate(size: tuple[int, int, int], *, precision: Precision, device: str) -> float:
    rows, inner, columns = size
    dtype = torch_dtype(precision)
    left = torch.ones(rows, inner, dtype=dtype, device=device)
    right = torch.ones(inner, columns, dtype=dtype, device=device)
    return 2 * rows * inner * columns / min(_seconds(left, right))


def _seconds(left: torch.Tensor, right: torch.Tensor) -> Iterator[float]:
    for _ in range(_REPEATS):
        begin = time.perf_counter()
        left @ right
        if left.is_cuda:
            torch.cuda.synchronize(left.device)
        yield time.perf_counter() - begin


def operations(groups: Sequence[Group], *, prepared: Prepared) -> int:
    """Return the operations that training on `groups` once needs where prompts are shared and nothing is padded.

    6 x weights of the layers' matrices x tokens, and 12 x layers x width of the attention x pairs of a token and one it
    sees. Recomputing (checkpointing), norms, head, embedding and the optimiser are not counted.
    """
    tokens = sum(group.num_tokens for group in groups)
    seen = sum(map(_seen, groups))
    in_matrices = _OPERATIONS_PER_PRODUCT * prepared.products * tokens
    return in_matrices + _OPERATIONS_PER_SEEN_TOKEN * prepared.layers * prepared.attention_width * seen


def _seen(group: Group) -> int:
    prefix = len(group.prefix)
    lengths = [len(response.ids) for response in group.responses]
    return prefix * (prefix + 1) // 2 + sum(each * prefix + each * (each + 1) // 2 for each in lengths)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
