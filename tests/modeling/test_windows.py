"""Decoders with sliding windows compute packed what each conversation gets alone by the model's own forward pass."""

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from tiny_windowed import KINDS, NUM_LAYERS, VOCABULARY, WINDOW, WINDOWED, windowed, write_windowed
from torch.testing import assert_close
from transformers import AutoConfig, PreTrainedModel

from steersman.modeling.attention import attention
from steersman.modeling.chat import Group, ResponseTokens
from steersman.modeling.layers import all_states, check_split, lower_states, upper_states
from steersman.modeling.loading import load_backbone
from steersman.modeling.packed_attention import packed_attention
from steersman.modeling.packing import Packed, pack
from steersman.modeling.support import check_attention, check_logprobs, check_packing
from steersman.modeling.tuning import truncated

families = pytest.mark.parametrize("name", WINDOWED)


def ids(count: int, *, seed: int) -> tuple[int, ...]:
    rng = torch.Generator().manual_seed(seed)
    return tuple(torch.randint(3, VOCABULARY, (count,), generator=rng).tolist())


def group(prefix: int, *lengths: int) -> Group:
    responses = tuple(ResponseTokens(ids(length, seed=length), length) for length in lengths)
    return Group(ids(prefix, seed=100 + prefix), responses)


# conversations of up to 50 tokens, much longer than a window; prefixes longer and shorter than one, and none
GROUPS = [group(20, 30, 5, 17), group(0, 31, 33), group(3, 32, 40)]


def states(model: PreTrainedModel, packed: Packed, *, is_packed: bool) -> torch.Tensor:
    with packed_attention(model) if is_packed else nullcontext():
        return all_states(model, packed)


def states_alone(model: PreTrainedModel, *, way: str = "sdpa") -> torch.Tensor:
    """Return what `all_states` does, of the responses alone and in order, each run by the model itself."""
    found = []
    with attention(model, way):
        for each in GROUPS:
            for response in each.responses:
                row = torch.tensor([[*each.prefix, *response.ids]])
                found.append(model.base_model(input_ids=row, use_cache=False).last_hidden_state[0, len(each.prefix) :])
    return torch.cat(found)


def places_of_responses(packed: Packed) -> list[int]:
    pairs = [pair for span in packed.spans for pair in zip(span.starts, span.ends, strict=True)]
    return [place for start, end in pairs for place in range(start, end)]


@families
@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize("way", ["sdpa", "eager"])
def test_packed_responses_have_the_states_they_have_alone(name: str, is_packed: bool, way: str) -> None:
    model, packed = windowed(name), pack(GROUPS)
    with torch.no_grad():
        found_TD = states(model, packed, is_packed=is_packed)[places_of_responses(packed)]
        expected_TD = states_alone(model, way=way)
    assert (found_TD - expected_TD).abs().max() <= 1e-5 * expected_TD.abs().max()


@families
def test_the_window_matters_in_these_conversations(name: str) -> None:
    model, wider, packed = windowed(name), windowed(name, sliding_window=50), pack(GROUPS)
    with torch.no_grad():
        found_TD, expected_TD = (states(each, packed, is_packed=True) for each in (model, wider))
    assert (found_TD - expected_TD).norm() > 0.05 * expected_TD.norm()


@families
@pytest.mark.parametrize("checkpoints", [False, True])
def test_packed_gradients_are_those_of_conversations_alone(name: str, checkpoints: bool) -> None:
    # all but the norms, which transformers computes in float32
    model, packed = windowed(name).double(), pack(GROUPS)
    if checkpoints:
        model.train().gradient_checkpointing_enable({"use_reentrant": False})

    def gradients(states_TD: torch.Tensor) -> dict[str, torch.Tensor]:
        model.zero_grad()
        weights = torch.linspace(-1, 1, states_TD.numel(), dtype=torch.float64).view(states_TD.shape)
        (states_TD * weights).sum().backward()
        return {each: weights.grad.clone() for each, weights in model.named_parameters() if weights.grad is not None}

    expected = gradients(states_alone(model))
    with packed_attention(model):
        found = gradients(all_states(model, packed)[places_of_responses(packed)])
    assert found.keys() == expected.keys()
    for each, gradient in expected.items():
        assert (found[each] - gradient).norm() <= 1e-6 * gradient.norm(), each


@families
def test_states_at_a_few_places_are_those_of_the_whole_row(name: str) -> None:
    model, packed = windowed(name), pack(GROUPS)
    places = torch.tensor(packed.last_tokens)
    with torch.no_grad(), packed_attention(model):
        expected_TD = all_states(model, packed)[places]
        assert_close(all_states(model, packed, places=places), expected_TD, atol=1e-5, rtol=1e-5)


@families
@pytest.mark.parametrize(("distance", "is_seen"), [(WINDOW - 1, True), (WINDOW, False)])
def test_a_layer_sees_so_many_tokens_and_no_more(name: str, distance: int, is_seen: bool) -> None:
    kinds = {} if name in ("mistral", "phi3") else {"layer_types": KINDS[:1]}
    model = windowed(name, num_hidden_layers=1, **kinds)
    before, response = ids(10, seed=1), ids(4, seed=2)
    changed = [*before]
    # the response's third token is at position 12
    changed[12 - distance] += 1
    groups = [
        Group(tuple(each), (ResponseTokens((9, 9), 2), ResponseTokens(response, 4))) for each in (before, changed)
    ]
    with torch.no_grad():
        one_D, other_D = (states(model, pack([each]), is_packed=True)[14] for each in groups)
    assert torch.equal(one_D, other_D) != is_seen


@families
def test_a_window_longer_than_all_conversations_changes_nothing(name: str) -> None:
    packed = pack(GROUPS)
    with torch.no_grad():
        exact, wider = (states(windowed(name, sliding_window=each), packed, is_packed=True) for each in (50, 5000))
    assert torch.equal(exact, wider)


@families
@pytest.mark.parametrize("num_lower", range(NUM_LAYERS + 1))
def test_lower_then_upper_layers_are_the_whole_model(name: str, num_lower: int) -> None:
    model, packed = windowed(name), pack(GROUPS)
    kinds = getattr(model.config, "layer_types", None)
    check_split(model, packed, num_lower=num_lower)
    with torch.no_grad(), packed_attention(model):
        expected_TD = all_states(model, packed)
        lower_TD = lower_states(model, packed, num_lower=num_lower)
        found_TD = upper_states(model, lower_TD, packed, num_lower=num_lower)
    assert_close(found_TD, expected_TD, atol=1e-5, rtol=1e-5)
    assert getattr(model.config, "layer_types", None) == kinds
    assert model.config.num_hidden_layers == NUM_LAYERS


@families
def test_decoders_with_windows_are_supported(name: str) -> None:
    model = windowed(name)
    check_attention(model)
    check_packing(model, GROUPS[0])
    check_logprobs(model, GROUPS[0])


@families
def test_a_truncated_model_is_saved_and_read_as_it_was(tiny_model_folder: Path, tmp_path: Path, name: str) -> None:
    folder = write_windowed(tmp_path / "whole", name=name, tokenizer_of=tiny_model_folder)
    model = truncated(load_backbone(folder, dtype=torch.float32, device=torch.device("cpu")), layers=3)
    packed = pack(GROUPS)
    with torch.no_grad():
        expected_TD = states(model, packed, is_packed=True)
    (tmp_path / "cut").mkdir()
    for file in folder.glob("tokenizer*"):
        (tmp_path / "cut" / file.name).write_bytes(file.read_bytes())
    model.save_pretrained(tmp_path / "cut")
    assert getattr(AutoConfig.from_pretrained(tmp_path / "cut"), "num_hidden_layers", None) == 3
    again = load_backbone(tmp_path / "cut", dtype=torch.float32, device=torch.device("cpu"))
    with torch.no_grad():
        assert torch.equal(states(again, packed, is_packed=True), expected_TD)
