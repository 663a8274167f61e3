"""Progress bars on stderr."""

from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from steersman.protocols import Advance, Metrics

_LABEL_WIDTH = 24
_TOKEN = "token"


class _BarAdvance:
    """Advances a bar and shows figures at its end."""

    def __init__(self, bar: "tqdm[None]") -> None:
        self._bar = bar

    def __call__(self, amount: int, /) -> None:
        """Advance by `amount`."""
        self._bar.update(amount)

    def note(self, values: Metrics) -> None:
        """Show `values` at the end of the bar from its next drawing on."""
        self._bar.set_postfix_str(", ".join(f"{name} {value:.4g}" for name, value in values.items()), refresh=False)


@contextmanager
def bars(label: str, total: int, unit: str) -> Iterator[Advance]:
    """A `Progress` that draws a bar with its rate, the time left, and what is noted; tokens in thousands."""
    with tqdm(
        total=total,
        unit=unit if unit != _TOKEN else f" {unit}s",
        unit_scale=unit == _TOKEN,
        desc=label.ljust(_LABEL_WIDTH),
        dynamic_ncols=True,
        mininterval=0.5,
    ) as bar:
        yield _BarAdvance(bar)
