"""One model in a process of its own, which runs a forward pass on each request.

    python -m bench.forward MODEL [--frames 2 --height 392 --width 518 --threads 2]

Reads lines `run` and `profile`, answers each with a line of JSON: seconds, peak memory so far, with `profile` also
seconds by kind of op (under torch's profiler). So several models can take turns. The first line it prints says how
long importing torch and loading took. TorchScript spends seconds of a model's first two forward passes on its graph:
those are run on tiny images before.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

KINDS = (
    "linears", "attention", "convolutions", "around convolutions", "norm and quantize", "GELU", "residual and scale",
    "rotary", "copies and concatenations", "other",
)  # fmt: skip
_BY_NAME = [
    (r"vqt::(linear_|weight_only).*|aten::(linear|addmm|mm|_int_mm|matmul)", "linears"),
    (r"aten::(_?scaled_dot_product.*|_?softmax|bmm|baddbmm)", "attention"),
    (r"aten::.*conv.*", "convolutions"),
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


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.forward")
    parser.add_argument("archive")
    parser.add_argument("--frames", type=int, default=2)
    parser.add_argument("--height", type=int, default=392)
    parser.add_argument("--width", type=int, default=518)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()

    import torch
    import vqt

    vqt.low_memory()  # the same for every model compared
    imported = peak_bytes()
    torch.set_num_threads(args.threads)
    model = torch.jit.load(args.archive).eval()
    torch.manual_seed(0)
    images = torch.rand(1, args.frames, 3, args.height, args.width)
    with torch.no_grad():
        for _ in range(2):
            model(torch.rand(1, args.frames, 3, 56, 56))
        print(json.dumps({"imported": imported, "loaded": peak_bytes()}), flush=True)
        for line in sys.stdin:
            profiler: Any = nullcontext()
            if line.strip() == "profile":
                profiler = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True)
            with profiler:
                begin = time.perf_counter()
                model(images)
                seconds = time.perf_counter() - begin
            found: dict[str, Any] = {"seconds": seconds, "peak": peak_bytes()}
            if line.strip() == "profile":
                found["kinds"] = by_kind(profiler.key_averages(group_by_input_shape=True))
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
