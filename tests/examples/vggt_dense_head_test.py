"""Frames pass through the dense heads in parts: how many at once, and that none ends up elsewhere."""

import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples"))

from vggt import VGGTConfig  # noqa: E402
from vggt.dense_head import DenseHead, FeatureExtractor, frames_at_once  # noqa: E402

CONFIG = VGGTConfig.from_file(ROOT / "tests" / "data" / "vggt" / "small_config.json")

torch.set_num_threads(1)  # small shapes: threads only wait for each other


@pytest.mark.parametrize(("height", "width", "frames"), [(112, 112, 8), (224, 224, 5), (392, 518, 2), (1036, 2072, 2)])
def test_fewer_large_frames_at_once(height: int, width: int, frames: int) -> None:
    assert frames_at_once(torch.empty(0), height, width) == frames


@pytest.mark.parametrize("kind", [DenseHead, FeatureExtractor])
def test_frames_of_several_parts_are_what_they_are_alone(kind: type) -> None:
    torch.manual_seed(0)
    dense = kind is DenseHead
    rows, cols, frames = 3, 4, 19  # 8 + 8 + 3
    config = CONFIG.depth_head if dense else CONFIG.track_head
    kept = CONFIG.kept_pairs()
    head = torch.jit.script(kind(config, kept, 1 + CONFIG.aggregator.num_register_tokens, CONFIG.patch_size).eval())
    tokens = 1 + CONFIG.aggregator.num_register_tokens + rows * cols
    pairs = [torch.randn(1, frames, tokens, config.dim_in) for _ in kept]
    with torch.no_grad():
        together = head(pairs, rows, cols)
        alone = [head([pair[:, i : i + 1] for pair in pairs], rows, cols) for i in range(frames)]
    for got, expected in zip(together, zip(*alone)) if dense else [(together, alone)]:
        torch.testing.assert_close(got, torch.cat(list(expected), dim=1), rtol=1e-4, atol=1e-5)
