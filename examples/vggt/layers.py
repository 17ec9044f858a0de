"""Transformer parts shared by the patch embed, the aggregator and the camera head."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Mlp(nn.Module):
    """Linear, exact GELU, Linear on the last axis: [..., dim] -> [..., out]."""

    def __init__(self, dim: int, hidden: int, out: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, out)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class LayerScale(nn.Module):
    """x * gamma with one factor per channel."""

    def __init__(self, dim: int, value: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((dim,), value))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


def patch_positions(rows: int, cols: int, specials: int, device: torch.device) -> Tensor:
    """(y, x) per token of one frame, int64 [specials + rows * cols, 2].

    Special tokens stand at (0, 0), the patch at row r and column c at (r + 1, c + 1).
    """
    y = torch.arange(1, rows + 1, device=device).unsqueeze(1).expand(rows, cols)
    x = torch.arange(1, cols + 1, device=device).unsqueeze(0).expand(rows, cols)
    patches = torch.stack([y, x], dim=-1).flatten(0, 1)
    return torch.cat([torch.zeros(specials, 2, dtype=torch.int64, device=device), patches], dim=0)


def rope_table(positions: Tensor, head_dim: int, base: float) -> Tensor:
    """cos and sin of the 2D rotary embedding, float32 [2, T, head_dim], for positions [T, 2].

    The first half of the head turns by y, the second by x; in each, entry j and j + head_dim / 4 form a pair
    and share an angle.
    """
    half = head_dim // 2
    exponent = torch.arange(0, half, 2, device=positions.device, dtype=torch.float32) / half
    frequencies = 1.0 / torch.pow(base, exponent)
    angles = positions.unsqueeze(-1).to(torch.float32) * frequencies
    angles = torch.cat([angles, angles], dim=-1).flatten(1)
    return torch.stack([angles.cos(), angles.sin()])


def rotate(x: Tensor, rope: Tensor) -> Tensor:
    """Applies rope_table's rotation to x [..., T, head_dim]; computed in float32, returned in x's dtype."""
    y1, y2, x1, x2 = x.chunk(4, dim=-1)
    turned = torch.cat([-y2, y1, -x2, x1], dim=-1)
    return (x * rope[0] + turned * rope[1]).to(x.dtype)


class Attention(nn.Module):
    """Self attention over [batch, tokens, dim], optionally with LayerNorm and rotation on q and k."""

    def __init__(self, dim: int, num_heads: int, qk_norm: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        head_dim = dim // num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        # Shared by all heads. 1e-5 also where the block's own norms differ.
        self.q_norm = nn.LayerNorm(head_dim, eps=1e-5) if qk_norm else nn.Identity()
        self.k_norm = nn.LayerNorm(head_dim, eps=1e-5) if qk_norm else nn.Identity()
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, rope: Tensor | None) -> Tensor:
        """rope: rope_table's result for these tokens, or None for no rotation."""
        n, t, dim = x.shape
        qkv = self.qkv(x).reshape(n, t, 3, self.num_heads, dim // self.num_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        q, k = self.q_norm(q), self.k_norm(k)
        if rope is not None:
            q, k = rotate(q, rope), rotate(k, rope)
        x = F.scaled_dot_product_attention(q, k, v)
        return self.proj(x.transpose(1, 2).reshape(n, t, dim))


class Block(nn.Module):
    """Pre-norm transformer block with LayerScale on [batch, tokens, dim].

    The residual stream keeps the dtype it arrives with (float32 in the aggregator); norms and branches run in
    the dtype of the block's parameters, so that a bfloat16 block adds to an unrounded stream.
    """

    def __init__(self, dim: int, num_heads: int, mlp_ratio: float, *, eps: float, qk_norm: bool, gamma: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=eps)
        self.attn = Attention(dim, num_heads, qk_norm)
        self.ls1 = LayerScale(dim, gamma)
        self.norm2 = nn.LayerNorm(dim, eps=eps)
        self.mlp = Mlp(dim, int(dim * mlp_ratio), dim)
        self.ls2 = LayerScale(dim, gamma)

    def forward(self, x: Tensor, rope: Tensor | None) -> Tensor:
        dtype = self.norm1.weight.dtype
        x = x + self.ls1(self.attn(self.norm1(x.to(dtype)), rope))
        return x + self.ls2(self.mlp(self.norm2(x.to(dtype))))
