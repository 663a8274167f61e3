"""The door: parse, run one verb, turn errors into one clear line and an exit code."""

import errno
import os
import sys
import traceback
from collections.abc import Sequence

import click

from steersman import __version__
from steersman.cli.clean_verbs import agreement, clean
from steersman.cli.convert_verbs import convert
from steersman.cli.data_verbs import annotate
from steersman.cli.extrapolate_verb import extrapolate
from steersman.cli.import_verb import import_data
from steersman.cli.loop_verbs import demo, licences, prompts, report, respond, run
from steersman.cli.model_verbs import evaluate
from steersman.cli.options import CONTEXT
from steersman.cli.publish_verb import publish
from steersman.cli.score_verb import score
from steersman.cli.serve_verb import serve
from steersman.cli.train_verbs import train
from steersman.errors import EXIT_DONE, EXIT_OUR_FAULT, EXIT_USER_INPUT, SteersmanError

EXIT_INTERRUPTED = 130
# a launcher sets it in processes that train together
_RANK_VARIABLE = "RANK"
# Packages of the extra `train`: a base install has none of them.
_TRAIN_PACKAGES = frozenset({"torch", "transformers", "peft", "gguf", "safetensors", "tokenizers"})


@click.group(context_settings=CONTEXT)
@click.version_option(__version__, prog_name="steersman")
def cli() -> None:
    """Align language models the HelpSteer2 way: prompts, ratings, dataset, reward model, policy, report.

    Example: steersman demo
    """


for _verb in (
    demo,
    run,
    prompts,
    respond,
    annotate,
    import_data,
    agreement,
    clean,
    publish,
    train,
    extrapolate,
    convert,
    score,
    serve,
    evaluate,
    report,
    licences,
):
    cli.add_command(_verb)


_PLACE_ERRORS = {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EACCES, errno.EROFS}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 a check fell short, 2 wrong input, 3 a fault of ours."""
    code = _run(argv)
    if _RANK_VARIABLE in os.environ and "torch" in sys.modules:
        from steersman.pipeline.together import end_one_of_several

        end_one_of_several(code)
    return code


def _run(argv: Sequence[str] | None) -> int:
    try:
        found = cli.main(args=None if argv is None else list(argv), prog_name="steersman", standalone_mode=False)
    except (SteersmanError, click.ClickException, click.Abort, KeyboardInterrupt, ModuleNotFoundError) as error:
        return _exit_code(error)
    except OSError as error:
        # a place that no check of a verb met: a name too long, a folder that is a file
        if error.filename is None or error.errno not in _PLACE_ERRORS:
            return _crash()
        return _fail(f"{error.filename}: {error.strerror}; choose another path", EXIT_USER_INPUT)
    except SystemExit:
        # so click ends when the reader of our output left, as `head` does; nothing is wrong
        return EXIT_DONE
    except Exception:  # noqa: BLE001  # the one boundary: a fault of ours keeps its traceback and gets its exit code
        return _crash()
    # a verb that ends with an exit code of its own has said why
    return found if isinstance(found, int) else EXIT_DONE


def _exit_code(error: BaseException) -> int:
    if isinstance(error, SteersmanError):
        return _fail(str(error), error.exit_code)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        print(error.format_message(), file=sys.stderr)
        return EXIT_USER_INPUT
    if isinstance(error, click.ClickException):
        return _fail(f"{error.format_message()} ({_command(error)} -h shows how)", EXIT_USER_INPUT)
    if isinstance(error, ModuleNotFoundError):
        if error.name not in _TRAIN_PACKAGES:
            return _crash()
        return _fail(f"this verb needs {error.name}: pip install 'steersman[train]'", EXIT_USER_INPUT)
    return _fail("interrupted; the same command goes on from what it kept", EXIT_INTERRUPTED)


def _command(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return context.command_path if context else "steersman"


def _fail(message: str, code: int) -> int:
    print(f"steersman: {' '.join(message.split())}", file=sys.stderr)
    return code


def _crash() -> int:
    traceback.print_exc()
    print("steersman: this is a fault of ours; please report it with the lines above", file=sys.stderr)
    return EXIT_OUR_FAULT


if __name__ == "__main__":
    sys.exit(main())
