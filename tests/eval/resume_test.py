"""vqt-eval --resume: a run that was killed, went on, was interrupted, and went on to its end."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import safetensors
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
import scenes  # noqa: E402
from run_eval import EVAL, ROOT, results, run  # noqa: E402

PHOTOS = [ROOT / "examples/photos" / p for p in ("aloe/aloe_left.jpg", "aloe/aloe_right.jpg", "leuven/leuven_a.jpg")]
OF_TIME = {"environment", "ms_per_image", "peak_memory_bytes", "timing", "winners", "recommendation", "pareto_front", "notes"}


class Stuck(scenes.Tiny):
    """Does not come back from its forward."""

    def forward(self, images: Tensor) -> Tensor:
        x = images.mean() * self.first.weight
        for _ in range(100000000):
            x = self.first(x).tanh()
        return x


def kept(folder: Path) -> dict[str, dict]:
    """By name: what the files in unfinished/ say of themselves, read without vqt."""
    found = {}
    for path in (folder / "unfinished").iterdir():
        with safetensors.safe_open(path, "pt") as file:
            found[path.name.rsplit("-", 1)[0]] = json.loads(file.metadata()["about"])["entry"]
    return found


def assert_same(a: object, b: object, path: str = "") -> None:
    """But for time and memory; convolutions may round differently from process to process."""
    if isinstance(a, dict) and isinstance(b, dict):
        assert a.keys() - OF_TIME == b.keys() - OF_TIME, path
        for key in a.keys() - OF_TIME:
            assert_same(a[key], b[key], f"{path}.{key}")
    elif isinstance(a, list) and isinstance(b, list):
        assert len(a) == len(b), path
        for i, (x, y) in enumerate(zip(a, b)):
            assert_same(x, y, f"{path}[{i}]")
    elif isinstance(a, float):
        assert a == pytest.approx(b, rel=1e-3, abs=1e-7), path
    else:
        assert a == b, path


def scene_ms(results: dict) -> dict[str, list[float]]:
    return {m["name"]: m["timing"]["scene_ms"] for m in [results["reference"], *results["models"]]}


class Place:
    """A scene, and one command: two configs that are run at once, then an archive that is stuck until it is replaced."""

    def __init__(self, root: Path) -> None:
        self.root = root
        scenes.save(scenes.Tiny(), root / "tiny.pt")
        scenes.save(Stuck(), root / "last.pt")
        scenes.write_pictures(root / "photos", PHOTOS)
        self.config("int8_per_channel_asym")

    def config(self, quant_type: str) -> None:
        (self.root / "mine.json").write_text(json.dumps({"name": "mine", "quant_type": quant_type}))

    def unstick(self) -> None:
        scenes.save(scenes.Tiny(), self.root / "last.pt", seed=1)

    def command(self, out: Path, *more: object) -> list[object]:
        return ["--reference", self.root / "tiny.pt", "--config", self.root / "mine.json", "--preset", "production",
                "--model", self.root / "last.pt", "--image_folder", self.root / "photos", "--image_size", 70, "--warmup",
                1, "--runs", 2, "--output_dir", out, *more]  # fmt: skip

    def only_the_last(self, out: Path, *more: object) -> list[object]:
        return ["--reference", self.root / "tiny.pt", "--model", self.root / "last.pt", "--image_folder",
                self.root / "photos", "--image_size", 70, "--warmup", 1, "--runs", 2, "--output_dir", out, *more]  # fmt: skip

    def stop_at_the_last(self, out: Path, sent: signal.Signals, *more: object) -> tuple[int, str, str]:
        process = subprocess.Popen(
            [str(w) for w in [EVAL, *self.command(out, *more)]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            lines, children = [], Path(f"/proc/{process.pid}/task/{process.pid}/children")
            while "last ..." not in "".join(lines[-1:]):
                lines.append(process.stderr.readline())
                assert lines[-1], "".join(lines)
            while not children.read_text():
                assert process.poll() is None, "".join(lines) + process.stderr.read()
                time.sleep(0.05)
            again = run(*self.command(out), code=1)
            assert f"--output-dir: {out}: in use by another vqt-eval" in again.stderr
            process.send_signal(sent)
            stdout, stderr = process.communicate(timeout=60)
        finally:
            process.kill()  # where something above failed: it would never end
        return process.returncode, stdout, "".join(lines) + stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("resume"))


@pytest.fixture(scope="module")
def killed(place: Place) -> Path:
    out = place.root / "killed"
    code, _, _ = place.stop_at_the_last(out, signal.SIGKILL)
    assert code == -signal.SIGKILL
    return out


@pytest.fixture(scope="module")
def interrupted(place: Place, killed: Path) -> tuple[Path, str, str]:
    """Goes on where the other was killed."""
    out = place.root / "interrupted"
    shutil.copytree(killed, out)
    code, stdout, stderr = place.stop_at_the_last(out, signal.SIGINT, "--resume")
    assert code == 128 + signal.SIGINT
    return out, stdout, stderr


@pytest.fixture(scope="module")
def full(place: Place, interrupted: tuple[Path, str, str]) -> dict:
    place.unstick()
    run(*place.command(place.root / "full"))
    assert not (place.root / "full/unfinished").exists()
    return results(place.root / "full")


def test_a_killed_run_leaves_what_it_did(killed: Path) -> None:
    assert kept(killed).keys() == {"reference", "model_mine", "model_production"}
    assert not (killed / "results.json").exists()
    assert len(list(killed.glob(".vqt-eval-*"))) == 1  # what it could not remove


def test_an_interrupted_run_reports_what_it_did(killed: Path, interrupted: tuple[Path, str, str]) -> None:
    out, stdout, stderr = interrupted
    for name in ("reference", "model mine", "model production"):
        assert f"{name}: loaded from {out}/unfinished" in stderr
    assert not re.search(r"(reference|mine|production|quantize) \.\.\.", stderr)
    assert f"results so far are in {out}/unfinished: run the same command with --resume to continue" in stderr
    found, before = results(out), kept(killed)
    note = "interrupted: 2 of 3 models done; run the same command with --resume to continue"
    assert found["interrupted"] is True
    assert found["notes"][0] == note
    assert note in stdout and note in (out / "report.txt").read_text() and note in (out / "report.html").read_text()
    assert [m["name"] for m in found["models"]] == ["mine", "production"]
    assert scene_ms(found) == {  # to the last digit: they were not run again
        "tiny": before["reference"]["run"]["all_ms"],
        "mine": before["model_mine"]["run"]["all_ms"],
        "production": before["model_production"]["run"]["all_ms"],
    }
    assert kept(out) == before
    assert not list(out.glob(".vqt-eval-*"))


def test_a_resumed_run_ends_as_one_that_was_not_interrupted(
    place: Place, killed: Path, interrupted: tuple[Path, str, str], full: dict, tmp_path: Path
) -> None:
    out, before = shutil.copytree(interrupted[0], tmp_path / "out"), kept(killed)
    run(*place.command(out, "--resume", "--save_reference", tmp_path / "saved"))
    found = results(out)
    assert_same(found, full)
    assert "resumed: outputs, time and memory of reference, model mine, model production come from" in found["notes"][-1]
    assert scene_ms(found)["mine"] == before["model_mine"]["run"]["all_ms"]
    assert found["models"][1]["peak_memory_bytes"] == before["model_production"]["run"]["peak_memory_bytes"]
    assert sorted(p.name for p in out.iterdir()) == sorted(p.name for p in (place.root / "full").iterdir())
    done = run(*place.only_the_last(tmp_path / "loaded", "--load_reference", tmp_path / "saved", "--resume"))
    assert "unfinished: no such folder; this run starts from the beginning" in done.stderr
    assert_same(results(tmp_path / "loaded")["models"][0], full["models"][2])


def test_what_changed_or_is_damaged_is_run_again(place: Place, killed: Path, full: dict, tmp_path: Path) -> None:
    out = shutil.copytree(killed, tmp_path / "out")
    (reference,) = (out / "unfinished").glob("reference*")
    reference.write_bytes(reference.read_bytes()[:-24])
    (production,) = (out / "unfinished").glob("model_production*")
    data = bytearray(production.read_bytes())
    data[8 + int.from_bytes(data[:8], "little") + 1000] ^= 1  # in the first output
    production.write_bytes(data)
    place.config("int16_per_channel_sym")
    done = run(*place.command(out, "--resume"))
    place.config("int8_per_channel_asym")
    assert f"reference: run again: {reference}: not a usable safetensors file: " in done.stderr
    assert "the copy is probably cut short" in done.stderr
    assert f"model production: run again: {production}: damaged: 0/depth has another checksum" in done.stderr
    assert 'model mine: run again: config.quant_type was "int8_per_channel_asym", now it is "int16_per' in done.stderr
    assert ": loaded from" not in done.stderr
    found = results(out)
    assert found["models"][0]["scheme"].startswith("w16")
    assert_same(found["models"][1:], full["models"][1:])
    for name, ms in scene_ms(found).items():
        assert name == "last" or ms != kept(killed)[{"tiny": "reference"}.get(name, f"model_{name}")]["run"]["all_ms"]


def another_digit(data: bytes) -> bytes:
    """In what the file says of its run, not in its tensors."""
    at = re.search(rb'\\"run\\":\{.*?\\"peak_memory_bytes\\":(\d)', data, re.DOTALL).start(1)
    return data[:at] + (b"8" if data[at : at + 1] == b"9" else b"9") + data[at + 1 :]


def test_what_is_kept_is_not_believed_where_a_digit_changed(place: Place, killed: Path, full: dict, tmp_path: Path) -> None:
    out = shutil.copytree(killed, tmp_path / "out")
    (path,) = (out / "unfinished").glob("reference*")
    path.write_bytes(another_digit(path.read_bytes()))
    done = run(*place.only_the_last(out, "--resume"))
    assert f"reference: run again: {path}: damaged: its description has another checksum" in done.stderr
    assert_same(results(out)["models"][0], full["models"][2])


def test_without_resume_it_is_replaced_once_there_is_something_new(
    place: Place, killed: Path, full: dict, tmp_path: Path
) -> None:
    out = shutil.copytree(killed, tmp_path / "out")
    warning = f"{out}/unfinished: results of an earlier run that was not finished; --resume continues it"
    # Nothing was replaced, so nothing is said.
    assert warning not in run(*place.only_the_last(out, "--load_reference", tmp_path / "none"), code=1).stderr
    assert kept(out) == kept(killed)
    done = run(*place.only_the_last(out))
    assert f"{warning}: 1 of 2 models are done." in done.stderr
    assert ": loaded from" not in done.stderr
    assert not (out / "unfinished").exists()
    assert_same(results(out)["models"][0], full["models"][2])


def test_results_of_another_command_are_no_reason_to_resume(place: Place, killed: Path, tmp_path: Path) -> None:
    out = shutil.copytree(killed, tmp_path / "out")
    done = run(*place.only_the_last(out, "--max_images", 1))
    assert "--resume" not in done.stderr
    assert f"{out}/unfinished: results of another run that was not finished; they are replaced" in done.stderr
    (out / "unfinished").mkdir()  # empty
    assert "unfinished" not in run(*place.only_the_last(out, "--max_images", 1)).stderr


def test_a_model_that_fails_is_to_be_repaired_before_resuming(place: Place, tmp_path: Path) -> None:
    scenes.save(scenes.OtherKeys(), tmp_path / "other.pt")
    command = place.only_the_last(tmp_path / "out")
    command[command.index("--model") + 1] = tmp_path / "other.pt"
    done = run(*command, code=1)
    assert "unfinished: once the error below is solved, run the same command with --resume to continue" in done.stderr
