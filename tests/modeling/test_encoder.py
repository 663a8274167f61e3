"""An encoder reads each conversation alone, whatever it is packed with, and its head is transformers' last layer."""

from pathlib import Path

import pytest
import torch
from tiny_encoders import CONTEXT_TOKENS, ENCODERS, byte_tokenizer, write_encoder
from torch import nn
from torch.testing import assert_close
from transformers import AutoModelForSequenceClassification, BertConfig, LlamaConfig, PreTrainedModel

from steersman.errors import ConfigError, PluginError
from steersman.modeling import encoder
from steersman.modeling.chat import Group, ResponseTokens, group_tokens
from steersman.modeling.encoder import context_tokens, is_encoder, output_layer, pooled_states, with_output
from steersman.modeling.loading import load_backbone, load_classifier, load_tokenizer, quiet_transformers, read_config
from steersman.modeling.packed_attention import packed_attention
from steersman.modeling.packing import pack
from steersman.modeling.support import check_packing
from steersman.modeling.tuning import num_frozen_layers, truncated
from steersman.records import Message

CPU = torch.device("cpu")
QUESTION = (Message("user", "Hello"), Message("assistant", "Hi"), Message("user", "And now?"))


@pytest.fixture(scope="module", params=sorted(ENCODERS))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("encoder"), name=str(request.param))


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("bert"), name="bert")


def backbone(folder: Path) -> PreTrainedModel:
    return load_backbone(folder, dtype=torch.float32, device=CPU)


def groups_of(folder: Path) -> list[Group]:
    tokenizer = load_tokenizer(folder)
    return [
        group_tokens(tokenizer, QUESTION, ["no", "a much longer answer than the others have"]),
        group_tokens(tokenizer, QUESTION[:1], ["Good day", ""]),
    ]


def test_what_is_read_is_the_input_of_transformers_own_last_layer(folder: Path) -> None:
    model = backbone(folder)
    groups = groups_of(folder)
    with torch.inference_mode():
        states_ND = pooled_states(model, pack(groups))
    output = nn.Linear(32, 3)
    with torch.inference_mode(), with_output(model, output) as whole:
        logits = [
            whole(input_ids=torch.tensor([[*group.prefix, *response.ids]])).logits
            for group in groups
            for response in group.responses
        ]
        assert_close(output(states_ND), torch.cat(logits), atol=1e-5, rtol=0)
    assert states_ND.std(dim=0).mean() > 1e-3


def test_padding_and_order_change_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, groups = backbone(folder), groups_of(folder)
    with torch.inference_mode():
        together = pooled_states(model, pack(groups))
        back = pooled_states(model, pack(groups[::-1]))
        monkeypatch.setattr(encoder, "_MOST_TOKENS", 1)
        alone = pooled_states(model, pack(groups))
    assert_close(together, alone, atol=1e-5, rtol=0)
    assert_close(torch.cat([back[2:], back[:2]]), alone, atol=1e-5, rtol=0)


def test_gradients_reach_the_model_through_every_response(bert: Path) -> None:
    model, groups = backbone(bert), groups_of(bert)
    states_ND, table = pooled_states(model, pack(groups)), model.get_input_embeddings().get_parameter("weight")
    for state_D in states_ND:
        (gradient,) = torch.autograd.grad(state_D.sum(), table, retain_graph=True)
        assert gradient.abs().max() > 0


def test_a_released_encoder_gets_the_same_new_layers_at_every_load(folder: Path) -> None:
    before = torch.random.get_rng_state()
    first = backbone(folder).state_dict()
    torch.manual_seed(7)
    second = backbone(folder).state_dict()
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    torch.random.set_rng_state(before)


def test_loading_an_encoder_leaves_the_global_generator_alone(bert: Path) -> None:
    before = torch.random.get_rng_state()
    backbone(bert)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_its_turns_are_marked_by_its_own_tokens(bert: Path) -> None:
    tokenizer = load_tokenizer(bert)
    group = group_tokens(tokenizer, QUESTION, ["Fine [SEP] you"])
    text = tokenizer.decode([*group.prefix, *group.responses[0].ids])
    expected = "[CLS]user\nHello[SEP]assistant\nHi[SEP]user\nAnd now?[SEP]assistant\nFine [\u200bSEP] you[SEP]"
    assert text == expected


def test_a_tokenizer_without_marks_for_turns_is_refused(bert: Path, tmp_path: Path) -> None:
    backbone(bert).save_pretrained(tmp_path)
    tokenizer = byte_tokenizer()
    tokenizer.sep_token = None
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(PluginError, match="neither a chat template nor both cls_token and sep_token"):
        load_tokenizer(tmp_path)


def test_the_context_is_what_the_positions_allow(folder: Path) -> None:
    assert context_tokens(read_config(folder)) == CONTEXT_TOKENS
    model, prefix = backbone(folder), (5,)
    with torch.inference_mode():
        pooled_states(model, pack([Group(prefix, (ResponseTokens((7,) * (CONTEXT_TOKENS - 1), 9),))]))
        with pytest.raises(
            PluginError, match=f"has {CONTEXT_TOKENS + 1} tokens, and .* reads at most {CONTEXT_TOKENS}"
        ):
            pooled_states(model, pack([Group(prefix, (ResponseTokens((7,) * CONTEXT_TOKENS, 9),))]))


def test_the_checks_of_decoders_do_not_concern_it(folder: Path) -> None:
    model = backbone(folder)
    check_packing(model, groups_of(folder)[0])
    before = model.config._attn_implementation
    with packed_attention(model):
        assert model.config._attn_implementation == before


def test_what_splits_a_decoder_is_refused(bert: Path) -> None:
    from steersman.config.sections import TuneSettings

    model = backbone(bert)
    with pytest.raises(ConfigError, match="'upper' splits decoders only"):
        num_frozen_layers(model, tune=TuneSettings.model_validate({"mode": "upper", "layers": 1}))
    assert num_frozen_layers(model, tune=TuneSettings.model_validate({"mode": "full"})) == 0
    with pytest.raises(PluginError, match="is not a decoder"):
        truncated(model, layers=1)


def test_a_classification_model_keeps_its_own_layer(folder: Path, tmp_path: Path) -> None:
    with quiet_transformers():
        made = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=4)
        made.save_pretrained(tmp_path)
        byte_tokenizer().save_pretrained(tmp_path)
    layer = output_layer(load_classifier(tmp_path, num_outputs=None, dtype=torch.float32))
    assert torch.equal(layer.weight, output_layer(made).weight)


def test_an_encoder_without_a_saved_layer_is_no_classifier(folder: Path) -> None:
    with pytest.raises(PluginError, match=r"its weights lack .* so it cannot be loaded with a classification head"):
        load_classifier(folder, num_outputs=None, dtype=torch.float32)


def test_weights_that_lack_a_layer_are_refused(bert: Path, tmp_path: Path) -> None:
    config = BertConfig.from_pretrained(bert)
    config.num_hidden_layers = 3
    config.save_pretrained(tmp_path)
    for name in ("model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((bert / name).read_bytes())
    with pytest.raises(PluginError, match=r"its weights lack .*layer\.2"):
        backbone(tmp_path)


def test_a_decoder_is_none() -> None:
    assert not is_encoder(LlamaConfig())
    assert is_encoder(BertConfig())
