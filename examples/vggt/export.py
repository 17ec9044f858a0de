#!/usr/bin/env python3
"""Writes a scripted VGGT (a TorchScript file, .pt) from the published checkpoint or random weights.

Exit codes: 0 done, 1 the work failed, 2 bad usage (the content of a config file included).
"""

import argparse
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

if __package__ in (None, ""):  # run as a script: make the package importable by its name
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from vggt.config import ConfigError, VGGTConfig
from vggt.model import VGGT
from vggt.random_init import fill_random

_NAMED_KEYS = 3


class ExportError(Exception):
    """The work failed; the message is for the user."""


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Keys to tensors out of a .safetensors file or a torch.save'd state dict, mapped, not read."""
    if not path.is_file():
        raise ExportError(f"{path}: no such file")
    try:
        if path.suffix == ".safetensors":
            from safetensors import safe_open

            with safe_open(path, framework="pt") as file:
                tensors: Any = {key: file.get_tensor(key) for key in file.keys()}
        else:
            tensors = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except ImportError:
        raise ExportError(f"{path}: reading safetensors needs the package: pip install safetensors") from None
    except Exception as error:  # torch and safetensors raise many kinds for a file that is not theirs
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ExportError(f"{path}: not a checkpoint that can be read: {reason}") from None
    if not isinstance(tensors, dict) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise ExportError(f"{path}: expected a plain state dict, names to tensors; got something else")
    return tensors


def _some(names: list[str]) -> str:
    more = f", and {len(names) - _NAMED_KEYS} more" if len(names) > _NAMED_KEYS else ""
    return ", ".join(names[:_NAMED_KEYS]) + more


def load_checkpoint(model: VGGT, config: VGGTConfig, path: Path) -> None:
    """Fills a meta-device model, strictly. Tensors of heads that the config leaves out are passed over."""
    absent = tuple(f"{name}." for name, head in config.heads().items() if head is None)
    tensors = {key: value for key, value in read_checkpoint(path).items() if not key.startswith(absent)}
    expected = model.state_dict()
    problems = []
    if missing := [key for key in expected if key not in tensors]:
        problems.append(f"{len(missing)} missing: {_some(missing)}")
    if unexpected := [key for key in tensors if key not in expected]:
        problems.append(f"{len(unexpected)} unexpected: {_some(unexpected)}")
    wrong = [
        f"{key} (expected {list(expected[key].shape)}, got {list(tensors[key].shape)})"
        for key in expected
        if key in tensors and tensors[key].shape != expected[key].shape
    ]
    if wrong:
        problems.append(f"{len(wrong)} of another shape: {_some(wrong)}")
    if not_float := [key for key in expected if key in tensors and not tensors[key].is_floating_point()]:
        problems.append(f"{len(not_float)} not of a floating type: {_some(not_float)}")
    if problems:
        raise ExportError(f"{path}: not a checkpoint of this config: " + "; ".join(problems))
    model.load_state_dict({key: value.to(torch.float32) for key, value in tensors.items()}, strict=True, assign=True)


def build(config: VGGTConfig, checkpoint: Path | None, seed: int, dtype: torch.dtype) -> VGGT:
    """An eval model without gradients: weights of the checkpoint, or random ones. dtype: of the aggregator."""
    with torch.device("meta"):
        model = VGGT(config)
    if checkpoint is not None:
        load_checkpoint(model, config, checkpoint)
    else:
        model.to_empty(device="cpu")
        fill_random(model, seed)
    model.aggregator.to(dtype)
    return model.eval().requires_grad_(False)


def save_scripted(model: VGGT, folder: Path, out: Path) -> None:
    """Scripts and saves inside `folder`, a folder on out's disk, then renames: out is whole or untouched."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted = torch.jit.script(model)
        # The archive stores its file's name: the same one in the folder keeps equal exports equal byte for byte.
        torch.jit.save(scripted, str(folder / out.name))
    os.replace(folder / out.name, out)


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="export.py", description="Writes a scripted VGGT that torch::jit::load reads."
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--checkpoint", type=Path, metavar="FILE", help="model.pt or model.safetensors")
    source.add_argument("--random", action="store_true", help="seeded random weights instead of a checkpoint")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="TorchScript file (.pt)")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of --random (default 0)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="sizes as JSON (default: configs/vggt1b.json)")
    parser.add_argument(
        "--dtype",
        choices=("float32", "bfloat16"),
        default="float32",
        help="of the aggregator's parameters; heads, input and outputs stay in float32 (default float32)",
    )
    args = parser.parse_args(argv)
    if args.seed is not None and not args.random:
        parser.error("argument --seed: only with --random")
    if args.seed is not None and not 0 <= args.seed < 2**31:
        parser.error(f"argument --seed: expected 0 to 2^31 - 1, got {args.seed}")
    try:
        args.sizes = VGGTConfig.from_file(args.config) if args.config else VGGTConfig.vggt1b()
    except (ConfigError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        parser.error(f"argument --config: {args.config}: {reason}")
    return args


def run(args: argparse.Namespace) -> str:
    """Does the work, returns the result line. Raises ExportError."""
    out: Path = args.output
    if out.is_dir():
        raise ExportError(f"{out}: is a folder, expected a file to write")
    if args.checkpoint and out.exists() and args.checkpoint.exists() and out.samefile(args.checkpoint):
        raise ExportError(f"{out}: is the checkpoint itself; choose another name")
    try:  # before the work, not after it
        folder = Path(tempfile.mkdtemp(prefix=".export-", dir=out.parent))
    except OSError as error:
        raise ExportError(f"{out}: cannot write into {out.parent}: {error.strerror}") from None
    try:
        model = build(args.sizes, args.checkpoint, args.seed or 0, getattr(torch, args.dtype))
        save_scripted(model, folder, out)
    except (OSError, RuntimeError) as error:
        raise ExportError(f"{out}: {str(error).strip().splitlines()[0]}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    parameters = sum(p.numel() for p in model.parameters())
    return f"{out}: {parameters:,} parameters, {args.dtype} aggregator, {out.stat().st_size / 1e6:,.1f} MB"


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        print(run(args))
    except ExportError as error:
        print(f"export.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
