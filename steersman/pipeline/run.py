"""`steersman run`: the stages a config names, in order, each in its folder; finished ones are skipped."""

import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from steersman.config.loading import dump_settings
from steersman.config.run import RunSettings, TrainDataSettings, TrainDpoSettings, TrainRewardSettings
from steersman.errors import DataError
from steersman.modeling.loading import check_model_folder
from steersman.pipeline import clean, evaluate_policy, human, prompts, ratings, report, respond, train_dpo, train_reward
from steersman.pipeline.lineages import inherited
from steersman.pipeline.stage import Outcome, Stage, run_stage
from steersman.protocols import Progress, no_progress
from steersman.sources.models import model_folder
from steersman.store.files import (
    append_jsonl,
    explained_disk_errors,
    remove_partials,
    sha256_tree,
    write_bytes,
    write_text,
)
from steersman.store.lineage import (
    LINEAGE_FILE,
    Lineage,
    read_lineage,
    software_versions,
    source_commit,
    write_lineage,
)
from steersman.store.runs import (
    CONFIG_FILE,
    DONE_FILE,
    METRICS_FILE,
    REPORT_FILE,
    fingerprint,
    finish,
    locked,
)

Say = Callable[[str], None]
_BYTES_PER_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True, slots=True)
class Run:
    """One run: where it writes, what it was asked, and how it tells what it does."""

    folder: Path
    settings: RunSettings
    progress: Progress
    say: Say

    def stage(self, name: str, outcome_of: Callable[[Path], Outcome]) -> Outcome:
        """Run one stage in its folder, tell it, and log its time and the peak memory so far."""
        outcome = outcome_of(self.folder / name)
        self.say(f"{name}: {'already finished' if outcome.is_reused else f'done in {outcome.seconds:.1f} s'}")
        append_jsonl(
            self.folder / METRICS_FILE,
            {
                "stage": name,
                "seconds": round(outcome.seconds, 3),
                "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _BYTES_PER_RSS_UNIT,
                "reused": outcome.is_reused,
            },
        )
        return outcome


def run(
    settings: RunSettings, *, out: Path, progress: Progress = no_progress, say: Say = lambda _: None
) -> dict[str, object]:
    """Run every stage into `out` and return `{"run", "report", "seconds", "stages": {name: result}}`.

    A stage that is finished for the same settings and inputs is not repeated; one that was interrupted is redone.
    Raises PluginError, before the first stage, for a model that cannot be one; RunError when another process works in
    `out`.
    """
    began = time.monotonic()
    _check_models(settings)
    with locked(out), _attempt(out):
        write_text(out / CONFIG_FILE, dump_settings(settings))
        job = Run(out, settings, progress, say)
        outcomes = _collect(job) if settings.data is None else _take_human_labels(job)
        outcomes |= _learn(job, held_out=_held_out(job))
        seconds = time.monotonic() - began
        _write_run_lineage(job, outcomes, seconds=seconds)
        page = report.run([out], out=out / REPORT_FILE)
        result: dict[str, object] = {
            "run": str(out),
            "report": str(page),
            "seconds": round(seconds, 3),
            "stages": {name: outcome.result for name, outcome in outcomes.items()},
        }
        finish(out, fingerprint({"run": dump_settings(settings)}), result=result)
    return result


@contextmanager
def _attempt(out: Path) -> Iterator[None]:
    """Take `out` for unfinished while the block runs, which ends by `finish`.

    A finished run that was there comes back when the block fails before it changes a stage of it.
    """
    with explained_disk_errors(out):
        stages = _recorded_stages(out)
        before = {name: (out / name).read_bytes() for name in (CONFIG_FILE, DONE_FILE)} if stages else {}
        (out / DONE_FILE).unlink(missing_ok=True)
        remove_partials(out)
    try:
        yield
    finally:
        # the marker goes last
        if not (out / DONE_FILE).is_file() and stages == _stages_now(out, names=stages):
            for name, data in before.items():
                write_bytes(out / name, data)


def _recorded_stages(out: Path) -> dict[str, str]:
    """Return the hashes of the stages of a finished run as its lineage recorded them; none of an unfinished one."""
    if not all((out / name).is_file() for name in (CONFIG_FILE, DONE_FILE, LINEAGE_FILE)):
        return {}
    try:
        return read_lineage(out).inputs
    except DataError:
        return {}


def _stages_now(out: Path, *, names: Iterable[str]) -> dict[str, str]:
    markers = {name: out / name / DONE_FILE for name in names}
    return {name: sha256_tree(marker) for name, marker in markers.items() if marker.is_file()}


def _check_models(settings: RunSettings) -> None:
    """Raise PluginError for a wrong name or folder of a model now, not in the late stage that needs it."""
    generators = () if settings.data is not None else settings.responses.generators
    for name in dict.fromkeys([*(each.model for each in generators), settings.reward.model, settings.align.model]):
        folder = model_folder(name)
        if folder is not None:
            check_model_folder(folder)


def _collect(job: Run) -> dict[str, Outcome]:
    settings, seed = job.settings, job.settings.seed
    asked = job.folder / "prompts" / prompts.PROMPTS_FILE
    answered = job.folder / "responses" / respond.RESPONSES_FILE
    rated = job.folder / "ratings" / ratings.RATINGS_FILE
    return {
        "prompts": job.stage("prompts", lambda out: prompts.run(settings.prompts, seed=seed, out=out)),
        "responses": job.stage(
            "responses",
            lambda out: respond.run(asked, settings.responses, seed=seed, out=out, progress=job.progress),
        ),
        "ratings": job.stage(
            "ratings", lambda out: ratings.run(asked, answered, crowd=settings.annotation, seed=seed, out=out)
        ),
        "clean": job.stage("clean", lambda out: clean_stage(rated, settings=settings, out=out)),
    }


def clean_stage(rated: Path, *, settings: RunSettings, out: Path) -> Outcome:
    """Clean a ratings file into the dataset folder `out` as a stage of a run."""
    stage = Stage("clean", out, settings.clean, settings.seed, {"ratings": rated}, also={"name": settings.name})
    return run_stage(
        stage,
        lambda folder: clean.fill(folder, rated, rules=settings.clean, seed=settings.seed, name=settings.name),
    )


def _take_human_labels(job: Run) -> dict[str, Outcome]:
    settings = job.settings
    data = settings.data
    if data is None:
        raise ValueError("a run on human labels needs settings.data")
    return {
        human.LABELS_FOLDER: job.stage(
            human.LABELS_FOLDER,
            lambda out: human.run(data, held_out=settings.prompts.held_out, seed=settings.seed, out=out),
        ),
        "clean": job.stage(
            "clean",
            lambda out: human.run_dataset(
                job.folder / human.LABELS_FOLDER, rules=settings.clean, seed=settings.seed, out=out
            ),
        ),
    }


def _held_out(job: Run) -> Path:
    return job.folder / ("prompts" if job.settings.data is None else human.LABELS_FOLDER) / prompts.HELD_OUT_FILE


def _learn(job: Run, *, held_out: Path) -> dict[str, Outcome]:
    settings = job.settings
    dataset = job.folder / "clean"
    data = TrainDataSettings(train=str(dataset / "train.jsonl.gz"), validation=str(dataset / "validation.jsonl.gz"))
    reward = TrainRewardSettings(seed=settings.seed, data=data, reward=settings.reward)
    align = TrainDpoSettings(seed=settings.seed, data=data, align=settings.align)
    outcomes = {
        "reward": job.stage("reward", lambda out: train_reward.run_outcome(reward, out=out, progress=job.progress)),
        "align": job.stage("align", lambda out: train_dpo.run_outcome(align, out=out, progress=job.progress)),
    }
    outcomes["evaluate"] = job.stage(
        "evaluate",
        lambda out: evaluate_policy.run(
            evaluate_policy.Contest(
                settings.align.model, align=job.folder / "align", reward=job.folder / "reward", held_out=held_out
            ),
            settings=settings.evaluate,
            seed=settings.seed,
            out=out,
            progress=job.progress,
        ),
    )
    return outcomes


def _write_run_lineage(job: Run, outcomes: dict[str, Outcome], *, seconds: float) -> None:
    folders = [job.folder / name for name in outcomes]
    found = inherited(folders, role="stage")
    write_lineage(
        job.folder,
        Lineage(
            name=job.settings.name,
            stage="run",
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round(seconds, 3),
            seed=job.settings.seed,
            config_sha256=fingerprint({"config": dump_settings(job.settings)}),
            inputs={folder.name: sha256_tree(folder / DONE_FILE) for folder in folders},
            ancestors=found.ancestors,
            simulated=found.simulated,
            versions=software_versions(),
            commit=source_commit(),
        ),
    )
