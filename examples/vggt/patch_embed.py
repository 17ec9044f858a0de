"""The per-image ViT with register tokens that makes patch tokens."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import VGGTConfig
from .layers import Block


class PatchConv(nn.Module):
    """[n, 3, H, W] -> [n, patches, dim], patches row by row."""

    def __init__(self, patch_size: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, patch_size, stride=patch_size)

    def forward(self, images: Tensor) -> Tensor:
        return self.proj(images).flatten(2).transpose(1, 2)


class PatchEmbed(nn.Module):
    """Normalised images [n, 3, H, W] -> patch tokens [n, patches, dim], each image alone."""

    def __init__(self, config: VGGTConfig) -> None:
        super().__init__()
        c, dim = config.patch_embed, config.embed_dim
        self.patch_size = config.patch_size
        self.grid = config.img_size // config.patch_size
        self.specials = 1 + c.num_register_tokens
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.grid * self.grid, dim))
        self.register_tokens = nn.Parameter(torch.zeros(1, c.num_register_tokens, dim))
        # Never read: the checkpoint has it, and loading is strict.
        self.mask_token = nn.Parameter(torch.zeros(1, dim))
        self.patch_embed = PatchConv(config.patch_size, dim)
        self.blocks = nn.ModuleList(
            Block(dim, c.num_heads, c.mlp_ratio, eps=1e-6, qk_norm=False, gamma=1.0) for _ in range(c.depth)
        )
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def position_table(self, rows: int, cols: int) -> Tensor:
        """The class entry and a rows x cols grid resampled from the stored one, [1, 1 + rows * cols, dim]."""
        if rows == self.grid and cols == self.grid:
            return self.pos_embed
        table = self.pos_embed.to(torch.float32)
        grid = table[:, 1:].reshape(1, self.grid, self.grid, table.size(2)).permute(0, 3, 1, 2)
        # antialias also when enlarging: it selects another cubic (a = -0.5), the one the weights were trained with.
        grid = F.interpolate(grid, size=[rows, cols], mode="bicubic", align_corners=False, antialias=True)
        return torch.cat([table[:, :1], grid.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)

    def forward(self, images: Tensor) -> Tensor:
        n = images.size(0)
        dtype = self.norm.weight.dtype
        x = self.patch_embed(images.to(dtype)).to(torch.float32)
        x = torch.cat([self.cls_token.expand(n, -1, -1), x], dim=1)
        x = x + self.position_table(images.size(2) // self.patch_size, images.size(3) // self.patch_size)
        x = torch.cat([x[:, :1], self.register_tokens.expand(n, -1, -1), x[:, 1:]], dim=1)
        for block in self.blocks:
            x = block(x, None)
        return self.norm(x[:, self.specials :].to(dtype))
