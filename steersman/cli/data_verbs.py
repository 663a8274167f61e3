"""The verb annotate: collect ratings from people, or model them."""

import click

from steersman.cli.backup_verbs import backup, restore
from steersman.cli.plan_verb import plan
from steersman.cli.simulate_verb import simulate
from steersman.cli.site_people_verbs import add, invite, token, user
from steersman.cli.site_verbs import export, init, serve_site


@click.group()
def annotate() -> None:
    """Collect ratings from people, or model them.

    Example: steersman annotate init prompts.jsonl responses.jsonl --annotators 5 --out site.db
    """


for _verb in (init, add, serve_site, export, simulate, user, invite, token, backup, restore, plan):
    annotate.add_command(_verb)
