"""report.html in headless Chromium, and results.json against its schema: one run of three models on a scene with truth."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
import browser  # noqa: E402
import ground_truth_test  # noqa: E402
import run_eval  # noqa: E402
import scenes  # noqa: E402
from run_eval import EVAL, OPS, ROOT  # noqa: E402

SCHEMA = json.loads((ROOT / "docs/results.schema.json").read_text())
MARK = 'id="data">'
needs_chromium = pytest.mark.skipif(browser.CHROMIUM is None, reason="no chromium to draw the page in")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.ops.load_library(str(OPS))
    root = tmp_path_factory.mktemp("page")
    scene = ground_truth_test.Scene(root / "courtyard", dense=True)
    scenes.save(scene.model(), root / "float.pt")
    done = subprocess.run(
        [EVAL, "--reference", root / "float.pt", "--preset", "production", "smallest", "prototype", "--ground_truth",
         scene.root, "--image_size", str(ground_truth_test.SIDE), "--output_dir", root / "out", "--depth_frames", "2",
         "--warmup", "1", "--runs", "2", "--quiet"], capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return root / "out"


@pytest.fixture(scope="module")
def results(out: Path) -> dict:
    return run_eval.results(out)


@pytest.fixture(scope="module")
def page(out: Path) -> Iterator[browser.Page]:
    with browser.Page(f"file://{out}/report.html", timeout=600) as opened:
        yield opened


def changed(out: Path, path: Path, change: object) -> str:
    """The page with other data; its address."""
    html = (out / "report.html").read_text()
    begin = html.index(MARK) + len(MARK)
    end = html.index("</script>", begin)
    data = json.loads(html[begin:end])
    change(data)
    path.write_text(html[:begin] + json.dumps(data).replace("<", "\\u003c") + html[end:])
    return f"file://{path}"


# --- results.json ---


def strict() -> dict:
    """The schema, with fields it does not name refused."""
    schema = copy.deepcopy(SCHEMA)
    for name in ("environment", "run", "scene", "ground_truth", "reference", "model", "metrics", "site", "scores", "depth_map", "progressive", "cloud"):
        schema["$defs"][name]["unevaluatedProperties"] = False
    schema["unevaluatedProperties"] = False
    return schema


def complaints(schema: dict, value: dict) -> list[str]:
    jsonschema = pytest.importorskip("jsonschema", reason="no jsonschema to validate results.json with")
    jsonschema.Draft202012Validator.check_schema(schema)
    return [f"{e.json_path}: {e.message[:200]}" for e in jsonschema.Draft202012Validator(schema).iter_errors(value)]


def test_results_follow_the_schema_which_names_every_field(results: dict) -> None:
    assert complaints(SCHEMA, results) == []
    assert complaints(strict(), results) == []
    assert results["version"] == SCHEMA["properties"]["version"]["const"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["version"], 2),
        (["models", 0, "outputs", "depth", "psnr_db"], "inf"),
        (["models", 0, "outputs", "depth", "mae"], -1),
        (["models", 1, "sites", 0, "action"], "skipped"),
        (["models", 0, "cameras", 1], [1, 0, 0]),
        (["models", 0, "ground_truth", "difference", "pose", "auc_3"], "better"),
        (["models", 0, "ground_truth", "interval_95", "depth", "rmse"], [1]),
        (["models", 0, "timing"], None),
        (["winners", 0, "goal"], "balance"),
        (["recommendation", "why"], None),
        (["ground_truth_changes", 0, "goal"], "points"),
        (["models", 0, "ground_truth", "significant", "pose", "auc_3"], 0.5),
        (["depth_maps", 0, "mean_difference", "smallest"], None),
        (["cloud", "models", "smallest", "mean_distance"], None),
        (["cloud", "confidence", "percent"], 0),
        (["scene", "pictures"], []),
    ],
    ids=lambda v: ".".join(map(str, v)) if isinstance(v, list) and v and isinstance(v[0], str) else "",
)
def test_the_schema_refuses_what_is_wrong(results: dict, path: list, value: object) -> None:
    wrong = copy.deepcopy(results)
    place = wrong
    for key in path[:-1]:
        place = place[key]
    assert path[-1] in place if isinstance(place, dict) else path[-1] < len(place)
    place[path[-1]] = value
    assert len(complaints(SCHEMA, wrong)) >= 1


# --- the page ---

CHARTS = ["Accuracy against cost", "File size", "Time per image", "Peak memory", "Error of every output", "Error percentiles",
          "Error of every layer", "Cameras from above"]  # fmt: skip
# Title, axes, what is better, how many models' colours are between the axes, and what those who cannot see it are told, of every chart.
LOOK = """[...document.querySelectorAll("canvas")].map((canvas) => {
  const copy = Object.assign(document.createElement("canvas"), {width: canvas.width, height: canvas.height});
  const context = copy.getContext("2d", {willReadFrequently: true});
  context.drawImage(canvas, 0, 0);
  const {left, top, right, bottom} = Chart.getChart(canvas).chartArea;
  const pixels = new Set(new Uint32Array(context.getImageData(left, top, right - left, bottom - top).data.buffer));
  const has = (c) => pixels.has((0xff000000 | parseInt(c.slice(5, 7) + c.slice(3, 5) + c.slice(1, 3), 16)) >>> 0);
  const card = canvas.closest("figure");
  return {title: card.querySelector("h3").textContent, hint: card.querySelector(".hint").textContent,
    axes: Object.values(Chart.getChart(canvas).options.scales).map((s) => s.title.text),
    models: models.filter((m) => has(colourOf(m))).length, label: canvas.getAttribute("aria-label"), role: canvas.getAttribute("role"),
    rows: card.querySelectorAll("details tbody tr").length};
})"""
# Elements wider than the window that nothing scrolls, texts smaller than 11 pixels, pictures without a text.
FAULTS = """((width) => {
  const faults = [];
  for (const e of document.querySelectorAll("main *")) {
    const box = e.getBoundingClientRect();
    if (box.width && box.right > width + 1 && !e.closest(".scroll")) faults.push(`wide: ${e.tagName} ${e.textContent.slice(0, 40)}`);
    if (e.childNodes.length && [...e.childNodes].some((n) => n.nodeType === 3) && parseFloat(getComputedStyle(e).fontSize) < 11)
      faults.push(`small: ${e.tagName} ${e.textContent.slice(0, 40)}`);
    if (e.tagName === "IMG" && !e.hasAttribute("alt")) faults.push("img without alt");
    if (/^(INPUT|SELECT)$/.test(e.tagName) && !e.labels.length && !e.getAttribute("aria-label")) faults.push(`no label: ${e.outerHTML}`);
  }
  if (document.documentElement.scrollWidth > width) faults.push("the page scrolls sideways");
  return faults;
})"""


@needs_chromium
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_chart_is_drawn_and_nothing_is_asked_for(page: browser.Page, out: Path, width: int, scheme: str) -> None:
    page.resize(width, 844)
    page.scheme(scheme)
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    charts = page.evaluate(LOOK)
    assert [c["title"] for c in charts] == CHARTS
    for chart in charts:
        assert chart["models"] == (1 if chart["title"] == "Cameras from above" else 3), chart["title"]
        assert len(chart["axes"]) == 2 and all(chart["axes"]), chart["title"]
        assert "better" in chart["hint"] or "best" in chart["hint"], chart["title"]
        assert chart["role"] == "img" and len(chart["label"]) > 40
        assert chart["rows"] >= 3
    assert page.evaluate(f"{FAULTS}({width})") == []
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (np.mean([int(v) for v in dark[4:-1].split(",")]) < 60) == (scheme == "dark")
    page.screenshot(out / f"{scheme}-{width}.png")
    assert page.errors == []
    assert [r for r in page.requests if not r.startswith("data:")] == [f"file://{out}/report.html"]


@needs_chromium
def test_the_model_to_take_and_the_winners_come_first(page: browser.Page, results: dict) -> None:
    taken = results["recommendation"]
    sentence = f"Take {taken['model']}: {taken['why']}." if taken["model"] else f"N{taken['why'][1:]}."
    assert page.evaluate('document.querySelector("main .take").textContent') == sentence
    goals = page.evaluate('[...document.querySelectorAll(".goals li")].map((li) => [li.querySelector("b")?.textContent ?? null, li.querySelector(".why").textContent])')
    assert goals == [[w.get("model"), w["why"]] for w in [*results["winners"], *results["ground_truth_changes"]]]
    assert [w["goal"] for w in results["winners"]] == ["accuracy", "size", "speed"]
    # Five images never show a significant difference, whatever the intervals are.
    assert [(c["goal"], c["better"], c["worse"]) for c in results["ground_truth_changes"]] == [("poses", [], []), ("depth", [], [])]
    assert results["ground_truth_changes"][0]["why"].startswith("no significant difference (10 pairs)")
    cells = page.evaluate('[...document.querySelectorAll("#truth td span span")].map((s) => s.textContent)')
    assert cells and all(cell.endswith(" (n.s.)") for cell in cells)
    psnr = {m["name"]: min(o["psnr_db"] for o in m["outputs"].values()) for m in results["models"]}
    assert results["winners"][0]["model"] == max(psnr, key=psnr.get)
    assert f"{max(psnr.values()):.1f} dB" in results["winners"][0]["why"]


@needs_chromium
def test_the_front_is_what_no_other_model_beats(page: browser.Page, results: dict) -> None:
    points = {m["name"]: (m["size_bytes"], min(o["psnr_db"] for o in m["outputs"].values())) for m in results["models"]}
    front = {n for n, (size, db) in points.items()
             if not any(s <= size and d >= db and (s, d) != (size, db) for s, d in points.values())}  # fmt: skip
    rows = page.evaluate('[...document.querySelectorAll("#cost figure")][0].querySelectorAll("tbody tr").length')
    assert rows == len(points)
    shown = page.evaluate('[...document.querySelector("#cost figure").querySelectorAll("tbody tr")].map((r) => [r.cells[0].textContent, r.cells[3].textContent])')
    assert dict(shown) == {n: "yes" if n in front else "no" for n in points}
    made_up = "[[1, 5], [2, 9], [3, 7], [2, 4], [4, 9]].map(([cost, quality]) => ({cost, quality}))"
    assert page.evaluate(f"paretoFront({made_up}, true).map((p) => [p.cost, p.quality])") == [[1, 5], [2, 9]]
    assert page.evaluate(f"paretoFront({made_up}, false).map((p) => [p.cost, p.quality])") == [[1, 5], [2, 4]]


@needs_chromium
def test_many_models_stay_readable(out: Path, tmp_path: Path) -> None:
    def search(data: dict) -> None:
        found, maps = data["results"], data["depth_maps"]
        copies = [copy.deepcopy(found["models"][i % 3]) for i in range(20)]
        for i, model in enumerate(copies):
            model["name"] = f"production group_size={8 << i % 5} activation={'none' if i % 2 else 'dynamic'} skip_first_last={i % 4 > 1}-{i}"
            model["size_bytes"] = round(model["size_bytes"] * (0.7 + 0.03 * (7 * i % 20)))
            model["ms_per_image"] *= 0.8 + 0.02 * (3 * i % 20)
            for output in model["outputs"].values():
                output["psnr_db"] += 11 * i % 20
            model["pareto_front"] = i % 4 == 0
        for part in maps:
            part["models"] = [{**part["models"][i % 3], "name": m["name"]} for i, m in enumerate(copies)]
        found["models"] = copies
        found["recommendation"]["model"] = copies[19]["name"]
        for winner, place in zip(found["winners"], (19, 4, 4)):
            winner["model"] = copies[place]["name"]

    with browser.Page(changed(out, tmp_path / "many.html", search)) as page:
        drawn = page.evaluate('[...document.querySelectorAll("#errors canvas")].map((c) => Chart.getChart(c).data.datasets.length)')
        assert drawn == [8, 8, 8]
        # The winners 4 and 19, the rest of the front, then the first of the others.
        assert page.evaluate("highlighted.map((m) => models.indexOf(m))") == [0, 1, 2, 4, 8, 12, 16, 19]
        assert page.evaluate("new Set(highlighted.map(colourOf)).size") == 8
        assert page.evaluate("models.filter((m) => !highlighted.includes(m)).every((m) => colourOf(m) === OTHER_COLOUR)")
        stars = page.evaluate('[...document.querySelector("table").querySelectorAll("tbody tr")].map((r) => r.cells[0].textContent.endsWith("*"))')
        assert stars == [False] + [i % 4 == 0 for i in range(20)]
        rings = page.evaluate('Chart.getChart(document.querySelector("canvas")).data.datasets.map((d) => d.ringed === true)')
        assert rings[-21:-1] == stars[1:]
        assert page.evaluate("briefName(models[3])") == "group_size=64 activation=none skip_first_last=True-3"
        page.screenshot(out / "many-1280.png")
        page.resize(390, 844)
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert page.evaluate(f"{FAULTS}(390)") == []
        page.screenshot(out / "many-390.png")
        assert page.errors == []


@needs_chromium
def test_sites_are_sorted_and_searched(page: browser.Page, results: dict) -> None:
    column = '[...document.querySelectorAll("#layers tbody tr")].map((r) => r.cells[{}].textContent)'
    names = [s["name"] for s in results["models"][0]["sites"]]
    assert page.evaluate(column.format(0)) == names
    page.evaluate('[...document.querySelectorAll("#layers thead button")].find((b) => b.textContent === "Weight SQNR").click()')
    ascending = page.evaluate(column.format(6))
    values = [float(v) for v in ascending if v != "–"]
    assert values == sorted(values) and len(values) > 2 and ascending[len(values) :] == ["–"] * (len(names) - len(values))
    page.evaluate('[...document.querySelectorAll("#layers thead button")].find((b) => b.textContent === "Weight SQNR").click()')
    assert [float(v) for v in page.evaluate(column.format(6)) if v != "–"] == values[::-1]
    page.evaluate('{const s = document.querySelector("#layers input"); s.value = "TO_P float"; s.dispatchEvent(new Event("input"));}')
    assert page.evaluate(column.format(0)) == [
        s["name"] for s in results["models"][0]["sites"] if "to_p" in s["name"] and "float" in f"{s['scheme']} {s['action']} {s['reason']}"
    ]
    page.evaluate('{const s = document.querySelector("#layers input"); s.value = ""; s.dispatchEvent(new Event("input"));}')
    assert len(page.evaluate(column.format(0))) == len(names)


@needs_chromium
def test_depth_is_compared_by_keyboard_and_by_click(page: browser.Page) -> None:
    cut = 'getComputedStyle(document.querySelector(".stage")).getPropertyValue("--cut")'
    assert page.evaluate(cut) == "50%"
    page.evaluate('document.querySelector("#depth input[type=range]").focus()')
    for _ in range(3):
        page.key("ArrowRight", 39)
    assert page.evaluate(cut) == "53%"
    page.evaluate('document.querySelectorAll(".thumbs button")[1].focus()')
    page.key("Enter", 13, "\r")
    assert "smallest" in page.evaluate('document.querySelector(".stage .over").alt')
    assert page.evaluate('document.activeElement.getAttribute("aria-pressed")') == "true"
    assert page.evaluate(cut) == "53%"  # where it was
    for point, expected in ((0.25, 25), (0.8, 80)):
        at = page.evaluate(f'(() => {{ const s = document.querySelector(".stage"); s.scrollIntoView({{block: "center"}}); const b = s.getBoundingClientRect(); return [b.left + {point} * b.width, b.top + 9]; }})()')
        for kind in ("mousePressed", "mouseReleased"):
            page.call("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], button="left", clickCount=1)
        assert abs(float(page.evaluate(cut).rstrip("%")) - expected) <= 1
    stops = page.evaluate('document.querySelector(".legend").getAttribute("aria-label")')
    assert "Colour scale" in stops and "share the scale" in stops


@needs_chromium
def test_the_cloud_is_compared_and_its_files_are_named(page: browser.Page, results: dict, out: Path) -> None:
    text = page.evaluate('document.querySelector("#cloud").textContent')
    for cloud in [results["cloud"]["reference"], *results["cloud"]["models"].values()]:
        assert f"{cloud['file']} ({cloud['points']} points)" in text and (out / cloud["file"]).is_file()
    assert "50 % by world_points_conf" in text and "first forward" not in text
    for i, (name, cloud) in enumerate(results["cloud"]["models"].items()):
        page.evaluate(f'document.querySelectorAll("#cloud .thumbs button")[{i}].click()')
        assert name in page.evaluate('document.querySelector("#cloud .stage .over").alt')
        percent = 100 * cloud["mean_distance"] / results["cloud"]["scene_size"]
        shown = page.evaluate('document.querySelectorAll("#cloud figcaption")[1].textContent')
        assert float(shown.split("mean ")[1].split(" %")[0]) == pytest.approx(percent, rel=0.06)
    top = page.evaluate('parseFloat(document.querySelector("#cloud .legend .ticks").lastChild.textContent)')
    assert top == pytest.approx(100 * results["cloud"]["distance_scale"] / results["cloud"]["scene_size"], rel=0.01)
    sizes = page.evaluate('[...document.querySelectorAll("#cloud .maps img")].map((i) => [i.complete, i.naturalWidth, i.naturalHeight])')
    assert sizes == [[True, 640, 480]] * 3


@needs_chromium
def test_cameras_are_those_of_numpy(page: browser.Page, results: dict) -> None:
    def world(pose: list[float]) -> tuple[np.ndarray, np.ndarray]:
        (w, x, y, z), t = pose[:4], np.array(pose[4:])
        r = np.array([
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ])  # fmt: skip
        return r, t

    poses = results["models"][0]["cameras"]
    found = page.evaluate(f"seenFromFirst({json.dumps(poses)})")
    r0, t0 = world(poses[0])
    for pose, camera in zip(poses, found):
        r, t = world(pose)
        assert camera["centre"] == pytest.approx(r0 @ (-r.T @ t) + t0, abs=1e-9)
        assert camera["forward"] == pytest.approx(r0 @ r.T @ [0, 0, 1], abs=1e-9)
    # The truth, three times as large, is drawn at the model's size.
    three = [p[:4] + [3 * v for v in p[4:]] for p in poses]
    assert page.evaluate(f"scaleTo(seenFromFirst({json.dumps(poses)}), seenFromFirst({json.dumps(three)}))") == pytest.approx(1 / 3)


@needs_chromium
def test_what_the_data_lacks_is_left_out(out: Path, tmp_path: Path) -> None:
    def bare(data: dict) -> None:
        found = data["results"]
        data["depth_maps"] = []
        data["cloud"] = None
        del found["ground_truth"], found["cloud"]
        found["winners"], found["models"] = [], found["models"][:1]
        for model in [found["reference"], *found["models"]]:
            del model["cameras"], model["ground_truth"]
        del found["ground_truth_changes"], found["recommendation"]
        found["models"][0]["sites"] = found["models"][0]["config"] = None
        found["models"][0]["name"] = "</script><img src=x id=evil>"

    with browser.Page(changed(out, tmp_path / "bare.html", bare)) as page:
        assert page.evaluate('[...document.querySelectorAll("h2")].map((h) => h.textContent)') == ["Accuracy and cost", "Errors", "Environment"]
        assert [(c["title"], c["models"]) for c in page.evaluate(LOOK)] == [(title, 1) for title in CHARTS[1:6]]
        assert page.evaluate('document.getElementById("evil")') is None
        assert "<img src=x" in page.evaluate('document.querySelector("main").textContent')
        assert page.errors == []


@needs_chromium
def test_the_page_may_not_ask_for_anything(page: browser.Page) -> None:
    before = len(page.requests)
    reached = page.evaluate('fetch("http://127.0.0.1:9/x").then(() => "reached", (e) => e.name)')
    assert reached == "TypeError"
    assert any("Content Security Policy" in e for e in page.errors)
    assert len(page.requests) == before or page.requests[before:] == ["http://127.0.0.1:9/x"]
