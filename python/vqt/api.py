"""Functions on ScriptModules. A module from torch.jit.script, torch.jit.trace or torch.jit.load is one."""

from __future__ import annotations

import copy
import itertools
import os
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch.jit._recursive import wrap_cpp_module

from . import _C
from .config import QuantizationConfig
from .report import Report, Site

Config = QuantizationConfig | Mapping[str, Any] | str
_REPORT = "_vqt_report"  # Python attribute of a module made here; torch.jit.save does not write it, vqt.save does
_EXTRA = "_vqt_extra_files"


def _script(function: str, module: Any) -> torch._C.ScriptModule:
    if isinstance(module, torch.jit.ScriptModule):
        return module._c
    if isinstance(module, str | os.PathLike):
        step = "load it with vqt.load first"
    elif isinstance(module, torch.export.ExportedProgram):
        step = "use torch.jit.script or torch.jit.trace on the module that it was exported from"
    elif isinstance(module, Mapping):
        step = "a state dict has no program: load it into the model, then use torch.jit.script"
    else:
        step = "use torch.jit.script or torch.jit.trace first"
    raise TypeError(f"vqt.{function}: module: expected a torch.jit.ScriptModule ({step}), got {type(module).__name__}")


def _config(config: Config | None) -> QuantizationConfig:
    if isinstance(config, QuantizationConfig):
        return config
    if isinstance(config, str):
        return QuantizationConfig.preset(config)
    if config is None or isinstance(config, Mapping):
        return QuantizationConfig(**(config or {}))
    raise TypeError("vqt: config: expected a QuantizationConfig, a mapping of its fields or a preset's name, "
                    f"got {type(config).__name__}")


def _inputs(function: str, name: str, inputs: Any) -> Any:
    if inputs is None or (isinstance(inputs, Iterable) and not isinstance(inputs, (torch.Tensor, Mapping, str))):
        return inputs
    raise TypeError(f"vqt.{function}: {name}: expected an iterable of inputs (each a tensor, or a tuple of forward's "
                    f"arguments), got {type(inputs).__name__}")


def quantize(
    module: torch.jit.ScriptModule,
    config: Config | None = None,
    *,
    calibration: Iterable[Any] | None = None,
    inputs: Any = None,
    speed_guard: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> torch.jit.ScriptModule:
    """A copy of the module with quantized Linears; the module itself is unchanged. vqt.report(result): its layer table.

    Extra files of a module from vqt.load stay with the result: vqt.save writes them again. (torch.jit.load keeps none
    in its module.)

    config: a QuantizationConfig, its fields as a mapping, or a preset's name; None: int8_per_channel_sym.
    calibration: for activation="static", inputs to run through the float model, each a tensor or a tuple of forward's
        arguments; at most config.calibration_samples of them are taken.
    inputs: one input; each layer's output SQNR and times are then measured on it.
    speed_guard: with inputs, a layer that is slower quantized than in floating point on this machine is kept in
        floating point; its reason holds both times.
    progress: called with (stage, done, total).
    """
    script, settings = _script("quantize", module), _config(config)
    source = _inputs("quantize", "calibration", calibration)
    if source is not None and settings.activation != "static":
        raise _C.ConfigError('vqt.quantize: calibration: only activation="static" is calibrated, this config\'s is '
                             f'"{settings.activation}"')
    if source is not None:
        source = itertools.islice(source, settings.calibration_samples)
    measured = None if inputs is None else [inputs]
    result, report = _C.quantize(script, settings._config, source, measured, progress, speed_guard)
    return _remember(wrap_cpp_module(result), report, getattr(module, _EXTRA, {}))


def list_sites(module: torch.jit.ScriptModule, config: Config | None = None) -> list[Site]:
    """The Linear layers of any module in the order they run; of a float one with config, what the config would do."""
    script = _script("list_sites", module)
    known = getattr(module, _REPORT, None)
    if config is None and known is not None:
        return Report(known).sites
    return Report(_C.describe(script, None if config is None else _config(config)._config)).sites


def report(module: torch.jit.ScriptModule) -> Report:
    """The layer table. SQNR and reasons are known of modules from vqt.quantize and vqt.load, and of their deep copies;
    of other quantized modules (torch.jit.load, torch.jit.freeze) a warning in it says that they are not."""
    script = _script("report", module)
    return Report(getattr(module, _REPORT, None) or _C.describe(script, None))


def is_quantized(module: torch.jit.ScriptModule) -> bool:
    """Does the module hold weights that vqt quantized?"""
    return _C.is_quantized(_script("is_quantized", module))


def repack(module: torch.jit.ScriptModule) -> int:
    """Repacks every quantized weight for this machine's kernels, in place. Returns how many changed their layout.
    vqt.report(module) then has the new sizes."""
    return _C.repack(_script("repack", module), getattr(module, _REPORT, None))


def load(path: str | os.PathLike[str]) -> torch.jit.ScriptModule:
    """torch.jit.load after the file's structure and checksums have been checked; on the CPU, in eval mode.

    The module also carries the file's report (vqt.report) and its extra files, through copy.deepcopy too.
    """
    try:
        script, extra_files, report = _C.load(os.fspath(path))
    except _C.UnknownOperatorError as error:
        advice = "call torch.ops.load_library(FILE), or import the package that defines it, first"
        raise _C.Error(f"{error}: {advice}") from None
    return _remember(wrap_cpp_module(script), report, extra_files)


def low_memory() -> None:
    """Less memory for forward passes on the CPU, at no cost of time; for the whole process, from now on.

    Tensors of 1 MiB and more get pages of their own, which are kept for the next tensor of about the size instead of
    malloc's heap, where holes are left. Freed memory stays with the process, up to the peak that it had.
    vqt-quantize and vqt-eval do so by themselves.
    """
    _C.low_memory()


def save(
    module: torch.jit.ScriptModule,
    path: str | os.PathLike[str],
    extra_files: Mapping[str, str | bytes] | None = None,
) -> None:
    """Writes a quantized module as vqt-quantize does: with vqt.json, beside path first, then renamed.

    extra_files: written beside the extra files of the file that the module was loaded from (vqt.load, also before
        vqt.quantize or vqt.repack); of two with one name these.
    """
    script = _script("save", module)
    if not _C.is_quantized(script):
        raise _C.QuantizeError("vqt.save: module: expected a quantized module; torch.jit.save writes float ones")
    files = {**getattr(module, _EXTRA, {}), **(extra_files or {})}
    encoded = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
    _C.save(script, encoded, getattr(module, _REPORT, None) or _C.describe(script, None), os.fspath(path))


def _remember(
    module: torch.jit.ScriptModule, report: _C.Report | None, extra_files: Mapping[str, bytes]
) -> torch.jit.ScriptModule:
    """Makes the module carry both. torch's own deepcopy wraps a copy of the C++ module and leaves attributes behind."""
    weak = weakref.ref(module)  # a cycle would keep the weights until the next garbage collection

    def deepcopy(memo: dict[int, Any]) -> torch.jit.ScriptModule:
        original = weak()
        copied = wrap_cpp_module(copy.deepcopy(original._c, memo))
        return _remember(copied, getattr(original, _REPORT), getattr(original, _EXTRA))

    object.__setattr__(module, _REPORT, report)
    object.__setattr__(module, _EXTRA, dict(extra_files))
    object.__setattr__(module, "__deepcopy__", deepcopy)
    return module
