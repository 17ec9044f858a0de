"""Camera encodings by iterative refinement of one token per frame."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import CameraHeadConfig
from .layers import Block, Mlp


class CameraHead(nn.Module):
    """Camera tokens [B, S, dim] -> encodings after each iteration, float32 [iterations, B, S, 9].

    An encoding is translation (3), quaternion x y z w (4), vertical and horizontal field of view in radians.
    """

    def __init__(self, config: CameraHeadConfig) -> None:
        super().__init__()
        dim = config.dim_in
        self.num_iterations = config.num_iterations
        self.empty_pose_tokens = nn.Parameter(torch.zeros(1, 1, 9))
        self.trunk = nn.ModuleList(
            Block(dim, config.num_heads, config.mlp_ratio, eps=1e-5, qk_norm=False, gamma=0.01)
            for _ in range(config.trunk_depth)
        )
        self.token_norm = nn.LayerNorm(dim, eps=1e-5)
        self.trunk_norm = nn.LayerNorm(dim, eps=1e-5)
        self.embed_pose = nn.Linear(9, dim)
        self.poseLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(dim, 3 * dim))
        self.pose_branch = Mlp(dim, dim // 2, 9)

    def forward(self, tokens: Tensor) -> Tensor:
        b, s, dim = tokens.shape
        dtype = self.token_norm.weight.dtype
        tokens = self.token_norm(tokens.to(dtype))
        normed = F.layer_norm(tokens, [dim], None, None, 1e-6)

        encoding = torch.zeros(b, s, 9, dtype=torch.float32, device=tokens.device)
        fed_back = self.empty_pose_tokens.expand(b, s, -1)
        encodings: list[Tensor] = []
        for _ in range(self.num_iterations):
            shift, scale, gate = self.poseLN_modulation(self.embed_pose(fed_back)).chunk(3, dim=-1)
            x = tokens + gate * (normed * (1 + scale) + shift)
            for block in self.trunk:
                x = block(x, None)
            encoding = encoding + self.pose_branch(self.trunk_norm(x)).to(torch.float32)
            # The raw encoding goes round; the activated one would lose a negative field of view.
            fed_back = encoding.to(dtype)
            encodings.append(torch.cat([encoding[..., :7], F.relu(encoding[..., 7:])], dim=-1))
        return torch.stack(encodings)
