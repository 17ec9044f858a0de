"""The page of one kind of CPU, from results.json alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from . import convolution, machine, peers, targets
from .attention import LABELS
from .forward import COMPARED, KINDS
from .model import whole_models
from .sweep import buckets
from .timing import geometric_mean

Results = dict[str, Any]
Entry = dict[str, Any]
_INT8 = ["vqt_int8", *targets.INT8_PEERS]
_INT4 = ["vqt_int4_g64", "vqt_int4_g128", *targets.INT4_PEERS]


def number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows), ""]


def relative(entry: Entry, key: str) -> float | None:
    """Time over torch float32's time in the same turns."""
    seconds = entry["seconds"]
    return seconds[key] / seconds["float32"] if key in seconds and "float32" in seconds else None


def relative_speed(entry: Entry, key: str) -> float:
    return entry["seconds"]["float32"] / entry["seconds"][key]


def means(results: Results, keys: Sequence[str]) -> list[str]:
    """Geometric means over the shapes of time relative to float32: one row per variant, one column per number of rows."""
    rows = sorted({e["m"] for e in targets.entries(results)})
    body = []
    for key in keys:
        cells = []
        for m in rows:
            found = [r for e in targets.entries(results, (m,)) if (r := relative(e, key)) is not None]
            whole = len(found) == len(targets.entries(results, (m,)))
            cells.append(number(geometric_mean(found)) + ("" if whole else "*") if found else "")
        if any(cells):
            error = results.get("errors", {}).get(key)
            body.append([peers.ALL[key].label, *cells, "" if error is None else f"{100 * error:.2f} %"])
    return table(["time relative to torch float32, geometric mean", *(f"M = {m}" for m in rows), "error"], body)


def per_shape(
    results: Results, rows: Iterable[int], keys: Sequence[str], ours: str, others: Sequence[str], rate: float
) -> list[str]:
    body = []
    shown = [k for k in keys if any(k in e["seconds"] for e in targets.entries(results, rows))]
    for e in targets.entries(results, rows):
        if not any(k in e["seconds"] for k in shown):
            continue
        best = targets.fastest(e, others)
        lead, part = targets.ahead(e, ours, others), targets.share(e, ours, rate)
        body.append([
            targets.name(e), number(e["seconds"].get("float32", 0) * 1e3, 3), *(number(relative(e, k)) for k in shown),
            peers.ALL[best[0]].label if best else "", number(lead), number(part),
        ])  # fmt: skip
    head = [
        "M x K -> N",
        "float32 ms",
        *(peers.ALL[k].label for k in shown),
        "fastest baseline",
        "baseline / vqt",
        "share of rate",
    ]
    return table(head, body)


def target_table(results: Results) -> list[str]:
    body = []
    for t in targets.targets(results):
        said = {True: "met", False: "**not met**", None: "not measured" if t.value is None else "for VNNI only"}[t.met]
        limit = f"{'at least' if t.least else 'at most'} {t.limit:g}"
        body.append([str(t.point), t.what, limit, number(t.value), t.worst, said])
    return table(["point", "what", "target", "result", "worst case", ""], body)


def busy_machine(results: Results) -> list[str]:
    """A warning where other processes used the CPUs."""
    parts = [
        f"{100 * share:.0f} % in {part}"
        for part, share in results.get("used_by_others", {}).items()
        if share >= machine.BUSY
    ]
    if not parts:
        return []
    return [
        f"**The machine was busy**: other processes used {', '.join(parts)} of the CPUs; measure again on an idle one.",
        "",
    ]


def notes(results: Results) -> list[str]:
    """What did not run, each reason once."""
    said: dict[str, list[Entry]] = {}
    for e in [*targets.entries(results), *results.get("sweep", {}).get("few", [])]:
        for key, text in e.get("notes", {}).items():
            said.setdefault(f"{peers.ALL[key].label}: {text}", []).append(e)
    lines = [f"- {text} ({len(found)} of the shapes and sizes)" for text, found in said.items()]
    lines += [f"- {text}" for text in results.get("notes", [])]
    measured = [*whole_models(results), results.get("reduced", {})]
    lines += [f"- {text}" for entry in measured for text in entry.get("notes", [])]
    return lines


def environment(results: Results) -> list[str]:
    env, rates = results["environment"], results.get("rates", {})
    installed = ", ".join(f"{k} {v}" for k, v in env["versions"].items() if v)
    missing = [k for k, v in env["versions"].items() if not v]
    lines = [
        f"{env['cpu']} (family {env['family']}, model {env['model']}), {env['cpus']} CPUs, {env['threads']} threads used; "
        f"vqt ran on `{env['isa']}`. Last cache {env['last_cache_bytes'] >> 20} MiB, memory {env['memory_bytes'] / 2**30:.0f} GiB.",
        f"{installed}{'; not installed: ' + ', '.join(missing) if missing else ''}. Python {env['python']}, commit {env['commit']}, {env['date']}.",
    ]
    if rates.get("register"):
        products = "u8 x s8" if "vnni" in env["isa"] else "u8 x s8 without VNNI instructions: `vpmaddwd + vpaddd`"
        lines.append(
            f"Integer multiply-adds on registers alone ({products}): {rates['register'] / 1e9:,.0f} G per second. "
            f"Read from memory: {rates.get('bandwidth', 0) / 1e9:,.1f} GB/s."
        )
    return [*lines, ""]


def linears(results: Results, plots: dict[str, str]) -> list[str]:
    if not targets.entries(results):
        return []
    rate = results.get("rates", {}).get("register", 0.0)
    lines = [
        "## int8 linear layers",
        "",
        "float32 in, float32 out, bias, quantizing x included. Times: lower is better; `baseline / vqt` and share of rate: higher is better.",
        "",
    ]
    lines += means(results, _INT8)
    lines += [
        "*error*: relative error (Frobenius) of 16 x 1024 -> 1024 on random numbers against float64. \\*: not all shapes ran.",
        "",
    ]
    for title, rows in (("Many rows", targets.LARGE), ("Few rows", (1, 4, 16))):
        lines += [f"### {title}", "", *per_shape(results, rows, _INT8, "vqt_int8", targets.INT8_PEERS, rate)]
    if product := results.get("product", {}).get("int8"):
        lines += [
            "### The product alone",
            "",
            "Quantized x in, int32 sums kept; share of the register-only rate of the same run.",
            "",
        ]
        lines += table(["M x K -> N", "share"], [[targets.name(p), number(p["share"], 3)] for p in product])
    if "roofline" in plots:
        lines += [f"![Linear layers against the machine's limits]({plots['roofline']})", ""]
    lines += ["## int4 linear layers", "", *means(results, _INT4)]
    lines += per_shape(results, (1, 4, 16, 197, 1374, 2748), _INT4, "vqt_int4_g128", targets.INT4_PEERS, rate)
    lines += [
        "## Weight-only quantization",
        "",
        "`activation = none`: x is kept in float32.",
        "",
        *means(results, ["vqt_w8", "vqt_w4"]),
    ]
    return lines


def sweep(results: Results, plots: dict[str, str]) -> list[str]:
    data = results.get("sweep", {})
    if not data:
        return []
    lines = ["## Rows from 1 to 512", ""]
    if "sweep" in plots:
        lines += [f"![Time per row]({plots['sweep']})", ""]
    body = []
    for key, times in data.get("every", {}).get("seconds", {}).items():
        ratios = sorted(buckets({int(m): s for m, s in times.items()}).items(), key=lambda item: -item[1])
        worst = ", ".join(f"{m} ({r:.2f})" for m, r in ratios[:4])
        body.append([peers.ALL[key].label, worst, str(sum(r > 1.10 for _, r in ratios))])
    if body:
        lines += table(["", "worst M (time per row against the best smaller M)", "of 511, above 1.10"], body)
    few = data.get("few", [])
    shown = [k for k in _INT8 if any(k in e["seconds"] for e in few)]
    rows = [[targets.name(e), *(number(e["seconds"].get(k, 0) * 1e6, 0) if k in e["seconds"] else "" for k in shown),
             number(targets.ahead(e, "vqt_int8", targets.INT8_PEERS))] for e in few]  # fmt: skip
    if rows:
        lines += table(["µs of M x K -> N", *(peers.ALL[k].label for k in shown), "fastest baseline / vqt"], rows)
    return lines


def forced(results: Results) -> list[str]:
    if not results.get("isa"):
        return []
    body = []
    for one in results["isa"]:
        if "note" in one:
            body.append([f"`{one['isa']}`", one["note"], "", ""])
        for e in one.get("entries", []):
            cells = [number(targets.ahead(e, key, ["float32"])) for key in ("vqt_int8", "vqt_int4_g128")]
            body.append([f"`{one['isa']}`", targets.name(e), *cells])
    return ["## Forced instruction sets", "", "`VQT_ISA` in a process of its own; speed relative to torch float32, higher is better. `amx` can be forced on any CPU; "
        "without AMX it shows that the path works, not its speed.", "",
            *table(["VQT_ISA", "M x K -> N", "int8", "int4 g128"], body)]  # fmt: skip


def attention(results: Results) -> list[str]:
    entries = results.get("attention", [])
    if not entries:
        return []
    lines = ["## Attention", "", f"{entries[0]['heads']} heads of {entries[0]['size']}, float32 in and out, quantizing q, k and v included. *times float32*: higher is better. "
             "*After `vqt::rotary`* and *with prologue*: LayerNorm and rotary embedding of q and k included, by ops of their own or while they are quantized. "
             "*error*: relative (Frobenius) against float64, on normal data and with outlier tokens and channels.", ""]  # fmt: skip
    for e in entries:
        body = []
        for key, label in LABELS.items():
            found = [e["errors"][data].get(key) for data in ("normal", "outliers")]
            cells = ["" if error is None else f"{100 * error:.2g} %" for error in found]
            body.append([label, number(e["seconds"][key] * 1e3, 1), number(relative_speed(e, key)), *cells])
        head = [f"{e['sequences']} x {e['tokens']} tokens", "ms", "times float32", "error, normal", "error, outliers"]
        lines += table(head, body)
    return lines


def convolutions(results: Results) -> list[str]:
    entries = results.get("convolution", [])
    if not entries:
        return []
    shown = [name for name in convolution.LABELS if any(name in e["seconds"] for e in entries)]
    lines = [
        "## Convolutions of VGGT-1B's dense heads", "",
        "2 frames of 518 x 392, each convolution with what is around it (ReLU, residual, resizing, position embedding; OpenVINO: alone). "
        "Milliseconds of one call; in brackets its error against float64.", "",
    ]  # fmt: skip

    def cell(e: Entry, name: str) -> str:
        if name not in e["seconds"]:
            return ""
        return f"{e['seconds'][name] * 1e3:.2f} ({100 * e['errors'][name]:.2f} %)"

    body = []
    for e in entries:
        speed = e["seconds"]["float32"] / e["seconds"]["vqt"] if {"float32", "vqt"} <= set(e["seconds"]) else None
        body.append(
            [e["name"], str(e["count"]), number(e["products"] / 1e9), *(cell(e, n) for n in shown), number(speed)]
        )
    sums = {name: convolution.in_both_heads(entries, name) for name in shown}
    cells = ["" if sums[name] is None else f"{sums[name] * 1e3:.0f}" for name in shown]
    speed = sums["float32"] / sums["vqt"] if sums.get("float32") and sums.get("vqt") else None
    body.append(["**both heads**", "", "", *cells, number(speed)])
    head = ["layer", "in a head", "G multiply-adds", *(convolution.LABELS[n] for n in shown), "float32 / vqt"]
    lines += table(head, body)
    said = {f"{convolution.LABELS[n]}: {text}" for e in entries for n, text in e["notes"].items()}
    return [*lines, *(f"- {text}" for text in sorted(said)), ""]


def times(entry: Entry) -> list[str]:
    """A table of one number of frames: a row for each model."""
    models = entry["models"]
    base, body = models.get("float32"), []
    for name, m in models.items():
        gain = [number(base["seconds"] / m["seconds"]), number(m["peak"] / base["peak"])] if base else ["", ""]
        error = m.get("errors", {})
        shares = [number(100 * error[key]) if key in error else "" for key in COMPARED]
        body.append([
            name, f"{m['bytes'] / 1e6:,.0f}", number(m["seconds"]), gain[0], number(m["peak"] / 2**30), gain[1],
            number(m.get("make_seconds", m.get("quantize_seconds")), 0), number(error.get("depth_psnr"), 1), *shares,
        ])  # fmt: skip
    head = [
        "model", "file MB", "s per forward pass", "times float32", "peak GiB", "of float32's", "making the file, s",
        "PSNR of depth, dB", "error of depth, %", "of points, %", "of poses, %",
    ]  # fmt: skip
    return table(head, body)


def kinds(entry: Entry) -> list[str]:
    shown = {name: m for name, m in entry["models"].items() if m.get("kinds")}
    rows = [[kind, *(number(m["kinds"].get(kind)) for m in shown.values())] for kind in KINDS]
    return table(["seconds by kind of op", *shown], rows) if shown else []


def model(results: Results, plots: dict[str, str]) -> list[str]:
    found = [e for e in whole_models(results) if e.get("models")]
    if not found:
        return []
    data, lines = found[0], ["## Whole VGGT-1B", ""]
    setting = (
        " ".join(f"{k}={v}" for k, v in data.get("malloc", {}).items()) or "vqt.low_memory()"
    )  # older runs: malloc's
    lines += [
        f"Random weights, random images of {data['width']} x {data['height']}, each model in a process of its own; "
        "forward passes in turns, in random order, the shortest time of each; times by kind of op from one more pass under torch's profiler. "
        f"`{setting}` for all. Ops fused into a linear layer count as linear layer. Errors: relative (Frobenius) to float32 of the same weights.", "",
    ]  # fmt: skip
    imported = max(m.get("imported", 0) for m in data["models"].values())
    if imported:
        lines[-1:] = [f"Importing torch alone takes {imported / 2**30:.2f} GiB of each peak.", ""]
    for entry in found:
        lines += [f"### {entry['frames']} frame{'s' if entry['frames'] > 1 else ''}", "", *times(entry), *kinds(entry)]
    if "model" in plots:
        lines += [f"![Seconds by kind of op]({plots['model']})", ""]
    return lines


def reduced(results: Results) -> list[str]:
    entry = results.get("reduced", {})
    if not entry.get("models"):
        return []
    lines = ["## VGGT-1B's widths with few blocks, beside OpenVINO", "",
        f"{entry['blocks']}, both dense heads; {entry['frames']} frames of {entry['width']} x {entry['height']}, measured as the whole model. OpenVINO has "
        "fixed shapes; after NNCF's post-training quantization what is left in float has the precision that OpenVINO chooses.", "",
    ]  # fmt: skip
    return [*lines, *times(entry), *kinds(entry)]


def fusions(results: Results) -> list[str]:
    data = results.get("fusions", {})
    if not data.get("schemes"):
        return []
    lines = ["## Gain of each fusion", "", "A model of VGGT-1B's widths with few blocks and no dense heads, `production`; forward passes of all "
             "variants in turns, in random order, the shortest of each. *Gain*: time without this one fusion over the time with all.", ""]  # fmt: skip
    for scheme, found in data["schemes"].items():
        seconds, body = found["seconds"], []
        whole = seconds.get("all")
        for variant, taken in seconds.items():
            gain = number(taken / whole, 3) if whole and variant.startswith(("without", "none")) else ""
            body.append(
                [variant, number(taken, 3), gain, number(seconds["float32"] / taken) if "float32" in seconds else ""]
            )
        lines += table([f"{scheme} activations", "s per forward pass", "gain", "times float32"], body)
        lines += [f"- {variant}: {text}" for variant, text in found.get("notes", {}).items()]
    return [*lines, ""]


def page(results: Results, plots: dict[str, str]) -> str:
    env = results["environment"]
    lines = [
        f"# {env['slug']}", "",
        "Written by `make bench` ([how](README.md)); every number comes from the JSON file next to this page. All ratios are between "
        "times of one run, taken in turns.", "",
    ]  # fmt: skip
    if results.get("quick"):
        lines += ["**A quick run on small shapes that shows that everything works: not a measurement.**", ""]
    lines += environment(results)
    lines += [
        "## Targets and results",
        "",
        "Points as in [README.md](README.md#targets). Ratios of speed: higher is better.",
        "",
    ]
    lines += busy_machine(results)
    lines += target_table(results)
    lines += [
        *linears(results, plots),
        *sweep(results, plots),
        *forced(results),
        *attention(results),
        *convolutions(results),
        *model(results, plots),
        *reduced(results),
        *fusions(results),
    ]
    if said := notes(results):
        lines += ["## What did not run", "", *said, ""]
    taken = results.get("durations", {})
    if taken:
        lines += [
            "## Duration",
            "",
            ", ".join(f"{part} {s:.0f} s" for part, s in taken.items()) + f"; {sum(taken.values()):.0f} s in all.",
            "",
        ]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"
