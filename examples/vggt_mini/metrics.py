"""Held-out figures: pose AUC after the CO3D protocol, depth error after median scaling."""

import numpy as np
import torch
from torch import Tensor

from examples.vggt.geometry import quaternion_to_matrix


def _matrices(pose: Tensor) -> Tensor:
    out = torch.eye(4, dtype=torch.float64).repeat(*pose.shape[:-1], 1, 1)
    out[..., :3, :3] = quaternion_to_matrix(pose[..., 3:7].to(torch.float64))
    out[..., :3, 3] = pose[..., :3].to(torch.float64)
    return out


def _angle(cosine: Tensor) -> Tensor:
    return torch.rad2deg(torch.acos(cosine.clamp(-1, 1)))


def pose_errors(pose: Tensor, truth: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """pose, truth [B, S, 9] -> rotation and translation-direction errors in degrees of all B * S (S - 1) / 2 pairs.

    The direction is that of the second camera as the first one sees it. Its sign does not count: the error is folded
    at 90 degrees, and is 90 where no motion is predicted.
    """
    first, second = torch.triu_indices(pose.size(1), pose.size(1), 1)
    got, want = _matrices(pose), _matrices(truth)
    got = got[:, first] @ torch.linalg.inv(got[:, second])
    want = want[:, first] @ torch.linalg.inv(want[:, second])
    turned = (got[..., :3, :3].transpose(-1, -2) @ want[..., :3, :3]).diagonal(dim1=-2, dim2=-1).sum(-1)
    rotation = _angle((turned - 1) / 2)
    a, b = got[..., :3, 3], want[..., :3, 3]
    cosine = (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1)).clamp(min=1e-12)
    return rotation.flatten().numpy(), _angle(cosine.abs()).flatten().numpy()


def pair_motions(truth: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """truth [B, S, 9] -> of the same pairs in the same order: turn in degrees and distance of the cameras."""
    first, second = torch.triu_indices(truth.size(1), truth.size(1), 1)
    poses = _matrices(truth)
    relative = poses[:, second] @ torch.linalg.inv(poses[:, first])
    turn = _angle((relative[..., :3, :3].diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2)
    return turn.flatten().numpy(), relative[..., :3, 3].norm(dim=-1).flatten().numpy()


def auc(errors: np.ndarray, limit: int) -> float:
    """Percent: mean over 1..limit degrees of the share of errors below that many degrees (1-degree bins)."""
    share = np.histogram(errors, bins=np.arange(limit + 1))[0] / max(len(errors), 1)
    return float(100 * np.cumsum(share).mean())


def no_motion(truth: Tensor) -> Tensor:
    """[B, S, 9]: every camera at the first one, with the true field of view."""
    out = torch.zeros_like(truth)
    out[..., 6] = 1
    out[..., 7:] = truth[..., 7:]
    return out


def abs_rel(depth: Tensor, truth: Tensor) -> np.ndarray:
    """[B, S, H, W] -> [B] mean of |scaled depth - truth| / truth, with one factor per scene: the ratio of medians."""
    depth, truth = depth.flatten(1), truth.flatten(1)
    factor = truth.median(1, keepdim=True).values / depth.median(1, keepdim=True).values
    return ((depth * factor - truth).abs() / truth).mean(1).numpy()


def best_constant(truth: Tensor) -> np.ndarray:
    """[B] abs_rel of the constant depth that has the least: the median weighted by 1 / depth."""
    out = []
    for depth in truth.flatten(1):
        values = depth.sort().values
        weights = (1 / values).cumsum(0)
        best = values[torch.searchsorted(weights, weights[-1] / 2)]
        out.append(((best - depth).abs() / depth).mean().item())
    return np.array(out)
