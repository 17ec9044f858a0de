"""Quantize TorchScript vision transformers and run them on integer kernels.

    config = vqt.QuantizationConfig(quant_type="int4_group", group_size=64)
    quantized = vqt.quantize(torch.jit.load("model.pt"), config)
    print(vqt.report(quantized))
    vqt.save(quantized, "model-int4.pt")

Importing vqt registers torch.ops.vqt.*, which every quantized model needs.
"""

from . import _load_ops  # noqa: F401, I001  (first: the extension needs torch and the ops)
from ._C import ArchiveError, ConfigError, Error, QuantizeError
from .api import is_quantized, list_sites, load, low_memory, quantize, repack, report, save
from .config import QuantizationConfig, preset_names
from .report import Report, Site

__all__ = [
    "ArchiveError", "ConfigError", "Error", "QuantizationConfig", "QuantizeError", "Report", "Site", "is_quantized",
    "list_sites", "load", "low_memory", "preset_names", "quantize", "repack", "report", "save",
]
