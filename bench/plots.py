"""The charts of a page, as PNG beside it. Each says in its title which direction is better."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import peers, targets
from .forward import KINDS
from .model import whole_models

Results = dict[str, Any]
_COLOURS = {"vqt_int8": "#0b61a4", "vqt_int4_g128": "#c4420f", "vqt_int4_g64": "#e0912f", "float32": "#777777"}


def _axes(width: float = 7.5, height: float = 4.4) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(width, height), layout="constrained")
    axes.grid(True, which="both", alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _plain_ticks(axes: Any) -> None:
    """1, 2, 5, 10, 20: not powers of ten."""
    from matplotlib import ticker

    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(ticker.LogLocator(base=10, subs=(1, 2, 5)))
        axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(ticker.NullFormatter())


def _save(figure: Any, path: Path) -> None:
    from matplotlib import pyplot

    figure.savefig(path, dpi=100, metadata={"Software": None})
    pyplot.close(figure)


def traffic(entry: dict[str, Any], bits: int) -> float:
    """Bytes that have to move: float32 x in, float32 y out, the weight once."""
    m, k, n = entry["m"], entry["k"], entry["n"]
    return 4 * m * k + 4 * m * n + k * n * bits / 8


def roofline(results: Results, path: Path) -> bool:
    rates, found = results.get("rates", {}), results.get("linears", [])
    if not found or not rates.get("register") or not rates.get("bandwidth"):
        return False
    figure, axes = _axes()
    drawn = [("vqt_int8", 8, "o"), ("vqt_int4_g128", 4, "s"), ("float32", 32, "x")]
    lowest, highest = math.inf, 0.0
    for key, bits, marker in drawn:
        points = [
            (products / traffic(e, bits), products / e["seconds"][key] / 1e9)
            for e in found
            if key in e["seconds"] and (products := e["m"] * e["k"] * e["n"])
        ]
        if points:
            x, y = zip(*points)
            lowest, highest = min(lowest, *x), max(highest, *x)
            axes.scatter(x, y, s=22, marker=marker, color=_COLOURS[key], label=peers.ALL[key].label, alpha=0.8)
    edge = [lowest * 0.7, rates["register"] / rates["bandwidth"], highest * 1.4]
    roof = [min(rates["register"], i * rates["bandwidth"]) / 1e9 for i in edge]
    axes.plot(edge, roof, color="black", linewidth=1.2, label="memory bandwidth, integer register-only rate")
    axes.set(xscale="log", yscale="log", xlabel="multiply-adds per byte moved (x and y float32, weight once)",
             ylabel="10⁹ multiply-adds per second")  # fmt: skip
    _plain_ticks(axes)
    axes.set_title("Linear layers of VGGT against the machine's limits (higher is better)", fontsize=10)
    axes.legend(fontsize=8)
    _save(figure, path)
    return True


def sweep(results: Results, path: Path) -> bool:
    data = results.get("sweep", {})
    every = data.get("every")
    if not every:
        return False
    figure, axes = _axes()
    for key, times in every["seconds"].items():
        rows = sorted(map(int, times))
        axes.plot(
            rows, [times[str(m)] / m * 1e6 for m in rows], linewidth=1, color=_COLOURS[key], label=peers.ALL[key].label
        )
    same = [e for e in data.get("few", []) if (e["k"], e["n"]) == (every["k"], every["n"])]
    best = [(e["m"], f[1] / e["m"] * 1e6) for e in same if (f := targets.fastest(e, targets.INT8_PEERS))]
    if best:
        axes.plot(*zip(*best), "k^", markersize=5, label="fastest int8 baseline")
    axes.set(xscale="log", yscale="log", xlabel="rows of x (M)", ylabel="µs per row")
    _plain_ticks(axes)
    axes.set_title(f"Time per row, {every['k']} -> {every['n']} (lower is better, no steps up)", fontsize=10)
    axes.legend(fontsize=8)
    _save(figure, path)
    return True


def model(results: Results, path: Path) -> bool:
    drawn = [e for e in whole_models(results) if any(m.get("kinds") for m in e.get("models", {}).values())]
    if not drawn:
        return False
    data = min(drawn, key=lambda e: abs(e["frames"] - 2))  # the number of frames that every page has
    shown = {name: m for name, m in data["models"].items() if m.get("kinds")}
    figure, axes = _axes(7.5, 1.4 + 0.6 * len(shown))
    import matplotlib

    colours = matplotlib.colormaps["tab10"].colors
    names = list(reversed(shown))
    left = [0.0] * len(names)
    for i, kind in enumerate(KINDS):
        values = [shown[name]["kinds"].get(kind, 0.0) for name in names]
        axes.barh(names, values, left=left, color=colours[i], label=kind, height=0.65)
        left = [a + b for a, b in zip(left, values)]
    axes.set(xlabel="s per forward pass")
    title = f"VGGT-1B, {data['frames']} frames of {data['width']} x {data['height']}, by kind of op (lower is better)"
    axes.set_title(title, fontsize=10)
    figure.legend(fontsize=7, ncols=5, loc="outside lower center")
    _save(figure, path)
    return True


PLOTS: dict[str, Callable[[Results, Path], bool]] = {"roofline": roofline, "sweep": sweep, "model": model}


def draw(results: Results, folder: Path, stem: str) -> dict[str, str]:
    """{plot: file name} of those there is data for; without matplotlib none, and the page says so."""
    drawn = {}
    for name, plot in PLOTS.items():
        path = folder / f"{stem}-{name}.png"
        if plot(results, path):
            drawn[name] = path.name
    return drawn
