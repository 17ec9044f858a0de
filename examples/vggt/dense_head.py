"""DPT heads: four levels of tokens fused into one map per frame (depth, points, track features)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import DenseHeadConfig, TrackHeadConfig


def frames_at_once(x: Tensor, height: int, width: int) -> int:
    """Frames of height x width per pass through the convolutions, which bounds memory; 8 in the official code.

    On a CPU 2 large ones: at 518 x 392 8 are no faster and need 1.1 GB more, 1 alone is 10 % slower (two threads).
    """
    return 8 if x.is_cuda else max(2, min(8, (1 << 18) // (height * width)))


def resize(x: Tensor, height: int, width: int) -> Tensor:
    """Bilinear with aligned corners, [n, c, h, w] -> [n, c, height, width]."""
    return F.interpolate(x, size=[height, width], mode="bilinear", align_corners=True)


def _axis_embedding(span: float, steps: int, channels: int, device: torch.device) -> Tensor:
    """[channels, steps] float32: sines, then cosines of `steps` coordinates between -span and span."""
    edge = span * (steps - 1) / steps
    where = torch.linspace(-edge, edge, steps, dtype=torch.float32, device=device).to(torch.float64)
    count = channels // 2
    k = torch.arange(count, dtype=torch.float64, device=device)
    # float64: what the weights were trained with; float32 would move the outputs by up to 1e-5.
    angles = torch.pow(100.0, -k / count).unsqueeze(1) * where
    return torch.cat([angles.sin(), angles.cos()]).to(torch.float32)


def position_axes(channels: int, height: int, width: int, aspect: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """0.1 x a sin-cos embedding: of the columns [channels / 2, width], of the rows [channels / 2, height], float32.

    channels % 4 == 0, aspect = image width / height. Half of the channels know the column, half the row.
    """
    half = channels // 2
    diagonal = math.sqrt(aspect * aspect + 1.0)
    ex = _axis_embedding(aspect / diagonal, width, half, device) * 0.1
    return ex, _axis_embedding(1.0 / diagonal, height, half, device) * 0.1


def position_map(channels: int, height: int, width: int, aspect: float, device: torch.device) -> Tensor:
    """The same as one map [1, channels, height, width] whose channels lie side by side, as in what it is added to."""
    ex, ey = position_axes(channels, height, width, aspect, device)
    columns = ex.t().unsqueeze(0).expand(height, -1, -1)
    rows = ey.t().unsqueeze(1).expand(-1, width, -1)
    return torch.cat([columns, rows], dim=2).permute(2, 0, 1).unsqueeze(0)


def add_position(x: Tensor, aspect: float) -> Tensor:
    """x [n, c, h, w] plus the embedding, written over x: vqt makes it a part of the convolution that reads x."""
    half = x.size(1) // 2
    ex, ey = position_axes(x.size(1), x.size(2), x.size(3), aspect, x.device)
    # No table of [c, h, w], as large as an image's features.
    x[:, :half].add_(ex.unsqueeze(1).to(x.dtype))
    x[:, half:].add_(ey.unsqueeze(2).to(x.dtype))
    return x


class ResidualConvUnit(nn.Module):
    """Two 3x3 convolutions around relu(x). The skip adds relu(x), not x: so the weights were trained."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(x)
        return self.conv2(F.relu(self.conv1(x), inplace=True)).add_(x)


class Fusion(nn.Module):
    """One step from coarse to fine: adds the level (`merge`), refines, resizes to the given size."""

    def __init__(self, features: int, merge: bool) -> None:
        super().__init__()
        self.out_conv = nn.Conv2d(features, features, 1)
        self.resConfUnit1 = ResidualConvUnit(features) if merge else None
        self.resConfUnit2 = ResidualConvUnit(features)

    def forward(self, x: Tensor, level: Tensor | None, height: int, width: int) -> Tensor:
        if self.resConfUnit1 is not None:
            assert level is not None
            x = self.resConfUnit1(level).add_(x)
        # The official code resizes first. Resizing takes weighted means, so a 1x1 convolution gives the same
        # before it, on a quarter of the pixels.
        return resize(self.out_conv(self.resConfUnit2(x)), height, width)


class Scratch(nn.Module):
    """The fusion network: level maps -> [n, hidden, 8 * rows, 8 * cols]."""

    def __init__(self, channels: list[int], features: int, hidden: int, outputs: int | None) -> None:
        super().__init__()
        self.layer1_rn = nn.Conv2d(channels[0], features, 3, padding=1, bias=False)
        self.layer2_rn = nn.Conv2d(channels[1], features, 3, padding=1, bias=False)
        self.layer3_rn = nn.Conv2d(channels[2], features, 3, padding=1, bias=False)
        self.layer4_rn = nn.Conv2d(channels[3], features, 3, padding=1, bias=False)
        self.refinenet1 = Fusion(features, merge=True)
        self.refinenet2 = Fusion(features, merge=True)
        self.refinenet3 = Fusion(features, merge=True)
        self.refinenet4 = Fusion(features, merge=False)
        self.output_conv1 = nn.Conv2d(features, hidden, 3, padding=1)
        if outputs is not None:
            self.output_conv2 = nn.Sequential(
                nn.Conv2d(hidden, 32, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(32, outputs, 1)
            )

    def forward(self, levels: list[Tensor]) -> Tensor:
        l1, l2 = self.layer1_rn(levels[0]), self.layer2_rn(levels[1])
        l3, l4 = self.layer3_rn(levels[2]), self.layer4_rn(levels[3])
        x = self.refinenet4(l4, None, l3.size(2), l3.size(3))
        x = self.refinenet3(x, l3, l2.size(2), l2.size(3))
        x = self.refinenet2(x, l2, l1.size(2), l1.size(3))
        x = self.refinenet1(x, l1, 2 * l1.size(2), 2 * l1.size(3))
        return self.output_conv1(x)


class _DPT(nn.Module):
    """What both kinds of head share: token levels -> fused map, with or without position embedding."""

    def __init__(
        self,
        config: DenseHeadConfig | TrackHeadConfig,
        kept_pairs: list[int],
        specials: int,
        hidden: int,
        outputs: int | None,
        with_position: bool,
    ) -> None:
        super().__init__()
        channels = config.out_channels
        # Where this head's pairs stand among the kept ones.
        self.levels = [kept_pairs.index(i) for i in config.intermediate_layer_idx]
        self.specials = specials
        self.with_position = with_position
        self.norm = nn.LayerNorm(config.dim_in, eps=1e-5)
        self.projects = nn.ModuleList(nn.Conv2d(config.dim_in, k, 1) for k in channels)
        self.resize_layers = nn.ModuleList(
            [
                nn.ConvTranspose2d(channels[0], channels[0], 4, stride=4),
                nn.ConvTranspose2d(channels[1], channels[1], 2, stride=2),
                nn.Identity(),
                nn.Conv2d(channels[3], channels[3], 3, stride=2, padding=1),
            ]
        )
        self.scratch = Scratch(channels, config.features, hidden, outputs)

    def fuse(self, pairs: list[Tensor], begin: int, end: int, rows: int, cols: int) -> Tensor:
        """Frames begin..end of the flattened [B, S] -> [end - begin, hidden, 8 * rows, 8 * cols]."""
        levels: list[Tensor] = []
        for i, (project, resize_layer) in enumerate(zip(self.projects, self.resize_layers)):
            x = pairs[self.levels[i]].flatten(0, 1)[begin:end, self.specials :]
            x = self.norm(x.to(self.norm.weight.dtype))
            x = x.transpose(1, 2).reshape(x.size(0), x.size(2), rows, cols)
            if self.with_position:
                # Before the convolution, which takes the sum in.
                position = position_map(project.out_channels, rows, cols, cols / rows, x.device).to(x.dtype)
                x = project(x) + position.expand(x.size(0), -1, -1, -1)
            else:
                x = project(x)
            levels.append(resize_layer(x))
        return self.scratch(levels)


class DenseHead(_DPT):
    """Kept pairs [B, S, T, dim_in] -> values [B, S, H, W, output_dim - 1] and confidence [B, S, H, W], float32."""

    def __init__(self, config: DenseHeadConfig, kept_pairs: list[int], specials: int, patch_size: int) -> None:
        super().__init__(config, kept_pairs, specials, config.features // 2, config.output_dim, with_position=True)
        self.patch_size = patch_size
        self.inv_log = config.activation == "inv_log"

    def forward(self, pairs: list[Tensor], rows: int, cols: int) -> tuple[Tensor, Tensor]:
        b, s = pairs[0].size(0), pairs[0].size(1)
        height, width = rows * self.patch_size, cols * self.patch_size
        chunks: list[Tensor] = []
        chunk = frames_at_once(pairs[0], height, width)
        for begin in range(0, b * s, chunk):
            x = self.fuse(pairs, begin, min(begin + chunk, b * s), rows, cols)
            x = add_position(resize(x, height, width), cols / rows)
            chunks.append(self.scratch.output_conv2(x).to(torch.float32))
        x = torch.cat(chunks).permute(0, 2, 3, 1).reshape(b, s, height, width, -1)
        values, confidence = x[..., :-1], 1 + x[..., -1].exp()
        if self.inv_log:
            return values.sign() * values.abs().expm1(), confidence
        return values.exp(), confidence


class FeatureExtractor(_DPT):
    """Kept pairs [B, S, T, dim_in] -> feature maps [B, S, features, H / stride, W / stride] for tracking."""

    def __init__(self, config: TrackHeadConfig, kept_pairs: list[int], specials: int, patch_size: int) -> None:
        super().__init__(config, kept_pairs, specials, config.features, None, with_position=False)
        self.patch_size = patch_size
        self.scale = patch_size // config.stride

    def forward(self, pairs: list[Tensor], rows: int, cols: int) -> Tensor:
        b, s = pairs[0].size(0), pairs[0].size(1)
        chunks: list[Tensor] = []
        chunk = frames_at_once(pairs[0], rows * self.patch_size, cols * self.patch_size)
        for begin in range(0, b * s, chunk):
            x = self.fuse(pairs, begin, min(begin + chunk, b * s), rows, cols)
            chunks.append(resize(x, rows * self.scale, cols * self.scale))
        x = torch.cat(chunks)
        return x.reshape(b, s, x.size(1), x.size(2), x.size(3))
