"""What the bar of a training is told: tokens after every step, and the loss of the last one."""

from collections.abc import Mapping

import pytest
from constant_model import LABELS, Constant, schedule, squared_errors

from steersman.engine.fit import fit
from steersman.engine.objective import Reports


class Bar:
    """A bar with room for notes, which keeps all that it is told."""

    def __init__(self) -> None:
        self.amounts: list[int] = []
        self.notes: list[dict[str, float]] = []

    def __call__(self, amount: int, /) -> None:
        self.amounts.append(amount)

    def note(self, values: Mapping[str, float]) -> None:
        self.notes.append(dict(values))


def test_the_bar_counts_the_tokens_of_every_step_and_shows_its_loss() -> None:
    """Two epochs of three groups of 10 tokens, two groups a step: 20, 10, 20, 10."""
    bar, model = Bar(), Constant()
    plan = schedule(epochs=2, batch_pairs=2)
    fit(model, squared_errors(model, LABELS), schedule=plan, reports=Reports(lambda _: None, bar))
    assert bar.amounts == [20, 10, 20, 10]
    assert [list(each) for each in bar.notes] == [["loss"]] * 4


def test_the_loss_that_is_shown_is_that_of_the_step() -> None:
    """The weight is 0, and the labels of the one group 2 and 4: a mean square of 10."""
    bar, model = Bar(), Constant()
    plan = schedule(batch_pairs=1)
    fit(model, squared_errors(model, [[2.0, 4.0]]), schedule=plan, reports=Reports(lambda _: None, bar))
    assert bar.notes == [{"loss": pytest.approx(10.0)}]
