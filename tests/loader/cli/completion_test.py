"""The scripts of --completion, run by the shells they are for."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(os.environ.get("VQT_BUILD_DIR", ROOT / "build")) / "bin"
COMPLETE = """
source <("$1" --completion bash)
program=${1##*/}
[[ $(complete -p "$program") == "complete -F _${program//-/_} $program" ]] || exit 1
COMP_WORDS=("$program" "${@:2}") COMP_CWORD=$(($# - 1))
_${program//-/_}
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def folder(tmp_path):
    for name in ("m.pt", "my model.pt"):
        (tmp_path / name).touch()
    (tmp_path / "photos").mkdir()
    return tmp_path


def completed(folder, program, *words):
    """What bash offers for the last word."""
    done = subprocess.run(["bash", "-c", COMPLETE, "bash", BIN / program, *words], cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return {line for line in done.stdout.splitlines() if line}


PRESETS = {"production", "prototype"}
FILES = {"m.pt", "my model.pt", "photos"}


@pytest.mark.parametrize(
    ("program", "words", "offered"),
    [
        ("vqt-quantize", ["--pres"], {"--preset"}),
        ("vqt-quantize", ["--preset", "pro"], PRESETS),
        ("vqt-quantize", ["m.pt", "--preset", "=", "pro"], PRESETS),
        ("vqt-quantize", ["--preset", "production", "m"], {"m.pt", "my model.pt"}),
        ("vqt-quantize", ["--quant_type", "int4"], {"int4_group"}),
        ("vqt-quantize", ["--quant-type", "="], {f"int{k}" for k in (
            "8_per_tensor_sym", "8_per_tensor_asym", "8_per_channel_sym", "8_per_channel_asym", "4_group",
            "16_per_tensor_sym", "16_per_channel_sym")} | {"mixed_precision"}),
        ("vqt-quantize", ["--symmetric", ""], {"true", "false"}),
        ("vqt-quantize", ["--group-size", ""], set()),
        ("vqt-quantize", ["-o", ""], FILES),
        ("vqt-quantize", ["--calibration", ""], {"photos"}),
        ("vqt-quantize", ["--quiet", "m"], {"m.pt", "my model.pt"}),
        ("vqt-quantize", ["--completion", ""], {"bash", "zsh"}),
        ("vqt-quantize", ["--vers"], {"--version"}),
        ("vqt-quantize", ["--max-d"], set()),
        ("vqt-eval", ["--model", "m.pt", "m"], {"m.pt", "my model.pt"}),
        ("vqt-eval", ["--preset", "production", "sm"], {"smallest"}),
        ("vqt-eval", ["--preset", "production", "--preproc"], {"--preprocess"}),
        ("vqt-eval", ["--preprocess", ""], {"crop", "pad"}),
        ("vqt-eval", ["--image_folder", ""], {"photos"}),
    ],
)  # fmt: skip
def test_bash_offers(folder, program, words, offered):
    assert completed(folder, program, *words) == offered


@pytest.mark.parametrize("program", ["vqt-quantize", "vqt-eval"])
def test_bash_offers_every_flag_of_help(folder, program):
    shown = subprocess.run([BIN / program, "--help"], capture_output=True, text=True).stdout
    names = {name for pair in re.findall(r"^  (-[\w-]+)(?:, (-[\w-]+))?", shown, flags=re.M) for name in pair if name}
    assert len(names) > 20 and completed(folder, program, "-") == names


@pytest.mark.parametrize("program", ["vqt-quantize", "vqt-eval"])
@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_accepts_its_script(program):
    script = subprocess.run([BIN / program, "--completion", "zsh"], capture_output=True, text=True).stdout
    loads = f"autoload -Uz compinit; compinit -u -D; {script}\nprint $_comps[{program}]"
    done = subprocess.run(["zsh", "-f", "-c", loads], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"_{program.replace('-', '_')}\n", "")
