"""Point tracks by iterative refinement over correlation pyramids."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import TrackHeadConfig
from .dense_head import FeatureExtractor
from .layers import Mlp
from .updateformer import UpdateFormer


def sample(maps: Tensor, points: Tensor, padding: str) -> Tensor:
    """maps [n, c, h, w] read bilinearly at points [n, p, k, 2] (x, y in pixels) -> [n, c, p, k].

    padding: what lies outside, "zeros" or "border".
    """
    x = points[..., 0] * (2.0 / max(maps.size(3) - 1, 1)) - 1
    y = points[..., 1] * (2.0 / max(maps.size(2) - 1, 1)) - 1
    grid = torch.stack([x, y], dim=-1)
    return F.grid_sample(maps, grid, mode="bilinear", padding_mode=padding, align_corners=True)


def position_embedding(where: Tensor, size: int, count: int) -> Tensor:
    """One axis of the 2D sin-cos embedding: [...] in pixels -> [..., 2 * count], sines then cosines.

    Defined at the pixels 0..size-1, linear between them, constant outside.
    """
    k = torch.arange(count, dtype=torch.float64, device=where.device)
    pixels = torch.arange(size, dtype=torch.float64, device=where.device)
    angles = pixels.unsqueeze(1) * torch.pow(10000.0, -k / count)
    table = torch.cat([angles.sin(), angles.cos()], dim=1).to(torch.float32)
    where = where.clamp(0, size - 1)
    low = where.floor()
    weight = (where - low).unsqueeze(-1)
    low_index = low.to(torch.int64)
    return table[low_index] * (1 - weight) + table[(low_index + 1).clamp(max=size - 1)] * weight


def motion_embedding(motion: Tensor, channels: int, max_scale: float) -> Tensor:
    """motion [..., 2] -> [..., 2 * channels + 4]; per axis sines at even and cosines at odd places."""
    factors = torch.arange(0, channels, 2, dtype=torch.float32, device=motion.device) * (1000.0 / channels)
    angles = motion.unsqueeze(-1) * factors
    waves = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-3)
    scaled = motion / max_scale
    return torch.cat([waves, scaled, scaled], dim=-1)


class Tracker(nn.Module):
    """Feature maps [B, S, L, h, w] and queries [B, N, 2] on frame 0 -> tracks, visibility, confidence.

    Coordinates inside are (x, y) in feature-map pixels; tracks come out in image pixels,
    [iterations, B, S, N, 2]. Visibility and confidence are probabilities [B, S, N].
    """

    def __init__(self, config: TrackHeadConfig) -> None:
        super().__init__()
        features = config.features
        self.iters, self.stride = config.iters, config.stride
        self.levels, self.radius = config.corr_levels, config.corr_radius
        self.features, self.max_scale = features, config.max_scale
        dim = 3 * features + 4
        self.query_ref_token = nn.Parameter(torch.zeros(1, 2, dim))
        window = (2 * config.corr_radius + 1) ** 2
        self.corr_mlp = Mlp(config.corr_levels * window, config.hidden_size, features)
        self.updateformer = UpdateFormer(config, dim, features + 2)
        self.fmap_norm = nn.LayerNorm(features, eps=1e-5)
        self.ffeat_norm = nn.GroupNorm(1, features, eps=1e-5)
        self.ffeat_updater = nn.Sequential(nn.Linear(features, features), nn.GELU())
        self.vis_predictor = nn.Sequential(nn.Linear(features, 1))
        self.conf_predictor = nn.Sequential(nn.Linear(features, 1))

    def correlate(self, pyramid: list[Tensor], features: Tensor, coords: Tensor) -> Tensor:
        """Track features against a window of map features per level, [B * N, S, levels * window]."""
        b, n, s, _ = features.shape
        reach = torch.arange(-self.radius, self.radius + 1, dtype=torch.float32, device=coords.device)
        side = reach.size(0)
        # The first axis of the window moves x.
        dx = reach.unsqueeze(1).expand(side, side)
        window = torch.stack([dx, dx.transpose(0, 1)], dim=-1).flatten(0, 1)
        by_frame = coords.transpose(1, 2).reshape(b * s, n, 1, 2)
        by_frame_features = features.transpose(1, 2).reshape(b * s, n, features.size(3))
        levels: list[Tensor] = []
        for level, maps in enumerate(pyramid):
            # Sampling is linear, so it may come before the product: 81 products per point instead of h * w.
            near = sample(maps, by_frame / 2**level + window, "zeros")
            levels.append(torch.einsum("fcnk,fnc->fnk", near, by_frame_features) / math.sqrt(self.features))
        correlations = torch.cat(levels, dim=-1).reshape(b, s, n, -1)
        return correlations.transpose(1, 2).reshape(b * n, s, -1)

    def forward(self, maps: Tensor, queries: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        b, s, c, h, w = maps.shape
        n = queries.size(1)
        dtype = self.fmap_norm.weight.dtype
        maps = self.fmap_norm(maps.to(dtype).permute(0, 1, 3, 4, 2)).permute(0, 1, 4, 2, 3)
        maps = maps.to(torch.float32).flatten(0, 1)
        pyramid = [maps]
        for _ in range(self.levels - 1):
            pyramid.append(F.avg_pool2d(pyramid[-1], 2, stride=2))

        start = queries / self.stride
        coords = start.unsqueeze(2).expand(b, n, s, 2)
        first_maps = maps.reshape(b, s, c, h, w)[:, 0]
        features = sample(first_maps, start.unsqueeze(2), "border").permute(0, 2, 3, 1).expand(b, n, s, c)
        quarter = self.query_ref_token.size(2) // 4
        position = torch.cat(
            [position_embedding(start[..., 0], w, quarter), position_embedding(start[..., 1], h, quarter)], dim=-1
        )
        reference = torch.cat([self.query_ref_token[:, :1], self.query_ref_token[:, 1:].expand(-1, s - 1, -1)], dim=1)

        predictions: list[Tensor] = []
        for _ in range(self.iters):
            correlations = self.corr_mlp(self.correlate(pyramid, features, coords).to(dtype)).reshape(b, n, s, c)
            motion = motion_embedding(coords - coords[:, :, :1], c // 2, self.max_scale)
            x = torch.cat([motion, correlations, features], dim=-1)
            x = x + position.unsqueeze(2) + reference.unsqueeze(1)
            update = self.updateformer(x.to(dtype)).to(torch.float32)
            feature_step = self.ffeat_norm(update[..., 2:].reshape(b * n * s, c).to(dtype))
            features = features + self.ffeat_updater(feature_step).to(torch.float32).reshape(b, n, s, c)
            coords = coords + update[..., :2]
            coords = torch.cat([start.unsqueeze(2), coords[:, :, 1:]], dim=2)
            predictions.append(coords.transpose(1, 2) * self.stride)

        features = features.transpose(1, 2).to(dtype)
        visibility = self.vis_predictor(features).squeeze(-1).to(torch.float32).sigmoid()
        confidence = self.conf_predictor(features).squeeze(-1).to(torch.float32).sigmoid()
        return torch.stack(predictions), visibility, confidence


class TrackHead(nn.Module):
    """Kept pairs of the aggregator and query points [B, N, 2] in image pixels -> as Tracker."""

    def __init__(self, config: TrackHeadConfig, kept_pairs: list[int], specials: int, patch_size: int) -> None:
        super().__init__()
        self.feature_extractor = FeatureExtractor(config, kept_pairs, specials, patch_size)
        self.tracker = Tracker(config)
        # The smallest feature map that the pyramid can halve often enough, in image pixels.
        self.min_size = config.stride * 2 ** (config.corr_levels - 1)

    def forward(self, pairs: list[Tensor], queries: Tensor, rows: int, cols: int) -> tuple[Tensor, Tensor, Tensor]:
        return self.tracker(self.feature_extractor(pairs, rows, cols), queries)
