"""Small scripted models for the tests of the loader."""

from typing import Dict, List, Tuple

import torch
from torch import Tensor, nn


class Mlp(nn.Module):
    def __init__(self, width: int = 64, depth: int = 4) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = torch.relu(block(x))
        return x


class Nested(nn.Module):
    """Two arguments in, a nest of tensors out."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Mlp(32, 4)

    def forward(self, x: Tensor, more: List[Tensor]) -> Tuple[Tensor, Dict[str, Tensor]]:
        y = self.trunk(x + more[0])
        return y, {"double": 2 * y, "sum": y.sum()}


class Pictures(nn.Module):
    """Takes [B, S, 3, H, W], as VGGT does."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 32, 14, 14)
        self.attention = Mlp(32, 3)
        self.head = nn.Linear(32, 8)

    def forward(self, images: Tensor) -> Dict[str, Tensor]:
        b, s, c, h, w = images.shape
        x = self.embed(images.reshape(b * s, c, h, w)).flatten(2).transpose(1, 2)
        y = self.head(self.attention(x))
        return {"pose": y.mean(1), "depth": y}


def save(module: nn.Module, path, seed: int = 0, **extra: str) -> str:
    torch.manual_seed(seed)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.2)
    torch.jit.save(torch.jit.script(module), str(path), _extra_files=extra)
    return str(path)
