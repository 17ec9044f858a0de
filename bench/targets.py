"""The targets of docs/benchmarks/README.md, each computed from results.json and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from . import peers
from .model import whole_models
from .sweep import buckets
from .timing import geometric_mean

Results = dict[str, Any]
Entry = dict[str, Any]
INT8_PEERS = [p.key for p in peers.INT8]
INT4_PEERS = [p.key for p in peers.INT4]
LARGE = (197, 1374, 2748)


@dataclass(frozen=True)
class Target:
    point: int  # of the list in docs/benchmarks/README.md
    what: str
    limit: float
    value: float | None  # None: not measured in this run
    least: bool = True  # limit is the least allowed; False: the most
    worst: str = ""  # the worst single case
    judged: bool = True  # False: the limit is for other CPUs

    @property
    def met(self) -> bool | None:
        if self.value is None or not self.judged:
            return None
        return self.value >= self.limit if self.least else self.value <= self.limit


def entries(results: Results, rows: Iterable[int] | None = None) -> list[Entry]:
    wanted = None if rows is None else set(rows)
    return [e for e in results.get("linears", []) if wanted is None or e["m"] in wanted]


def fastest(entry: Entry, keys: Iterable[str]) -> tuple[str, float] | None:
    """The fastest of these variants: (key, seconds); None where none ran."""
    times = {k: entry["seconds"][k] for k in keys if k in entry["seconds"]}
    return min(times.items(), key=lambda item: item[1]) if times else None


def ahead(entry: Entry, ours: str, others: Iterable[str]) -> float | None:
    """How many times faster ours is than the fastest of the others."""
    best = fastest(entry, others)
    return best[1] / entry["seconds"][ours] if best and ours in entry["seconds"] else None


def share(entry: Entry, ours: str, rate: float) -> float | None:
    """Of the multiply-adds per second that registers alone allow."""
    if not rate or ours not in entry["seconds"]:
        return None
    return entry["m"] * entry["k"] * entry["n"] / entry["seconds"][ours] / rate


def name(entry: Entry) -> str:
    return f"{entry['m']} x {entry['k']} -> {entry['n']}"


def _over(found: list[Entry], value: Callable[[Entry], float | None]) -> tuple[float | None, float | None, str]:
    """Geometric mean, lowest, and where the lowest is."""
    pairs = [(v, name(e)) for e in found if (v := value(e)) is not None]
    if not pairs:
        return None, None, ""
    least = min(pairs)
    return geometric_mean(v for v, _ in pairs), least[0], f"lowest {least[0]:.2f} at {least[1]}"


def _linears(results: Results) -> list[Target]:
    rate = results.get("rates", {}).get("register", 0.0)
    vnni = "vnni" in results.get("environment", {}).get("isa", "")
    mean, least, worst = _over(entries(results, LARGE), lambda e: ahead(e, "vqt_int8", INT8_PEERS))
    targets = [
        Target(1, "int8, 197 to 2748 rows: times the fastest baseline, geometric mean", 1.08, mean, worst=worst),
        Target(1, "the same, the worst shape", 1.0, least, worst=worst),
    ]
    product = [p["share"] for p in results.get("product", {}).get("int8", []) if p.get("share")]
    alone = geometric_mean(product) if product else None
    targets.append(Target(2, "int8: share of the register-only rate, the product alone", 0.94, alone, judged=vnni))
    for rows, limit in (((1374, 2748), 0.90), ((197,), 0.84)):
        mean, _, worst = _over(entries(results, rows), lambda e: share(e, "vqt_int8", rate))
        text = f"the same, everything included, {' and '.join(map(str, rows))} rows"
        targets.append(Target(2, text, limit, mean, worst=worst, judged=vnni))
    for group, limit in ((128, 0.80), (64, 0.74)):
        mean, _, worst = _over(entries(results, (1374, 2748)), lambda e: share(e, f"vqt_int4_g{group}", rate))
        text = f"int4 g{group}, 1374 and 2748 rows: share of the register-only rate, everything included"
        targets.append(Target(3, text, limit, mean, worst=worst, judged=vnni))
    few = entries(results, (1, 4, 16))
    for group in (128, 64):
        mean, _, worst = _over(few, lambda e: ahead(e, f"vqt_int4_g{group}", INT4_PEERS))
        targets.append(
            Target(3, f"int4 g{group}, 1, 4 and 16 rows: times the faster int4 g128 baseline", 1.05, mean, worst=worst)
        )
        mean, _, worst = _over(few, lambda e: ahead(e, f"vqt_int4_g{group}", ["vqt_int8"]))
        targets.append(Target(3, f"int4 g{group}, 1, 4 and 16 rows: times vqt's int8", 1.4, mean, worst=worst))
    return targets


def _sweep(results: Results) -> list[Target]:
    sweep = results.get("sweep", {})
    _, least, worst = _over(sweep.get("few", []), lambda e: ahead(e, "vqt_int8", INT8_PEERS))
    targets = [Target(4, "int8, 1 to 64 rows: times the fastest baseline, the worst", 1.0, least, worst=worst)]
    for key in ("vqt_int8", "vqt_int4_g128"):
        times = sweep.get("every", {}).get("seconds", {}).get(key, {})
        ratios = buckets({int(m): s for m, s in times.items()})
        most = max(ratios.items(), key=lambda item: item[1]) if ratios else None
        text = f"{peers.ALL[key].label}, 1 to 512 rows: time per row against the best smaller number of rows, the worst"
        where = f"at {most[0]} rows" if most else ""
        targets.append(Target(4, text, 1.10, most[1] if most else None, least=False, worst=where))
    return targets


def _weight_only(results: Results) -> list[Target]:
    targets = []
    for key in ("vqt_w8", "vqt_w4"):
        for rows, limit in (((1374,), 1.0), ((1, 4), 2.5)):
            mean, _, worst = _over(entries(results, rows), lambda e: ahead(e, key, ["float32"]))
            text = f"{peers.ALL[key].label}, {' and '.join(map(str, rows))} rows: times float32"
            targets.append(Target(5, text, limit, mean, worst=worst))
    return targets


def _model(results: Results) -> list[Target]:
    two = [e for e in whole_models(results) if e.get("frames") == 2]
    models = two[0]["models"] if two else {}
    base, targets = models.get("float32"), []
    for preset, speed, memory in (("production", 2.0, 0.45), ("mobile", 1.9, 0.35)):
        found = models.get(preset)
        both = base and found
        faster = base["seconds"] / found["seconds"] if both else None
        peak = found["peak"] / base["peak"] if both else None
        targets.append(Target(6, f"VGGT-1B, {preset}: times float32", speed, faster))
        targets.append(Target(6, f"VGGT-1B, {preset}: peak memory over float32's", memory, peak, least=False))
    return targets


def _forced(results: Results) -> list[Target]:
    targets = []
    for isa, limit in (("avxvnni", 1.5), ("avx2", 0.6)):
        found = [e for one in results.get("isa", []) if one["isa"] == isa for e in one.get("entries", [])]
        mean, _, worst = _over(found, lambda e: ahead(e, "vqt_int8", ["float32"]))
        targets.append(Target(7, f"VQT_ISA={isa}, int8: times float32", limit, mean, worst=worst))
    return targets


def targets(results: Results) -> list[Target]:
    return [*_linears(results), *_sweep(results), *_weight_only(results), *_model(results), *_forced(results)]
