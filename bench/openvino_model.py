"""VGGT in OpenVINO: converted from the Python model, in float or after NNCF's post-training quantization.

    python -m bench.openvino_model convert OUT.xml --config JSON --frames 2 --height 392 --width 518
    python -m bench.openvino_model quantize OUT.xml --source IN.xml --calibration FOLDER

One number of frames: shapes are fixed, which OpenVINO runs fastest. NNCF is given the images of the folder, each frame
of a sample the same one, as vqt-quantize takes them one by one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from . import machine


def convert(out: Path, config: Path, shape: tuple[int, ...]) -> None:
    """Random weights of seed 0, as examples/vggt/export.py --random --seed 0 writes them."""
    import openvino as ov

    sys.path.insert(0, str(machine.ROOT / "examples"))
    from vggt.config import VGGTConfig
    from vggt.export import build

    model = build(VGGTConfig.from_file(config), None, 0, torch.float32)
    embed = model.aggregator.patch_embed
    with torch.no_grad():
        # Computed here: OpenVINO's bicubic interpolation is another one when it enlarges.
        table = embed.position_table(shape[3] // embed.patch_size, shape[4] // embed.patch_size)
        embed.position_table = lambda rows, cols: table
        converted = ov.convert_model(model, example_input=torch.rand(*shape), input=list(shape))
    ov.save_model(converted, out, compress_to_fp16=False)


def quantize(out: Path, source: Path, calibration: Path) -> None:
    import nncf
    import numpy
    import openvino as ov
    from PIL import Image

    model = ov.Core().read_model(source)
    frames = model.input(0).shape[1]
    samples = []
    for file in sorted(calibration.glob("*.png")):
        pixels = numpy.asarray(Image.open(file), numpy.float32).transpose(2, 0, 1) / 255
        samples.append(numpy.broadcast_to(pixels, (1, frames, *pixels.shape)).copy())
    kind = nncf.ModelType.TRANSFORMER
    quantized = nncf.quantize(model, nncf.Dataset(samples), model_type=kind, subset_size=len(samples))
    ov.save_model(quantized, out, compress_to_fp16=False)


def load(
    archive: Path, shape: tuple[int, ...], threads: int, precision: str | None
) -> Callable[[Tensor], dict[str, Tensor]]:
    import openvino as ov

    settings: dict[str, Any] = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    if precision:
        settings["INFERENCE_PRECISION_HINT"] = precision
    compiled = ov.Core().compile_model(archive, "CPU", settings)
    names = {output.get_any_name(): i for i, output in enumerate(compiled.outputs) if output.get_names()}
    request = compiled.create_infer_request()

    def run(images: Tensor) -> dict[str, Tensor]:
        found = request.infer([images.numpy()], share_inputs=True, share_outputs=True)
        return {name: torch.from_numpy(found[i]) for name, i in names.items()}

    return run


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.openvino_model")
    parser.add_argument("work", choices=("convert", "quantize"))
    parser.add_argument("out", type=Path)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--frames", type=int)
    parser.add_argument("--height", type=int)
    parser.add_argument("--width", type=int)
    parser.add_argument("--source", type=Path)
    parser.add_argument("--calibration", type=Path)
    args = parser.parse_args()
    if args.work == "convert":
        convert(args.out, args.config, (1, args.frames, 3, args.height, args.width))
    else:
        quantize(args.out, args.source, args.calibration)


if __name__ == "__main__":
    main()
