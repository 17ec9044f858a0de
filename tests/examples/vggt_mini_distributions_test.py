"""The statistics behind docs/vggt_mini.md against numpy, and which tokens are counted where."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from examples.vggt.config import VGGTConfig  # noqa: E402
from examples.vggt.model import VGGT  # noqa: E402
from examples.vggt.random_init import fill_random  # noqa: E402
from examples.vggt_mini.distributions import look  # noqa: E402
from examples.vggt_mini.page import load_scenes, write_section  # noqa: E402
from examples.vggt_mini.tails import Values, weight_summary  # noqa: E402

SMALL = ROOT / "tests/data/vggt/small_config.json"


def values_of(x: np.ndarray, pieces: int = 1) -> Values:
    values = Values()
    for piece in np.array_split(x, pieces):
        values.add(torch.from_numpy(piece))
    return values


def test_moments_and_quantiles_are_numpys() -> None:
    x = np.random.default_rng(0).laplace(0.3, 2.0, (5000, 8)).astype(np.float32)
    values, wide = values_of(x, 3), x.astype(np.float64)
    centred = wide - wide.mean()
    assert values.kurtosis == pytest.approx((centred**4).mean() / (centred**2).mean() ** 2, rel=1e-9)
    assert values.kurtosis > 5  # Laplace's is 6; a normal distribution's 3
    assert values.rms == pytest.approx(np.sqrt((wide**2).mean()), rel=1e-9)
    assert values.largest == np.abs(x).max()
    for share in (0.5, 0.999):
        assert np.quantile(np.abs(x), share) <= values.quantile(share) * 1.0001 <= np.quantile(np.abs(x), share) * 1.025


def test_zeros_are_counted() -> None:
    x = np.zeros((10, 4), np.float32)
    x[0, 0] = 2.0
    values = values_of(x)
    assert values.count == 40
    p = 1 / 40  # of a share p of equal peaks: (1 - 3 p (1 - p)) / (p (1 - p))
    assert values.kurtosis == pytest.approx((1 - 3 * p * (1 - p)) / (p * (1 - p)))
    assert values.quantile(0.9) < 1e-9
    assert values.quantile(1.0) == 2.0


def test_density_integrates_to_the_share_it_shows() -> None:
    x, y = values_of(np.random.default_rng(1).normal(0, 3, (100000, 2)).astype(np.float32)).density(1)
    assert torch.trapezoid(y, x) == pytest.approx(0.99, abs=0.012)
    middle = int((x - 1).abs().argmin())
    assert y[middle] == pytest.approx(np.sqrt(2 / np.pi) * np.exp(-0.5), rel=0.05)


def test_outlier_channels() -> None:
    x = np.ones((3, 10), np.float32)
    x[1, 4], x[2, 7] = -5.0, 3.9
    values = values_of(x)
    assert values.outlier_channels == pytest.approx(0.1)  # 5 is beyond 4 times the median channel's 1, 3.9 is not
    assert values.channel_spread == 5


def test_channels_of_a_weight_are_its_rows() -> None:
    weight = torch.ones(4, 6) * torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    weight[2] *= 10
    summary = weight_summary(weight)
    assert summary["outlier_channels"] == 0.25
    assert summary["max_over_std_median"] == pytest.approx(np.sqrt(5 / 6), rel=1e-5)  # 1 over the deviation of 6 values


def test_special_tokens_are_counted_apart() -> None:
    model = VGGT(VGGTConfig.from_file(SMALL)).eval()
    fill_random(model, 0)
    for parameter in model.aggregator.parameters():
        if parameter.dim() == 4:  # camera and register tokens: one channel sticks out
            torch.nn.init.zeros_(parameter)
            parameter.data[..., 3] = 50.0
    images = torch.rand(1, 3, 3, 2 * model.patch_size, 3 * model.patch_size)
    found = look(model, [("room", images)])
    by_name = {site["name"]: site for site in found.sites}
    first = by_name["aggregator.frame_blocks.0.attn.qkv"]
    assert first["special"]["max_over_rms"] > 2 * first["patches"]["max_over_rms"]
    specials = model.aggregator.specials
    for name in ("aggregator.frame_blocks.0.attn.qkv", "aggregator.global_blocks.0.attn.qkv", "aggregator.patch_embed.blocks.0.attn.qkv"):
        wide = by_name[name]["shape"][1]
        assert found.values[name]["special"].count == 3 * specials * wide
        assert found.values[name]["patches"].count == 3 * 2 * 3 * wide
    assert found.streams[0]["name"] == "aggregator.patch_embed.blocks.0"
    stream = next(s for s in found.streams if s["name"] == "aggregator.frame_blocks.0")
    assert stream["special"]["max"] == 50
    assert all(site["patches"] is None for site in found.sites if site["stage"] == "camera")


def test_sections_of_the_page_are_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- x: generated -->\nold\n<!-- x: end -->\nb\n")
    write_section(page, "x", r"new \1")
    assert page.read_text() == "a\n<!-- x: generated -->\nnew \\1\n<!-- x: end -->\nb\n"
    with pytest.raises(ValueError, match="<!-- y: generated -->"):
        write_section(page, "y", "new")


def test_a_folder_without_scenes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="held_out"):
        load_scenes(tmp_path)
