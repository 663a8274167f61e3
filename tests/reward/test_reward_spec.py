"""What a config.json says of a reward model is read as it was written, or refused by name."""

import math
from dataclasses import replace

import pytest

from steersman.reward.spec import RewardSpec

SPEC = RewardSpec("ordinal", ("helpfulness", "coherence"), {"coherence": 0.5}, pooling="mean", weights_source="config")


@pytest.mark.parametrize("spec", [SPEC, replace(SPEC, kind="gating", weights={}), replace(SPEC, form="comparison")])
def test_a_spec_comes_back_from_its_config(spec: RewardSpec) -> None:
    assert RewardSpec.from_config(spec.to_config()) == spec


def test_what_a_config_leaves_out_is_as_it_is_by_default() -> None:
    found = RewardSpec.from_config({"kind": "linear", "attributes": ["a"], "weights": {}})
    assert found == RewardSpec("linear", ("a",), {})


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        (
            "kind",
            "quadratic",
            r"kind is 'quadratic', which must be one of \['linear', 'ordinal', 'categorical', 'gating'",
        ),
        ("kind", ["linear"], r"kind is \['linear'\], which must be one of"),
        ("pooling", "first", r"pooling is 'first', which must be one of \['last', 'end_of_turn', 'mean'\]"),
        ("form", "pair", r"form is 'pair', which must be one of \['response', 'comparison'\]"),
        ("attributes", [], r"attributes is \[\], which must be a list of different names"),
        ("attributes", ["a", "a"], "which must be a list of different names"),
        ("attributes", "helpfulness", "attributes is 'helpfulness', which must be a list"),
        ("attributes", [1], "which must be a list of different names"),
        ("weights", {"verbosity": 1.0}, r"weights names \['verbosity'\], which are not among the attributes"),
        ("weights", {"coherence": "much"}, "weights is .*, which must be numbers"),
        ("weights", {"coherence": math.nan}, "weights is .*, which must be numbers"),
        ("has_bias", "no", "has_bias is 'no', which must be true or false"),
        ("weights_source", 3, "weights_source is 3, which must be a text"),
        ("depth", 3, r"depth is not known; the keys are \['kind', 'attributes'"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(key: str, value: object, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        RewardSpec.from_config({**SPEC.to_config(), key: value})


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"weights is missing; .*pooling is None"):
        RewardSpec.from_config({"kind": "linear", "attributes": ["a"], "pooling": None})


@pytest.mark.parametrize("config", [None, "linear", ["linear"]])
def test_what_is_no_mapping_is_refused(config: object) -> None:
    with pytest.raises(ValueError, match="it is no mapping"):
        RewardSpec.from_config(config)
