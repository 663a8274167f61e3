"""Every verb explains itself: a sentence, an example that the command line accepts, every option with its words."""

import shlex
from collections.abc import Iterator

import click
import pytest
from tiny_loop import steersman

from steersman.cli.main import cli

Capture = pytest.CaptureFixture[str]


def commands(
    command: click.Command = cli, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every verb and group with the words that lead to it."""
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in sorted(command.commands.items()):
            yield from commands(inner, (*path, name))


ALL = list(commands())
IDS = [" ".join(path) or "steersman" for path, _ in ALL]


def example_of(command: click.Command) -> list[str]:
    """Return the words of the example in the help of a verb."""
    lines = " ".join((command.help or "").split()).split("Example: ")
    assert len(lines) == 2
    return shlex.split(lines[1])


@pytest.mark.parametrize("path", [path for path, _ in ALL], ids=IDS)
def test_the_help_of_a_verb_ends_with_an_example(path: tuple[str, ...], capfd: Capture) -> None:
    said = steersman(capfd, *path, "-h")
    assert (said.code, said.err) == (0, "")
    assert "Example: steersman" in said.out


@pytest.mark.parametrize(("path", "command"), ALL, ids=IDS)
def test_the_example_of_a_verb_is_a_command_it_accepts(path: tuple[str, ...], command: click.Command) -> None:
    program, *words = example_of(command)
    assert (program, tuple(words[: len(path)])) == ("steersman", path)
    context: click.Context | None = None
    found: click.Command = cli
    while isinstance(found, click.Group) and words:
        context = click.Context(found, parent=context)
        name, inner, words = found.resolve_command(context, words)
        assert (name, inner is not None) != (None, False)
        found = inner or found
    # parses and checks the options; calls nothing
    found.make_context(found.name, list(words), parent=context)


@pytest.mark.parametrize(("path", "command"), ALL, ids=IDS)
def test_every_option_but_the_plain_ones_says_what_it_does(path: tuple[str, ...], command: click.Command) -> None:
    # names that are their own explanation
    plain = {"host", "port", "select_on", "validation_share"}
    options = [each for each in command.params if isinstance(each, click.Option) and each.name not in plain]
    assert [each.name for each in options if not each.help] == []
