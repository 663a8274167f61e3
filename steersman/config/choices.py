"""Faults of a value that may be one of several things, as one fault under its key."""

import re
from collections.abc import Sequence

from pydantic_core import ErrorDetails


def one_fault_each(faults: Sequence[ErrorDetails], *, choice: re.Pattern[str]) -> list[ErrorDetails]:
    """Return `faults` with those of one value as one, in order.

    pydantic names each thing that a value could be in the place of its fault, which matches `choice`, and says of all
    of them what is wrong.
    """
    merged: dict[tuple[int | str, ...], ErrorDetails] = {}
    for fault in faults:
        place = tuple(part for part in fault["loc"] if not choice.fullmatch(str(part)))
        before = merged.get(place)
        words = fault["msg"] if before is None else f"{before['msg']}, or: {fault['msg']}"
        merged[place] = {**fault, "loc": place, "msg": words}
    # what is wrong inside of a value says more than that it is no other thing
    inner = {place[:length] for place in merged for length in range(len(place))}
    return [fault for place, fault in merged.items() if place not in inner or not place]
