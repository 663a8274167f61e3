"""`steersman demo`: the whole loop on this machine with the config that is shipped."""

from importlib import resources

from steersman.config.loading import parse_yaml, validate_settings, with_overrides
from steersman.config.run import RunSettings

DEMO_CONFIG = "demo.yaml"
HUMAN_PROMPTS = 200
# With human labels the texts are several times longer than SmolLM2's own, so fewer of them are learnt from.
_HUMAN_CHANGES = (
    "prompts.held_out=12",
    f"data.prompts={HUMAN_PROMPTS}",
    "data.max_characters=2400",
    "reward.tune.layers=2",
    "reward.evaluate_every=12",
    "align.tune.layers=2",
    "align.max_pairs=40",
)


def settings(*, data: str | None, overrides: tuple[str, ...]) -> RunSettings:
    """Return the shipped demo's settings; `data` names human labels to use instead of simulated ones.

    `overrides` of the form `a.b=value` come last.
    """
    text = resources.files("steersman.pipeline").joinpath(DEMO_CONFIG).read_text(encoding="utf-8")
    values = parse_yaml(text, source=DEMO_CONFIG)
    if data is not None:
        values = with_overrides({**values, "data": {"path": data}}, _HUMAN_CHANGES)
    return validate_settings(with_overrides(values, overrides), model=RunSettings, source=DEMO_CONFIG)
