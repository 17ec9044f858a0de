"""The pass on VGGT: every linear is found, in the order that skip_first_last counts on, and computes the same."""

import sys
from pathlib import Path

import pytest
import torch
import vqt
from pass_check import check, quantized_names, save_and_load, sites
from torch import nn

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data" / "vggt"
sys.path.insert(0, str(ROOT / "examples"))

from safetensors.torch import load_file  # noqa: E402
from vggt import VGGT, VGGTConfig  # noqa: E402

CASE = load_file(DATA / "small_case_b.safetensors")


@pytest.fixture(scope="module")
def model() -> VGGT:
    model = VGGT(VGGTConfig.from_file(DATA / "small_config.json"))
    model.load_state_dict(load_file(DATA / "small_weights.safetensors"), strict=True)
    return model.eval()


@pytest.fixture(scope="module")
def scripted(model: VGGT) -> torch.jit.ScriptModule:
    return torch.jit.script(model)


def linears(model: nn.Module) -> set[str]:
    return {name for name, module in model.named_modules() if isinstance(module, nn.Linear) or hasattr(module, "in_proj_weight")}


def test_every_linear_is_a_site_that_can_be_quantized(model: VGGT, scripted: torch.jit.ScriptModule) -> None:
    found = [site for site in vqt.list_sites(scripted) if site.kind == "linear"]
    assert {site.name for site in found} == linears(model)
    assert [site.name for site in found if site.reason] == []
    assert all(site.calls >= 1 for site in found)


def test_first_and_last_do_not_count_the_track_head(scripted: torch.jit.ScriptModule) -> None:
    result = vqt.quantize(scripted, {})
    kept = [site.name for site in vqt.report(result).sites if site.action == "float" and site.kind == "linear"]
    assert kept == ["aggregator.patch_embed.blocks.0.attn.qkv", "camera_head.pose_branch.fc2"]
    assert any(name.startswith("track_head.") for name in quantized_names(result))


def test_outputs_are_those_of_dequantized_weights(model: VGGT, scripted: torch.jit.ScriptModule) -> None:
    images = CASE["images"]
    points = CASE["query_points"]
    # 16 bits: small enough an error that the tracker's iterations do not blow up what is compared.
    config = {"quant_type": "int16_per_channel_sym"}

    def compute(module):
        return [module(images), {k: v for k, v in module(images, points).items() if k not in ("track", "vis", "conf")}]

    check(model, config=config, scripted=scripted, quantized=sorted(linears(model)), tolerance=2e-3, runs=compute)


def test_presets_run_after_reload(scripted: torch.jit.ScriptModule) -> None:
    images = CASE["images"]
    with torch.no_grad():
        expected = scripted(images)
        for preset in ("production", "mobile", "int8-asym"):
            got = save_and_load(vqt.quantize(scripted, preset))(images)
            assert set(got) == set(expected)
            for name, value in got.items():
                assert torch.isfinite(value).all(), name
                cosine = torch.nn.functional.cosine_similarity(value.flatten(), expected[name].flatten(), dim=0)
                assert cosine > (0.9 if preset == "mobile" else 0.99), (preset, name, float(cosine))


def test_static_ranges_without_and_with_query_points(scripted: torch.jit.ScriptModule) -> None:
    config = {"activation": "static"}
    plain = vqt.quantize(scripted, config, calibration=[CASE["images"]])
    ends = {"aggregator.patch_embed.blocks.0.attn.qkv", "camera_head.pose_branch.fc2"}
    left = {name for name, site in sites(plain).items() if site.action == "float" and site.kind == "linear"}
    tracker = {name for name, site in sites(plain).items() if name.startswith("track_head.tracker.") and site.kind == "linear"}
    assert left - ends == tracker
    full = vqt.quantize(scripted, config, calibration=[(CASE["images"], CASE["query_points"])])
    assert {name for name, site in sites(full).items() if site.action == "float" and site.kind == "linear"} == ends
    with torch.no_grad():
        for result in (plain, full):
            assert not any("statistics" in name for name in result.state_dict())
            assert all(torch.isfinite(value).all() for value in save_and_load(result)(CASE["images"]).values())
