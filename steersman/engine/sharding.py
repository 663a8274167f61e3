"""Split a model's weights over processes (FSDP2), and put it together again in the first one.

Each decoder layer and the module around them is a unit: its weights are gathered for its forward and its backward pass
and let go again, and its gradients are summed, not averaged, because the loss is already divided by the whole batch.
"""

import copy
from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from steersman.config.engine import Strategy
from steersman.engine.processes import is_first, num_processes
from steersman.modeling.precision import default_device

M = TypeVar("M", bound=nn.Module)
N = TypeVar("N", bound=nn.Module)


def laid_out(model: M, *, layers: Iterable[nn.Module], within: N, strategy: Strategy) -> Callable[[], tuple[M, N]]:
    """Lay `model` over the processes in place, and return the function that gives it back whole after training.

    A model that is split moves to the device meanwhile, one layer at a time, so it may be larger than the device is.
    `layers` are the decoder layers of `model`, and `within` is a module that holds weights of it too, such as the one
    that merges adapters. That function must be called by every process; what it returns counts in the first one only,
    where a model that was split is on the CPU. With one process, or whole copies in each, nothing is moved.
    """
    if strategy == "ddp" or num_processes() == 1:
        return lambda: (model, within)
    whole = _without_weights((model, within))
    mesh = init_device_mesh(default_device().type, (num_processes(),))
    for layer in layers:
        fully_shard(layer, mesh=mesh)
    # the outermost unit, too, lets go after a forward pass: the optimiser and checkpoints look at what is split
    fully_shard(model, mesh=mesh, reshard_after_forward=True)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            # gloo knows plain sums only
            module.set_force_sum_reduction_for_comms(True)
    # autocast remembers its casts of trained weights: of all layers, when a process is to hold one layer at a time
    torch.set_autocast_cache_enabled(False)
    return lambda: _gathered(model, whole)


def _without_weights(modules: tuple[M, N]) -> tuple[M, N]:
    """Return a copy of `modules` with the same buffers, and with parameters that have a shape and no values."""
    known: dict[int, object] = {}
    for module in modules:
        for parameter in module.parameters():
            known[id(parameter)] = nn.Parameter(parameter.detach().to("meta"), requires_grad=parameter.requires_grad)
        known |= {id(buffer): buffer for buffer in module.buffers()}
    return copy.deepcopy(modules, known)


def _gathered(model: nn.Module, whole: tuple[M, N]) -> tuple[M, N]:
    """Fill `whole` with the values of `model`, one parameter at a time, in the first process."""
    empty = dict(whole[0].named_parameters())
    for name, parameter in model.named_parameters():
        value = whole_value(parameter)
        if is_first():
            # in place, so that tied weights stay tied and every module that holds this one sees it
            filled = nn.Parameter(value.cpu(), requires_grad=empty[name].requires_grad)
            torch.utils.swap_tensors(empty[name], filled)
    return whole


def whole_value(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor without its gradient, gathered where it is split; then every process must call it."""
    tensor = tensor.detach()
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def assign(parameter: torch.Tensor, value: torch.Tensor) -> None:
    """Give `parameter` the values of `value`, which every process has whole, also where the parameter is split."""
    with torch.no_grad():
        if isinstance(parameter, DTensor):
            value = distribute_tensor(
                value.to(parameter.device), parameter.device_mesh, parameter.placements, src_data_rank=None
            )
        parameter.copy_(value)


def is_split(parameter: torch.Tensor) -> bool:
    """Return whether a weight is split over processes, so that every pass through its model needs them all."""
    return isinstance(parameter, DTensor)
