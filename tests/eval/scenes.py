"""Small scripted models and pictures for the tests of vqt-eval."""

from pathlib import Path
from typing import Dict, List, Tuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn


class Tiny(nn.Module):
    """Takes [B, S, 3, H, W] as VGGT does; depth for every pixel, a pose for every frame, a nest beside them."""

    def __init__(self, width: int = 32, blocks: int = 3) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, width, 14, 14)
        self.first = nn.Linear(width, width)
        self.blocks = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))
        self.to_depth = nn.Linear(width, 14 * 14)
        self.pose = nn.Linear(width, 9)

    def forward(self, images: Tensor) -> Dict[str, Tensor]:
        b, s, c, h, w = images.shape
        x = self.embed(images.reshape(b * s, c, h, w)).flatten(2).transpose(1, 2)
        x = torch.tanh(self.first(x))
        for block in self.blocks:
            x = x + torch.tanh(block(x))
        d = torch.exp(self.to_depth(x)).reshape(b, s, h // 14, w // 14, 14, 14)
        pose = self.pose(x.mean(1)).reshape(b, s, 9)
        return {
            "depth": d.permute(0, 1, 2, 4, 3, 5).reshape(b, s, h, w, 1),
            "pose": pose,
            "pose_list": torch.stack([pose, 2 * pose]),
            "scene": x.mean((0, 1)),
        }


class Classifier(nn.Module):
    """Takes [N, 3, H, W]; a nest of tuples and dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 16, 14, 14)
        self.layers = nn.ModuleList(nn.Linear(16, 16) for _ in range(4))

    def forward(self, x: Tensor) -> Tuple[Tensor, Dict[str, List[Tensor]]]:
        y = self.embed(x).flatten(2).mean(2)
        for layer in self.layers:
            y = torch.relu(layer(y))
        return y, {"more": [y.sum(1), torch.ones(3)]}


class Wide(nn.Module):
    """Most of its memory is weights."""

    def __init__(self, width: int = 2048) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, width, 14, 14)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(8))

    def forward(self, images: Tensor) -> Tensor:
        y = self.embed(images[0]).flatten(2).mean(2)
        for layer in self.layers:
            y = torch.tanh(layer(y))
        return y


class Slow(nn.Module):
    """A forward of many seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(512, 512)

    def forward(self, images: Tensor) -> Tensor:
        x = torch.ones(512, 512) * images.mean()
        for _ in range(1000000):
            x = torch.tanh(self.layer(x))
        return x


class OtherKeys(Tiny):
    def forward(self, images: Tensor) -> Dict[str, Tensor]:
        return {"depth": images.mean() * self.pose.weight, "camera": self.pose.bias}


class OtherShape(Tiny):
    def forward(self, images: Tensor) -> Dict[str, Tensor]:
        p = self.pose.bias
        return {"depth": p, "pose": p, "pose_list": p, "scene": p}


class Masked(Tiny):
    def forward(self, images: Tensor, mask: Tensor) -> Dict[str, Tensor]:
        return {"depth": images * mask}


class WithNan(Tiny):
    def forward(self, images: Tensor) -> Dict[str, Tensor]:
        b, s, c, h, w = images.shape
        pose = torch.zeros(b, s, 9)
        pose[0, 0, 0] = torch.nan
        return {
            "depth": torch.ones(b, s, h, w, 1),
            "pose": pose,
            "pose_list": torch.stack([pose, pose]),
            "scene": torch.zeros(self.first.out_features),
        }


def save(module: nn.Module, path: Path, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    for parameter in module.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=1.0 / parameter[0].numel() ** 0.5)
        else:
            nn.init.normal_(parameter, std=0.2)
    torch.jit.save(torch.jit.script(module.eval()), str(path))
    return path


def write_pictures(folder: Path, photos: list[Path], width: int = 70, height: int = 56) -> np.ndarray:
    """Photographs at exactly the size they are fed in, so that no resizing is left to do: [S, H, W, 3]."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = []
    for i, photo in enumerate(photos):
        frame = Image.open(photo).convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
        frame.save(folder / f"{i}.png")
        frames.append(np.asarray(frame))
    return np.stack(frames)


def model_input(frames: np.ndarray) -> Tensor:
    return torch.from_numpy(frames.astype(np.float32) / np.float32(255)).permute(0, 3, 1, 2)


class Reconstructor(nn.Module):
    """Returns a known scene with errors that depend on the pictures: VGGT's outputs, S frames at most."""

    def __init__(self, pose: Tensor, depth: Tensor, points: Tensor, width: int = 32) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, width, 14, 14)
        self.first = nn.Linear(width, width)
        self.middle = nn.Linear(width, width)
        self.to_pose = nn.Linear(width, 9)
        self.to_depth = nn.Linear(width, 14 * 14)
        self.to_points = nn.Linear(width, 3 * 14 * 14)
        self.last = nn.Linear(width, 3)
        self.register_buffer("pose", pose)
        self.register_buffer("depth", depth)
        self.register_buffer("points", points)

    def forward(self, images: Tensor) -> Dict[str, Tensor]:
        return self.outputs(images)

    def outputs(self, images: Tensor) -> Dict[str, Tensor]:
        b, s, c, h, w = images.shape
        x = torch.tanh(self.first(self.embed(images.reshape(b * s, c, h, w)).flatten(2).transpose(1, 2)))
        x = torch.tanh(3 * self.middle(x))
        pixels = self.to_depth(x).reshape(b, s, h // 14, w // 14, 14, 14).permute(0, 1, 2, 4, 3, 5).reshape(b, s, h, w, 1)
        moves = self.to_points(x).reshape(b, s, h // 14, w // 14, 14, 14, 3).permute(0, 1, 2, 4, 3, 5, 6)
        return {
            "pose_enc": self.pose[:s].unsqueeze(0) + 0.02 * self.to_pose(x.mean(1)).reshape(b, s, 9),
            "depth": self.depth[:s].reshape(1, s, h, w, 1) * torch.exp(0.2 * pixels),
            "world_points": self.points[:s].unsqueeze(0) + 0.1 * moves.reshape(b, s, h, w, 3),
            "depth_conf": 1 + torch.exp(-pixels[..., 0]),
            "world_points_conf": 1 + torch.exp(pixels[..., 0]),
            "confidence": self.last(x.mean((0, 1))),
        }


class WithoutPoints(Reconstructor):
    """Points are left to be made of depth and poses."""

    def forward(self, images: Tensor) -> Dict[str, Tensor]:
        outputs = self.outputs(images)
        outputs.pop("world_points")
        return outputs
