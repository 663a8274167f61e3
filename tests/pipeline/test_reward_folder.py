"""A reward model that was saved scores to the last bit as it did, and transformers reads it where it can."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import torch
from reward_models import CPU, SPEC, reward_model, saved_reward_model
from safetensors import safe_open
from tiny_encoders import ENCODERS, write_encoder
from tiny_loop import object_of
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedTokenizerBase

from steersman.backends.reward_scorer import RewardScorer
from steersman.errors import ConfigError, PluginError
from steersman.modeling.loading import load_tokenizer
from steersman.modeling.tuning import truncated
from steersman.pipeline import licences
from steersman.pipeline.lineages import Inheritance, origin_in
from steersman.pipeline.models import open_model
from steersman.pipeline.reward_folder import HEAD_FILE, load_reward_model, save_reward_model
from steersman.protocols import Scored
from steersman.records import text_to_messages
from steersman.reward.heads import Head
from steersman.reward.model import RewardModel
from steersman.reward.spec import RewardSpec
from steersman.store.lineage import Ancestor

PROMPTS = ["What is bread?", "What is bread?", "Hello\n<extra_id_1>Assistant\nHi\n<extra_id_1>User\nAnd now?", "Why?"]
RESPONSES = ["Food.", "Flour, water and salt, baked.", "Nothing.", ""]
SPECS = {
    "linear": SPEC,
    "bias": replace(SPEC, has_bias=True),
    "end of turn": replace(SPEC, pooling="end_of_turn"),
    "mean": replace(SPEC, pooling="mean"),
    "ordinal": replace(SPEC, kind="ordinal"),
    "categorical": replace(SPEC, kind="categorical"),
    "gating": RewardSpec("gating", SPEC.attributes, {}, weights_source="the gate, by the prompt"),
    "comparison": RewardSpec("linear", ("better",), {"better": 1.0}, form="comparison"),
}
PLAIN = ("linear", "ordinal", "categorical")


def scores(model: RewardModel, tokenizer: PreTrainedTokenizerBase) -> Scored:
    scorer = RewardScorer(model, tokenizer, precision="float32")
    prompts = ["Why?"] * 4 if model.spec.form == "comparison" else PROMPTS
    return scorer.score(prompts, RESPONSES, advance=lambda _: None)


def reloaded(folder: Path) -> Scored:
    return scores(load_reward_model(folder, dtype=torch.float32, device=CPU), load_tokenizer(folder))


def assert_same(found: Scored, expected: Scored) -> None:
    """Fail unless all numbers of two scores are equal to the last bit."""
    assert found.names == expected.names
    for one, other in (
        (found.outputs, expected.outputs),
        (found.rewards, expected.rewards),
        (found.levels, expected.levels),
        (found.preferences, expected.preferences),
    ):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("name", SPECS)
def test_a_saved_model_scores_to_the_last_bit_as_before(tiny_model_folder: Path, tmp_path: Path, name: str) -> None:
    model = saved_reward_model(tiny_model_folder, tmp_path / "saved", spec=SPECS[name])
    expected = scores(model, load_tokenizer(tiny_model_folder))
    assert_same(reloaded(tmp_path / "saved"), expected)
    assert expected.rewards.std() > 0.01


@pytest.mark.parametrize("name", SPECS)
def test_what_it_predicts_and_how_it_is_read_is_in_the_folder(
    tiny_model_folder: Path, tmp_path: Path, name: str
) -> None:
    saved_reward_model(tiny_model_folder, tmp_path / "saved", spec=SPECS[name])
    assert load_reward_model(tmp_path / "saved", dtype=torch.float32, device=CPU).spec == SPECS[name]


def transformers_logits(folder: Path, *, batch_size: int) -> torch.Tensor:
    """Return what transformers' own model gives for the conversations, padded to batches."""
    plain = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = []
    for prompt, response in zip(PROMPTS, RESPONSES, strict=True):
        turns = [{"role": each.role, "content": each.content} for each in text_to_messages(prompt)]
        turns.append({"role": "assistant", "content": response})
        texts.append(tokenizer.apply_chat_template(turns, tokenize=False))
    found = []
    for start in range(0, len(texts), batch_size):
        batch = tokenizer(texts[start : start + batch_size], padding=batch_size > 1, return_tensors="pt")
        with torch.inference_mode():
            inputs = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}
            found.append(plain(**inputs).logits)
    return torch.cat(found)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_transformers_alone_gives_the_same_scores(tiny_model_folder: Path, tmp_path: Path, batch_size: int) -> None:
    model = saved_reward_model(tiny_model_folder, tmp_path / "saved")
    expected = scores(model, load_tokenizer(tiny_model_folder)).outputs
    found = transformers_logits(tmp_path / "saved", batch_size=batch_size)
    assert found.numpy() == pytest.approx(expected, abs=2e-6)


def test_transformers_computes_the_very_bits_on_its_own_way(tiny_model_folder: Path, tmp_path: Path) -> None:
    model = saved_reward_model(tiny_model_folder, tmp_path / "saved")
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved", dtype=torch.float32)
    ids = torch.arange(40)[None]
    with torch.inference_mode():
        states_1TD = model.backbone(input_ids=ids, use_cache=False).last_hidden_state
        expected = model.head.linear(states_1TD)[:, -1]
        assert torch.equal(plain(input_ids=ids).logits, expected)


@pytest.mark.parametrize("name", ["ordinal", "categorical"])
def test_transformers_gives_the_numbers_that_levels_are_made_of(
    tiny_model_folder: Path, tmp_path: Path, name: str
) -> None:
    saved_reward_model(tiny_model_folder, tmp_path / "saved", spec=SPECS[name])
    logits = transformers_logits(tmp_path / "saved", batch_size=1)
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved")
    assert list(plain.config.id2label.values()) == list(SPECS[name].output_names())
    assert logits.shape == (4, SPECS[name].num_outputs)
    # the thresholds of an ordinal head are no part of such a model, and lie beside it
    assert (tmp_path / "saved" / HEAD_FILE).is_file() == (name == "ordinal")


@pytest.mark.parametrize("name", [each for each in SPECS if each not in PLAIN])
def test_what_transformers_cannot_hold_is_said(tiny_model_folder: Path, tmp_path: Path, name: str) -> None:
    saved_reward_model(tiny_model_folder, tmp_path / "saved", spec=SPECS[name])
    assert len(SPECS[name].beyond_transformers(is_encoder=False)) == 1
    # no head under the name that transformers would read, which would lack a part
    with safe_open(tmp_path / "saved" / "model.safetensors", framework="pt") as weights:
        assert not [key for key in weights.keys() if "score" in key]  # noqa: SIM118


@pytest.mark.parametrize(
    ("pad", "ends_with_newline"), [("<|im_end|>", False), ("<|im_end|>", True), (None, False), ("\n", True)]
)
def test_no_conversation_ends_with_the_padding_token(
    tiny_model_folder: Path, tmp_path: Path, pad: str | None, ends_with_newline: bool
) -> None:
    tokenizer = load_tokenizer(tiny_model_folder)
    if not ends_with_newline:
        tokenizer.chat_template = str(tokenizer.chat_template).replace("<|im_end|>\n", "<|im_end|>")
    # a line feed as byte-level tokenizers write it
    tokenizer.pad_token = "\u010a" if pad == "\n" else pad
    model = reward_model(tiny_model_folder)
    expected = scores(model, tokenizer).outputs
    save_reward_model(tmp_path / "saved", model, tokenizer)
    # <|pad|> is the one special token that the template does not use
    assert AutoTokenizer.from_pretrained(tmp_path / "saved").pad_token == "<|pad|>"
    for batch_size in (1, 4):
        assert transformers_logits(tmp_path / "saved", batch_size=batch_size).numpy() == pytest.approx(
            expected, abs=2e-6
        )


def test_without_a_token_to_spare_transformers_scores_one_conversation_at_a_time(
    tiny_model_folder: Path, tmp_path: Path
) -> None:
    tokenizer = load_tokenizer(tiny_model_folder)
    tokenizer.chat_template = str(tokenizer.chat_template).replace("<|im_start|>", "<|pad|><|im_start|>")
    tokenizer.pad_token = tokenizer.eos_token
    model = reward_model(tiny_model_folder)
    expected = scores(model, tokenizer).outputs
    save_reward_model(tmp_path / "saved", model, tokenizer)
    assert transformers_logits(tmp_path / "saved", batch_size=1).numpy() == pytest.approx(expected, abs=2e-6)
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved")
    with pytest.raises(ValueError, match="Cannot handle batch sizes > 1 if no padding token is defined"):
        plain(input_ids=torch.zeros((2, 3), dtype=torch.long))


def test_a_checkpoint_of_before_still_loads(tiny_model_folder: Path, tmp_path: Path) -> None:
    model = saved_reward_model(tiny_model_folder, tmp_path / "saved")
    config = tmp_path / "saved" / "config.json"
    older = {key: value for key, value in object_of(config).items() if key not in ("reward_model", "steersman_origin")}
    config.write_text(json.dumps(older), encoding="utf-8")
    assert_same(reloaded(tmp_path / "saved"), scores(model, load_tokenizer(tiny_model_folder)))


def test_a_backbone_without_its_upper_layers_is_saved_as_it_is(tiny_model_folder: Path, tmp_path: Path) -> None:
    model = reward_model(tiny_model_folder)
    whole = scores(model, load_tokenizer(tiny_model_folder))
    truncated(model.backbone, layers=1)
    tokenizer = load_tokenizer(tiny_model_folder)
    expected = scores(model, tokenizer)
    save_reward_model(tmp_path / "saved", model, tokenizer)
    assert_same(reloaded(tmp_path / "saved"), expected)
    assert object_of(tmp_path / "saved" / "config.json")["num_hidden_layers"] == 1
    assert transformers_logits(tmp_path / "saved", batch_size=1).numpy() == pytest.approx(expected.outputs, abs=2e-6)
    assert abs(expected.outputs - whole.outputs).max() > 0.01


def test_the_number_format_of_the_weights_is_kept_and_stated(tiny_model_folder: Path, tmp_path: Path) -> None:
    model = reward_model(tiny_model_folder)
    model.backbone.bfloat16()
    for name, spec in (("plain", SPEC), ("own", SPECS["mean"])):
        model.spec = spec
        save_reward_model(tmp_path / name, model, load_tokenizer(tiny_model_folder))
        assert object_of(tmp_path / name / "config.json")["dtype"] == "bfloat16"
        again = load_reward_model(tmp_path / name, dtype=torch.float32, device=CPU)
        # the head stays in float32: rounded, it would score otherwise than before
        for key, tensor in model.state_dict().items():
            assert torch.equal(again.state_dict()[key], tensor.float())


def test_the_chat_template_is_in_the_folder(tiny_model_folder: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny_model_folder)
    tokenizer.chat_template = str(tokenizer.chat_template).replace("assistant", "helper")
    save_reward_model(tmp_path / "saved", reward_model(tiny_model_folder), tokenizer)
    assert load_tokenizer(tmp_path / "saved").chat_template == tokenizer.chat_template


def test_a_copied_folder_still_tells_what_it_was_made_from(tiny_model_folder: Path, tmp_path: Path) -> None:
    origin = Inheritance((Ancestor("some data", "data", "ratings", "CC-BY-4.0"),), simulated=True)
    save_reward_model(
        tmp_path / "run", reward_model(tiny_model_folder), load_tokenizer(tiny_model_folder), origin=origin
    )
    shutil.copytree(tmp_path / "run", tmp_path / "elsewhere")
    assert origin_in(tmp_path / "elsewhere" / "config.json") == origin
    opened = open_model(str(tmp_path / "elsewhere"), role="reward model")
    assert (opened.ancestors, opened.is_simulated, opened.licence) == (origin.ancestors, True, "CC-BY-4.0")
    said = licences.run(tmp_path / "elsewhere")
    assert (said["simulated"], [row["work"] for row in cast("list[dict[str, object]]", said["ancestors"])]) == (
        True,
        ["some data"],
    )


@pytest.mark.parametrize("damage", ["kind", "head", "spec"])
def test_a_damaged_folder_is_named(tiny_model_folder: Path, tmp_path: Path, damage: str) -> None:
    saved_reward_model(tiny_model_folder, tmp_path / "saved", spec=SPECS["bias"])
    if damage == "head":
        (tmp_path / "saved" / HEAD_FILE).write_bytes(b"spoilt")
    else:
        config = object_of(tmp_path / "saved" / "config.json")
        spec = dict(SPECS["bias"].to_config()) | {"kind": "gating"}
        config["reward_model"] = spec if damage == "kind" else {"attributes": ["a"]}
        (tmp_path / "saved" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(PluginError, match=rf"{tmp_path / 'saved'}(: its head does not fit|/config.json: .*damaged)"):
        load_reward_model(tmp_path / "saved", dtype=torch.float32, device=CPU)


def test_a_state_that_no_model_reads_is_refused_with_the_file_that_names_it(
    tiny_model_folder: Path, tmp_path: Path
) -> None:
    saved_reward_model(tiny_model_folder, tmp_path / "saved", spec=SPECS["end of turn"])
    file = tmp_path / "saved" / "config.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"end_of_turn"', '"first"'), encoding="utf-8")
    words = rf"{file}: .*pooling is 'first', which must be one of \['last', 'end_of_turn', 'mean'\]"
    with pytest.raises(PluginError, match=words):
        load_reward_model(tmp_path / "saved", dtype=torch.float32, device=CPU)


class TestEncoders:
    @pytest.fixture(scope="class", params=sorted(ENCODERS))
    def base(self, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return Path(write_encoder(tmp_path_factory.mktemp("encoder"), name=str(request.param)))

    @pytest.mark.parametrize("name", ["linear", "bias", "ordinal", "comparison"])
    def test_a_saved_encoder_scores_to_the_last_bit_as_before(self, base: Path, tmp_path: Path, name: str) -> None:
        model = saved_reward_model(base, tmp_path / "saved", spec=SPECS[name])
        assert_same(reloaded(tmp_path / "saved"), scores(model, load_tokenizer(base)))

    @pytest.mark.parametrize("name", ["linear", "bias"])
    def test_transformers_alone_gives_the_same_scores(self, base: Path, tmp_path: Path, name: str) -> None:
        model = saved_reward_model(base, tmp_path / "saved", spec=SPECS[name])
        expected = scores(model, load_tokenizer(base)).outputs
        # the template writes the marks of beginning and end
        plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved", dtype=torch.float32)
        tokenizer = load_tokenizer(tmp_path / "saved")
        for row, (prompt, response) in enumerate(zip(PROMPTS, RESPONSES, strict=True)):
            turns = [{"role": each.role, "content": each.content} for each in text_to_messages(prompt)]
            turns.append({"role": "assistant", "content": response})
            ids = torch.tensor([tokenizer.apply_chat_template(turns, tokenize=True, return_dict=False)])
            with torch.inference_mode():
                assert plain(input_ids=ids).logits[0].numpy() == pytest.approx(expected[row], abs=2e-6)

    def test_what_an_encoder_does_not_give_is_refused(self, base: Path) -> None:
        backbone = reward_model(base).backbone
        for spec, words in ((SPECS["gating"], "reads the prompt before"), (SPECS["mean"], "pools by itself")):
            with pytest.raises(ConfigError, match=words):
                RewardModel(backbone, Head(32, spec=spec), spec=spec)
