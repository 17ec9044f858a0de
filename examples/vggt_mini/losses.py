"""VGGT's training losses (J. Wang et al., "VGGT", CVPR 2025, section 3.4), and those that only help training."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from examples.vggt.geometry import quaternion_to_matrix
from examples.vggt.layers import rotate

_LATER = 0.6  # weight of an iteration relative to the next one
_FOV = 0.5
_ALPHA = 0.2  # of the confidence's logarithm
_SHORT = 0.03  # a baseline, in mean distances, that hardly has a direction


def _over_iterations(losses: Tensor) -> Tensor:
    """The mean of [n], later ones weighing more."""
    weights = _LATER ** torch.arange(losses.size(0) - 1, -1, -1, device=losses.device)
    return (losses * weights).sum() / weights.sum()


def pose_loss(encodings: Tensor, truth: Tensor, rotation: float) -> Tensor:
    """L1 on pose encodings [n, ..., 9] of n iterations, later ones weighing more; truth [..., 9].

    rotation weighs the quaternion against the translation.
    """
    error = (encodings - truth).abs().flatten(1, -2).mean(1)
    return _over_iterations(error[:, :3].mean(1) + rotation * error[:, 3:7].mean(1) + _FOV * error[:, 7:].mean(1))


def _relative_translations(pose: Tensor) -> Tensor:
    """[..., S, 9] -> translations of every view from every earlier one, [..., S (S - 1) / 2, 3]."""
    first, second = torch.triu_indices(pose.size(-2), pose.size(-2), 1)
    translation, rotation = pose[..., :3], quaternion_to_matrix(pose[..., 3:7])
    turn = rotation[..., second, :, :] @ rotation[..., first, :, :].transpose(-1, -2)
    return translation[..., second, :] - (turn @ translation[..., first, :].unsqueeze(-1)).squeeze(-1)


def _unit(x: Tensor) -> Tensor:
    return x / (x.square().sum(-1, keepdim=True) + _SHORT**2).sqrt()


def direction_loss(encodings: Tensor, truth: Tensor) -> Tensor:
    """Distance between unit directions of relative translation over all pairs of views, which does not shrink with the
    baseline as pose_loss does. Encodings [n, B, S, 9] of n iterations, later ones weighing more; truth [B, S, 9]."""
    error = (_unit(_relative_translations(encodings)) - _unit(_relative_translations(truth))).norm(dim=-1)
    return _over_iterations(error.flatten(1).mean(1))


def _gradient(x: Tensor) -> tuple[Tensor, Tensor]:
    """Differences along height and width of [B, S, H, W, c]."""
    return x[:, :, 1:] - x[:, :, :-1], x[:, :, :, 1:] - x[:, :, :, :-1]


def dense_loss(values: Tensor, confidence: Tensor, truth: Tensor) -> Tensor:
    """Confidence-weighted distance, the same for the maps' gradients, minus alpha log confidence.

    values and truth [B, S, H, W, c], confidence [B, S, H, W] above 1.
    """
    error = values - truth
    loss = (confidence * error.norm(dim=-1)).mean() - _ALPHA * confidence.log().mean()
    rows, columns = _gradient(error)
    loss = loss + (confidence[:, :, 1:] * rows.norm(dim=-1)).mean()
    return loss + (confidence[:, :, :, 1:] * columns.norm(dim=-1)).mean()


def match_loss(q: Tensor, k: Tensor, rope: Tensor, matches: Tensor, specials: int) -> tuple[Tensor, Tensor]:
    """Cross entropy of one attention head against patch_matches' weights, and the share of patches whose strongest
    patch of another view is right.

    q, k [B, S * T, d] after the norm and before the rotation; rope for S * T tokens; matches [B, S, P, S, P].
    """
    b, s, p = matches.shape[:3]
    q, k = rotate(q, rope), rotate(k, rope)
    queries = q.unflatten(1, (s, -1))[:, :, specials:]
    logits = torch.einsum("bspd,bkd->bspk", queries, k) / math.sqrt(q.size(-1))
    wanted = F.pad(matches, (specials, 0)).flatten(3)
    mass = wanted.sum(-1)
    visible = mass > 0
    wanted = wanted / mass.clamp(min=1e-6).unsqueeze(-1)
    count = visible.sum().clamp(min=1)
    loss = -((wanted * F.log_softmax(logits, -1)).sum(-1) * visible).sum() / count
    with torch.no_grad():
        others = logits.unflatten(3, (s, -1))[..., specials:].clone()
        own = torch.eye(s, dtype=torch.bool, device=q.device)[None, :, None, :, None]
        best = others.masked_fill(own, -math.inf).flatten(3).argmax(-1, keepdim=True)
        right = (matches.flatten(3).gather(-1, best).squeeze(-1) > 0.2) & visible
    return loss, right.sum() / count
