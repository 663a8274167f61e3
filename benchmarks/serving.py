"""Rows per second and latency of the reward server at 1, 8 and 32 clients, with batching and one request at a time.

    python benchmarks/serving.py --model HuggingFaceTB/SmolLM2-135M-Instruct --threads 2

The server is a process of its own, as `steersman serve reward` starts it; the clients are threads of this one, each
with a connection that stays open. A request is one row, and four requests in a row share a prompt, as a trainer that
samples four responses sends them. The head of the model is drawn at random: speed does not depend on it. `--write`
puts the table into docs/results.md.
"""

import argparse
import os
import queue
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import torch
from machine import ROOT, commit_words, machine_words, version_words
from page import page_with_table
from serving_table import SECTION, Case, Circumstances, table_text
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from steersman.errors import RunError
from steersman.modeling.loading import quiet_transformers
from steersman.pipeline.models import open_model
from steersman.records import ATTRIBUTES
from steersman.store.files import read_lines, read_table, write_text
from steersman.tables import PROMPTED_RESPONSES

PAGE = ROOT / "docs" / "results.md"
NAME = "benchmarks/serving.py"
# without batching: a batch is one request, and none waits for another
MODES = {"batched": (), "one by one": ("--max-batch-rows", "1", "--batch-wait-ms", "0")}
RESPONSES_PER_PROMPT = 4
_WARM_UP_REQUESTS = 8
_START_SECONDS = 300
_VOCABULARY = (
    "the",
    "river",
    "asks",
    "for",
    "a",
    "small",
    "answer",
    "with",
    "numbers",
    "and",
    "reasons",
    "before",
    "noon",
)


@dataclass(frozen=True, slots=True)
class Row:
    """A prompt and a response to it."""

    prompt: str
    response: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What one request got, and the seconds from sending it to its answer."""

    number: int
    reward: float
    seconds: float


def main() -> None:
    """Measure, print the table, and write it where `--write` says so."""
    options = parse(sys.argv[1:])
    rows = data_rows(options.data, number=options.requests) if options.data else made_rows(options)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        write_untrained(folder, backbone=options.model)
        cases = [case for mode in MODES for case in measured(folder, mode=mode, rows=rows, options=options)]
    facts = Circumstances(command_words(sys.argv[1:]), commit_words(), machine_words(), version_words())
    table = table_text(cases, facts=facts)
    print(table)
    if options.write:
        page = "\n".join(read_lines(PAGE))
        write_text(PAGE, page_with_table(page, table, name=NAME, section=SECTION))


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny-random", help="the backbone: a name or folder, as in a config")
    parser.add_argument("--data", type=Path, help="rows to score, with prompt and response; made-up words without it")
    parser.add_argument("--requests", type=int, default=256, help="of each case and repeat")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--words", type=int, nargs=2, default=[40, 120], help="of a made-up prompt and response")
    parser.add_argument("--threads", type=int, default=1, help="of the server's model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    return parser.parse_args(argv)


def command_words(argv: Sequence[str]) -> str:
    """Return the command without names of folders."""
    words = [Path(word).name if Path(word).exists() else word for word in argv if word != "--write"]
    return " ".join(["python", NAME, *words])


def made_rows(options: argparse.Namespace) -> list[Row]:
    """Return rows of random words; lengths vary by half around `--words`."""
    rng = random.Random(options.seed)

    def text(words: int) -> str:
        return " ".join(rng.choice(_VOCABULARY) for _ in range(rng.randint(words // 2, words + words // 2)))

    prompts = [text(options.words[0]) for _ in range(-(-options.requests // RESPONSES_PER_PROMPT))]
    return [Row(prompts[row // RESPONSES_PER_PROMPT], text(options.words[1])) for row in range(options.requests)]


def data_rows(path: Path, *, number: int) -> list[Row]:
    """Return the first rows of a table; raises RunError when it has too few."""
    table = read_table(path, table=PROMPTED_RESPONSES).head(number)
    if table.height < number:
        raise RunError(f"{path}: has {table.height} rows; choose fewer --requests")
    return [Row(*each) for each in table.select("prompt", "response").iter_rows()]


def write_untrained(folder: Path, *, backbone: str) -> None:
    """Write a reward model with a random head on `backbone` to `folder`."""
    source = open_model(backbone, role="backbone").folder
    torch.manual_seed(0)
    labels = dict(enumerate(ATTRIBUTES))
    with quiet_transformers():
        AutoModelForSequenceClassification.from_pretrained(source, id2label=labels).save_pretrained(folder)
        AutoTokenizer.from_pretrained(source).save_pretrained(folder)


def measured(folder: Path, *, mode: str, rows: Sequence[Row], options: argparse.Namespace) -> Iterator[Case]:
    """Yield the figures of one mode, a case per number of clients."""
    with server(folder, words=MODES[mode], threads=options.threads) as url:
        load(url, rows=rows[:_WARM_UP_REQUESTS], clients=1)
        for clients in options.clients:
            before = num_batches(url)
            runs = [load(url, rows=rows, clients=clients) for _ in range(options.repeats)]
            yield Case(
                mode=mode,
                clients=clients,
                rows_per_second=[len(rows) / seconds for _, seconds in runs],
                latencies=[each.seconds for answers, _ in runs for each in answers],
                requests_per_batch=len(rows) * options.repeats / (num_batches(url) - before),
                rewards=[each.reward for each in runs[0][0]],
            )


@contextmanager
def server(folder: Path, *, words: Sequence[str], threads: int) -> Iterator[str]:
    """Start `steersman serve reward` on a free port and give its address."""
    command = [sys.executable, "-m", "steersman.cli.main", "serve", "reward", str(folder), "--port", "0", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield _address(process)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=_START_SECONDS)


def _address(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None  # noqa: S101  # a pipe was asked for
    said = []
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"is at (\S+)/v1/score", line):
            return found[1]
    raise RunError(f"the server did not start: {' '.join(said)}")


def load(url: str, *, rows: Sequence[Row], clients: int) -> tuple[list[Answered], float]:
    """Return the answers to all rows in their order, sent by so many clients at once, and the seconds it took."""
    waiting: queue.SimpleQueue[tuple[int, Row]] = queue.SimpleQueue()
    for numbered in enumerate(rows):
        waiting.put(numbered)
    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        shares = list(pool.map(lambda _: _converse(url, waiting), range(clients)))
    seconds = time.perf_counter() - began
    return sorted((each for share in shares for each in share), key=lambda each: each.number), seconds


def _converse(url: str, waiting: "queue.SimpleQueue[tuple[int, Row]]") -> list[Answered]:
    answers: list[Answered] = []
    with httpx.Client(base_url=url, timeout=_START_SECONDS) as client:
        while True:
            try:
                number, row = waiting.get_nowait()
            except queue.Empty:
                return answers
            began = time.perf_counter()
            answer = client.post("/v1/score", json={"rows": [{"prompt": row.prompt, "response": row.response}]})
            answers.append(Answered(number, answer.json()["scores"][0]["reward"], time.perf_counter() - began))


def num_batches(url: str) -> float:
    """Return how many batches the server has scored."""
    found = re.search(r"^steersman_batch_rows_count (\S+)$", httpx.get(f"{url}/metrics").text, flags=re.MULTILINE)
    if found is None:
        raise RunError(f"{url}/metrics does not count batches")
    return float(found[1])


if __name__ == "__main__":
    main()
