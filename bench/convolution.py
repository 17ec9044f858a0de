"""The convolutions of VGGT-1B's two dense heads, 2 frames of 518 x 392, each with what is around it in the head:
ReLU, residual, the coarser map that is resized and added, resizing and position embedding in front of it.

python -m bench.convolution [--threads 2 --turns 5]     # prints JSON; VQT_ISA=avx2 forces an instruction set
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from . import peers, timing
from .linears import reason

HEADS, FRAMES = 2, 2
SECONDS = 20.0  # for the variants of a layer, after which two turns are enough
LABELS = {
    "float32": "torch float32", "bfloat16": "torch bfloat16", "openvino": "OpenVINO, static int8", "vqt": "vqt int8",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Layer:
    name: str
    count: int  # in one head
    channels: int
    out: int
    height: int  # of the map it reads, before that is resized
    width: int
    form: str = "winograd"
    kernel: int = 3
    stride: int = 1
    size: tuple[int, int] | None = None  # the map is resized to it first
    position: bool = False
    residual: bool = False
    low: bool = False  # half the result's height and width
    relu: bool = False

    @property
    def padding(self) -> int:
        return self.kernel // 2 if self.form != "transposed" else 0

    def result(self) -> tuple[int, int]:
        height, width = self.size or (self.height, self.width)
        if self.form == "transposed":
            return height * self.kernel, width * self.kernel
        return (height - 1) // self.stride + 1, (width - 1) // self.stride + 1

    def products(self) -> int:
        """Multiply-adds of a direct convolution."""
        pixels = self.height * self.width if self.form == "transposed" else self.result()[0] * self.result()[1]
        return FRAMES * pixels * self.kernel**2 * self.channels * self.out


LAYERS = [
    Layer("projects.0", 1, 2048, 256, 28, 37, "pointwise", 1),
    Layer("projects.1", 1, 2048, 512, 28, 37, "pointwise", 1),
    Layer("projects.2, 3", 2, 2048, 1024, 28, 37, "pointwise", 1),
    Layer("resize_layers.0", 1, 256, 256, 28, 37, "transposed", 4),
    Layer("resize_layers.1", 1, 512, 512, 28, 37, "transposed", 2),
    Layer("resize_layers.3", 1, 1024, 1024, 28, 37, "windows", 3, 2),
    Layer("layer1_rn", 1, 256, 256, 112, 148, relu=True),
    Layer("layer2_rn", 1, 512, 256, 56, 74, relu=True),
    Layer("layer3_rn", 1, 1024, 256, 28, 37, relu=True),
    Layer("layer4_rn", 1, 1024, 256, 14, 19, relu=True),
    Layer("refinenet1, conv1", 2, 256, 256, 112, 148, relu=True),
    Layer("refinenet1, conv2 + level", 1, 256, 256, 112, 148, residual=True, low=True, relu=True),
    Layer("refinenet1, conv2", 1, 256, 256, 112, 148, residual=True),
    Layer("refinenet2, conv1", 2, 256, 256, 56, 74, relu=True),
    Layer("refinenet2, conv2 + level", 1, 256, 256, 56, 74, residual=True, low=True, relu=True),
    Layer("refinenet2, conv2", 1, 256, 256, 56, 74, residual=True),
    Layer("refinenet3, conv1", 2, 256, 256, 28, 37, relu=True),
    Layer("refinenet3, conv2 + level", 1, 256, 256, 28, 37, residual=True, low=True, relu=True),
    Layer("refinenet3, conv2", 1, 256, 256, 28, 37, residual=True),
    Layer("refinenet4, conv1", 1, 256, 256, 14, 19, relu=True),
    Layer("refinenet4, conv2", 1, 256, 256, 14, 19, residual=True),
    Layer("out_conv 1", 1, 256, 256, 112, 148, "pointwise", 1),
    Layer("out_conv 2", 1, 256, 256, 56, 74, "pointwise", 1),
    Layer("out_conv 3", 1, 256, 256, 28, 37, "pointwise", 1),
    Layer("out_conv 4", 1, 256, 256, 14, 19, "pointwise", 1),
    Layer("output_conv1", 1, 256, 128, 112, 148, size=(224, 296)),
    Layer("output_conv2.0", 1, 128, 32, 224, 296, size=(392, 518), position=True, relu=True),
]
SMALL = [
    Layer("winograd", 1, 32, 16, 6, 7, residual=True, low=True, relu=True),
    Layer("resized", 1, 32, 16, 6, 7, size=(11, 14), position=True),
    Layer("pointwise", 2, 32, 16, 6, 7, "pointwise", 1),
    Layer("windows", 1, 32, 16, 6, 7, "windows", 3, 2),
    Layer("transposed", 1, 32, 16, 6, 7, "transposed", 2),
]


@dataclasses.dataclass
class Problem:
    """Random tensors of a layer, maps channels_last, as they come out of tokens."""

    layer: Layer
    x: Tensor
    weight: Tensor
    bias: Tensor
    residual: Tensor | None
    low: Tensor | None
    pos_x: Tensor | None
    pos_y: Tensor | None

    @staticmethod
    def random(layer: Layer) -> Problem:
        draw = torch.Generator().manual_seed(layer.channels + layer.height)

        def randn(*sizes: int) -> Tensor:
            v = torch.randn(sizes, generator=draw)
            return v.to(memory_format=torch.channels_last) if len(sizes) == 4 else v

        height, width = layer.result()
        taps = 1 if layer.form == "transposed" else layer.kernel**2
        first = (layer.channels, layer.out) if layer.form == "transposed" else (layer.out, layer.channels)
        weight = randn(*first, layer.kernel, layer.kernel).contiguous() / (layer.channels * taps) ** 0.5
        half, (h, w) = layer.channels // 2, layer.size or (0, 0)
        return Problem(
            layer, randn(FRAMES, layer.channels, layer.height, layer.width).relu_(), weight, randn(layer.out),
            randn(FRAMES, layer.out, height, width) if layer.residual else None,
            randn(FRAMES, layer.out, (height + 1) // 2, (width + 1) // 2) if layer.low else None,
            randn(half, w) if layer.position else None, randn(half, h) if layer.position else None,
        )  # fmt: skip

    def to(self, dtype: torch.dtype) -> Problem:
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return Problem(**{k: v.to(dtype) if isinstance(v, Tensor) else v for k, v in values.items()})


def resized(x: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(x, size=size, mode="bilinear", align_corners=True)


def in_torch(p: Problem) -> Tensor:
    layer, x = p.layer, p.x
    if layer.size is not None:
        x = resized(x, layer.size)
    if p.pos_x is not None and p.pos_y is not None:
        half = layer.channels // 2
        x[:, :half].add_(p.pos_x.unsqueeze(1))
        x[:, half:].add_(p.pos_y.unsqueeze(2))
    if layer.form == "transposed":
        y = F.conv_transpose2d(x, p.weight, p.bias, stride=layer.kernel)
    else:
        y = F.conv2d(x, p.weight, p.bias, stride=layer.stride, padding=layer.padding)
    if p.residual is not None:
        y.add_(p.residual)
    if p.low is not None:
        y.add_(resized(p.low, layer.result()))
    return y.relu_() if layer.relu else y


def in_vqt(p: Problem) -> Callable[[], Tensor]:
    ops, layer = peers.load_ops(), p.layer
    matrix = ops.conv_matrix(p.weight, layer.form)
    scale, zero = ops.choose_qparams(matrix, *peers.SYMMETRIC)
    packed = ops.pack_weight(ops.quantize(matrix, scale, zero, *peers.SYMMETRIC), scale, zero, *peers.SYMMETRIC)
    after = {
        "out_channels": layer.out,
        "kernel_size": [layer.kernel],
        "residual": p.residual,
        "low": p.low,
        "relu": layer.relu,
    }
    if layer.form == "transposed":
        return lambda: ops.conv_transpose2d_int8(p.x, packed, p.bias, **after)
    before = {
        "form": layer.form, "stride": [layer.stride], "padding": [layer.padding], "x_size": list(layer.size or ()),
        "pos_x": p.pos_x, "pos_y": p.pos_y,
    }  # fmt: skip
    return lambda: ops.conv2d_int8(p.x, packed, p.bias, **before, **after)


def in_openvino(p: Problem, threads: int) -> Callable[[], Tensor]:
    """The convolution alone, from float32 to float32: u8 activations of a static range, int8 weights per channel."""
    import numpy as np
    import openvino as ov
    from openvino import opset13 as op

    layer = p.layer
    if layer.form == "transposed" or layer.size is not None:
        raise ValueError("compared on convolutions of a map as it is")
    node = op.parameter(list(p.x.shape), np.float32, name="x")
    low, high = np.float32(min(p.x.min().item(), 0.0)), np.float32(p.x.max().item())
    x = op.fake_quantize(node, low, high, low, high, 256)
    q, scale = peers.per_row(p.weight.flatten(1))
    w = op.multiply(
        op.convert(op.constant(q.reshape(p.weight.shape).numpy()), np.float32),
        op.constant(scale.reshape(-1, 1, 1, 1).numpy()),
    )
    around = [layer.padding] * 2
    y = op.add(
        op.convolution(x, w, [layer.stride] * 2, around, around, [1, 1]),
        op.constant(p.bias.reshape(1, -1, 1, 1).numpy()),
    )
    config = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = ov.Core().compile_model(ov.Model([y], [node]), "CPU", config).create_infer_request()
    request.set_input_tensor(ov.Tensor(p.x.contiguous().numpy()))  # a copy: a shared one would not keep x alive

    def run() -> Tensor:
        request.infer(share_outputs=True)
        return torch.from_numpy(request.get_output_tensor(0).data)

    return run


def variants(p: Problem, threads: int) -> dict[str, Callable[[], Callable[[], Tensor]]]:
    """How each is made; making one that this machine lacks raises."""
    plain = dataclasses.replace(p.layer, residual=False, low=False, relu=False)
    alone = dataclasses.replace(p, layer=plain, residual=None, low=None)
    contiguous = dataclasses.replace(p, x=p.x.contiguous())
    short = p.to(torch.bfloat16)
    return {
        "float32": lambda: lambda: in_torch(contiguous),
        "bfloat16": lambda: lambda: in_torch(short),
        "openvino": lambda: in_openvino(alone, threads),
        "vqt": lambda: in_vqt(p),
    }


def relative_error(got: Tensor, want: Tensor) -> float:
    return ((got.double() - want).norm() / want.norm()).item()


def measure_layer(layer: Layer, threads: int, turns: int) -> dict[str, Any]:
    """{name, count, products, seconds, errors, notes}: errors against float64, by variant."""
    p = Problem.random(layer)
    want = in_torch(p.to(torch.float64))
    plain = dataclasses.replace(
        p.to(torch.float64), layer=dataclasses.replace(layer, relu=False), residual=None, low=None
    )
    entry: dict[str, Any] = {
        "name": layer.name,
        "count": layer.count,
        "products": layer.products(),
        "errors": {},
        "notes": {},
    }
    runs: dict[str, peers.Run] = {}
    for name, make in variants(p, threads).items():
        try:
            run = make()
            entry["errors"][name] = relative_error(run(), in_torch(plain) if name == "openvino" else want)
        except Exception as error:  # a runtime that is not here, or does not take this layer
            entry["notes"][name] = reason(error)
            continue
        runs[name] = lambda turn, run=run: run()
    entry["seconds"] = timing.in_turns(runs, turns, SECONDS)
    return entry


def measure(
    threads: int, say: Callable[[str], None], layers: Sequence[Layer] = tuple(LAYERS), turns: int = 5
) -> list[dict[str, Any]]:
    found = []
    for layer in layers:
        found.append(measure_layer(layer, threads, turns))
        seconds = found[-1]["seconds"]
        say(f"{layer.name}: " + ", ".join(f"{name} {s * 1e3:.2f} ms" for name, s in seconds.items()))
    return found


def in_both_heads(entries: Sequence[dict[str, Any]], name: str) -> float | None:
    """Seconds of all layers of both heads; None where one was not measured."""
    if any(name not in e["seconds"] for e in entries):
        return None
    return HEADS * sum(e["count"] * e["seconds"][name] for e in entries)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.convolution")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with torch.no_grad():
        entries = measure(args.threads, lambda text: print(text, file=sys.stderr), turns=args.turns)
    print(json.dumps({"layers": entries, "both heads": {name: in_both_heads(entries, name) for name in LABELS}}))


if __name__ == "__main__":
    main()
