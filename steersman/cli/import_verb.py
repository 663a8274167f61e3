"""The verb import: a published collection of preferences, ratings or conversations as our tables."""

from collections.abc import Mapping
from pathlib import Path

import click

from steersman.cli.options import as_json_option, emit, out_option, say


@click.command(name="import")
@click.argument("source")
@click.argument("where", metavar="[PATH_OR_HUB_NAME]", required=False)
@out_option("The folder to make.")
@click.option("--revision", metavar="COMMIT", help="Another commit than the pinned one, 40 hexadecimal digits.")
@click.option(
    "--pairs",
    type=click.Choice(["all", "ends"]),
    default="all",
    show_default=True,
    help="Every pair of a ranking, or only the best response against the worst.",
)
@as_json_option
def import_data(source: str, where: str | None, out: Path, revision: str | None, pairs: str, as_json: bool) -> None:
    """Read a published collection into our tables, with its licence, and say what they cannot hold.

    SOURCE is one of helpsteer, helpsteer2, helpsteer3, oasst, hh-rlhf, ultrafeedback, nectar, daring-anteater, pandalm
    and squality; docs/sources.md says what each gives. Without a path its pinned release is downloaded.

    Example: steersman import hh-rlhf harmless-base/test.jsonl.gz --out datasets/hh
    """
    from steersman.cli.progress import bars
    from steersman.config.importing import ImportSettings
    from steersman.pipeline import import_data as pipeline

    settings = ImportSettings.model_validate({"source": source, "where": where, "revision": revision, "pairs": pairs})
    result = pipeline.run(settings, out=out, progress=bars)
    for note in _listed(result.get("notes")):
        say(f"note: {note}")
    emit(result, as_json=as_json, text=_text(result, out=out))


def _text(result: Mapping[str, object], *, out: Path) -> str:
    tables, left_out = _counts(result.get("tables")), _counts(result.get("left_out"))
    lines = [f"{result['rows_in']} rows of {result['source']} in {out}"]
    lines += [f"  {name}: {number}" for name, number in tables.items()]
    if result["ties"]:
        lines.append(f"ties, of which no pair is made: {result['ties']}")
    if left_out:
        reasons = ", ".join(f"{number} {reason.replace('_', ' ')}" for reason, number in left_out.items())
        lines.append(f"left out: {reasons}")
    lines.append(f"commercial use: {result['commercial_use']} (steersman licences {out} says why)")
    return "\n".join(lines)


def _counts(value: object) -> dict[str, object]:
    return {str(name): number for name, number in value.items()} if isinstance(value, Mapping) else {}


def _listed(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []
