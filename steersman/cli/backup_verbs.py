"""The verbs annotate backup and annotate restore."""

from pathlib import Path

import click

from steersman.cli.options import PATH, as_json_option, emit, out_option


@click.command()
@click.argument("place")
@out_option("The backup file to write: a new file.")
@as_json_option
def backup(place: str, out: Path, as_json: bool) -> None:
    """Write everything in the annotation database PLACE into one file, while the site may be running.

    PLACE is a path or a postgresql:// URL. The file is read again and compared before it gets its name. It holds hashes
    of passwords and all that people wrote: keep it as safe as the database.

    Example: steersman annotate backup site.db --out backups/monday.sqlite
    """
    from steersman.pipeline import annotation_backup as pipeline

    result = pipeline.backup_site(place, out=out)
    emit(
        result, as_json=as_json, text=f"{result['rows']} rows of {result['tables']} tables in {out}, read and compared"
    )


@click.command()
@click.argument("file", type=PATH)
@click.option("--out", "place", required=True, help="A free place: a new path, or the URL of an empty database.")
@as_json_option
def restore(file: Path, place: str, as_json: bool) -> None:
    """Make an annotation database of the backup FILE, on either kind of database; work goes on from there.

    Example: steersman annotate restore backups/monday.sqlite --out postgresql://me@localhost/site
    """
    from steersman.pipeline import annotation_backup as pipeline

    result = pipeline.restore_site(file, place=place)
    text = f"{result['rows']} rows of {result['tables']} tables in {result['out']}, read and compared"
    emit(result, as_json=as_json, text=text)
