"""Verbs that read a config: their help ends with every key of it."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from steersman.config.loading import Settings


class ConfigCommand(click.Command):
    """A verb whose help lists the keys of the config that it reads, the settings `reads` of `config.run`."""

    reads: str

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the keys below the options."""
        from steersman.config.describing import described_keys

        with formatter.section("Keys of CONFIG, and of --set"):
            for key, words in described_keys(self._settings()):
                formatter.write_text(key)
                with formatter.indentation():
                    formatter.write_text(words)
        super().format_epilog(ctx, formatter)

    def _settings(self) -> "type[Settings]":
        from steersman.config import run

        settings: type[Settings] = getattr(run, self.reads)
        return settings


class RewardConfigCommand(ConfigCommand):
    """A verb that reads the config of a reward model's training."""

    reads = "TrainRewardSettings"


class DpoConfigCommand(ConfigCommand):
    """A verb that reads the config of an alignment by DPO."""

    reads = "TrainDpoSettings"
