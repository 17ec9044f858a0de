"""The whole model in float32, bfloat16 and quantized: times, peak memory and errors for each number of frames."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from . import machine, timing

Say = Callable[[str], None]
Command = list[str | Path]
Model = dict[str, Any]
SIZE = (392, 518)  # height, width
CALIBRATION = 4  # images for static scales
# What __main__ or the caller set for other ends: a forward pass runs as a user's does.
_NOT_INHERITED = (
    "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_MMAP_MAX_", "GLIBC_TUNABLES",
    "GOMP_SPINCOUNT",
)  # fmt: skip
NEEDED_MEMORY = 10 << 30  # one model at a time; many frames need more
NEEDED_DISK = 13 << 30
HOUR = 3600.0


class PartError(Exception):
    """This part of the run cannot be done here; the message goes on the page. output: what came before."""

    def __init__(self, text: str, output: str = "") -> None:
        super().__init__(text)
        self.output = output


@dataclass(frozen=True)
class Variant:
    """How a model is made, and which flags its forward passes have. Made in the order of the dict they are in."""

    archive: Path
    make: Command | None = None  # None: another variant makes it
    flags: tuple[str, ...] = ()


def environment(env: dict[str, str] | None) -> dict[str, str]:
    """Ours without what is not inherited, and `env`."""
    return {**{k: v for k, v in os.environ.items() if k not in _NOT_INHERITED}, **(env or {})}


def run(command: Sequence[str | Path], env: dict[str, str] | None = None, timeout: float = 400) -> str:
    """Standard output of a command at the repository's root."""
    program = " ".join(map(str, command[1:3])) if command[0] == sys.executable else Path(command[0]).name
    try:
        done = subprocess.run(
            list(map(str, command)), cwd=machine.ROOT, capture_output=True, text=True, timeout=timeout,
            env=environment(env),
        )  # fmt: skip
    except subprocess.TimeoutExpired as expired:
        raise PartError(f"{program}: more than {timeout:g} s", (expired.stdout or b"").decode()) from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise PartError(f"{program}: {lines[-1][:200]}", done.stdout)
    return done.stdout


def variants(folder: Path, config: Path | None, width: int = SIZE[1]) -> dict[str, Variant]:
    """torch's and vqt's. config: sizes of a VGGT (None: VGGT-1B). width: of the images for calibration."""
    float32 = folder / "float32.pt"
    export: Command = [sys.executable, "examples/vggt/export.py", "--random", "--seed", "0"]
    export += ["--config", config] if config else []
    calibration = ["--activation", "static", "--calibration", folder / "calibration", "--image-size", str(width)]
    found = {"float32": Variant(float32, [*export, "-o", float32])}
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        archive = folder / "bfloat16.pt"
        found["bfloat16"] = Variant(archive, [*export, "--dtype", "bfloat16", "-o", archive])
    flags = {"production": ["production"], "mobile": ["mobile"], "static": ["production", *calibration]}
    for name, preset in flags.items():
        archive = folder / f"{name}.pt"
        quantize: Command = ["build/bin/vqt-quantize", float32, "-o", archive, "--quiet", "--preset", *preset]
        found[name] = Variant(archive, quantize)
    return found


def write_calibration(folder: Path, size: Sequence[int]) -> None:
    """Random images, other ones than the forward passes'."""
    from PIL import Image

    folder.mkdir()
    random_bytes = torch.Generator().manual_seed(1)
    for i in range(CALIBRATION):
        pixels = torch.randint(256, (*size, 3), dtype=torch.uint8, generator=random_bytes)
        Image.fromarray(pixels.numpy()).save(folder / f"{i}.png")


def make(chosen: dict[str, Variant], notes: list[str], say: Say) -> dict[str, Model]:
    """Writes the archives: {name: {bytes, make_seconds}}; what cannot be made is a note."""
    models: dict[str, Model] = {}
    for name, variant in chosen.items():
        begin = time.perf_counter()
        try:
            if variant.make:
                say(f"model: making {name}")
                run(variant.make, timeout=HOUR)
        except PartError as error:
            notes.append(f"{name}: {error}")
        if variant.archive.exists():
            weights = variant.archive.with_suffix(".bin")  # OpenVINO's
            size = sum(path.stat().st_size for path in (variant.archive, weights) if path.exists())
            models[name] = {"bytes": size, "make_seconds": time.perf_counter() - begin}
    return models


def add(models: dict[int, dict[str, Model]], name: str, made: Model, output: str) -> None:
    """What one process of bench.forward said, put with what is known of the model, by number of frames."""
    first, *answers = map(json.loads, output.splitlines() or ["{}"])
    for answer in answers:
        found = models.setdefault(answer.pop("frames"), {}).setdefault(name, {**made, **first, "forwards": []})
        if "seconds" in answer:
            found["forwards"].append(answer["seconds"])
            answer["seconds"] = min(found["forwards"])
            answer["peak"] = min(answer["peak"], found.get("peak", answer["peak"]))
        found.update(answer)


def errors(got: dict[str, Tensor], want: dict[str, Tensor]) -> dict[str, float]:
    """Relative errors (Frobenius) of the outputs, and depth's PSNR in dB (peak: the range of `want`'s depth)."""
    found = {name: relative_error(got[name], want[name]) for name in want if name in got}
    if "depth" in found:
        depth = want["depth"].double()
        squares = (got["depth"].double() - depth).square().mean().item()
        if squares > 0:
            found["depth_psnr"] = 10 * math.log10((depth.max() - depth.min()).item() ** 2 / squares)
    return found


def relative_error(got: Tensor, want: Tensor) -> float:
    return ((got.double() - want.double()).norm() / want.double().norm()).item()


def in_turns(
    folder: Path, chosen: dict[str, Variant], made: dict[str, Model], flags: Command, turns: int, notes: list[str],
    say: Say,
) -> dict[int, dict[str, Model]]:  # fmt: skip
    """{frames: {name: model}}. One process at a time, `turns` of each, in random order; the last turn has a profile.

    Processes kept between turns would hold the memory of all models' peaks.
    """
    models: dict[int, dict[str, Model]] = {}
    order, failed = random.Random(0), set[str]()
    for turn in range(turns):
        for name in timing.shuffled(made, order):
            if name in failed:
                continue
            outputs = folder / f"outputs {name}"
            outputs.mkdir(exist_ok=True)
            command = [sys.executable, "-m", "bench.forward", chosen[name].archive, "--outputs", outputs, *flags]
            command += [*chosen[name].flags, *(["--profile"] if turn == turns - 1 else [])]
            begin = time.perf_counter()
            try:
                output = run(command, timeout=HOUR)
            except PartError as error:
                output = error.output
                notes.append(f"{name}: {error}")
                failed.add(name)
            add(models, name, made[name], output)
            say(f"model: {name}: turn {turn + 1} of {turns}: {time.perf_counter() - begin:.0f} s")
    return models


def compare(
    folder: Path, chosen: dict[str, Variant], frames: Iterable[int], threads: int, say: Say,
    size: Sequence[int] = SIZE, turns: int = 2,
) -> list[dict[str, Any]]:  # fmt: skip
    """[{frames, height, width, notes, models: {name: {seconds, forwards, peak, kinds, errors, bytes, make_seconds}}}].

    errors: against float32.
    """
    notes: list[str] = []
    write_calibration(folder / "calibration", size)
    made = make(chosen, notes, say)
    flags = ["--frames", ",".join(map(str, frames)), "--threads", threads, "--height", size[0], "--width", size[1]]
    found = in_turns(folder, chosen, made, list(map(str, flags)), turns, notes, say)
    entries = []
    for count, models in sorted(found.items()):
        for name, model in models.items():
            files = [folder / f"outputs {which}" / f"{count}.pt" for which in (name, "float32")]
            if name != "float32" and all(file.exists() for file in files):
                model["errors"] = errors(*map(torch.load, files))
            say(f"model: {count} frames: {name}: {model['seconds']:.2f} s, peak {model['peak'] / 2**30:.2f} GiB")
        models = {name: models[name] for name in chosen if name in models}
        entries.append({"frames": count, "height": size[0], "width": size[1], "notes": notes, "models": models})
        notes = []  # once
    if not entries:
        raise PartError("; ".join(notes))
    return entries


def whole(
    folder: Path, threads: int, say: Say, frames: Iterable[int] = (2,), turns: int = 2, config: Path | None = None,
    size: Sequence[int] = SIZE,
) -> list[dict[str, Any]]:  # fmt: skip
    """compare() of torch's and vqt's variants of VGGT-1B, or of a VGGT of the sizes in `config`."""
    if config is None:
        memory = Path("/proc/meminfo").read_text().splitlines()
        free = int(next(line.split()[1] for line in memory if line.startswith("MemAvailable"))) * 1024
        if free < NEEDED_MEMORY:
            raise PartError(f"VGGT-1B: needs {NEEDED_MEMORY >> 30} GiB of memory, {free >> 30} GiB are free")
        if shutil.disk_usage(folder).free < NEEDED_DISK:
            raise PartError(f"VGGT-1B: needs {NEEDED_DISK >> 30} GiB of disk in {folder}")
    chosen = variants(folder, config, size[1])
    entries = compare(folder, chosen, frames, threads, say, size, turns)
    if "bfloat16" not in chosen:
        entries[0]["notes"].append("bfloat16: torch has no bfloat16 matrix products on this CPU")
    return entries


def whole_models(results: dict[str, Any]) -> list[dict[str, Any]]:
    """The part's entries, of older files too, which have one alone."""
    found = results.get("model", [])
    return found if isinstance(found, list) else [found]
