"""Progress bars on stderr."""

from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from steersman.protocols import Advance

_LABEL_WIDTH = 24


@contextmanager
def bars(label: str, total: int, unit: str) -> Iterator[Advance]:
    """A `Progress` that draws a bar with rate and time left."""
    with tqdm(total=total, unit=unit, desc=label.ljust(_LABEL_WIDTH), dynamic_ncols=True, mininterval=0.5) as bar:

        def advance(amount: int) -> None:
            bar.update(amount)

        yield advance
