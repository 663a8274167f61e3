"""What annotators are told: the five scales, the flags, and the version of this text.

Raise GUIDELINE_VERSION whenever a word changes that could change a rating; it is kept with every rating.
(Scales and flags follow the HelpSteer2 paper, appendix G, in our own words.)
"""

from dataclasses import dataclass

GUIDELINE_VERSION = "1"


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

CONFIDENCE_LEVELS: tuple[str, str, str] = ("not sure", "somewhat sure", "very sure")

FLAGS: dict[str, str] = {
    "pii": "It holds someone's personal details (name, address, e-mail, phone, identity number). Playing a famous "
    "or invented person is fine.",
    "not_english": "Much of it is not in English. A few foreign words are fine.",
    "needs_code": "It needs real programming. Questions about ideas of computing, or simple JSON, are fine.",
    "about_assistant": "It asks the assistant about itself: who it is, its licence, its use, what it can do.",
}
