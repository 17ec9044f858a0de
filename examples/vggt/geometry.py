"""Camera encodings to and from matrices, and depth maps to points.

OpenCV cameras: x right, y down, z forward; an extrinsic [R | t] maps world to camera; intrinsics in pixels, no
skew, principal point at (W / 2, H / 2). An encoding is (translation 3, quaternion x y z w, vertical field of
view, horizontal field of view), angles in radians.
"""

import torch
from torch import Tensor


def quaternion_to_matrix(quaternion: Tensor) -> Tensor:
    """(x, y, z, w) of any length but 0, [..., 4] -> rotation [..., 3, 3]. A zero quaternion gives NaN."""
    x, y, z, w = quaternion.unbind(-1)
    s = 2.0 / (quaternion * quaternion).sum(-1)
    rows = [
        1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w),
        s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w),
        s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def matrix_to_quaternion(rotation: Tensor) -> Tensor:
    """Rotation [..., 3, 3] -> unit quaternion (x, y, z, w) [..., 4] with w >= 0."""
    (m00, m01, m02), (m10, m11, m12), (m20, m21, m22) = (row.unbind(-1) for row in rotation.unbind(-2))
    # Row i holds 4 * q_i * (x, y, z, w); dividing the row of the largest entry loses the least.
    products = torch.stack(
        [
            torch.stack([1 + m00 - m11 - m22, m01 + m10, m02 + m20, m21 - m12], dim=-1),
            torch.stack([m01 + m10, 1 - m00 + m11 - m22, m12 + m21, m02 - m20], dim=-1),
            torch.stack([m02 + m20, m12 + m21, 1 - m00 - m11 + m22, m10 - m01], dim=-1),
            torch.stack([m21 - m12, m02 - m20, m10 - m01, 1 + m00 + m11 + m22], dim=-1),
        ],
        dim=-2,
    )
    squares = products.diagonal(dim1=-2, dim2=-1)
    best = squares.argmax(-1, keepdim=True)
    row = products.gather(-2, best.unsqueeze(-1).expand(*best.shape, 4)).squeeze(-2)
    quaternion = row / (2 * squares.gather(-1, best).sqrt())
    return torch.where(quaternion[..., 3:] < 0, -quaternion, quaternion)


def decode_pose(pose_enc: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """[..., 9] -> extrinsic [..., 3, 4] and intrinsic [..., 3, 3]. A field of view of 0 gives focal length inf."""
    rotation = quaternion_to_matrix(pose_enc[..., 3:7])
    extrinsic = torch.cat([rotation, pose_enc[..., :3].unsqueeze(-1)], dim=-1)
    intrinsic = torch.zeros_like(rotation)
    intrinsic[..., 0, 0] = (width / 2) / torch.tan(pose_enc[..., 8] / 2)
    intrinsic[..., 1, 1] = (height / 2) / torch.tan(pose_enc[..., 7] / 2)
    intrinsic[..., 0, 2] = width / 2
    intrinsic[..., 1, 2] = height / 2
    intrinsic[..., 2, 2] = 1
    return extrinsic, intrinsic


def encode_pose(extrinsic: Tensor, intrinsic: Tensor, height: int, width: int) -> Tensor:
    """extrinsic [..., 3, 4] and intrinsic [..., 3, 3] -> [..., 9]."""
    fov_y = 2 * torch.atan((height / 2) / intrinsic[..., 1, 1])
    fov_x = 2 * torch.atan((width / 2) / intrinsic[..., 0, 0])
    quaternion = matrix_to_quaternion(extrinsic[..., :3])
    return torch.cat([extrinsic[..., 3], quaternion, fov_y.unsqueeze(-1), fov_x.unsqueeze(-1)], dim=-1)


def invert_extrinsic(extrinsic: Tensor) -> Tensor:
    """World-to-camera [..., 3, 4] -> camera-to-world [..., 4, 4]."""
    back = extrinsic[..., :3].transpose(-1, -2)
    top = torch.cat([back, -back @ extrinsic[..., 3:]], dim=-1)
    bottom = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=top.dtype, device=top.device).expand(*top.shape[:-2], 1, 4)
    return torch.cat([top, bottom], dim=-2)


def unproject_depth(depth: Tensor, extrinsic: Tensor, intrinsic: Tensor) -> Tensor:
    """depth [..., H, W, 1] with cameras [..., 3, 4] and [..., 3, 3] -> world points [..., H, W, 3], float64.

    Pixel centres are at integer coordinates. Depth 0 gives the camera's centre.
    """
    z = depth.squeeze(-1).to(torch.float64)
    k = intrinsic.to(torch.float64)[..., None, None]
    u = torch.arange(z.size(-1), dtype=torch.float64, device=z.device)
    v = torch.arange(z.size(-2), dtype=torch.float64, device=z.device).unsqueeze(-1)
    x = (u - k[..., 0, 2, :, :]) * z / k[..., 0, 0, :, :]
    y = (v - k[..., 1, 2, :, :]) * z / k[..., 1, 1, :, :]
    # Rounded to float32 on the way: the published numbers are.
    camera = torch.stack([x, y, z], dim=-1).to(torch.float32).to(torch.float64)
    pose = invert_extrinsic(extrinsic.to(torch.float64))
    rotation, origin = pose[..., :3, :3], pose[..., :3, 3]
    world = camera.flatten(-3, -2) @ rotation.transpose(-1, -2) + origin.unsqueeze(-2)
    return world.unflatten(-2, (z.size(-2), z.size(-1)))
