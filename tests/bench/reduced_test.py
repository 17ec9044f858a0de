"""A model of few blocks beside OpenVINO."""

import importlib.util
from pathlib import Path
from typing import Any

from bench import reduced


def test_reduced_keeps_the_widths() -> None:
    config = reduced.reduced_config(2, 4)
    assert (config["patch_embed"]["depth"], config["aggregator"]["depth"], config["embed_dim"]) == (2, 4, 1024)
    for head in ("depth_head", "point_head"):
        assert config[head]["intermediate_layer_idx"] == [0, 1, 2, 3]
        assert config[head]["out_channels"] == [256, 512, 1024, 1024]


def test_a_tiny_model_beside_openvino_or_without_it(tmp_path: Path, tiny: dict[str, Any]) -> None:
    entry = reduced.measure(tmp_path, 1, lambda text: None, tiny, frames=2, turns=1, size=(56, 70))
    models = entry["models"]
    assert {"float32", "production", "static"} <= set(models)
    needed = {"OpenVINO float32": ["openvino"], "OpenVINO after NNCF's PTQ": ["openvino", "nncf"]}
    for name, packages in needed.items():
        if all(importlib.util.find_spec(package) for package in packages):
            assert models[name]["seconds"] > 0 and models[name]["errors"]["depth"] < 0.2
        else:
            assert any(note.startswith(f"{name}: ") and "No module" in note for note in entry["notes"])
    if "OpenVINO float32" in models:  # the same weights, the same images, the same position embedding
        assert models["OpenVINO float32"]["errors"]["depth"] < 1e-5
