"""From two models of one shape to one beyond: its weights, its files, where it came from, and what is refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_loop import steersman
from torch.testing import assert_close

from steersman.config.extrapolating import ExtrapolateSettings
from steersman.errors import DataError, PluginError
from steersman.modeling.loading import load_backbone, load_policy, load_tokenizer, write_tiny_model
from steersman.modeling.weight_files import write_weights
from steersman.pipeline import extrapolate, score
from steersman.pipeline.reward_folder import save_reward_model
from steersman.records import ATTRIBUTES
from steersman.reward.heads import Head
from steersman.reward.model import RewardModel
from steersman.reward.spec import Kind, RewardSpec
from steersman.store.files import write_jsonl
from steersman.store.lineage import Ancestor, Lineage, read_lineage, write_lineage

pytest_plugins = ("loop_fixtures",)
pytestmark = pytest.mark.usefixtures("own_cache")

CPU = torch.device("cpu")


class Models:
    """Writes run folders of small reward models, each with weights of its own."""

    def __init__(self, tiny: Path, folder: Path) -> None:
        self._tiny = tiny
        self._folder = folder

    def make(
        self,
        name: str,
        *,
        seed: int,
        kind: Kind = "linear",
        attributes: tuple[str, ...] = ATTRIBUTES,
        template: str | None = None,
    ) -> Path:
        backbone = load_backbone(self._tiny, dtype=torch.float32, device=CPU)
        spec = RewardSpec(kind, attributes, {attributes[0]: float(seed)})
        model = RewardModel(backbone, Head(backbone.config.hidden_size, spec=spec), spec=spec)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weights in model.parameters():
                weights.add_(torch.randn(weights.shape, generator=generator) / 10)
        tokenizer = load_tokenizer(self._tiny)
        if template is not None:
            tokenizer.chat_template = template
        save_reward_model(self._folder / name / "checkpoint", model, tokenizer)
        return self._folder / name


@pytest.fixture
def models(tiny_model_folder: Path, tmp_path: Path) -> Models:
    return Models(tiny_model_folder, tmp_path)


def beyond(weak: Path, strong: Path, *, factor: float = 1.52) -> Path:
    """Extrapolate beside the strong model, and return the checkpoint that was made."""
    out = strong.parent / f"beyond-{factor}"
    extrapolate.run(ExtrapolateSettings(weak=str(weak), strong=str(strong), factor=factor), out=out)
    return out / "checkpoint"


def tensors_of(checkpoint: Path) -> dict[str, torch.Tensor]:
    return {name: tensor for file in checkpoint.glob("*.safetensors") for name, tensor in load_file(file).items()}


def rewards_of(run: Path) -> list[object]:
    data, out = run.parent / "rows.jsonl", run.parent / f"scores-of-{run.name}.jsonl"
    write_jsonl(data, [{"prompt": "one?", "response": text} for text in ("first", "second, longer", "third")])
    score.run(str(run), data, out=out)
    return [json.loads(line)["reward"] for line in out.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("kind", ["linear", "ordinal"])
def test_every_weight_of_body_and_head_goes_as_far_beyond(models: Models, kind: Kind) -> None:
    weak, strong = models.make("weak", seed=1, kind=kind), models.make("strong", seed=2, kind=kind)
    found = tensors_of(beyond(weak, strong))
    from_weak, from_strong = tensors_of(weak / "checkpoint"), tensors_of(strong / "checkpoint")
    assert set(found) == set(from_strong)
    assert ("thresholds.steps" in found) == (kind == "ordinal")
    expected = {name: from_weak[name] + 1.52 * (each - from_weak[name]) for name, each in from_strong.items()}
    assert_close(found, expected)


def test_factor_one_scores_as_the_strong_model_and_more_does_not(models: Models) -> None:
    weak, strong = models.make("weak", seed=1), models.make("strong", seed=2)
    assert rewards_of(beyond(weak, strong, factor=1.0).parent) == rewards_of(strong)
    assert rewards_of(beyond(weak, strong, factor=1.52).parent) != rewards_of(strong)


def test_config_and_tokenizer_are_those_of_the_strong_model(models: Models) -> None:
    weak, strong = models.make("weak", seed=1), models.make("strong", seed=2)
    made = beyond(weak, strong)
    copied = {file.name for file in (strong / "checkpoint").iterdir()}
    assert {file.name for file in made.iterdir()} == copied
    for name in copied - {"model.safetensors"}:
        assert (made / name).read_bytes() == (strong / "checkpoint" / name).read_bytes()


def test_models_need_not_be_split_into_the_same_files(models: Models) -> None:
    weak, strong = models.make("weak", seed=1), models.make("strong", seed=2)
    whole = tensors_of(beyond(weak, strong, factor=2.0))
    tensors = load_file(weak / "checkpoint" / "model.safetensors")
    (weak / "checkpoint" / "model.safetensors").unlink()
    halves: tuple[dict[str, torch.Tensor], ...] = ({}, {})
    for place, (name, tensor) in enumerate(tensors.items()):
        halves[place % 2][name] = tensor
    for place, half in enumerate(halves):
        write_weights(weak / "checkpoint" / f"model-{place}.safetensors", half)
    assert_close(tensors_of(beyond(weak, strong, factor=2.0)), whole, atol=0, rtol=0)


def test_what_both_models_came_from_is_kept(models: Models) -> None:
    weak, strong = models.make("weak", seed=1), models.make("strong", seed=2)
    ours, theirs = Ancestor("one", "data", "ratings", "CC0-1.0"), Ancestor("two", "data", "ratings", "CC-BY-4.0")
    for run, ancestor, simulated in ((weak, ours, True), (strong, theirs, False)):
        lineage = Lineage(run.name, "reward", "2026-01-01", 1.0, 0, "", {}, (ancestor,), simulated)
        write_lineage(run, lineage)
    found = read_lineage(beyond(weak, strong).parent)
    assert (found.ancestors, found.simulated, found.stage) == ((ours, theirs), True, "extrapolate")
    assert set(found.inputs) == {"weak", "strong"}


def test_plain_language_models_are_extrapolated_and_their_lineage_is_not_copied(
    tiny_model_folder: Path, tmp_path: Path
) -> None:
    write_tiny_model(tmp_path / "weak", seed=1)
    write_lineage(tmp_path / "weak", Lineage("weak", "align", "2026-01-01", 1.0, 0, "", {}, (), simulated=True))
    shutil.copytree(tmp_path / "weak", tmp_path / "strong")
    shutil.copy(tiny_model_folder / "model.safetensors", tmp_path / "strong" / "model.safetensors")
    made = beyond(tmp_path / "weak", tmp_path / "strong", factor=1.0)
    assert_close(tensors_of(made), tensors_of(tiny_model_folder), atol=0, rtol=0)
    assert not (made / "lineage.json").exists()
    load_policy(made, dtype=torch.float32, device=CPU)


def test_other_attributes_are_refused(models: Models) -> None:
    weak = models.make("weak", seed=1, attributes=("helpfulness", "coherence"))
    strong = models.make("strong", seed=2, attributes=("helpfulness", "verbosity"))
    with pytest.raises(DataError, match=r"weak.*strong.*only models of one shape.*config.json: id2label is"):
        beyond(weak, strong)
    assert not (strong.parent / "beyond-1.52" / "checkpoint").exists()


def test_other_heads_and_shapes_are_refused_all_at_once(models: Models) -> None:
    weak = models.make("weak", seed=1, kind="ordinal")
    strong = models.make("strong", seed=2, attributes=("helpfulness",))
    with pytest.raises(DataError) as caught:
        beyond(weak, strong)
    said = str(caught.value)
    assert "reward_model.kind is ordinal in the weak model, linear in the strong one" in said
    assert "only the weak model has thresholds.steps" in said
    assert "score.weight has shape (5, 32) in the weak model, (1, 32) in the strong one" in said


def test_another_chat_template_is_refused(models: Models) -> None:
    weak = models.make("weak", seed=1)
    strong = models.make("strong", seed=2, template="{% for message in messages %}{{ message.content }}{% endfor %}")
    with pytest.raises(DataError, match="their tokenizers have different chat templates"):
        beyond(weak, strong)


def test_weights_that_cannot_be_read_are_refused(models: Models) -> None:
    weak, strong = models.make("weak", seed=1), models.make("strong", seed=2)
    weights = weak / "checkpoint" / "model.safetensors"
    twin = weights.with_name("twin.safetensors")
    twin.write_bytes(weights.read_bytes())
    with pytest.raises(PluginError, match=r"stands in model.safetensors and in twin.safetensors"):
        beyond(weak, strong)
    twin.write_bytes(b"cut")
    with pytest.raises(PluginError, match=r"twin.safetensors: damaged"):
        beyond(weak, strong)
    twin.unlink()
    weights.rename(weights.with_name("pytorch_model.bin"))
    with pytest.raises(PluginError, match=r"no weights in \*.safetensors"):
        beyond(weak, strong)


def test_a_finished_extrapolation_is_made_again_only_when_a_model_changed(models: Models) -> None:
    weak, strong = models.make("weak", seed=1), models.make("strong", seed=2)
    file = beyond(weak, strong) / "model.safetensors"
    first = file.stat().st_mtime_ns
    assert (beyond(weak, strong) / "model.safetensors").stat().st_mtime_ns == first
    models.make("weak", seed=3)
    assert (beyond(weak, strong) / "model.safetensors").stat().st_mtime_ns != first


def test_the_verb_tells_what_it_made(models: Models, capfd: pytest.CaptureFixture[str]) -> None:
    weak, strong = models.make("weak", seed=1), models.make("strong", seed=2)
    out = strong.parent / "made"
    said = steersman(capfd, "extrapolate", weak, strong, "--factor", "1.52", "--out", out, "--json")
    assert said.code == 0, said.err
    assert said.json == {"run": str(out), "factor": 1.52, "tensors": len(tensors_of(strong / "checkpoint"))}
    words = steersman(capfd, "extrapolate", weak, strong, "--factor", "1.52", "--out", out)
    assert words.out == f"model beyond {strong} by factor 1.52 in {out / 'checkpoint'}\n"


@pytest.mark.parametrize("factor", ["0", "-1", "nan", "inf"])
def test_a_factor_that_leads_nowhere_is_refused(models: Models, capfd: pytest.CaptureFixture[str], factor: str) -> None:
    weak = models.make("weak", seed=1)
    said = steersman(capfd, "extrapolate", weak, weak, "--factor", factor, "--out", weak.parent / "made")
    assert (said.code, "factor" in said.fault) == (2, True)
