"""A scene as all readers see it: images, depth, cameras."""

from dataclasses import dataclass

import numpy as np


@dataclass
class Views:
    """S views of one scene: images [S, H, W, 3] uint8, depth [S, H, W] float32 in metres, extrinsics [S, 3, 4]
    float32 world to camera, fov [2] float32 vertical and horizontal in radians (one camera for all views)."""

    images: np.ndarray
    depth: np.ndarray
    extrinsics: np.ndarray
    fov: np.ndarray


def focal_lengths(fov: np.ndarray, height: int, width: int) -> tuple[float, float]:
    """(fx, fy) in pixels."""
    return float(width / 2 / np.tan(fov[1] / 2)), float(height / 2 / np.tan(fov[0] / 2))
