"""`steersman publish`: a finished dataset or model folder to the hub, after saying what would go and on what terms.

Only files that this project knows are sent. What names annotators (decisions, figures of single annotators) and what
names places of this machine (configs, logs) stays here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from steersman.errors import DataError, LicenceError
from steersman.report.model_card import ModelFacts, model_card
from steersman.sources.hub_upload import FileToSend, Kind, SentCommit, Visibility, check_repository_name, send
from steersman.store.ledger import Verdict, judge
from steersman.store.lineage import LINEAGE_FILE, Ancestor, Lineage, read_lineage
from steersman.store.runs import CHECKPOINT_FOLDER, CONFIG_FILE, DONE_FILE, read_result

CARD_FILE = "README.md"
_DATASET_FILES = (
    CARD_FILE,
    "train.jsonl.gz",
    "validation.jsonl.gz",
    "disagreements/disagreements.jsonl.gz",
    "preference/preference.jsonl.gz",
    "agreement.json",
    "statistics.json",
    "rules.yaml",
    LINEAGE_FILE,
)
_MODEL_FILES = (
    "*.safetensors",
    "*.safetensors.index.json",
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
)
_REWARD = "A reward model with one output per attribute"
_MADE = {"reward": _REWARD, "convert": _REWARD, "align": "A language model aligned by preferences"}
_SIMULATED_MARK = "SIMULATED"


@dataclass(frozen=True, slots=True)
class PublishPlan:
    """What would be sent where, and the terms it stands under; `left_out` are names that stay on this machine."""

    repository: str
    kind: Kind
    files: tuple[FileToSend, ...]
    left_out: tuple[str, ...]
    verdict: Verdict
    simulated: bool


def plan(folder: Path, *, repository: str) -> PublishPlan:
    """Return what publishing `folder` as `repository` (OWNER/NAME) would send.

    Raises DataError when `folder` is not one of ours or its card does not say what its lineage does, RunError when it
    is unfinished or the name is none.
    """
    check_repository_name(repository)
    lineage = _finished_lineage(folder)
    verdict = judge(lineage.ancestors)
    kind, files = _known_files(folder)
    found = PublishPlan(
        repository=repository,
        kind=kind,
        files=files,
        left_out=_left_out(folder, files),
        verdict=verdict,
        simulated=lineage.simulated or verdict.simulated,
    )
    return _with_card(found, lineage=lineage, folder=folder)


def _finished_lineage(folder: Path) -> Lineage:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give a dataset or model folder that steersman made")
    if not (folder / LINEAGE_FILE).is_file():
        hint = " (a model is published by the folder above its checkpoint)" if folder.name == CHECKPOINT_FOLDER else ""
        raise DataError(f"{folder}: no {LINEAGE_FILE}, so it is no finished folder of steersman's{hint}")
    if (folder / CONFIG_FILE).is_file() or (folder / DONE_FILE).exists():
        # a stage of a run; other folders appear whole or not at all
        read_result(folder)
    return read_lineage(folder)


def _known_files(folder: Path) -> tuple[Kind, tuple[FileToSend, ...]]:
    if (folder / CHECKPOINT_FOLDER).is_dir():
        weights = folder / CHECKPOINT_FOLDER
        found = sorted({path for pattern in _MODEL_FILES for path in weights.glob(pattern) if path.is_file()})
        if not any(path.suffix == ".safetensors" for path in found):
            raise DataError(f"{weights}: holds no weights (*.safetensors), so there is no model to publish")
        return "model", (*(FileToSend(path.name, path) for path in found), _lineage_file(folder))
    if not (folder / "train.jsonl.gz").is_file():
        raise DataError(f"{folder}: holds neither train.jsonl.gz nor {CHECKPOINT_FOLDER}/; give a dataset or a model")
    return "dataset", tuple(FileToSend(name, folder / name) for name in _DATASET_FILES if (folder / name).is_file())


def _lineage_file(folder: Path) -> FileToSend:
    return FileToSend(LINEAGE_FILE, folder / LINEAGE_FILE)


def _left_out(folder: Path, files: Sequence[FileToSend]) -> tuple[str, ...]:
    sent = {file.content for file in files}
    others = sorted(path for path in folder.rglob("*") if path.is_file() and path not in sent)
    names = (path.relative_to(folder) for path in others)
    return tuple(name.as_posix() for name in names if not any(part.startswith(".") for part in name.parts))


def _with_card(found: PublishPlan, *, lineage: Lineage, folder: Path) -> PublishPlan:
    """Return the plan with a card: the folder's own, which must say what the lineage says, or one made from that."""
    if any(file.name == CARD_FILE for file in found.files):
        _refuse_card_that_hides(found, folder / CARD_FILE)
        return found
    facts = ModelFacts(
        made=_MADE.get(lineage.stage, "A dataset" if found.kind == "dataset" else "A language model"),
        licence=_licence(found.verdict),
        base_model=_base_model(lineage.ancestors) if found.kind == "model" else None,
        simulated=found.simulated,
        verdict=verdict_words(found.verdict),
        sources=[_source_words(ancestor) for ancestor in lineage.ancestors],
    )
    card = model_card(facts, name=found.repository.partition("/")[2])
    return replace(found, files=(FileToSend(CARD_FILE, card.encode()), *found.files))


def _refuse_card_that_hides(found: PublishPlan, card: Path) -> None:
    text = card.read_text(encoding="utf-8")
    use = found.verdict.commercial_use
    missing = [f"'commercial use: {use}'"] if use != "clear" and f"commercial use: {use}" not in text else []
    missing += [f"'{_SIMULATED_MARK}'"] if found.simulated and _SIMULATED_MARK not in text else []
    if missing:
        raise DataError(
            f"{card}: must say {' and '.join(missing)}, as its lineage is judged now; write it there, or make the "
            "folder anew"
        )


def _licence(verdict: Verdict) -> str | None:
    """Return the licence of all works that need one, None where they differ or commercial use is not clear."""
    # where the verdict is clear, a work without a licence needs none
    licences = {each.licence or each.ancestor.licence for each in verdict.ancestors} - {None}
    return licences.pop() if len(licences) == 1 and verdict.commercial_use == "clear" else None


def _base_model(ancestors: Sequence[Ancestor]) -> str | None:
    return next((each.work for each in ancestors if each.kind == "model" and "/" in each.work), None)


def verdict_words(verdict: Verdict) -> str:
    """Return the verdict and its gravest reason in one line."""
    reason = f" ({verdict.reasons[0]})" if verdict.reasons else ""
    return f"commercial use: {verdict.commercial_use}{reason}"


def _source_words(ancestor: Ancestor) -> str:
    simulated = ", simulated" if ancestor.simulated else ""
    return f"{ancestor.role}: {ancestor.work} ({ancestor.licence or 'no licence known'}{simulated})"


def as_result(found: PublishPlan, *, visibility: Visibility) -> dict[str, object]:
    """Return the plan as `--json` prints it; sizes in bytes."""
    return {
        "repository": found.repository,
        "kind": found.kind,
        "visibility": visibility,
        "files": {file.name: _size(file) for file in found.files},
        "left_out": list(found.left_out),
        "commercial_use": found.verdict.commercial_use,
        "reasons": list(found.verdict.reasons),
        "simulated": found.simulated,
    }


def plan_text(found: PublishPlan, *, visibility: Visibility) -> str:
    """Return for people what would be sent, and on what terms."""
    lines = [f"To {found.repository} on the hub, a {visibility} {found.kind}:"]
    lines += [f"  {file.name}  {_size(file):,} bytes" for file in found.files]
    lines += [f"Stays here: {', '.join(found.left_out)}"] if found.left_out else []
    lines += [verdict_words(found.verdict)]
    return "\n".join([*lines, *(["The ratings behind it are simulated."] if found.simulated else [])])


def _size(file: FileToSend) -> int:
    return len(file.content) if isinstance(file.content, bytes) else file.content.stat().st_size


def refuse_unaccepted(found: PublishPlan) -> None:
    """Raise LicenceError when commercial use is not clear: whoever passes such a work on must mean it."""
    if found.verdict.commercial_use != "clear":
        raise LicenceError(
            f"{verdict_words(found.verdict)}; nothing was sent. If you may pass it on all the same, say so with "
            "--licence-accepted (docs/publishing.md)"
        )


def publish(found: PublishPlan, *, visibility: Visibility) -> dict[str, object]:
    """Send the plan's files to the hub and return the result for `--json`: the plan, `url` and `revision`."""
    sent: SentCommit = send(
        found.files,
        repository=found.repository,
        kind=found.kind,
        visibility=visibility,
        message="Publish with Steersman",
    )
    return {**as_result(found, visibility=visibility), "url": sent.url, "revision": sent.revision}
