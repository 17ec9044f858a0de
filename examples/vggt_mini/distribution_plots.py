"""The plots of distributions.py."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from .tails import GAUSS, LAPLACE, OUTLIER, Values

_COLOURS = {"special": "#c4420f", "patches": "#0b61a4"}
_LABELS = {"special": "camera and register tokens", "patches": "patches"}
_MARKERS = {"qkv": "s", "proj": "^", "fc1": "o", "fc2": "D"}
_WIDTH = 9.0  # inches at 100 dots: 900 pixels


def _block(name: str) -> str:
    """What the x axis calls a site's block: ViT 0, f 0, g 0, camera."""
    parts = name.split(".")
    if name.startswith("aggregator.patch_embed"):
        return f"ViT {parts[3]}"
    if name.startswith("aggregator."):
        return f"{'frame' if parts[1] == 'frame_blocks' else 'global'} {parts[2]}"
    return "camera"


def _site_axis(axes: Any, sites: list[dict]) -> None:
    """A line before each block, its name below the middle."""
    starts = [i for i in range(len(sites)) if i == 0 or _block(sites[i]["name"]) != _block(sites[i - 1]["name"])]
    middles = [(a + b - 1) / 2 for a, b in zip(starts, [*starts[1:], len(sites)])]
    for start in starts[1:]:
        axes.axvline(start - 0.5, color="#dddddd", linewidth=0.8, zorder=0)
    axes.set_xticks(middles, [_block(sites[i]["name"]) for i in starts], fontsize=8, rotation=45, ha="right")
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.8, len(sites) - 0.2)
    axes.grid(True, axis="y", which="both", alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)


def _log_ticks(axes: Any) -> None:
    from matplotlib import ticker

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    subs = (1, 2, 3, 5) if high / low < 100 else (1, 3)
    axes.yaxis.set_major_locator(ticker.LogLocator(base=10, subs=subs))
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(ticker.NullFormatter())


def _reference_lines(axes: Any, count: int) -> None:
    for value, label in ((GAUSS, "normal"), (LAPLACE, "Laplace")):
        axes.axhline(value, color="black", linewidth=0.8, linestyle=":")
        axes.text(count - 0.3, value, f" {label}", fontsize=8, va="center", ha="left")


def _save(figure: Any, path: Path) -> None:
    from matplotlib import pyplot

    figure.savefig(path, dpi=100, metadata={"Software": None})
    pyplot.close(figure)


def _weights(sites: list[dict], before: list[dict] | None, path: Path) -> None:
    from matplotlib import pyplot

    figure, (top, bottom) = pyplot.subplots(2, 1, figsize=(_WIDTH, 6.2), layout="constrained", sharex=True)
    index = np.arange(len(sites))
    kinds = [*_MARKERS, "other"]
    for axes, key in ((top, "kurtosis"), (bottom, "channel_spread")):
        if before:
            axes.plot(
                index, [s["weights"][key] for s in before], ".", color="#999999", markersize=4, label="before training"
            )
        for colour, kind in zip(("#0b61a4", "#c4420f", "#2a8a3e", "#8b3fa8", "#444444"), kinds):
            chosen = [i for i, s in enumerate(sites) if (s["kind"] if s["kind"] in _MARKERS else "other") == kind]
            if chosen:
                axes.plot(chosen, [sites[i]["weights"][key] for i in chosen], _MARKERS.get(kind, "X"), color=colour,
                          markersize=5.5, label=kind)  # fmt: skip
        _log_ticks(axes)
        _site_axis(axes, sites)
    _reference_lines(top, len(sites))
    bottom.axhline(OUTLIER, color="black", linewidth=0.8, linestyle=":")
    top.set(title="Weights: kurtosis of every layer, in the order they run", ylabel="kurtosis")
    bottom.set(
        title=f"Weights: range of the widest row over the median row's (outliers above {OUTLIER:.0f})", ylabel="ratio"
    )
    top.tick_params(labelbottom=False)
    figure.legend(*top.get_legend_handles_labels(), fontsize=8, ncols=6, loc="outside lower center")
    _save(figure, path)


def _activations(sites: list[dict], streams: list[dict], path: Path) -> None:
    from matplotlib import pyplot

    figure = pyplot.figure(figsize=(_WIDTH, 9), layout="constrained")
    top, bottom, stream = figure.subplots(3, 1)
    for axes, key in ((top, "kurtosis"), (bottom, "max_over_rms")):
        for i, site in enumerate(sites):
            if site["special"] and site["patches"]:
                axes.plot([i, i], [site[kind][key] for kind in _COLOURS], color="#bbbbbb", linewidth=0.8, zorder=1)
        for kind, colour in _COLOURS.items():
            chosen = [i for i, site in enumerate(sites) if site[kind]]
            axes.plot(
                chosen, [sites[i][kind][key] for i in chosen], "o", color=colour, markersize=5, label=_LABELS[kind]
            )
        _log_ticks(axes)
        _site_axis(axes, sites)
    _reference_lines(top, len(sites))
    top.set(title="Inputs of the Linears: kurtosis; in each block qkv, proj, fc1, fc2", ylabel="kurtosis")
    bottom.set(title="Inputs of the Linears: largest magnitude over root mean square", ylabel="max / rms")
    for kind, colour in _COLOURS.items():
        stream.plot([s[kind]["max"] for s in streams], "o-", color=colour, markersize=5, linewidth=1)
        stream.plot([s[kind]["rms"] for s in streams], "--", color=colour, linewidth=1)
    stream.set_xticks(range(len(streams)), [_block(s["name"]) for s in streams], fontsize=8, rotation=45, ha="right")
    _log_ticks(stream)
    stream.grid(True, axis="y", which="both", alpha=0.25, linewidth=0.6)
    stream.set(
        title="Residual stream entering each block: largest magnitude (dots) and rms (dashed)", ylabel="magnitude"
    )
    figure.legend(*top.get_legend_handles_labels(), fontsize=8, ncols=2, loc="outside lower center")
    _save(figure, path)


def _short(name: str) -> str:
    return name.replace("aggregator.", "").replace("_blocks", "").replace("camera_head", "camera")


def _histograms(sites: list[dict], values: dict[str, dict[str, Values]], path: Path) -> None:
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 3, figsize=(_WIDTH, 4.6), layout="constrained", sharey=True)
    titles = {"weights": "Weights", "special": "Inputs, special tokens", "patches": "Inputs, patches"}
    for axes, (kind, title) in zip(panels, titles.items()):
        found = sorted((s for s in sites if s[kind]), key=lambda s: s[kind]["kurtosis"])
        for site, colour, label in ((found[-1], "#c4420f", "heaviest"), (found[0], "#0b61a4", "lightest")):
            x, y = values[site["name"]][kind].density()
            axes.plot(x, y, "-", color=colour, linewidth=1.4, marker=".", markersize=4,
                      label=f"{label}: {_short(site['name'])}\nkurtosis {site[kind]['kurtosis']:.3g}")  # fmt: skip
        x = np.geomspace(0.1, 60, 200)
        normal = math.sqrt(2 / math.pi) * np.exp(-(x**2) / 2)
        axes.plot(x, normal, "k:", linewidth=0.9, label="normal")
        axes.plot(x, math.sqrt(2) * np.exp(-math.sqrt(2) * x), "k--", linewidth=0.7, label="Laplace")
        axes.set(xscale="log", yscale="log", ylim=(1e-6, 10), xlim=(0.1, 60), xlabel="magnitude / rms", title=title)
        axes.grid(True, alpha=0.25, linewidth=0.6)
        axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    panels[0].set_ylabel("density")
    _save(figure, path)


def draw(
    sites: list[dict],
    before: list[dict] | None,
    streams: list[dict],
    values: dict[str, dict[str, Values]],
    folder: Path,
) -> None:
    import matplotlib

    matplotlib.use("Agg")
    _weights(sites, before, folder / "weights.png")
    _activations(sites, streams, folder / "activations.png")
    _histograms(sites, values, folder / "histograms.png")
