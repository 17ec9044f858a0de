"""Quantize TorchScript vision transformers and run them on integer kernels.

    config = vqt.QuantizationConfig(quant_type="int4_group", group_size=64)
    quantized = vqt.quantize(torch.jit.load("model.pt"), config)
    print(vqt.report(quantized))
    vqt.save(quantized, "model-int4.pt")

Importing vqt registers torch.ops.vqt.*, which every quantized model needs.
"""

from pathlib import Path

import torch

torch.ops.load_library(str(Path(__file__).resolve().parent.parent / "libvqt_ops.so"))

from ._C import ArchiveError, ConfigError, Error, QuantizeError  # noqa: E402  (needs torch and the ops)
from .api import is_quantized, list_sites, load, quantize, repack, report, save  # noqa: E402
from .config import QuantizationConfig, preset_names  # noqa: E402
from .report import Report, Site  # noqa: E402

__all__ = [
    "ArchiveError", "ConfigError", "Error", "QuantizationConfig", "QuantizeError", "Report", "Site", "is_quantized",
    "list_sites", "load", "preset_names", "quantize", "repack", "report", "save",
]
