"""Training batches: images, cameras in the first frame's coordinates, depth and points in the scene's scale."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from examples.vggt.geometry import encode_pose

from .pool import Pool

_SEEN = 0.06  # relative difference of depth below which two views see the same surface


@dataclass
class Batch:
    """B scenes of S views of H x W pixels.

    images [B, S, 3, H, W] in 0 to 1; pose [B, S, 9], world = first frame; depth [B, S, H, W]; points [B, S, H, W, 3]
    in the world; all float32, divided by the scene's mean distance of points to the origin, as VGGT's training
    does; focal [B, 2] (fx, fy) in pixels; extrinsic [B, S, 3, 4].
    """

    images: Tensor
    pose: Tensor
    depth: Tensor
    points: Tensor
    focal: Tensor
    extrinsic: Tensor

    def to(self, device: torch.device) -> "Batch":
        return Batch(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


def jitter_colours(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Channels permuted and scaled per scene, scaled a little per view: other textures of the same rooms."""
    b, s = images.shape[:2]
    order = torch.from_numpy(np.stack([rng.permutation(3) for _ in range(b)]))
    images = torch.gather(images, 2, order[:, None, :, None, None].expand(-1, s, -1, *images.shape[3:]))
    gain = rng.uniform(0.8, 1.2, (b, 1, 3, 1, 1)) * rng.uniform(0.95, 1.05, (b, s, 3, 1, 1))
    return (images * torch.from_numpy(gain.astype(np.float32))).clamp(0, 1)


def make_batch(
    pool: Pool,
    scenes: np.ndarray,
    views: np.ndarray,
    rng: np.random.Generator | None = None,
    crop: tuple[int, int] | None = None,
) -> Batch:
    """scenes [B] and views [B, S] index the pool; rng: colours are jittered with it; crop: (height, width) of the
    middle that is kept, each less than the pool's by an even number."""
    rows = scenes[:, None]
    height, width = pool.images.shape[2:4]
    fov = torch.from_numpy(pool.fov[scenes])
    focal = torch.stack([width / 2 / torch.tan(fov[:, 1] / 2), height / 2 / torch.tan(fov[:, 0] / 2)], -1)
    top, left = ((height - crop[0]) // 2, (width - crop[1]) // 2) if crop else (0, 0)
    kept = (slice(None), slice(None), slice(top, height - top), slice(left, width - left))
    images = torch.from_numpy(pool.images[rows, views][kept]).to(torch.float32).div_(255)
    images = images.permute(0, 1, 4, 2, 3).contiguous()
    if rng is not None:
        images = jitter_colours(images, rng)
    depth = torch.from_numpy(pool.depth[rows, views][kept].astype(np.float32))
    b, s, height, width = depth.shape

    world_to_camera = torch.eye(4, dtype=torch.float64).repeat(b, s, 1, 1)
    world_to_camera[:, :, :3] = torch.from_numpy(pool.extrinsics[rows, views]).to(torch.float64)
    relative = (world_to_camera @ torch.linalg.inv(world_to_camera[:, :1]))[:, :, :3].to(torch.float32)

    points = to_world(depth, relative, focal)
    scale = points.norm(dim=-1).mean((1, 2, 3))
    relative[..., 3] /= scale[:, None, None]
    intrinsic = torch.zeros(b, s, 3, 3)
    intrinsic[..., 0, 0], intrinsic[..., 1, 1] = focal[:, :1], focal[:, 1:]
    return Batch(
        images=images,
        pose=encode_pose(relative, intrinsic, height, width),
        depth=depth / scale[:, None, None, None],
        points=points / scale[:, None, None, None, None],
        focal=focal,
        extrinsic=relative,
    )


def to_world(depth: Tensor, extrinsic: Tensor, focal: Tensor) -> Tensor:
    """depth [B, S, H, W], extrinsic [B, S, 3, 4], focal [B, 2] -> points [B, S, H, W, 3]."""
    height, width = depth.shape[-2:]
    u = (torch.arange(width, device=depth.device) - width / 2) / focal[:, :1]
    v = (torch.arange(height, device=depth.device) - height / 2) / focal[:, 1:]
    camera = torch.stack([u[:, None, None, :] * depth, v[:, None, :, None] * depth, depth], -1)
    return torch.einsum("bsij,bshwi->bshwj", extrinsic[..., :3], camera - extrinsic[:, :, None, None, :, 3])


def patch_matches(batch: Batch, patch: int) -> Tensor:
    """Where the middle of each patch is seen in the other views: weights [B, S, P, S, P], bilinear over the four
    nearest patches, zero where it is hidden or outside (and within its own view)."""
    b, s, height, width = batch.depth.shape
    rows, cols = height // patch, width // patch
    middle = patch // 2
    points = batch.points[:, :, middle::patch, middle::patch]
    out = torch.zeros(b, s, rows * cols, s, rows * cols, device=batch.depth.device)
    scene = torch.arange(b, device=batch.depth.device)[:, None, None]
    for i in range(s):
        for j in range(s):
            if i == j:
                continue
            camera = torch.einsum("bij,bhwj->bhwi", batch.extrinsic[:, j, :, :3], points[:, i])
            camera = camera + batch.extrinsic[:, j, None, None, :, 3]
            z = camera[..., 2].clamp(min=1e-3)
            x = camera[..., 0] / z * batch.focal[:, :1, None] + width / 2
            y = camera[..., 1] / z * batch.focal[:, 1:, None] + height / 2
            inside = (camera[..., 2] > 1e-3) & (x >= 0) & (x < width - 0.5) & (y >= 0) & (y < height - 0.5)
            column, row = x.round().clamp(0, width - 1).long(), y.round().clamp(0, height - 1).long()
            seen = inside & ((z / batch.depth[scene, j, row, column] - 1).abs() < _SEEN)
            x = (x / patch - 0.5).clamp(0, cols - 1)
            y = (y / patch - 0.5).clamp(0, rows - 1)
            left, top = x.floor().clamp(max=cols - 2).long(), y.floor().clamp(max=rows - 2).long()
            for down in (0, 1):
                for right in (0, 1):
                    weight = (1 - (x - left - right).abs()) * (1 - (y - top - down).abs()) * seen
                    target = ((top + down) * cols + left + right).reshape(b, -1, 1)
                    out[:, i, :, j].scatter_add_(2, target, weight.reshape(b, -1, 1))
    return out
