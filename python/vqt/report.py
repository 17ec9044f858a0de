"""The layer table: what was done to each layer and why."""

from __future__ import annotations

import math
from typing import Any

from . import _C

_COLUMNS: tuple[str, ...] = _C.SITE_FIELDS  # as in vqt.json


class Site:
    """One weight that Linears or convolutions read, or one attention, as kind says. Bytes are of the weight, 0 for an
    attention; SQNR is in dB (inf: exact, nan: not measured)."""

    __slots__ = _COLUMNS

    def __init__(self, site: _C.Site) -> None:
        for column in _COLUMNS:
            setattr(self, column, getattr(site, column))

    def to_dict(self) -> dict[str, Any]:
        """Keys as in vqt.json; what was not measured is None."""
        values = {column: getattr(self, column) for column in _COLUMNS}
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.shape))
        return f"Site({self.name!r}, {shape}, {self.action}, {self.scheme}{', ' + self.reason if self.reason else ''})"


class Report:
    """Layers in the order that the model runs them, how many of each fusion one forward pass runs, why others
    were not made (fusions_left: name -> reason -> count; known of modules from vqt.quantize and vqt.load only) and
    the warnings of the pass. print() shows the table."""

    def __init__(self, report: _C.Report) -> None:
        self._report = report
        self.sites = [Site(site) for site in report.sites]
        self.fusions_made = dict(report.fusions_made)
        self.fusions_left: dict[str, dict[str, int]] = dict(report.fusions_left)
        self.warnings = list(report.warnings)

    @property
    def bytes_before(self) -> int:
        return sum(site.bytes_before for site in self.sites)

    @property
    def bytes_after(self) -> int:
        return sum(site.bytes_after for site in self.sites)

    def __str__(self) -> str:
        rows = [("layer", "shape", "scheme", "bytes", "SQNR dB", "reason")]
        for s in self.sites:
            sqnr = "" if math.isnan(s.weight_sqnr_db) else f"{s.weight_sqnr_db:.1f}"
            change = f"{s.bytes_before} -> {s.bytes_after}" if s.bytes_before != s.bytes_after else str(s.bytes_before)
            shape = "x".join(map(str, s.shape))
            weight = ("-", s.scheme, "-") if s.kind == "attention" else (shape, s.scheme, change)
            rows.append((s.name, *weight, sqnr, s.reason))
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        lines = ["  ".join([*(row[i].ljust(widths[i]) for i in range(5)), row[5]]).rstrip() for row in rows]
        size = f"{self.bytes_before} -> {self.bytes_after} bytes"
        for kind in ("linear", "convolution", "attention"):
            done = [site.action == "quantized" for site in self.sites if site.kind == kind]
            if kind == "linear":
                lines.append(f"{sum(done)} of {len(done)} sites quantized, weights of the table: {size}")
            elif done:
                lines.append(f"{sum(done)} of {len(done)} {kind} sites quantized")
        if self.fusions_made:
            lines.append("fusions: " + ", ".join(f"{made} {name}" for name, made in self.fusions_made.items()))
        for name, left in self.fusions_left.items():
            lines += [f"  {count} {name} not made: {reason}" for reason, count in left.items()]
        return "\n".join(lines + [f"warning: {warning}" for warning in self.warnings])
