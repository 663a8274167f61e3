"""Publishing sends what is known and finished, says its terms first, and never opens or empties a repository."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fake_hub import FakeHub, Repository, fake_hub
from tiny_loop import steersman

from steersman.errors import DataError, RunError
from steersman.pipeline.publish import plan
from steersman.store.lineage import Ancestor, Lineage, write_lineage

Capture = pytest.CaptureFixture[str]

HUMAN = Ancestor("my-ratings", "data", "ratings", "CC-BY-4.0")
CROWD = Ancestor("steersman-simulated-crowd", "annotators", "ratings", None, simulated=True)
UNKNOWN = Ancestor("found-somewhere", "data", "prompts", None)
BASE = Ancestor("someone/base", "model", "base model of the reward model", "Apache-2.0")
LINEAGE = Lineage("mine", "clean", "2025-01-01T00:00:00Z", 1.0, 1, "0", {"ratings.jsonl": "1"}, (HUMAN,), False)
DATASET = {
    "README.md": b"# mine\n",
    "train.jsonl.gz": gzip.compress(b"{}\n", mtime=0),
    "disagreements/disagreements.jsonl.gz": gzip.compress(b"[]\n", mtime=0),
    "agreement.json": b"{}",
    "statistics.json": b"{}",
    "rules.yaml": b"keep: 3\n",
}
PRIVATE_FILES = {"decisions.jsonl": b"{}", "annotators.jsonl": b"{}", ".lock": b"", "notes.txt": b"draft"}
WEIGHTS = {"config.json": b"{}", "model.safetensors": b"weights", "tokenizer.json": b"{}", "optimizer.pt": b"state"}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with fake_hub(monkeypatch) as hub:
        yield hub


def write(folder: Path, files: dict[str, bytes], *, lineage: Lineage = LINEAGE) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    write_lineage(folder, lineage)
    return folder


def dataset(folder: Path, *ancestors: Ancestor, card: str = "# mine\n", simulated: bool = False) -> Path:
    lineage = replace(LINEAGE, ancestors=ancestors or (HUMAN,), simulated=simulated)
    return write(folder, {**DATASET, **PRIVATE_FILES, "README.md": card.encode()}, lineage=lineage)


def model(folder: Path, *ancestors: Ancestor, simulated: bool = False) -> Path:
    files = {f"checkpoint/{name}": content for name, content in WEIGHTS.items()}
    done = json.dumps({"fingerprint": "0", "result": {}}).encode()
    files |= {"config.yaml": b"seed: 1\n", "metrics.jsonl": b"{}\n", "done": done}
    lineage = replace(LINEAGE, stage="reward", ancestors=ancestors or (BASE, HUMAN), simulated=simulated)
    return write(folder, files, lineage=lineage)


def test_a_dataset_goes_to_a_new_private_repository_whole(tmp_path: Path, hub: FakeHub, capfd: Capture) -> None:
    folder = dataset(tmp_path)
    said = steersman(capfd, "publish", folder, "--to", "me/mine", "--json")
    assert said.code == 0
    assert set(hub.repositories) == {"dataset/me/mine"}
    sent = hub.repositories["dataset/me/mine"]
    assert sent.visibility == "private"
    assert sent.files == {**DATASET, "lineage.json": (folder / "lineage.json").read_bytes()}
    assert said.json["url"] == f"{hub.url}/datasets/me/mine/commit/{said.json['revision']}"
    assert said.json["left_out"] == ["annotators.jsonl", "decisions.jsonl", "notes.txt"]
    assert len(hub.messages) == 1


def test_a_model_goes_with_its_weights_on_top_and_a_card(tmp_path: Path, hub: FakeHub, capfd: Capture) -> None:
    folder = model(tmp_path)
    assert steersman(capfd, "publish", folder, "--to", "me/judge", "--public").code == 0
    sent = hub.repositories["model/me/judge"]
    assert sent.visibility == "public"
    assert set(sent.files) == {"README.md", "config.json", "model.safetensors", "tokenizer.json", "lineage.json"}
    card = sent.files["README.md"].decode()
    assert card.startswith("---\nlicense: unknown\nlibrary_name: transformers\nbase_model: someone/base\n")
    assert "commercial use: clear" in card
    assert "ratings: my-ratings (CC-BY-4.0)" in card
    assert "SIMULATED" not in card


def test_a_model_under_one_licence_says_so(tmp_path: Path) -> None:
    random = Ancestor("tiny-random", "model", "responses", None)
    planned = plan(model(tmp_path, replace(HUMAN, licence="Apache-2.0"), BASE, random, CROWD), repository="me/judge")
    [card] = [file.content for file in planned.files if file.name == "README.md"]
    assert isinstance(card, bytes)
    assert card.decode().startswith("---\nlicense: apache-2.0\n")
    assert "# judge (SIMULATED ratings)" in card.decode()


def test_a_dry_run_says_what_would_go_and_speaks_to_nobody(tmp_path: Path, hub: FakeHub, capfd: Capture) -> None:
    said = steersman(capfd, "publish", dataset(tmp_path), "--to", "me/mine", "--dry-run", "--json")
    assert said.code == 0
    assert hub.requests == []
    assert said.json["files"] == {
        **{name: len(content) for name, content in DATASET.items()},
        "lineage.json": (tmp_path / "lineage.json").stat().st_size,
    }
    assert (said.json["visibility"], said.json["commercial_use"], said.json["simulated"]) == ("private", "clear", False)
    assert "To me/mine on the hub, a private dataset:" in said.err
    assert "Stays here: annotators.jsonl, decisions.jsonl, notes.txt" in said.err
    assert "commercial use: clear" in said.err


def test_an_unclear_licence_has_to_be_accepted(tmp_path: Path, hub: FakeHub, capfd: Capture) -> None:
    folder = dataset(tmp_path, UNKNOWN, card="commercial use: unclear (found-somewhere)\n")
    said = steersman(capfd, "publish", folder, "--to", "me/mine")
    assert said.code == 2
    assert "commercial use: unclear" in said.fault
    assert "--licence-accepted" in said.fault
    assert hub.requests == []
    assert steersman(capfd, "publish", folder, "--to", "me/mine", "--licence-accepted").code == 0
    assert "train.jsonl.gz" in hub.repositories["dataset/me/mine"].files


@pytest.mark.parametrize(
    ("ancestor", "card", "missing"),
    [
        (UNKNOWN, "# mine\n", "'commercial use: unclear'"),
        (UNKNOWN, "commercial use: clear\n", "'commercial use: unclear'"),
        (CROWD, "# mine\n", "'SIMULATED'"),
    ],
)
def test_a_card_that_hides_what_the_lineage_says_is_refused(
    tmp_path: Path, ancestor: Ancestor, card: str, missing: str
) -> None:
    with pytest.raises(DataError, match=f"README.md: must say {missing}"):
        plan(dataset(tmp_path, HUMAN, ancestor, card=card), repository="me/mine")


def test_simulated_ratings_may_go_under_a_card_that_says_so(tmp_path: Path, hub: FakeHub, capfd: Capture) -> None:
    folder = dataset(tmp_path, HUMAN, CROWD, card="# mine (SIMULATED ratings)\n", simulated=True)
    said = steersman(capfd, "publish", folder, "--to", "me/mine")
    assert said.code == 0
    assert "The ratings behind it are simulated." in said.err
    assert "dataset/me/mine" in hub.repositories


@pytest.mark.parametrize(("there", "flags"), [("public", []), ("private", ["--public"])])
def test_a_repository_that_is_seen_by_others_than_meant_gets_nothing(
    tmp_path: Path, hub: FakeHub, capfd: Capture, there: str, flags: list[str]
) -> None:
    hub.repositories["dataset/me/mine"] = Repository(there)
    said = steersman(capfd, "publish", dataset(tmp_path), "--to", "me/mine", *flags)
    assert said.code == 2
    assert f"me/mine: is {there} on the hub already" in said.fault
    assert hub.repositories["dataset/me/mine"] == Repository(there)


def test_what_a_repository_holds_already_is_never_deleted(tmp_path: Path, hub: FakeHub, capfd: Capture) -> None:
    hub.repositories["dataset/me/mine"] = Repository("private", {"other.txt": b"mine", "agreement.json": b"old"})
    assert steersman(capfd, "publish", dataset(tmp_path), "--to", "me/mine").code == 0
    files = hub.repositories["dataset/me/mine"].files
    assert (files["other.txt"], files["agreement.json"]) == (b"mine", b"{}")


@pytest.mark.parametrize(
    ("status", "words"), [(401, "does not accept this login"), (403, "may not write there"), (500, "cannot be sent")]
)
def test_what_the_hub_refuses_is_one_clear_line(
    tmp_path: Path, hub: FakeHub, capfd: Capture, status: int, words: str
) -> None:
    hub.refuse_with = status
    said = steersman(capfd, "publish", dataset(tmp_path), "--to", "me/mine")
    assert said.code == 2
    assert words in said.fault


def test_a_hub_that_is_not_there_is_one_clear_line(
    tmp_path: Path, hub: FakeHub, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # port 9 is for discarding; nobody listens there
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    said = steersman(capfd, "publish", dataset(tmp_path), "--to", "me/mine")
    assert said.code == 2
    assert "cannot be sent to the hub" in said.fault


def test_somebody_has_to_be_logged_in(
    tmp_path: Path, hub: FakeHub, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "absent"))
    said = steersman(capfd, "publish", dataset(tmp_path / "mine"), "--to", "me/mine")
    assert said.code == 2
    assert "nobody is logged in to the hub; log in with `hf auth login`" in said.fault
    assert hub.requests == []


@pytest.mark.parametrize("name", ["mine", "me/mine/too", "me/", "me/a b"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match="give OWNER/NAME"):
        plan(dataset(tmp_path), repository=name)


def test_a_folder_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl.gz").write_bytes(b"")
    with pytest.raises(DataError, match=r"no lineage.json, so it is no finished folder"):
        plan(tmp_path, repository="me/mine")
    with pytest.raises(DataError, match="no such folder"):
        plan(tmp_path / "absent", repository="me/mine")


def test_an_unfinished_stage_is_refused(tmp_path: Path) -> None:
    (model(tmp_path) / "done").unlink()
    with pytest.raises(RunError, match="not a finished run"):
        plan(tmp_path, repository="me/judge")


def test_a_checkpoint_points_to_the_folder_above_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a model is published by the folder above its checkpoint"):
        plan(model(tmp_path) / "checkpoint", repository="me/judge")


def test_a_checkpoint_without_weights_is_no_model(tmp_path: Path) -> None:
    (model(tmp_path) / "checkpoint" / "model.safetensors").unlink()
    with pytest.raises(DataError, match="holds no weights"):
        plan(tmp_path, repository="me/judge")


def test_a_folder_with_a_lineage_and_nothing_else_is_neither(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds neither train.jsonl.gz nor checkpoint/"):
        plan(write(tmp_path, {}), repository="me/mine")
