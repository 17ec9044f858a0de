"""Patch tokens plus camera and register tokens through alternating frame and global attention."""

import torch
from torch import Tensor, nn

from .config import VGGTConfig
from .layers import Block, patch_positions, rope_table
from .patch_embed import PatchEmbed


def normalize(images: Tensor) -> Tensor:
    """(x - mean) / std per RGB channel, images [..., 3, H, W] in [0, 1]."""
    # Scalars, not buffers: a scripted archive would list buffers in its state dict, the checkpoint has none.
    r, g, b = images.unbind(-3)
    return torch.stack([(r - 0.485) / 0.229, (g - 0.456) / 0.224, (b - 0.406) / 0.225], dim=-3)


def spread_over_frames(token: Tensor, batch: int, frames: int) -> Tensor:
    """[1, 2, k, dim] -> [batch * frames, k, dim]: entry 0 for each scene's frame 0, entry 1 for all others."""
    per_frame = torch.cat([token[:, :1], token[:, 1:].expand(-1, frames - 1, -1, -1)], dim=1)
    return per_frame.expand(batch, -1, -1, -1).flatten(0, 1)


class Aggregator(nn.Module):
    """Images [B, S, 3, H, W] -> outputs of the pairs in `kept_pairs`, each [B, S, T, 2 * dim] float32.

    T = 1 + registers + patches. The last axis holds the frame block's output, then the global block's.
    Runs in the dtype of its parameters, with a float32 residual stream.
    """

    def __init__(self, config: VGGTConfig) -> None:
        super().__init__()
        c, dim = config.aggregator, config.embed_dim
        self.patch_size = config.patch_size
        self.specials = 1 + c.num_register_tokens
        self.head_dim = dim // c.num_heads
        self.rope_base = c.rope_freq
        self.kept_pairs = config.kept_pairs()
        self.camera_token = nn.Parameter(torch.zeros(1, 2, 1, dim))
        self.register_token = nn.Parameter(torch.zeros(1, 2, c.num_register_tokens, dim))
        self.patch_embed = PatchEmbed(config)
        self.frame_blocks = self._blocks(config)
        self.global_blocks = self._blocks(config)

    @staticmethod
    def _blocks(config: VGGTConfig) -> nn.ModuleList:
        c = config.aggregator
        return nn.ModuleList(
            Block(config.embed_dim, c.num_heads, c.mlp_ratio, eps=1e-5, qk_norm=True, gamma=0.01)
            for _ in range(c.depth)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        b, s, _, height, width = images.shape
        patches = self.patch_embed(normalize(images).flatten(0, 1))
        camera = spread_over_frames(self.camera_token, b, s)
        registers = spread_over_frames(self.register_token, b, s)
        x = torch.cat([camera, registers, patches], dim=1).to(torch.float32)
        t, dim = x.size(1), x.size(2)

        positions = patch_positions(height // self.patch_size, width // self.patch_size, self.specials, x.device)
        frame_rope = rope_table(positions, self.head_dim, self.rope_base)
        global_rope = frame_rope.repeat(1, s, 1)

        kept: list[Tensor] = []
        for i, (frame_block, global_block) in enumerate(zip(self.frame_blocks, self.global_blocks)):
            frame_out = frame_block(x.reshape(b * s, t, dim), frame_rope)
            x = global_block(frame_out.reshape(b, s * t, dim), global_rope)
            if i in self.kept_pairs:
                kept.append(torch.cat([frame_out.reshape(b, s, t, dim), x.reshape(b, s, t, dim)], dim=-1))
        return kept
