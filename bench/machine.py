"""This machine: its CPU as a file name, caches, instruction sets, installed packages, memory bandwidth."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BUSY = 0.1  # the share of the CPUs that others may use while something is timed
PACKAGES = ("torch", "torchao", "zentorch", "onnxruntime", "openvino", "nncf", "onnx", "numpy")

# (first model, last model, name) of x86 families; https://en.wikichip.org/wiki/amd/cpuid and /wiki/intel/cpuid
_AMD = {
    23: [(0x00, 0x2F, "zen1"), (0x30, 0xFF, "zen2")],
    25: [(0x00, 0x0F, "zen3"), (0x10, 0x1F, "zen4"), (0x20, 0x5F, "zen3"), (0x60, 0x7F, "zen4"), (0xA0, 0xAF, "zen4")],
    26: [(0x00, 0xFF, "zen5")],
}
_INTEL = {
    79: "broadwell", 85: "skylake", 106: "ice-lake", 108: "ice-lake", 143: "sapphire-rapids", 151: "alder-lake",
    154: "alder-lake", 183: "raptor-lake", 207: "emerald-rapids", 173: "granite-rapids", 174: "granite-rapids",
    175: "sierra-forest",
}  # fmt: skip


def cpu_fields(cpuinfo: str) -> dict[str, str]:
    """The first processor of /proc/cpuinfo."""
    lines = cpuinfo.split("\n\n")[0].splitlines()
    return {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in lines)}


def slug(cpuinfo: str) -> str:
    """amd-epyc-zen4, intel-xeon-sapphire-rapids: one page for each kind of CPU, by vendor, family, model, flags."""
    cpu = cpu_fields(cpuinfo)
    vendor, name = cpu.get("vendor_id", ""), cpu.get("model name", "").lower()
    try:
        family, model = int(cpu.get("cpu family", "")), int(cpu.get("model", ""))
    except ValueError:
        words = re.sub(r"[^a-z0-9]+", "-", name or platform.machine()).strip("-")
        return words or "unknown"
    flags = set(cpu.get("flags", "").split())
    if vendor == "AuthenticAMD":
        line = next((w for w in ("epyc", "threadripper", "ryzen", "opteron") if w in name), "cpu")
        core = next((n for a, b, n in _AMD.get(family, []) if a <= model <= b), f"family-{family}-model-{model}")
        return f"amd-{line}-{core}"
    if vendor == "GenuineIntel":
        line = "xeon" if "xeon" in name else "core" if "core" in name else "cpu"
        core = _INTEL.get(model, f"model-{model}") if family == 6 else f"family-{family}-model-{model}"
        if core == "skylake" and "avx512_vnni" in flags:
            core = "cooper-lake" if "avx512_bf16" in flags else "cascade-lake"
        return f"intel-{line}-{core}"
    return re.sub(r"[^a-z0-9]+", "-", f"{vendor}-{family}-{model}".lower()).strip("-")


def last_cache_bytes() -> int:
    """The largest cache of CPU 0 (32 MiB where the system does not say)."""
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    sizes = [p.read_text().strip() for p in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")]
    return max((int(s[:-1]) * units[s[-1]] for s in sizes if s[-1:] in units), default=32 << 20)


def python(code: str, env: dict[str, str] | None = None, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """Runs code in a new interpreter of this environment, at the repository's root."""
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=timeout,
        env={**os.environ, **(env or {})},
    )  # fmt: skip


def isas() -> tuple[list[str], list[str]]:
    """(names that VQT_ISA knows, those this CPU has), both in rising order, out of the library's own error message."""
    arguments = "torch.ones(1, 8), torch.ones(1, 8, dtype=torch.int8), None, torch.ones(1)"
    code = f"import torch, vqt; torch.ops.vqt.linear_int8({arguments})"
    text = python(code, {"VQT_ISA": "?"}).stderr
    known, here = re.search(r"expected one of (.*?), got", text), re.search(r"this CPU has (.*)", text)
    if not known or not here:
        return [], []
    return [s.strip() for s in known[1].split(",")], [s.strip() for s in here[1].split(",")]


def versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = ""
    return found


def commit() -> str:
    done = subprocess.run(["git", "log", "-1", "--format=%h"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip()


def bandwidth(threads: int, repeats: int = 5) -> float:
    """Bytes a second that all threads together read from memory: the better of a sum and a dot product of 256 MB."""
    import torch

    torch.set_num_threads(threads)
    x = torch.ones(32 << 20)
    best = float("inf")
    for _ in range(repeats):
        for read, count in ((lambda: x.sum(), 1), (lambda: torch.dot(x, x), 1)):
            begin = time.perf_counter()
            read()
            best = min(best, (time.perf_counter() - begin) / count)
    return x.nbytes / best


def cpu_times(proc_stat: str, cpus: Iterable[int], own: float) -> tuple[float, float]:
    """Seconds that these CPUs have run so far, and seconds that others than this process used; own: its own seconds."""
    names = {f"cpu{cpu}" for cpu in cpus}
    rows = [line.split() for line in proc_stat.splitlines() if line.split()[:1] and line.split()[0] in names]
    ticks = [[int(word) for word in row[1:9]] for row in rows]  # user nice system idle iowait irq softirq steal
    second = os.sysconf("SC_CLK_TCK")
    return sum(map(sum, ticks)) / second, sum(sum(t) - t[3] - t[4] for t in ticks) / second - own


def cpu_times_now() -> tuple[float, float]:
    """cpu_times of the CPUs that this process may use; child processes that have ended are its own."""
    return cpu_times(Path("/proc/stat").read_text(), os.sched_getaffinity(0), sum(os.times()[:4]))


def used_by_others(before: tuple[float, float], after: tuple[float, float]) -> float:
    """The share of the CPUs, 0 to 1, that others used between the two; 0 for less than 0.2 s, as a tick is 10 ms."""
    ran = after[0] - before[0]
    return min(max((after[1] - before[1]) / ran, 0.0), 1.0) if ran >= 0.2 else 0.0


def environment(threads: int) -> dict[str, Any]:
    text = Path("/proc/cpuinfo").read_text()
    cpu = cpu_fields(text)
    known, here = isas()
    return {
        "cpu": cpu.get("model name", platform.machine()),
        "slug": slug(text),
        "family": cpu.get("cpu family", ""),
        "model": cpu.get("model", ""),
        "isas_known": known,
        "isas": here,
        "isa": os.environ.get("VQT_ISA") or (here[-1] if here else "?"),
        "cpus": os.cpu_count(),
        "threads": threads,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "last_cache_bytes": last_cache_bytes(),
        "versions": versions(),
        "python": platform.python_version(),
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d"),
    }
