"""What each fusion gains: a model of VGGT-1B's widths with few blocks, quantized with one fusion left out at a time."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from . import machine, model

# Blocks of VGGT-1B's widths; no dense heads, which no fusion touches.
WIDE = {"depth": 1, "pairs": 1}


def wide_config(depth: int, pairs: int) -> dict[str, Any]:
    config = json.loads((machine.ROOT / "examples/vggt/configs/vggt1b.json").read_text())
    config["patch_embed"]["depth"] = depth
    config["aggregator"]["depth"] = pairs
    config["camera_head"]["trunk_depth"] = 1
    return {k: v for k, v in config.items() if k not in ("point_head", "depth_head", "track_head")}


def gains(
    folder: Path, threads: int, say: Callable[[str], None], size: tuple[int, int] = (392, 518), turns: int = 5,
    config: dict[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """{schemes: {dynamic|static: {seconds: {variant: s}, notes}}}: variants float32, all, none, and "without NAME"."""
    import vqt

    allowed = next(list(field.allowed) for field in vqt._C.config_fields() if field.name == "fusions")
    names = [name for name in allowed if name not in ("all", "none")]
    sizes, archive = folder / "wide.json", folder / "wide.pt"
    sizes.write_text(json.dumps(config or wide_config(**WIDE)))
    result: dict[str, Any] = {"fusions": names, "height": size[0], "width": size[1], "schemes": {}}
    try:
        export = [sys.executable, "examples/vggt/export.py", "--random", "--seed", "0", "--config", sizes, "-o", archive]
        model.run(export)
        source = torch.jit.load(str(archive)).eval()
        torch.manual_seed(0)
        images = torch.rand(1, 2, 3, *size)
        for scheme in ("dynamic", "static"):
            chosen = {"all": ["all"], "none": ["none"]}
            chosen |= {f"without {name}": [other for other in names if other != name] for name in names}
            runs: dict[str, Any] = {"float32": source}
            notes = {}
            for variant, fusions in chosen.items():
                if scheme == "static" and variant not in ("all", "none", "without static_output"):
                    continue
                settings = vqt.QuantizationConfig(activation=scheme, fusions=fusions)
                calibration = [images] if scheme == "static" else None
                try:
                    runs[variant] = vqt.quantize(source, settings, calibration=calibration)
                except (RuntimeError, ValueError) as error:
                    notes[variant] = str(error).splitlines()[0][:200]
            best = dict.fromkeys(runs, math.inf)
            with torch.no_grad():
                for module in runs.values():
                    for _ in range(2):  # TorchScript works on the graph in its first two forwards
                        module(torch.rand(1, 2, 3, 56, 56))
                for _ in range(turns):
                    for variant, module in runs.items():
                        begin = time.perf_counter()
                        module(images)
                        best[variant] = min(best[variant], time.perf_counter() - begin)
            result["schemes"][scheme] = {"seconds": best, "notes": notes}
            say(f"fusions: {scheme}: {', '.join(f'{k} {v:.2f} s' for k, v in best.items())}")
    finally:
        archive.unlink(missing_ok=True)
        sizes.unlink(missing_ok=True)
    return result
