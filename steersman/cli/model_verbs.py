"""The verb evaluate: what policies do."""

from pathlib import Path

import click

from steersman.cli.options import PATH, as_json_option, emit, seed_option


@click.group()
def evaluate() -> None:
    """Measure policies.

    Example: steersman evaluate length runs/demo/responses/responses.jsonl
    """


@evaluate.command()
@click.argument("data", type=PATH)
@click.option("--rounds", type=click.IntRange(min=100), default=2000, show_default=True, help="Bootstrap resamples.")
@seed_option
@as_json_option
def length(data: Path, rounds: int, seed: int, as_json: bool) -> None:
    """Say how long the responses in DATA are, in characters.

    Example: steersman evaluate length runs/demo/responses/responses.jsonl
    """
    from steersman.pipeline import evaluate_length

    result = evaluate_length.run(data, seed=seed, rounds=rounds)
    interval = result["ci95"]
    shown = f" [{interval[0]:.1f}, {interval[1]:.1f}]" if isinstance(interval, list) else ""
    emit(
        result,
        as_json=as_json,
        text=f"{result['responses']} responses, mean {result['mean_characters']:.1f}{shown} characters",
    )
