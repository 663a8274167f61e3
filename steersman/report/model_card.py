"""Write the card of a trained model: the README.md that the hub shows, with what it was made from and its licence."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a model's card says. `made` is the kind of model in words, `sources` are lines about works and licences."""

    made: str
    licence: str | None
    base_model: str | None
    simulated: bool
    verdict: str
    sources: Sequence[str]


def model_card(facts: ModelFacts, *, name: str) -> str:
    """Return the card in Markdown, with the header from which the hub knows licence and base model."""
    mark = " (SIMULATED ratings)" if facts.simulated else ""
    lines = [*_header(facts), f"# {name}{mark}", "", f"{facts.made}, trained with Steersman.", ""]
    if facts.simulated:
        lines += [
            "**No person gave the ratings behind this model.** They come from a modelled crowd; they show that the",
            "tools work and say nothing about the quality of the model.",
            "",
        ]
    licence = facts.licence or "not known; see the sources below before you use it"
    lines += ["## Licence and sources", "", f"Licence: {licence}.", ""]
    return "\n".join([*lines, *(f"- {source}" for source in facts.sources), f"- {facts.verdict}", ""])


def _header(facts: ModelFacts) -> list[str]:
    lines = ["---", f"license: {(facts.licence or 'unknown').lower()}", "library_name: transformers"]
    lines += [f"base_model: {facts.base_model}"] if facts.base_model else []
    return [*lines, "tags:", "- steersman", "---", ""]
