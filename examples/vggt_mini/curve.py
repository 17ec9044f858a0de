"""The loss curve of a run as a plot."""

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

    minutes = [e["seconds"] / 60 for e in entries]
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.2), constrained_layout=True)
    for name in ("pose", "vote", "depth", "points", "match", "direction"):
        values = [(t, e[name]) for t, e in zip(minutes, entries) if name in e]
        if values:
            axes[0].plot(*zip(*values), label=name)
    axes[0].set(title="Training losses (lower is better)", xlabel="minutes of training", ylabel="loss", yscale="log")
    for name, label in (("auc30", "AUC@30"), ("auc15", "AUC@15"), ("no_motion_auc30", "AUC@30 of no motion")):
        axes[1].plot(minutes, [e["validation"][name] for e in entries], label=label)
    axes[1].set(title="Held-out pose (higher is better)", xlabel="minutes of training", ylabel="percent")
    axes[2].plot(minutes, [e["validation"]["abs_rel"] for e in entries], label="depth AbsRel")
    axes[2].plot(minutes, [e["validation"]["rotation_median"] / 30 for e in entries], label="rotation median / 30 deg")
    axes[2].plot(
        minutes, [e["validation"]["translation_median"] / 90 for e in entries], label="direction median / 90 deg"
    )
    axes[2].set(title="Held-out errors (lower is better)", xlabel="minutes of training", ylabel="error")
    for axis in axes:  # below, where it hides no line
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=3, fontsize=8, frameon=False)
    for left, right in zip(entries, entries[1:]):
        if left["stage"] != right["stage"]:
            for axis in axes:
                axis.axvline(left["seconds"] / 60, color="grey", linewidth=0.8)
    figure.savefig(picture, dpi=90)
    plt.close(figure)
