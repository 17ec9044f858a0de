"""Seeded random weights with which every output is finite, moderate and depends on the images."""

import math
import os
import zlib
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor, nn

from .model import VGGT

_BIAS_STD = 0.02
_TOKEN_STD = 0.02
# As strong as a patch's content would drown it; much weaker and the resampled table would not matter.
_POSITION_STD = 0.5
# Depth and confidence are exponentials of the last convolution.
_LOGIT_GAIN = 0.7
# Each of the iterations adds about this much: quaternions near the identity, fields of view near one radian.
_POSE_STEP = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.25, 0.25, 0.25)
_POSE_GAIN = 0.1


def _fan_in(module: nn.Module, weight: Tensor) -> int:
    if isinstance(module, nn.ConvTranspose2d):  # stride = kernel: one tap of every input channel per output
        return weight.size(0)
    return math.prod(weight.shape[1:])


def _mean_and_std(model: VGGT) -> dict[str, tuple[float, float]]:
    """Per parameter key, for all of them."""
    table: dict[str, tuple[float, float]] = {}
    for prefix, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            key = f"{prefix}.{name}"
            if isinstance(module, (nn.LayerNorm, nn.GroupNorm)):
                table[key] = (1.0 if name == "weight" else 0.0, 0.0)
            elif name == "gamma":
                table[key] = (1.0 if key.startswith("aggregator.patch_embed.") else 0.01, 0.0)
            elif name in ("weight", "in_proj_weight"):
                gain = 1.0
                if key.endswith("output_conv2.2.weight"):
                    gain = _LOGIT_GAIN
                elif key.endswith("pose_branch.fc2.weight"):
                    gain = _POSE_GAIN
                table[key] = (0.0, gain / math.sqrt(_fan_in(module, parameter)))
            elif name.endswith("bias"):
                table[key] = (0.0, _BIAS_STD)
            else:
                table[key] = (0.0, _POSITION_STD if name == "pos_embed" else _TOKEN_STD)
    return table


def fill_random(model: VGGT, seed: int) -> None:
    """Overwrites the float32 CPU parameters. A parameter's values depend on seed, key and shape alone."""
    table = _mean_and_std(model)
    parameters = dict(model.named_parameters())

    def fill(key: str) -> None:
        # Mixed into 32 bits: the CPU generator ignores the rest of a seed.
        generator = torch.Generator().manual_seed(zlib.crc32(f"{seed}:{key}".encode()))
        with torch.no_grad():
            parameters[key].normal_(*table[key], generator=generator)

    # normal_ runs on one core; each tensor has a generator of its own, so the order does not matter.
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(fill, table))
    if model.camera_head is not None:
        with torch.no_grad():
            model.camera_head.pose_branch.fc2.bias += torch.tensor(_POSE_STEP)
