"""What the HelpSteer2 paper reports of its data (arXiv:2406.08673, tables 1 and 2), to stand beside our own figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

PublishedStage = Literal["initial", "after_improvements", "post_processing"]

# Quadratic kappa. "After improvements" holds clearer guidelines, removal of untrusted annotators and the selection of
# three ratings; "post-processing" also the removal of tasks that still disagree. How ratings were paired, and on what
# the three were selected, is not said.
KAPPA: Mapping[str, Mapping[PublishedStage, float]] = {
    "helpfulness": {"initial": 0.465, "after_improvements": 0.706, "post_processing": 0.791},
    "correctness": {"initial": 0.472, "after_improvements": 0.715, "post_processing": 0.793},
    "coherence": {"initial": 0.169, "after_improvements": 0.387, "post_processing": 0.428},
    "complexity": {"initial": 0.293, "after_improvements": 0.416, "post_processing": 0.427},
    "verbosity": {"initial": 0.342, "after_improvements": 0.536, "post_processing": 0.548},
}
# Our stages and the published ones that come nearest to them.
NEAREST_STAGE: Mapping[str, PublishedStage] = {
    "first_three": "initial",
    "selected": "after_improvements",
    "final": "post_processing",
}
RATINGS_PER_RESPONSE = 3.41


@dataclass(frozen=True, slots=True)
class PublishedColumn:
    """Mean, standard deviation and Pearson correlation with helpfulness of a column of the released examples."""

    mean: float
    std: float
    pearson: float


COLUMNS: Mapping[str, PublishedColumn] = {
    "helpfulness": PublishedColumn(2.8655, 1.2703, 1.0),
    "correctness": PublishedColumn(2.9644, 1.2689, 0.9430),
    "coherence": PublishedColumn(3.6393, 0.6491, 0.4979),
    "complexity": PublishedColumn(1.7048, 0.6986, 0.1805),
    "verbosity": PublishedColumn(1.9999, 0.7571, 0.0600),
    "turns_in_prompt": PublishedColumn(2.8348, 3.8221, -0.0520),
    "characters_in_prompt": PublishedColumn(712.6, 877.8, -0.0774),
    "characters_in_response": PublishedColumn(1492.6, 1065.7, 0.0845),
}
