"""The loss curve of a run as a picture."""

import json
from pathlib import Path


def draw_curve(log: Path, picture: Path) -> None:
    """log: one JSON object a line with stage, step, seconds, losses and validation. Nothing without entries."""
    if not log.exists():
        return
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    if not entries:
        return
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    hours = [e["seconds"] / 60 for e in entries]
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.6), constrained_layout=True)
    for name in ("pose", "vote", "depth", "points", "match"):
        values = [(t, e[name]) for t, e in zip(hours, entries) if name in e]
        axes[0].plot(*zip(*values), label=name)
    axes[0].set(title="Training losses (lower is better)", xlabel="minutes of training", ylabel="loss", yscale="log")
    axes[0].legend()
    for name, label in (("auc30", "AUC@30"), ("auc15", "AUC@15"), ("no_motion_auc30", "AUC@30 of no motion")):
        axes[1].plot(hours, [e["validation"][name] for e in entries], label=label)
    axes[1].set(title="Held-out pose (higher is better)", xlabel="minutes of training", ylabel="percent")
    axes[1].legend()
    axes[2].plot(hours, [e["validation"]["abs_rel"] for e in entries], label="depth AbsRel")
    axes[2].plot(hours, [e["validation"]["rotation_median"] / 30 for e in entries], label="rotation median / 30 deg")
    axes[2].plot(hours, [e["validation"]["translation_median"] / 90 for e in entries], label="direction median / 90 deg")
    axes[2].set(title="Held-out errors (lower is better)", xlabel="minutes of training", ylabel="error")
    axes[2].legend()
    for left, right in zip(entries, entries[1:]):
        if left["stage"] != right["stage"]:
            for axis in axes:
                axis.axvline(left["seconds"] / 60, color="grey", linewidth=0.8)
    figure.savefig(picture, dpi=90)
    plt.close(figure)
