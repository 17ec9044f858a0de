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
        4: ["linear_int8_avx512vnni", "linear_int4_avx512vnni"] + 3 * ["weight_only_small_m_avx512vnni"],
        64: ["linear_int8_avx512vnni", "linear_int4_avx512vnni"] + 3 * ["weight_only_large_m_avx512vnni"],
    },
}


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
