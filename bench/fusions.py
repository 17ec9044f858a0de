"""The gain of each fusion: a model of VGGT-1B's widths with few blocks, quantized with one fusion left out at a time.

python -m bench.fusions FOLDER [--threads 2 --height 392 --width 518 --turns 5 --config JSON]     # prints JSON
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch

from . import machine, model, timing

# Blocks of VGGT-1B's widths; no dense heads, which no fusion touches.
WIDE = {"depth": 1, "pairs": 1}
SECONDS = 60.0  # for the variants of a scheme, after which two turns are enough


def wide_config(depth: int, pairs: int) -> dict[str, Any]:
    config = json.loads((machine.ROOT / "examples/vggt/configs/vggt1b.json").read_text())
    config["patch_embed"]["depth"] = depth
    config["aggregator"]["depth"] = pairs
    config["camera_head"]["trunk_depth"] = 1
    return {k: v for k, v in config.items() if k not in ("point_head", "depth_head", "track_head")}


def say(text: str) -> None:
    print(f"bench: fusions: {text}", file=sys.stderr, flush=True)


def gains(folder: Path, threads: int, size: tuple[int, int], turns: int, config: dict[str, Any]) -> dict[str, Any]:
    """{schemes: {dynamic|static: {seconds: {variant: s}, notes}}}: variants float32, all, none, and "without NAME"."""
    import vqt

    vqt.low_memory()
    allowed = next(list(field.allowed) for field in vqt._C.config_fields() if field.name == "fusions")
    names = [name for name in allowed if name not in ("all", "none")]
    sizes, archive = folder / "wide.json", folder / "wide.pt"
    sizes.write_text(json.dumps(config))
    result: dict[str, Any] = {"fusions": names, "height": size[0], "width": size[1], "schemes": {}}
    try:
        export = [
            sys.executable,
            "examples/vggt/export.py",
            "--random",
            "--seed",
            "0",
            "--config",
            sizes,
            "-o",
            archive,
        ]
        model.run(export)
        torch.set_num_threads(threads)
        source = torch.jit.load(str(archive)).eval()
        torch.manual_seed(0)
        images = torch.rand(1, 2, 3, *size)
        for scheme in ("dynamic", "static"):
            chosen = {"all": ["all"], "none": ["none"]}
            chosen |= {f"without {name}": [other for other in names if other != name] for name in names}
            runs: dict[str, Any] = {"float32": source}
            notes = {}
            for variant, fusions in chosen.items():
                if (scheme == "static") != ("static_output" in variant) and variant not in ("all", "none"):
                    continue  # the only fusion that static activations add
                settings = vqt.QuantizationConfig(activation=scheme, fusions=fusions)
                calibration = [images] if scheme == "static" else None
                try:
                    runs[variant] = vqt.quantize(source, settings, calibration=calibration)
                except (RuntimeError, ValueError) as error:
                    notes[variant] = str(error).splitlines()[0][:200]
            with torch.no_grad():
                for module in runs.values():
                    for _ in range(2):  # TorchScript works on the graph in its first two forwards
                        module(torch.rand(1, 2, 3, 56, 56))
                calls = {name: lambda turn, module=module: module(images) for name, module in runs.items()}
                best = timing.in_turns(calls, turns, SECONDS)
            result["schemes"][scheme] = {"seconds": best, "notes": notes}
            say(f"{scheme}: {', '.join(f'{k} {v:.2f} s' for k, v in best.items())}")
    finally:
        archive.unlink(missing_ok=True)
        sizes.unlink(missing_ok=True)
    return result


def measure(folder: Path, threads: int, quick: bool) -> dict[str, Any]:
    """gains() in a process of its own."""
    config: dict[str, Any] = wide_config(**WIDE)
    flags = ["--threads", threads]
    if quick:
        small = json.loads((machine.ROOT / "examples/vggt/configs/demo_30m.json").read_text())
        config = {k: v for k, v in small.items() if not k.endswith("_head") or k == "camera_head"}
        flags += ["--height", 70, "--width", 98, "--turns", 1]
    command = [sys.executable, "-m", "bench.fusions", folder, "--config", json.dumps(config), *map(str, flags)]
    return json.loads(model.run(command).splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.fusions")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--height", type=int, default=392)
    parser.add_argument("--width", type=int, default=518)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--config", type=json.loads, default=wide_config(**WIDE), help="sizes of a VGGT as JSON")
    args = parser.parse_args()
    print(json.dumps(gains(args.folder, args.threads, (args.height, args.width), args.turns, args.config)))


if __name__ == "__main__":
    main()
