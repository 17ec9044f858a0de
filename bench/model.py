"""The whole model: float32, production and mobile, each forward in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import machine

Say = Callable[[str], None]
PRESETS = ("production", "mobile")
# What docs/benchmarks/README.md recommends for a process that runs forwards; the same for every model compared.
MALLOC = {"MALLOC_MMAP_THRESHOLD_": "1048576", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
# What __main__ or the caller set for other ends: a forward runs as a user's does.
_NOT_INHERITED = (
    "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_MMAP_MAX_", "GLIBC_TUNABLES", "GOMP_SPINCOUNT",
)  # fmt: skip
NEEDED_MEMORY = 14 << 30
NEEDED_DISK = 10 << 30


class PartError(Exception):
    """This part of the run cannot be done here; the message goes on the page."""


def run(command: Sequence[str | Path], env: dict[str, str] | None = None, timeout: float = 400) -> str:
    """Standard output of a command at the repository's root."""
    clean = {k: v for k, v in os.environ.items() if k not in _NOT_INHERITED}
    try:
        done = subprocess.run(
            list(map(str, command)), cwd=machine.ROOT, capture_output=True, text=True, timeout=timeout,
            env={**clean, **(env or {})},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise PartError(f"{Path(command[0]).name}: more than {timeout:g} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise PartError(f"{Path(command[0]).name}: {lines[-1][:200]}")
    return done.stdout


def forward(
    archive: Path,
    threads: int,
    env: dict[str, str],
    forwards: int = 2,
    profile: bool = False,
    size: Sequence[int] = (392, 518),
) -> dict[str, Any]:
    flags = ["--threads", threads, "--forwards", forwards, "--height", size[0], "--width", size[1]]
    command = [sys.executable, "-m", "bench.forward", archive, *map(str, flags), *(["--profile"] if profile else [])]
    return json.loads(run(command, env).splitlines()[-1])


def whole(
    folder: Path, threads: int, say: Say, config: Path | None = None, size: Sequence[int] = (392, 518)
) -> dict[str, Any]:
    """{models: {name: {seconds, peak, plain_peak, plain_seconds, kinds, bytes, quantize_seconds}}, ...}; archives are deleted."""
    if config is None:
        free = int(next(line.split()[1] for line in open("/proc/meminfo") if line.startswith("MemAvailable"))) * 1024
        if free < NEEDED_MEMORY:
            raise PartError(f"VGGT-1B: needs {NEEDED_MEMORY >> 30} GiB of memory, {free >> 30} GiB are free")
        if shutil.disk_usage(folder).free < NEEDED_DISK:
            raise PartError(f"VGGT-1B: needs {NEEDED_DISK >> 30} GiB of disk in {folder}")
    archives = {"float32": folder / "float32.pt"}
    result: dict[str, Any] = {
        "models": {},
        "malloc": MALLOC,
        "frames": 2,
        "height": size[0],
        "width": size[1],
        "notes": [],
    }
    try:
        say("model: exporting random weights, seed 0")
        export = [sys.executable, "examples/vggt/export.py", "--random", "--seed", "0", "-o", archives["float32"]]
        run([*export, *(["--config", config] if config else [])])
        for name in ("float32", *PRESETS):
            found: dict[str, Any] = {}
            begin = time.perf_counter()
            if name != "float32":
                archives[name] = folder / f"{name}.pt"
                try:
                    run(
                        [
                            "build/bin/vqt-quantize",
                            archives["float32"],
                            "-o",
                            archives[name],
                            "--preset",
                            name,
                            "--quiet",
                        ]
                    )
                except PartError as error:
                    result["notes"].append(f"{name}: {error}")
                    continue
                found["quantize_seconds"] = time.perf_counter() - begin
            found["bytes"] = archives[name].stat().st_size
            try:
                found.update(forward(archives[name], threads, MALLOC, profile=True, size=size))
                plain = forward(archives[name], threads, {}, forwards=1, size=size)
                found.update(plain_peak=plain["peak"], plain_seconds=plain["seconds"])
            except PartError as error:
                result["notes"].append(f"{name}: {error}")
                continue
            result["models"][name] = found
            say(f"model: {name}: {found['seconds']:.1f} s, peak {found['peak'] / 2**30:.1f} GiB")
            if name != "float32":
                archives[name].unlink()
    finally:
        for archive in archives.values():
            archive.unlink(missing_ok=True)
    return result
