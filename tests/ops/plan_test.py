"""The plans that the ops print, per shape and instruction set: the project's own kernels, on all threads."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = os.environ.get("VQT_OPS_LIB", str(ROOT / "build/lib/libvqt_ops.so"))
# Each linear with 4 and with 64 rows, on 4 threads.
SCRIPT = """
import torch, sys
torch.ops.load_library(sys.argv[1])
torch.set_num_threads(4)
V = torch.ops.vqt
w = torch.randn(2048, 256)
def packed(bits, granularity, group):
    s, z = V.choose_qparams(w, bits, True, granularity, group)
    return V.pack_weight(V.quantize(w, s, z, bits, True, granularity, group), s, z, bits, True, granularity, group)
int8, int4 = packed(8, "per_channel", 0), packed(4, "group", 64)
s16, z16 = V.choose_qparams(w, 16, True, "per_channel", 0)
int16 = V.quantize(w, s16, z16, 16, True, "per_channel", 0)
for m in (4, 64):
    x = torch.randn(m, 256)
    V.linear_int8(x, int8)
    V.linear_int4(x, int4)
    V.linear_int8(x, int8, activation="none")
    V.linear_int4(x, int4, activation="none")
    V.linear_int16(x, int16, None, s16)
"""
LINEARS = ["int8", "int4", "int8 weight-only", "int4 weight-only", "int16 weight-only"]
KERNELS = {
    "ref": {
        4: ["linear_int8_ref", "linear_int4_ref"] + 3 * ["weight_only_ref"],
        64: ["linear_int8_ref", "linear_int4_ref"] + 3 * ["weight_only_torch"],  # faster than portable code
    },
    "avx2": {
        4: ["linear_int8_direct_avx2", "linear_int4_small_m_avx2"] + 3 * ["weight_only_small_m_avx2"],
        64: ["linear_int8_strassen_avx2", "linear_int4_large_m_avx2"] + 3 * ["weight_only_large_m_avx2"],
    },
    "avxvnni": {
        4: ["linear_int8_avxvnni", "linear_int4_avxvnni"] + 3 * ["weight_only_small_m_avx2"],
        64: ["linear_int8_avxvnni", "linear_int4_avxvnni"] + 3 * ["weight_only_large_m_avx2"],
    },
    "avx512vnni": {
        4: ["linear_int8_avx512vnni", "linear_int4_small_m_avx512vnni"] + 3 * ["weight_only_small_m_avx512vnni"],
        64: ["linear_int8_avx512vnni", "linear_int4_large_m_avx512vnni"] + 3 * ["weight_only_large_m_avx512vnni"],
    },
}


# Schemes of every preset, and groups that do not divide K: 5, 8 and 4 x 43 rows of x.
ALL_K = """
import torch, sys
torch.ops.load_library(sys.argv[1])
V = torch.ops.vqt
for k in (1, 2, 9, 36, 64, 72, 96, 100, 131, 192, 300, 320, 1000):
    for n in (1, 17, 96):
        w = torch.randn(n, k)
        for bits, symmetric, granularity, group in [(8, True, "per_channel", 0), (8, False, "per_channel", 0),
                (8, True, "per_tensor", 0), (4, True, "group", 64), (4, False, "group", 64), (4, True, "group", 128),
                (4, True, "group", 48), (4, True, "group", 8), (4, True, "group", -1), (4, True, "group", 2000)]:
            s, z = V.choose_qparams(w, bits, symmetric, granularity, group)
            q = V.quantize(w, s, z, bits, symmetric, granularity, group)
            p = V.pack_weight(q, s, z, bits, symmetric, granularity, group, k=k)
            linear = V.linear_int8 if bits == 8 else V.linear_int4
            exact = V.dequantize(q, s, z, bits, symmetric, granularity, group, k=k).double()
            for m in (3, 43):
                x = torch.randn(m, k)
                for activation, limit in (("dynamic", 0.06), ("none", 1e-5)):
                    y, want = linear(x, p, activation=activation).double(), x.double() @ exact.T
                    error = (y - want).abs().max() / (x.double().abs() @ exact.abs().T).max().clamp(min=1e-9)
                    assert error < limit, (k, n, bits, group, m, activation, error)
"""


@pytest.mark.parametrize("isa", ["avx2", "avxvnni", "avx512vnni"])
def test_no_preset_and_no_group_of_a_multiple_of_8_takes_the_reference_kernel(isa: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALL_K, LIBRARY], capture_output=True, text=True, timeout=600,
        env={**os.environ, "VQT_PRINT_PLAN": "1", "VQT_ISA": isa},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    plans = [line for line in done.stderr.splitlines() if line.startswith("vqt: plan: ")]
    if any(f" {isa}, " not in line for line in plans):
        pytest.skip(f"this CPU has no {isa}")
    slow = [line for line in plans if re.search("linear_canonical|_ref|weight_only_torch", line)]
    assert len(plans) > 300 and slow == []


@pytest.mark.parametrize("isa", KERNELS)
def test_every_shape_takes_its_kernel_on_all_threads(isa: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, LIBRARY], capture_output=True, text=True, timeout=300,
        env={**os.environ, "VQT_PRINT_PLAN": "1", "VQT_ISA": isa},
    )  # fmt: skip
    if "expected an instruction set of this CPU" in done.stderr:
        pytest.skip(f"{isa} is not on this CPU")
    assert done.returncode == 0, done.stderr
    found = re.findall(r"^vqt: plan: (int\d+(?: weight-only)?) (\d+) x 256 -> 2048 (\w+), (.*)$", done.stderr, flags=re.M)
    expected = [(name, m, kernel) for m in (4, 64) for name, kernel in zip(LINEARS, KERNELS[isa][m], strict=True)]
    got = [(name, int(m), "".join(re.findall(r"(?:linear|weight_only)_\w+", rest))) for name, m, _, rest in found]
    assert got == expected
    for name, m, printed_isa, rest in found:
        assert printed_isa == isa and rest.startswith("4 threads: "), (name, m, rest)
        if "torch" not in rest:
            tasks = re.match(r"4 threads: (\d+) x (\d+) tasks", rest)
            assert int(tasks[1]) * int(tasks[2]) == 4, (name, m, rest)
