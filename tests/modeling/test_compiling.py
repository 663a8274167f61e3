"""Compiled kernels give what the plain ones do, and a machine that cannot compile goes on with the plain ones."""

import logging
import shutil

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from steersman.modeling.chat import Group, ResponseTokens
from steersman.modeling.compiling import compiled_kernels
from steersman.modeling.kernels import PLAIN
from steersman.modeling.layers import all_states
from steersman.modeling.packed_attention import packed_attention
from steersman.modeling.packing import pack

CPU = torch.device("cpu")


def test_without_a_compiler_the_kernels_are_the_plain_ones_and_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_compiler(*_: object, **__: object) -> object:
        def fails(*_: object) -> object:
            raise RuntimeError("No working C++ compiler found")

        return fails

    monkeypatch.setattr(torch, "compile", no_compiler)
    with caplog.at_level(logging.WARNING):
        assert compiled_kernels(CPU) is PLAIN
    assert "No working C++ compiler found" in caplog.text


def test_kernels_that_compile_to_another_result_are_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def doubling(kernel: object, **_: object) -> object:
        if kernel is not PLAIN.rotate:
            return kernel
        return lambda *given: 2 * PLAIN.rotate(*given)

    monkeypatch.setattr(torch, "compile", doubling)
    with caplog.at_level(logging.WARNING):
        assert compiled_kernels(CPU) is PLAIN
    assert "compiled rotate gives another result" in caplog.text


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_a_model_gives_the_same_states_and_gradients_by_compiled_kernels() -> None:
    kernels = compiled_kernels(CPU)
    assert kernels is not PLAIN
    model = LlamaForCausalLM(
        LlamaConfig(vocab_size=60, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4)
    )
    weights = [each for name, each in model.named_parameters() if "lm_head" not in name]
    # two lengths: the second would be compiled anew if shapes were fixed
    for length in (3, 7):
        packed = pack([Group((1, 2, 3), (ResponseTokens(tuple(range(length)), length),))])
        found = []
        for each in (PLAIN, kernels):
            with packed_attention(model, kernels=each):
                states_TD = all_states(model, packed)
                # uneven weights: a norm leaves the sum of squares of its outputs nearly as it is
                uneven = torch.linspace(-1, 1, states_TD.numel()).view(states_TD.shape)
                found.append([states_TD, *torch.autograd.grad((states_TD * uneven).sum(), weights)])
        for plain, compiled in zip(*found, strict=True):
            assert (compiled - plain).norm() <= 1e-5 * plain.norm()
