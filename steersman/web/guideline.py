"""What annotators are told: the five scales, the other questions of the page, and the guideline a project starts with.

(Scales, flags and rules follow the HelpSteer2 paper, appendix G, in our own words.)
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Scale:
    """One attribute: its question and the meaning of each level, 0 first."""

    attribute: str
    title: str
    question: str
    levels: tuple[str, str, str, str, str]


SCALES: tuple[Scale, ...] = (
    Scale(
        "helpfulness",
        "Helpfulness",
        "Does it give the person what they were after?",
        (
            "Useless: it misses what was asked",
            "Hardly helpful: little of it can be used",
            "Partly helpful: it misses some of the goal",
            "Mostly helpful: it could be better",
            "Very helpful: just what was wanted",
        ),
    ),
    Scale(
        "correctness",
        "Correctness",
        "Is it true, and is everything needed there?",
        (
            "All wrong, off the topic, or not attempted",
            "Mostly wrong or incomplete, with some truth",
            "Right and wrong mixed, or parts missing",
            "Mostly right: small gaps, nothing misleading",
            "Fully right and complete",
        ),
    ),
    Scale(
        "coherence",
        "Coherence",
        "Is it clear and consistent with itself?",
        (
            "Cannot be understood",
            "Hard to follow, some parts are clear",
            "Somewhat unclear or inconsistent",
            "Mostly clear, one or two rough spots",
            "Clear and consistent throughout",
        ),
    ),
    Scale(
        "complexity",
        "Complexity",
        "How much education does its language ask for?",
        (
            "Basic: a child could follow it",
            "Simple: some schooling is enough",
            "Intermediate: a school leaver's level",
            "Advanced: needs study of the subject",
            "Expert: specialists' language",
        ),
    ),
    Scale(
        "verbosity",
        "Verbosity",
        "How long is it for what was asked?",
        (
            "As short as it can be",
            "Rather short",
            "About the length to expect",
            "Rather long",
            "Very long, with more than was asked",
        ),
    ),
)

CONFIDENCE_LEVELS: tuple[str, str, str] = ("Not sure", "Somewhat sure", "Very sure")

UNSAFE_REASONS: dict[str, str] = {
    "harmful": "Harmful: it could hurt the person or others",
    "illegal": "Illegal: it helps with something against the law",
    "profanity": "Profanity: swearing, or sexual content nobody asked for",
    "bias": "Bias: it judges people by the group they belong to",
}

# How much better the right response, B, is; there is no middle.
STRENGTHS: dict[int, str] = {
    -3: "A is much better",
    -2: "A is better",
    -1: "A is slightly better",
    1: "B is slightly better",
    2: "B is better",
    3: "B is much better",
}
NEITHER = "neither"

FLAGS: dict[str, str] = {
    "pii": "It holds someone's personal details (name, address, e-mail, phone, identity number). Playing a famous "
    "or invented person is fine.",
    "not_english": "Much of it is not in English. A few foreign words are fine.",
    "needs_code": "It needs real programming. Questions about ideas of computing, or simple JSON, are fine.",
    "about_assistant": "It asks the assistant about itself: who it is, its licence, its use, what it can do.",
}

SKIP_REASONS: dict[str, str] = {
    "not my subject": "I do not know enough about its subject",
    "upsetting": "I would rather not read this",
    "not readable": "It does not show properly, or is cut off",
    "other": "Something else",
}


@cache
def default_guideline() -> str:
    """Return the guideline that a new project starts with, as Markdown."""
    return (files("steersman.web") / "guideline.md").read_text(encoding="utf-8")
