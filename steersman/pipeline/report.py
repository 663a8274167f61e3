"""`steersman report RUN...`: gather what runs recorded and write it as one HTML page.

A stage whose folder is missing, or which the run's lineage does not name, was not part of the run; one without its
marker of completeness had not finished. Nothing of either is read.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from steersman.errors import DataError, RunError
from steersman.pipeline import licences
from steersman.report.data import (
    STAGES,
    Agreement,
    DatasetStatistics,
    Evaluation,
    LoopCounts,
    Missing,
    Provenance,
    StageTime,
    Training,
)
from steersman.report.page import render_report
from steersman.report.parsing import (
    Json,
    as_text,
    parse_agreement,
    parse_evaluation,
    parse_licences,
    parse_statistics,
    parse_times,
    parse_training,
)
from steersman.report.reward_data import RewardFigures
from steersman.report.reward_parsing import parse_reward
from steersman.report.run_data import ReportData, RunReport
from steersman.store.files import read_json, read_lines, read_rows, write_text
from steersman.store.lineage import LINEAGE_FILE, Lineage, read_lineage
from steersman.store.runs import CONFIG_FILE, DONE_FILE, METRICS_FILE, REPORT_FILE, SAMPLES_FILE

# The folders of the stages that belong to a run, by name.
Stages = Mapping[str, Path]

RESULT_FILE = "result.json"
_VERBS = {licences.RUN_STAGE: "run", "reward": "train reward", "align": "train dpo"}
_WORDS = {
    "clean": "Cleaning",
    "reward": "The reward model",
    "align": "Alignment",
    "evaluate": "Evaluation",
}


def run(folders: Sequence[Path], *, out: Path | None) -> Path:
    """Write the report of one run or several and return its path.

    `out` is a file, or a folder that gets `report.html`; None puts the page into the run's own folder.
    Raises RunError for a folder that is no run, for several runs without `out`, and where a file that is no page would
    be replaced; DataError for a damaged file.
    """
    place = _place(folders, out=out)
    page = render_report(ReportData(tuple(gather(folder) for folder in folders)))
    write_text(place, page)
    return place


def _place(folders: Sequence[Path], *, out: Path | None) -> Path:
    if not folders:
        raise RunError("report: no run given; name at least one run folder, such as runs/demo")
    for folder in folders:
        if not (folder / LINEAGE_FILE).is_file():
            raise RunError(f"{folder}: not a run (no {LINEAGE_FILE}); give a folder that steersman run or demo wrote")
    if out is not None:
        return _free_place(out / REPORT_FILE if out.is_dir() else out)
    if len(folders) > 1:
        raise RunError("report: several runs need a place for their common page; add --out FILE.html")
    return folders[0] / REPORT_FILE


def _free_place(page: Path) -> Path:
    """Return `page`; raises RunError when a file that is no page stands there."""
    if page.exists() and page.suffix not in (".html", ".htm"):
        raise RunError(f"{page}: exists and is no HTML page, so it is not replaced; choose another --out")
    return page


def gather(folder: Path) -> RunReport:
    """Return everything the page shows of the run in `folder`; reads, and writes nothing."""
    lineage = read_lineage(folder)
    verdict = licences.run(folder)
    judged = parse_licences(verdict)
    stages = _stages(folder, lineage)
    align, evaluation = _align(stages), _evaluation(stages)
    statistics = _statistics(stages)
    return RunReport(
        name=lineage.name,
        created_at=as_text(lineage.created_at),
        simulated=lineage.simulated
        or verdict.get("simulated") is True
        or any(each.simulated for each in judged.ancestors),
        counts=_counts(stages, statistics=statistics, align=align, evaluation=evaluation),
        statistics=statistics,
        agreement=_agreement(stages),
        reward=_reward(stages),
        judged=_judged(stages),
        align=align,
        evaluation=evaluation,
        licences=judged,
        times=_times(folder, lineage),
        provenance=_provenance(folder, lineage),
        stages=frozenset(STAGES).intersection(stages),
    )


def _stages(folder: Path, lineage: Lineage) -> dict[str, Path]:
    """Return the stages of a run; the folder of a single stage, as `train reward` makes, is that stage."""
    if lineage.stage in STAGES:
        return {lineage.stage: folder}
    return {each.name: each for each in licences.stage_folders(folder)}


def _times(folder: Path, lineage: Lineage) -> tuple[StageTime, ...]:
    """Return the times in the log of the run's own stages; a reused one shows what its lineage says making it took."""
    if lineage.stage in STAGES:
        return (StageTime(lineage.stage, lineage.seconds, None, reused=False),)
    is_run = lineage.stage == licences.RUN_STAGE
    return tuple(
        replace(time, seconds=read_lineage(folder / time.stage).seconds)
        if time.reused and (folder / time.stage / LINEAGE_FILE).is_file()
        else time
        for time in parse_times(_read_log(folder / METRICS_FILE))
        # the log of a folder in which two runs followed each other holds the stages of both
        if not is_run or time.stage in lineage.inputs
    )


def _missing(stages: Stages, stage: str) -> Missing | None:
    if stage not in stages:
        return Missing(f"{_WORDS[stage]} was not part of this run.")
    if not (stages[stage] / DONE_FILE).is_file():
        return Missing(f"{_WORDS[stage]} had not finished when this report was written.")
    return None


def _statistics(stages: Stages) -> DatasetStatistics | Missing:
    return _missing(stages, "clean") or parse_statistics(_read_optional(stages["clean"] / "statistics.json"))


def _agreement(stages: Stages) -> Agreement | Missing:
    return _missing(stages, "clean") or parse_agreement(_read_optional(stages["clean"] / "agreement.json"))


def _reward(stages: Stages) -> Training | Missing:
    return _missing(stages, "reward") or _training(stages["reward"], prefix="reward")


def _judged(stages: Stages) -> RewardFigures | Missing:
    return _missing(stages, "reward") or parse_reward(_read_optional(stages["reward"] / RESULT_FILE))


def _align(stages: Stages) -> Training | Missing:
    return _missing(stages, "align") or _training(stages["align"], prefix="align")


def _training(stage: Path, *, prefix: str) -> Training:
    return parse_training(_read_optional(stage / RESULT_FILE), log=_read_log(stage / METRICS_FILE), prefix=prefix)


def _evaluation(stages: Stages) -> Evaluation | Missing:
    missing = _missing(stages, "evaluate")
    if missing is not None:
        return missing
    stage = stages["evaluate"]
    samples = read_rows(stage / SAMPLES_FILE) if (stage / SAMPLES_FILE).is_file() else []
    return parse_evaluation(_read_optional(stage / RESULT_FILE), samples=samples)


def _counts(
    stages: Stages,
    *,
    statistics: DatasetStatistics | Missing,
    align: Training | Missing,
    evaluation: Evaluation | Missing,
) -> LoopCounts:
    pairs = () if isinstance(align, Missing) else (align.train_pairs, align.validation_pairs)
    judged = None if isinstance(evaluation, Missing) else evaluation.prompts
    known = [count for count in pairs if count is not None]
    return LoopCounts(
        prompts=_count_rows(stages, "prompts"),
        responses=_count_rows(stages, "responses"),
        ratings=_count_rows(stages, "ratings"),
        kept_tasks=None if isinstance(statistics, Missing) else statistics.tasks,
        pairs=sum(known) if known else None,
        # each held-out prompt is rewarded twice: before and after alignment
        rewards=None if judged is None else 2 * judged,
    )


def _count_rows(stages: Stages, stage: str) -> int | None:
    """Return how many rows the table has that a finished stage is named after."""
    if stage not in stages:
        return None
    path = stages[stage] / f"{stage}.jsonl"
    if not path.is_file() or not (path.parent / DONE_FILE).is_file():
        return None
    return sum(1 for line in read_lines(path) if line.strip())


def _provenance(folder: Path, lineage: Lineage) -> Provenance:
    config = folder / CONFIG_FILE
    text = "\n".join(read_lines(config)) if config.is_file() else None
    verb = _VERBS.get(lineage.stage)
    return Provenance(
        command=f"steersman {verb} {CONFIG_FILE} --out {folder.resolve().name}-again" if text and verb else None,
        seed=lineage.seed,
        commit=lineage.commit,
        versions=tuple(lineage.versions.items()),
        inputs=tuple(lineage.inputs.items()),
        config=text,
        config_sha256=as_text(lineage.config_sha256),
        notes=lineage.notes,
    )


def _read_optional(path: Path) -> object:
    return read_json(path) if path.is_file() else {}


def _read_log(path: Path) -> list[Json]:
    """Return the lines of a log. The last may be cut by a kill; any other fault is a DataError."""
    lines = [line for line in read_lines(path) if line.strip()] if path.is_file() else []
    rows: list[Json] = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            if number == len(lines):
                break
            raise DataError(f"{path}:{number}: not JSON ({error.msg}); run the stage again") from error
        rows += [row] if isinstance(row, dict) else []
    return rows
