"""One modelled annotator at a time: what a member of the crowd says of a task that it is shown.

The crowd and its scores are those of `crowd` (docs/crowd.md). A task is judged by itself, so how rare a word is is
counted on its two responses only.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from steersman.annotation.crowd import Crowd, crowd_scores, draw_crowd
from steersman.annotation.latent import latent_scores
from steersman.config.sections import CrowdSettings
from steersman.records import ATTRIBUTES

FloatArray = npt.NDArray[np.float64]

_HELPFULNESS = ATTRIBUTES.index("helpfulness")
_MAX_STRENGTH = 3


@dataclass(frozen=True, slots=True)
class Opinion:
    """The scores of the two responses in the order of ATTRIBUTES, and how much better the second one is, -3 to 3."""

    scores: tuple[tuple[int, ...], tuple[int, ...]]
    strength: int


class ModelledAnnotator:
    """A member of a crowd; the same opinions in the same order for the same tasks and seed. Not for several threads."""

    def __init__(self, crowd: CrowdSettings, *, number: int, seed: int) -> None:
        """Be member `number`, from 0, of the crowd that follows from `seed`."""
        self._settings, self._number = crowd, number
        self._people: Crowd = draw_crowd(crowd, rng=np.random.default_rng([seed, 0]))
        self._rng = np.random.default_rng([seed, 1, number])

    def rate(self, prompt: str, responses: tuple[str, str]) -> Opinion:
        """Return what this annotator says of two responses to a prompt in HelpSteer2's text form."""
        latent = latent_of(prompt, responses)
        is_unread = self._rng.random((1, 2, 1)) < self._settings.careless_share
        given = crowd_scores(
            latent,
            np.array([[self._number]], dtype=np.int64),
            people=self._people,
            is_unread=is_unread,
            noise_sd=self._settings.noise_sd,
            rng=self._rng,
        )[0, :, 0]
        first, second = (tuple(int(score) for score in of_one) for of_one in given)
        return Opinion((first, second), self._strength(first, second))

    def _strength(self, first: tuple[int, ...], second: tuple[int, ...]) -> int:
        difference = second[_HELPFULNESS] - first[_HELPFULNESS]
        if difference == 0:
            return 1 if self._rng.random() < 0.5 else -1
        return max(-_MAX_STRENGTH, min(_MAX_STRENGTH, difference))


def latent_of(prompt: str, responses: tuple[str, str]) -> FloatArray:
    """Return the latent values of the two responses of one task, shape (1, 2, 1, A)."""
    tasks = pl.DataFrame({"prompt": [prompt] * 2, "response": [*responses], "is_finished": [True] * 2})
    return latent_scores(tasks).reshape(1, 2, 1, len(ATTRIBUTES))
