"""Watch one training in this process: when each step ended, and the most memory from the end of the warm-up on."""

import gc
import re
import time
from itertools import pairwise
from pathlib import Path

import torch
from reward_speed_records import Measured, Row, Terms
from torch import nn

from steersman.errors import RunError

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")
# writing 5 there puts the high-water mark of resident memory (VmHWM) back to what is resident now
_RESET_PEAK = "5"


class Watch:
    """Tells seconds and bytes of a training that calls `step_done` after each optimiser step.

    On a CPU bytes are resident memory of the process, on CUDA those that PyTorch allocated.
    """

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._device = torch.device(terms.device)
        self._ends: list[float] = []
        self._losses: list[float] = []
        gc.collect()
        self._before = torch.cuda.memory_allocated(self._device) if self._is_cuda else resident_bytes("VmRSS")

    @property
    def _is_cuda(self) -> bool:
        return self._device.type == "cuda"

    def step_done(self, loss: float) -> None:
        """Note that an optimiser step of that loss is over."""
        if self._is_cuda:
            torch.cuda.synchronize(self._device)
        self._ends.append(time.perf_counter())
        self._losses.append(loss)
        if len(self._ends) == self._terms.warm_up_steps:
            self._reset_peak()

    def measured(self, row: Row, *, model: nn.Module) -> Measured:
        """Return what was seen; raises RunError when there were more or fewer steps than asked for."""
        if len(self._ends) != self._terms.all_steps:
            raise RunError(f"{row.name}: {len(self._ends)} optimiser steps instead of {self._terms.all_steps}")
        measured_ends = self._ends[self._terms.warm_up_steps - 1 :]
        return Measured(
            row=row.name,
            seconds=tuple(end - begin for begin, end in pairwise(measured_ends)),
            losses=tuple(self._losses),
            peak_bytes=torch.cuda.max_memory_allocated(self._device) if self._is_cuda else resident_bytes("VmHWM"),
            before_bytes=self._before,
            weight_bytes=sum(each.numel() * each.element_size() for each in model.parameters()),
        )

    def _reset_peak(self) -> None:
        if self._is_cuda:
            torch.cuda.reset_peak_memory_stats(self._device)
        else:
            _CLEAR_REFS.write_text(_RESET_PEAK, encoding="ascii")


def resident_bytes(name: str) -> int:
    """Return VmRSS, what is resident now, or VmHWM, the most that was."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", _STATUS.read_text(encoding="ascii"), flags=re.MULTILINE)
    if found is None:
        raise RunError(f"{_STATUS} does not tell {name}; memory is measured on Linux only")
    return int(found[1]) * 1024
