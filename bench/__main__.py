"""python -m bench: measures every figure of docs/benchmarks on this machine, in one process. `make bench` calls it.

python -m bench [--quick] [--only PART ...] [--out DIR] [--threads 2]
python -m bench --render docs/benchmarks/cpu-NAME.json      # page and plots of an earlier run again
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import machine

# Set before any runtime starts. OpenMP's threads spin for about a millisecond, then sleep: they stay awake between
# the calls of one runtime and do not disturb the next. malloc keeps its memory, so that no result costs page faults and
# baselines, which write into buffers that are kept, have no advantage.
ENVIRONMENT = {
    "GOMP_SPINCOUNT": "20000", "KMP_BLOCKTIME": "1", "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "268435456", "TF_CPP_MIN_LOG_LEVEL": "3", "OPENVINO_TELEMETRY_OPT_OUT": "1",
}  # fmt: skip
PARTS = ("rates", "linears", "sweep", "isa", "attention", "convolution", "model", "reduced", "fusions")
DEMO = machine.ROOT / "examples/vggt/configs/demo_30m.json"  # what --quick measures


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def measure_rates(results: dict[str, Any], args: argparse.Namespace) -> None:
    from . import limits

    rates = results.setdefault("rates", {})
    found = limits.rates(args.threads, args.quick)
    results["environment"]["isa"] = found["isa"]
    rates["register"] = max(rates.get("register", 0.0), found["register"])
    rates["bandwidth"] = max(rates.get("bandwidth", 0.0), machine.bandwidth(args.threads))
    if found["product"]:
        results["product"] = found["product"]


def measure_linears(results: dict[str, Any], args: argparse.Namespace) -> None:
    from . import linears

    results["errors"] = linears.errors(args.threads)
    results["linears"] = []
    shapes, rows = (linears.SHAPES, linears.ROWS) if not args.quick else ([(256, 512), (512, 256)], [1, 16, 197])
    turns = linears.TURNS if not args.quick else dict.fromkeys(rows, 2)
    for k, n in shapes:
        results["linears"] += linears.measure_shape(
            k, n, rows, args.threads, machine.last_cache_bytes(), say, turns=turns
        )
    measure_rates(results, args)  # again: the machine may have been slower the first time


def measure_sweep(results: dict[str, Any], args: argparse.Namespace) -> None:
    from . import sweep

    cache = machine.last_cache_bytes()
    results["sweep"] = {}
    if args.quick:
        results["sweep"]["every"] = sweep.every_row(args.threads, cache, say, range(1, 33), 1, (256, 256))
        results["sweep"]["few"] = sweep.few_rows(args.threads, cache, say, [1, 16], [(256, 256)], 2)
    else:
        results["sweep"]["every"] = sweep.every_row(args.threads, cache, say)
        results["sweep"]["few"] = sweep.few_rows(args.threads, cache, say)


def measure_isa(results: dict[str, Any], args: argparse.Namespace) -> None:
    from . import isa

    env = results["environment"]
    small = {"rows": [33], "shapes": [(256, 256)]} if args.quick else {}
    results["isa"] = isa.forced(env["isas_known"], env["isas"], args.threads, say, **small)


def measure_attention(results: dict[str, Any], args: argparse.Namespace) -> None:
    from . import attention

    small = {"shapes": ((2, 70),), "turns": 2} if args.quick else {}
    results["attention"] = attention.measure(say, **small)


def measure_convolution(results: dict[str, Any], args: argparse.Namespace) -> None:
    from . import convolution

    small = {"layers": convolution.SMALL, "turns": 2} if args.quick else {}
    results["convolution"] = convolution.measure(args.threads, say, **small)


def in_folder(work: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """Holds models of gigabytes while they are needed; deleted in any case, at the latest by the next run."""
    folder = machine.ROOT / "artifacts/bench-work"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        return work(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure_model(results: dict[str, Any], args: argparse.Namespace) -> None:
    from . import model

    quick = {"config": DEMO, "size": (70, 98)} if args.quick else {}
    results["model"] = in_folder(lambda f: model.whole(f, args.threads, say, args.frames, args.turns, **quick))


def measure_reduced(results: dict[str, Any], args: argparse.Namespace) -> None:
    from . import reduced

    quick = {"config": json.loads(DEMO.read_text()), "size": (70, 98)} if args.quick else {}
    results["reduced"] = in_folder(lambda f: reduced.measure(f, args.threads, say, turns=args.turns, **quick))


def measure_fusions(results: dict[str, Any], args: argparse.Namespace) -> None:
    from . import fusions

    results["fusions"] = in_folder(lambda folder: fusions.measure(folder, args.threads, args.quick))


def write(results: dict[str, Any], out: Path) -> Path:
    """JSON, plots and page, each beside its place and then renamed."""
    from . import plots, report

    stem = f"cpu-{results['environment']['slug']}"
    out.mkdir(parents=True, exist_ok=True)
    replace(out / f"{stem}.json", json.dumps(rounded(results), separators=(",", ":")).replace('{"k"', '\n{"k"') + "\n")
    shown = dict(results)
    try:
        drawn = plots.draw(results, out, stem)
    except ImportError as error:
        drawn, shown["notes"] = {}, [*results.get("notes", []), f"no plots: {error}"]
    replace(out / f"{stem}.md", report.page(shown, drawn))
    return out / f"{stem}.md"


def rounded(value: Any) -> Any:
    """Five digits are more than any timing is worth."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return [rounded(v) for v in value] if isinstance(value, list) else value


def replace(path: Path, text: str) -> None:
    temporary = path.with_suffix(path.suffix + ".part")
    temporary.write_text(text)
    os.replace(temporary, path)


def numbers(text: str) -> list[int]:
    found = sorted({int(part) for part in text.split(",")})
    if found[0] < 1:
        raise ValueError
    return found


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Speed of vqt and baselines on this machine.")
    parser.add_argument(
        "--quick", action="store_true", help="tiny shapes, to check that everything works (a few minutes)"
    )
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts to measure; others stay as they are in OUT"
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="folder for page, plots and JSON (default docs/benchmarks; artifacts/bench with --quick)",
    )
    parser.add_argument("--threads", type=int, default=2, help="of every runtime (default 2)")
    parser.add_argument(
        "--frames", type=numbers, default=[2], metavar="N,...", help="of the whole models, e.g. 1,2,4,8 (default 2)"
    )
    parser.add_argument("--turns", type=int, default=2, help="processes of each whole model, in turns (default 2)")
    parser.add_argument("--render", type=Path, metavar="JSON", help="write the page and plots of an earlier run again")
    args = parser.parse_args(argv)
    args.out = args.out or (
        args.render.parent if args.render else machine.ROOT / ("artifacts/bench" if args.quick else "docs/benchmarks")
    )
    return args


def main() -> int:
    args = parse_args()
    if args.render:
        say(f"wrote {write(json.loads(args.render.read_text()), args.out)}")
        return 0
    wanted = {**ENVIRONMENT, "OMP_NUM_THREADS": str(args.threads), "MKL_NUM_THREADS": str(args.threads)}
    if any(os.environ.get(k) != v for k, v in wanted.items()):  # read when a process starts: once more, with them
        os.environ.update(wanted)
        os.execv(sys.executable, [sys.executable, "-m", "bench", *sys.argv[1:]])
    import torch

    torch.set_num_threads(args.threads)
    environment = machine.environment(args.threads)
    earlier = args.out / f"cpu-{environment['slug']}.json"
    results: dict[str, Any] = {}
    if len(args.only) < len(PARTS) and earlier.exists():
        results = json.loads(earlier.read_text())
    results.update(environment=environment, quick=args.quick, notes=[])
    results.setdefault("durations", {})
    busy = results.setdefault("used_by_others", {})
    code = 0
    for part in PARTS:
        if part not in args.only:
            continue
        say(part)
        begin, before = time.perf_counter(), machine.cpu_times_now()
        try:
            with torch.no_grad():
                globals()[f"measure_{part}"](results, args)
        except KeyboardInterrupt:
            results["notes"].append(f"{part}: interrupted")
            say("interrupted; what was measured is kept")
            code = 130
        except Exception as error:  # one part that cannot run must not lose the others
            lines = str(error).splitlines() or [""]
            results["notes"].append(f"{part}: {type(error).__name__}: {lines[0][:300]}")
            say(f"{part}: {error}")
        results["durations"][part] = time.perf_counter() - begin
        busy[part] = machine.used_by_others(before, machine.cpu_times_now())
        if busy[part] >= machine.BUSY:
            say(f"{part}: the machine was busy: other processes used {100 * busy[part]:.0f} % of the CPUs")
        page = write(results, args.out)
        say(f"{part}: {results['durations'][part]:.0f} s")
        if code:
            return code
    say(f"wrote {page}")
    return code


if __name__ == "__main__":
    sys.exit(main())
