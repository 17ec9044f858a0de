"""VGGT: images in, cameras, depth, points and tracks out. Scriptable for any number of frames and any size."""

import torch
from torch import Tensor, nn

from .aggregator import Aggregator
from .camera_head import CameraHead
from .config import VGGTConfig
from .dense_head import DenseHead
from .track_head import TrackHead


def _dtype_name(x: Tensor) -> str:
    # TorchScript sees a dtype as a number, which would tell a user nothing.
    if x.dtype == torch.uint8:
        return "uint8"
    if x.dtype == torch.int64:
        return "int64"
    if x.dtype == torch.int32:
        return "int32"
    if x.dtype == torch.float64:
        return "float64"
    if x.dtype == torch.float16:
        return "float16"
    if x.dtype == torch.bfloat16:
        return "bfloat16"
    return "another type"


def check_images(images: Tensor, patch_size: int) -> Tensor:
    """images with the batch axis, [B, S, 3, H, W]. Raises ValueError with what was expected and what came."""
    shape = list(images.shape)
    if images.dim() != 4 and images.dim() != 5:
        raise ValueError(f"VGGT: images: expected [B, S, 3, H, W] or [S, 3, H, W], got {shape}")
    if shape[-3] != 3:
        raise ValueError(f"VGGT: images: expected 3 channels (RGB) on the third axis from the end, got {shape}")
    if images.dtype != torch.float32:
        raise ValueError(f"VGGT: images: expected float32 with values in [0, 1], got {_dtype_name(images)}")
    if shape[-1] % patch_size != 0 or shape[-2] % patch_size != 0:
        raise ValueError(
            f"VGGT: images: expected height and width to be multiples of {patch_size}, got {shape[-2]} x {shape[-1]}"
        )
    if images.numel() == 0:
        raise ValueError(f"VGGT: images: expected at least one frame and one patch, got {shape}")
    return images.unsqueeze(0) if images.dim() == 4 else images


def check_queries(queries: Tensor, images: Tensor, min_size: int) -> Tensor:
    """queries as [B, N, 2] for checked images. Raises ValueError with what was expected and what came."""
    shape = list(queries.shape)
    batch, height, width = images.size(0), images.size(3), images.size(4)
    if queries.dim() == 2:
        queries = queries.unsqueeze(0)
    if queries.dim() != 3 or queries.size(-1) != 2 or queries.size(0) != batch or queries.numel() == 0:
        raise ValueError(
            f"VGGT: query_points: expected [{batch}, N, 2], or [N, 2] for one scene, N of 1 or more; got {shape}"
        )
    if queries.dtype != torch.float32:
        raise ValueError(f"VGGT: query_points: expected float32 pixels, got {_dtype_name(queries)}")
    if queries.device != images.device:
        raise ValueError(f"VGGT: query_points: expected the images' device {images.device}, got {queries.device}")
    if height < min_size or width < min_size:
        raise ValueError(
            f"VGGT: tracking needs images of at least {min_size} x {min_size} (height x width), got {height} x {width}"
        )
    return queries


class VGGT(nn.Module):
    """See forward. The state dict of VGGT(VGGTConfig.vggt1b()) is that of the published checkpoint."""

    def __init__(self, config: VGGTConfig) -> None:
        super().__init__()
        kept, specials = config.kept_pairs(), 1 + config.aggregator.num_register_tokens
        camera, point, depth, track = config.camera_head, config.point_head, config.depth_head, config.track_head
        self.patch_size = config.patch_size
        self.aggregator = Aggregator(config)
        self.camera_head = CameraHead(camera) if camera else None
        self.point_head = DenseHead(point, kept, specials, config.patch_size) if point else None
        self.depth_head = DenseHead(depth, kept, specials, config.patch_size) if depth else None
        self.track_head = TrackHead(track, kept, specials, config.patch_size) if track else None

    def forward(self, images: Tensor, query_points: Tensor | None = None) -> dict[str, Tensor]:
        """Runs every head that was built; the track head only with query points.

        images: float32 RGB in [0, 1], [B, S, 3, H, W] or [S, 3, H, W] (B = 1), H and W multiples of the patch size.
        query_points: float32 (x, y) in pixels of the images, on each scene's first frame, [B, N, 2] or [N, 2].

        Returns float32 tensors, where the outputs of heads that were left out are absent:
        pose_enc [B, S, 9], pose_enc_list [4, B, S, 9] (per iteration),
        depth [B, S, H, W, 1], depth_conf [B, S, H, W],
        world_points [B, S, H, W, 3], world_points_conf [B, S, H, W],
        track [B, S, N, 2] in pixels, vis [B, S, N], conf [B, S, N].

        Raises ValueError (torch.jit.Error once scripted) for any other input.
        """
        images = check_images(images, self.patch_size)
        rows, cols = images.size(3) // self.patch_size, images.size(4) // self.patch_size
        if query_points is not None:
            if self.track_head is not None:
                query_points = check_queries(query_points, images, self.track_head.min_size)
            else:
                raise ValueError("VGGT: query_points: this model was built without a track head")

        pairs = self.aggregator(images)
        out: dict[str, Tensor] = {}
        if self.camera_head is not None:
            encodings = self.camera_head(pairs[-1][:, :, 0])
            out["pose_enc"] = encodings[-1]
            out["pose_enc_list"] = encodings
        if self.depth_head is not None:
            out["depth"], out["depth_conf"] = self.depth_head(pairs, rows, cols)
        if self.point_head is not None:
            out["world_points"], out["world_points_conf"] = self.point_head(pairs, rows, cols)
        if self.track_head is not None:
            if query_points is not None:
                tracks, out["vis"], out["conf"] = self.track_head(pairs, query_points, rows, cols)
                out["track"] = tracks[-1]
        return out
