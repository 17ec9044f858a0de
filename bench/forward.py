"""One model in a process of its own: its forward passes, for each number of frames.

    python -m bench.forward MODEL [--frames 1,2,4,8 --height 392 --width 518 --threads 2 --profile --outputs FOLDER]

MODEL is a TorchScript archive, or OpenVINO's .xml. Prints a line of JSON for each forward pass: frames, seconds, peak
memory so far; with `--profile` one more for each number of frames: seconds by kind of op (under torch's profiler). The
first line says how much memory importing torch and loading took. TorchScript spends seconds of a model's first two
forward passes on its graph: those are run on tiny images before. `--outputs` saves the results, one file for each
number of frames.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

Model = Callable[[Tensor], dict[str, Tensor]]
PASSES = 2  # of each number of frames: the first one of a size also computes tables that depend on it
COMPARED = ("depth", "world_points", "pose_enc")  # outputs whose errors are taken
KINDS = (
    "linears", "attention", "convolutions", "around convolutions", "norm and quantize", "GELU", "residual and scale",
    "rotary", "copies and concatenations", "other",
)  # fmt: skip
_BY_NAME = [
    (r"vqt::(linear_|weight_only).*|aten::(linear|addmm|mm|_int_mm|matmul)", "linears"),
    (r"vqt::attention|aten::(_?scaled_dot_product.*|_?softmax|bmm|baddbmm)", "attention"),
    (r"vqt::conv.*|aten::.*conv.*", "convolutions"),
    (r"aten::(upsample.*|relu_?|clamp_min_?)", "around convolutions"),
    (r"aten::(native_)?layer_norm", "norm and quantize"),
    (r"vqt::(layer_norm_quantize|quantize_activation|quantize_per_token)", "norm and quantize"),
    (r"aten::gelu_?", "GELU"),
    (r"vqt::rotary|aten::neg_?", "rotary"),
    (r"aten::(cat|copy_|clone|contiguous|_to_copy|to|reshape|stack)", "copies and concatenations"),
]  # fmt: skip


def kind(name: str, shapes: list[Any], head_dims: Iterable[int] = (64, 32, 16, 128)) -> str:
    """Which bar of the chart an op belongs to.

    By shape: products and sums of [n, heads, tokens, head dim] are rotary, those of [n, c, h, w] surround
    convolutions. addmm and the convolutions copy their bias into place first, and mkldnn some weights.
    """
    tensors = [list(s) for s in shapes if isinstance(s, (list, tuple)) and s and isinstance(s[0], int)]
    first = tensors[0] if tensors else []
    if name == "aten::copy_" and len(first) == 2:
        return "linears"
    if name == "aten::copy_" and len(first) == 4:
        weight = first[-1] == first[-2] <= 14
        if weight or (len(tensors) > 1 and tensors[1][1:] == [1, 1]):
            return "convolutions"
    if re.fullmatch(r"aten::(mul|add|neg)_?", name) and len(first) == 4:
        per_head = first[-1] in head_dims and first[1] <= 32 and first[2] > first[-1]
        return "rotary" if per_head else "around convolutions"
    for pattern, found in _BY_NAME:
        if re.fullmatch(pattern, name):
            return found
    if re.fullmatch(r"aten::(add|mul)_?", name):
        return "residual and scale" if len(first) == 3 else "other"
    return "other"


def by_kind(events: Iterable[Any]) -> dict[str, float]:
    """Seconds by kind out of the profiler's averages, self time, so that nothing counts twice."""
    seconds = dict.fromkeys(KINDS, 0.0)
    for event in events:
        seconds[kind(event.key, getattr(event, "input_shapes", []) or [])] += event.self_cpu_time_total / 1e6
    return seconds


def peak_bytes() -> int:
    """The largest resident size of this process alone: what ru_maxrss says, without what exec inherits."""
    with open("/proc/self/status") as status:
        return int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1)) * 1024


def random_images(shape: tuple[int, ...]) -> Tensor:
    """[1, frames, 3, height, width] in [0, 1]: the same ones for every model."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def load(archive: Path, shape: tuple[int, ...], precision: str | None) -> Model:
    if archive.suffix == ".xml":
        from . import openvino_model

        return openvino_model.load(archive, shape, torch.get_num_threads(), precision)
    model = torch.jit.load(str(archive)).eval()
    for _ in range(2):
        model(torch.rand(*shape[:3], 56, 56))
    return model


def timed(model: Model, images: Tensor) -> tuple[float, dict[str, Tensor]]:
    begin = time.perf_counter()
    found = model(images)
    return time.perf_counter() - begin, found


def say(**answer: Any) -> None:
    print(json.dumps(answer), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.forward")
    parser.add_argument("archive", type=Path)
    parser.add_argument("--frames", type=lambda text: sorted(map(int, text.split(","))), default=[2])
    parser.add_argument("--height", type=int, default=392)
    parser.add_argument("--width", type=int, default=518)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--outputs", type=Path)
    parser.add_argument("--precision", help="of OpenVINO: f32 or bf16 (default: what it chooses)")
    args = parser.parse_args()

    import vqt

    vqt.low_memory()  # the same for every model compared
    imported = peak_bytes()
    torch.set_num_threads(args.threads)
    shapes = {frames: (1, frames, 3, args.height, args.width) for frames in args.frames}
    with torch.no_grad():
        model = load(args.archive, shapes[args.frames[0]], args.precision)
        say(imported=imported, loaded=peak_bytes())
        for frames, shape in shapes.items():  # from few to many: each peak is that of its own frames
            images = random_images(shape)
            for turn in range(PASSES):
                seconds, found = timed(model, images)
                say(frames=frames, seconds=seconds, peak=peak_bytes())
                if args.outputs and turn == 0:
                    compared = {name: found[name].clone() for name in COMPARED if name in found}
                    torch.save(compared, args.outputs / f"{frames}.pt")
                del found
        profiled = args.profile and args.archive.suffix != ".xml"  # torch's profiler sees nothing of OpenVINO
        for frames, shape in shapes.items() if profiled else ():  # last: it takes memory of its own
            activities = [torch.profiler.ProfilerActivity.CPU]
            with torch.profiler.profile(activities=activities, record_shapes=True) as profiler:
                timed(model, random_images(shape))
            say(frames=frames, kinds=by_kind(profiler.key_averages(group_by_input_shape=True)))


if __name__ == "__main__":
    main()
