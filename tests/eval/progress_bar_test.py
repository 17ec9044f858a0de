"""Progress on stderr of both programs: a bar with the time left on a terminal, plain lines elsewhere, none if quiet."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import scenes  # noqa: E402
from run_eval import EVAL, QUANTIZE, ROOT, without_busy  # noqa: E402

PHOTOS = [ROOT / "examples/photos" / p for p in ("aloe/aloe_left.jpg", "aloe/aloe_right.jpg")]
# A bar that is neither empty nor full, then how far and how long: "[####      ] 2/5, 0.3 s left" or "... 40 %, ..."
BAR = re.compile(r"\[#+ +\][^\r\n]*?\d[^\r\n]*, (\d+\.\d s|\d+ s|\d+ min \d+ s|\d+ h \d+ min) left")


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    folder = tmp_path_factory.mktemp("progress")
    wide = scenes.save(scenes.Wide(), folder / "wide.pt")  # 8 weights of 16.8 MB: each takes a while
    tiny = scenes.save(scenes.Tiny(), folder / "tiny.pt")
    scenes.write_pictures(folder / "photos", PHOTOS)
    commands = {
        "vqt-quantize": [QUANTIZE, wide, "-o", folder / "q.pt"],
        "vqt-eval": [EVAL, "--reference", tiny, "--model", tiny, "--image-folder", folder / "photos", "--image_size", 70,
                     "--runs", 5, "--output-dir", folder / "out"],
    }  # fmt: skip
    return {name: list(map(str, command)) for name, command in commands.items()}


def on_terminal(command: list[str]) -> str:
    """What the program writes to a terminal that is its stderr."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    text = b""
    try:
        while block := os.read(ours, 1 << 16):
            text += block
    except OSError:  # EIO: nobody holds the other end any more
        pass
    os.close(ours)
    assert process.wait(timeout=300) == 0, text.decode()
    return text.decode()


@pytest.mark.parametrize("program", ["vqt-quantize", "vqt-eval"])
def test_a_bar_with_the_time_left_on_a_terminal(commands: dict[str, list[str]], program: str) -> None:
    text = on_terminal(commands[program])
    assert BAR.search(text), text
    # Each bar is wiped before the next text: what stays on the screen are lines with the time each step took.
    stays = [line.rsplit("\r\x1b[K", 1)[-1] for line in text.split("\r\n")]
    assert not any("[#" in line or "\r" in line for line in stays), text
    assert any(re.fullmatch(r"\S.*: \d+\.?\d* s", line) for line in stays), text


@pytest.mark.parametrize("program", ["vqt-quantize", "vqt-eval"])
def test_plain_lines_elsewhere(commands: dict[str, list[str]], program: str) -> None:
    text = subprocess.run(commands[program], capture_output=True, text=True, check=True, timeout=300).stderr
    assert re.search(r"^\S.* \.\.\.$", text, flags=re.M), text
    assert "\r" not in text and "\x1b" not in text and "[#" not in text and "[ " not in text, text


@pytest.mark.parametrize("program", ["vqt-quantize", "vqt-eval"])
def test_nothing_if_quiet(commands: dict[str, list[str]], program: str) -> None:
    assert without_busy(on_terminal([*commands[program], "--quiet"])) == ""
    done = subprocess.run([*commands[program], "--quiet"], capture_output=True, text=True, check=True, timeout=300)
    assert without_busy(done.stderr) == ""
