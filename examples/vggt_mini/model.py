"""The mini VGGT, its initial weights, and the heads that exist only during training."""

import math
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from examples.vggt.config import VGGTConfig
from examples.vggt.layers import patch_positions, rope_table
from examples.vggt.model import VGGT

CONFIG = Path(__file__).with_name("vggt_mini.json")
# Per patch GRID x GRID depths and points from one linear layer stand in for the dense heads.
GRID = 2
_POSE_BIAS = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.25, 0.25, 0.28)


def _sincos(channels: int, grid: int) -> Tensor:
    """[1, grid * grid, channels]: sines and cosines of x and y, a quarter turn to ten turns across the image."""
    where = torch.arange(grid) / grid
    y, x = torch.meshgrid(where, where, indexing="ij")
    count = channels // 4
    angles = torch.pow(20.0, torch.arange(count) / count) * math.pi / 4
    parts = [wave(axis.unsqueeze(-1) * angles) for axis in (x, y) for wave in (torch.sin, torch.cos)]
    return torch.cat(parts, -1).reshape(1, grid * grid, channels)


def initialize(model: VGGT) -> None:
    """From nothing: LayerScale 1 (VGGT's 0.01 suits blocks added to a trained ViT), positions as sines and cosines,
    the pose head near no motion."""
    aggregator, camera = model.aggregator, model.camera_head
    patch_embed = aggregator.patch_embed
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("gamma"):
                parameter.fill_(1.0)
        for token in (aggregator.camera_token, aggregator.register_token, patch_embed.cls_token,
                      patch_embed.register_tokens):  # fmt: skip
            token.normal_(0, 0.3)
        patch_embed.pos_embed[:, 1:] = 0.5 * _sincos(patch_embed.pos_embed.size(2), patch_embed.grid)
        branch = camera.pose_branch.fc2
        branch.weight.mul_(0.1)
        branch.bias.copy_(torch.tensor(_POSE_BIAS))


class Trainee(nn.Module):
    """VGGT with the auxiliary heads: per patch GRID x GRID depths and points, and the pose voted by each patch."""

    def __init__(self) -> None:
        super().__init__()
        config = VGGTConfig.from_file(CONFIG)
        dim = 2 * config.embed_dim
        self.vggt = VGGT(config)
        self.norm = nn.LayerNorm(dim)
        self.coarse = nn.Linear(dim, 4 * GRID * GRID)
        self.vote = nn.Linear(dim, 9)
        self.attention: dict[tuple[int, str], Tensor] = {}
        # The first pair has nothing to match by yet, the last one's work is for the heads.
        self.matched = list(range(1, config.aggregator.depth - 1))
        for pair in self.matched:
            attention = self.vggt.aggregator.global_blocks[pair].attn
            for name in ("q", "k"):
                norm = getattr(attention, f"{name}_norm")
                norm.register_forward_hook(lambda _, __, out, key=(pair, name): self.attention.update({key: out}))

    def trunk(self, images: Tensor) -> list[Tensor]:
        return self.vggt.aggregator(images)

    def pose(self, pairs: list[Tensor]) -> Tensor:
        return self.vggt.camera_head(pairs[-1][:, :, 0])

    def patches(self, pairs: list[Tensor], rows: int, cols: int) -> tuple[Tensor, Tensor]:
        """Log depth and points [B, S, GRID * rows, GRID * cols, 1 + 3], and pose votes [B, S, P, 9]."""
        x = self.norm(pairs[-1][:, :, self.vggt.aggregator.specials :])
        maps = self.coarse(x).unflatten(-1, (GRID, GRID, 4)).unflatten(2, (rows, cols))
        maps = maps.permute(0, 1, 2, 4, 3, 5, 6).flatten(2, 3).flatten(3, 4)
        return maps, self.vote(x)

    def dense(self, pairs: list[Tensor], rows: int, cols: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """depth, its confidence, points, their confidence, as VGGT's forward returns them."""
        return *self.vggt.depth_head(pairs, rows, cols), *self.vggt.point_head(pairs, rows, cols)

    def rope(self, rows: int, cols: int, views: int, device: torch.device) -> Tensor:
        aggregator = self.vggt.aggregator
        positions = patch_positions(rows, cols, aggregator.specials, device)
        return rope_table(positions, aggregator.head_dim, aggregator.rope_base).repeat(1, views, 1)


def load_weights(model: VGGT, path: Path, config: Path = CONFIG) -> None:
    """The file's tensors as float32; config: the model's sizes. Raises ValueError or OSError with the file."""
    try:
        model.load_state_dict({key: value.float() for key, value in load_file(path).items()})
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(f"{path}: expected weights of {config.name} as safetensors: {error}") from None


def build() -> Trainee:
    """With initial weights from torch's global generator."""
    trainee = Trainee()
    initialize(trainee.vggt)
    return trainee
