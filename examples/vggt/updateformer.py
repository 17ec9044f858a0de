"""The tracker's transformer: attention over time and, through virtual tracks, over the points of a frame."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import TrackHeadConfig
from .layers import Mlp


class PackedAttention(nn.Module):
    """Attention with the parameter names of nn.MultiheadAttention; the context may differ from x.

    x [n, t, dim], context [n, u, dim] -> [n, t, dim].
    """

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dim))
        self.out_proj = nn.Linear(dim, dim)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(x.size(0), x.size(1), self.num_heads, -1).transpose(1, 2)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        n, t, dim = x.shape
        q = F.linear(x, self.in_proj_weight[:dim], self.in_proj_bias[:dim])
        k, v = F.linear(context, self.in_proj_weight[dim:], self.in_proj_bias[dim:]).chunk(2, dim=-1)
        y = F.scaled_dot_product_attention(self._split(q), self._split(k), self._split(v))
        return self.out_proj(y.transpose(1, 2).reshape(n, t, dim))


class SelfBlock(nn.Module):
    """[n, t, dim] -> [n, t, dim]. The residual starts from the normalised input."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-5)
        self.norm2 = nn.LayerNorm(dim, eps=1e-5)
        self.attn = PackedAttention(dim, num_heads)
        self.mlp = Mlp(dim, 4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(x)
        x = x + self.attn(x, x)
        return x + self.mlp(self.norm2(x))


class CrossBlock(nn.Module):
    """x [n, t, dim] attends to context [n, u, dim]. The residual starts from the normalised input."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-5)
        self.norm_context = nn.LayerNorm(dim, eps=1e-5)
        self.norm2 = nn.LayerNorm(dim, eps=1e-5)
        self.cross_attn = PackedAttention(dim, num_heads)
        self.mlp = Mlp(dim, 4 * dim, dim)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        x = self.norm1(x)
        x = x + self.cross_attn(x, self.norm_context(context))
        return x + self.mlp(self.norm2(x))


class UpdateFormer(nn.Module):
    """Point states [B, N, S, dim_in] -> updates [B, N, S, dim_out]."""

    def __init__(self, config: TrackHeadConfig, dim_in: int, dim_out: int) -> None:
        super().__init__()
        dim, heads, depth = config.hidden_size, config.num_heads, config.depth
        # Spelled as in the checkpoint.
        self.virual_tracks = nn.Parameter(torch.zeros(1, config.num_virtual_tracks, 1, dim))
        self.input_norm = nn.LayerNorm(dim_in, eps=1e-5)
        self.input_transform = nn.Linear(dim_in, dim)
        self.output_norm = nn.LayerNorm(dim, eps=1e-5)
        self.flow_head = nn.Linear(dim, dim_out)
        self.time_blocks = nn.ModuleList(SelfBlock(dim, heads) for _ in range(depth))
        self.space_virtual_blocks = nn.ModuleList(SelfBlock(dim, heads) for _ in range(depth))
        self.space_point2virtual_blocks = nn.ModuleList(CrossBlock(dim, heads) for _ in range(depth))
        self.space_virtual2point_blocks = nn.ModuleList(CrossBlock(dim, heads) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        b, n, s, _ = x.shape
        init = self.input_transform(self.input_norm(x))
        dim = init.size(3)
        x = torch.cat([init, self.virual_tracks.expand(b, -1, s, -1)], dim=1)
        tracks = x.size(1)
        for time, virtual_self, to_points, to_virtual in zip(
            self.time_blocks,
            self.space_virtual_blocks,
            self.space_point2virtual_blocks,
            self.space_virtual2point_blocks,
        ):
            x = time(x.reshape(b * tracks, s, dim)).reshape(b, tracks, s, dim)
            by_frame = x.transpose(1, 2).reshape(b * s, tracks, dim)
            points, virtual = by_frame[:, :n], by_frame[:, n:]
            virtual = virtual_self(to_virtual(virtual, points))
            points = to_points(points, virtual)
            x = torch.cat([points, virtual], dim=1).reshape(b, s, tracks, dim).transpose(1, 2)
        return self.flow_head(self.output_norm(x[:, :n] + init))
