"""Matrix products on a processor, with weights that lie as oneDNN reads them.

torch multiplies float32 by a library that is slow where few rows meet large weights, which is what every step of an
answer does: on two cores 2 to 12 times slower than this with 1 to 8 rows, a third slower with 128. In bfloat16 torch
uses oneDNN by itself, but lays the weights out for every product. And here a row of the product is the same to the bit
however many rows there are, which is what `exactness` rests on."""

import logging
from typing import Any

import torch
from torch import nn
from torch.nn.functional import linear

log = logging.getLogger(__name__)
# For how many rows the layout is asked for: it is the same one from two on. For one it would be another.
_ROWS = 32
# How far a product may be from torch's own, for each unit of what its terms add up to without their signs.
_FAR = {torch.float32: 1e-5, torch.bfloat16: 0.02}


class PackedLinear(nn.Linear):
    """A linear layer whose weight only `product` can read."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - torch's name for it
        """`[…, in_features]` to `[…, out_features]`."""
        return product(input, self.weight, self.bias)


def pack(model: Any) -> int:
    """Lay out the weights of a model's linear layers, where this processor and their number format allow it; each is
    compared with torch's own product first. Returns how many layers that are. An embedding that shares its weights with
    such a layer keeps its own."""
    done = 0
    for name, module in model.named_modules():
        # Layers of other classes read their weights themselves.
        if type(module) is not nn.Linear or not _can(module.weight):
            continue
        weight = packed(module.weight.detach())
        if not _is_right(module, weight):
            log.warning("oneDNN's product of the layer %s is not torch's; it is left as it is", name)
            continue
        module.weight = nn.Parameter(weight, requires_grad=False)
        module.__class__ = PackedLinear
        done += 1
    return done


def packed(weight: torch.Tensor) -> torch.Tensor:
    """`[out, in]`, laid out for `product`; as it is where that cannot be."""
    made: torch.Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, _ROWS) if _can(weight) else weight
    return made


def product(given: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """As torch's `linear`: `[…, in]` by `[out, in]` is `[…, out]`, for a weight that is packed or not."""
    if not weight.is_mkldnn:
        return linear(given, weight, bias)
    rows = given.reshape(-1, given.shape[-1])
    # A single row would be added up in another order.
    rows = rows.repeat(2, 1) if len(rows) == 1 else rows
    made: torch.Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
    return made[: given.shape[:-1].numel()].view(*given.shape[:-1], -1)


def _can(weight: torch.Tensor) -> bool:
    if weight.device.type != "cpu" or weight.dtype not in _FAR:
        return False
    built = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call] # torch leaves it untyped
    half = weight.dtype == torch.bfloat16
    return bool(built and (not half or torch.ops.mkldnn._is_mkldnn_bf16_supported()))


@torch.inference_mode()
def _is_right(module: nn.Linear, weight: torch.Tensor) -> bool:
    """Whether the product of three rows by the packed weight is what torch makes of them."""
    size = module.in_features
    rows = ((torch.arange(3 * size) * 7919 % 251 - 125) / 125).view(3, size).to(weight.dtype)
    wanted, made = linear(rows, module.weight, module.bias), product(rows, weight, module.bias)
    terms = linear(rows.abs(), module.weight.abs(), None if module.bias is None else module.bias.abs())
    return bool(((made - wanted).abs() <= _FAR[weight.dtype] * terms).all())
