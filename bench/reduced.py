"""VGGT-1B with few blocks of its widths, beside OpenVINO: NNCF's quantization of the whole one does not fit 24 GiB."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import machine
from .model import SIZE, Command, Say, Variant, compare, variants

BLOCKS, PAIRS = 2, 4


def reduced_config(depth: int = BLOCKS, pairs: int = PAIRS) -> dict[str, Any]:
    """Both dense heads as they are, on the last four pairs; a camera head of one block."""
    config = json.loads((machine.ROOT / "examples/vggt/configs/vggt1b.json").read_text())
    config["patch_embed"]["depth"], config["aggregator"]["depth"] = depth, pairs
    config["camera_head"]["trunk_depth"] = 1
    for head in ("point_head", "depth_head"):
        config[head]["intermediate_layer_idx"] = [max(0, pairs - 4 + i) for i in range(4)]
    del config["track_head"]
    return config


def openvino_variants(folder: Path, config: Path, frames: int, size: Sequence[int]) -> dict[str, Variant]:
    tool: Command = [sys.executable, "-m", "bench.openvino_model"]
    xml, quantized = folder / "openvino.xml", folder / "openvino-ptq.xml"
    shape = ["--config", config, "--frames", str(frames), "--height", str(size[0]), "--width", str(size[1])]
    ptq = ["--source", xml, "--calibration", folder / "calibration"]
    return {
        "OpenVINO float32": Variant(xml, [*tool, "convert", xml, *shape], ("--precision", "f32")),
        "OpenVINO bfloat16": Variant(xml, None, ("--precision", "bf16")),
        "OpenVINO after NNCF's PTQ": Variant(quantized, [*tool, "quantize", quantized, *ptq]),
    }


def measure(
    folder: Path, threads: int, say: Say, config: dict[str, Any] | None = None, frames: int = 2, turns: int = 2,
    size: Sequence[int] = SIZE,
) -> dict[str, Any]:  # fmt: skip
    """compare()'s entry of torch's, vqt's and OpenVINO's variants, and `blocks`: how many there are, in words."""
    config = config or reduced_config()
    file = folder / "reduced.json"
    file.write_text(json.dumps(config))
    chosen = {**variants(folder, file, size[1]), **openvino_variants(folder, file, frames, size)}
    entry = compare(folder, chosen, [frames], threads, say, size, turns)[0]
    depth, pairs = config["patch_embed"]["depth"], config["aggregator"]["depth"]
    return {**entry, "blocks": f"{depth} blocks of the patch embedding, {pairs} pairs of the aggregator"}
