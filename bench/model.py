"""The whole model: float32, production and mobile, each in a process of its own."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import machine, timing

Say = Callable[[str], None]
PRESETS = ("production", "mobile")
# What __main__ or the caller set for other ends: a forward runs as a user's does.
_NOT_INHERITED = (
    "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_MMAP_MAX_", "GLIBC_TUNABLES",
    "GOMP_SPINCOUNT",
)  # fmt: skip
NEEDED_MEMORY = 14 << 30  # three models, and room for one forward
NEEDED_DISK = 10 << 30


class PartError(Exception):
    """This part of the run cannot be done here; the message goes on the page."""


def environment(env: dict[str, str] | None) -> dict[str, str]:
    """Ours without what is not inherited, and `env`."""
    return {**{k: v for k, v in os.environ.items() if k not in _NOT_INHERITED}, **(env or {})}


def run(command: Sequence[str | Path], env: dict[str, str] | None = None, timeout: float = 400) -> str:
    """Standard output of a command at the repository's root."""
    try:
        done = subprocess.run(
            list(map(str, command)), cwd=machine.ROOT, capture_output=True, text=True, timeout=timeout,
            env=environment(env),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise PartError(f"{Path(command[0]).name}: more than {timeout:g} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise PartError(f"{Path(command[0]).name}: {lines[-1][:200]}")
    return done.stdout


class Worker:
    """bench.forward with one archive: a process that does a forward when it is asked to."""

    def __init__(self, archive: Path, threads: int, env: dict[str, str], size: Sequence[int]) -> None:
        flags = ["--threads", threads, "--height", size[0], "--width", size[1]]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.forward", archive, *map(str, flags)], cwd=machine.ROOT, env=environment(env),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.loaded = self._answer()

    def ask(self, what: str) -> dict[str, Any]:
        """`run` or `profile`."""
        assert self.process.stdin
        try:
            self.process.stdin.write(what + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # _answer says why
        return self._answer()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        lines = self.process.communicate()[1].strip().splitlines() or [f"exit code {self.process.returncode}"]
        raise PartError(f"forward: {lines[-1][:200]}")


def in_turns(workers: dict[str, Worker], turns: int, say: Say) -> dict[str, dict[str, Any]]:
    """One forward of each after the other, in random order, `turns` times and once more under the profiler.

    The least time counts, and the peak before the profiler, which takes 0.1 GiB of its own.
    """
    found = {name: {**worker.loaded, "forwards": []} for name, worker in workers.items()}
    order = random.Random(0)
    for turn in range(turns + 1):
        for name in timing.shuffled(workers, order):
            answer = workers[name].ask("run" if turn < turns else "profile")
            found[name]["forwards"].append(answer.pop("seconds"))
            if turn == turns:
                del answer["peak"]
            found[name].update(answer)
    for name, model in found.items():
        model["seconds"] = min(model["forwards"][:turns])
        say(f"model: {name}: {model['seconds']:.1f} s, peak {model['peak'] / 2**30:.1f} GiB")
    return found


def whole(
    folder: Path, threads: int, say: Say, config: Path | None = None, size: Sequence[int] = (392, 518), turns: int = 2
) -> dict[str, Any]:  # fmt: skip
    """{models: {name: {seconds, forwards, peak, kinds, bytes, quantize_seconds}}, ...}; archives are deleted."""
    if config is None:
        memory = Path("/proc/meminfo").read_text().splitlines()
        free = int(next(line.split()[1] for line in memory if line.startswith("MemAvailable"))) * 1024
        if free < NEEDED_MEMORY:
            raise PartError(f"VGGT-1B: needs {NEEDED_MEMORY >> 30} GiB of memory, {free >> 30} GiB are free")
        if shutil.disk_usage(folder).free < NEEDED_DISK:
            raise PartError(f"VGGT-1B: needs {NEEDED_DISK >> 30} GiB of disk in {folder}")
    archives = {name: folder / f"{name}.pt" for name in ("float32", *PRESETS)}
    result: dict[str, Any] = {"frames": 2, "height": size[0], "width": size[1], "notes": []}
    models: dict[str, dict[str, Any]] = {"float32": {}}
    workers: dict[str, Worker] = {}
    try:
        say("model: exporting random weights, seed 0")
        export = [sys.executable, "examples/vggt/export.py", "--random", "--seed", "0", "-o", archives["float32"]]
        run([*export, *(["--config", config] if config else [])])
        for name in PRESETS:
            begin = time.perf_counter()
            source = ["build/bin/vqt-quantize", archives["float32"], "-o", archives[name]]
            try:
                run([*source, "--preset", name, "--quiet"])
            except PartError as error:
                result["notes"].append(f"{name}: {error}")
                continue
            models[name] = {"quantize_seconds": time.perf_counter() - begin}
        for name in models:
            models[name]["bytes"] = archives[name].stat().st_size
            workers[name] = Worker(archives[name], threads, {}, size)
            archives[name].unlink()
        for name, found in in_turns(workers, turns, say).items():
            models[name].update(found)
    finally:
        for worker in workers.values():
            worker.close()
        for archive in archives.values():
            archive.unlink(missing_ok=True)
    return {**result, "models": models}
