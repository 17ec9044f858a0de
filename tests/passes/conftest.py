"""Makes the built Python package importable: it is how these tests reach the pass."""

import os
import sys
from pathlib import Path

_BUILD = Path(__file__).resolve().parents[2] / "build" / "lib"
sys.path.insert(0, os.environ.get("VQT_PYTHON_DIR", str(_BUILD)))
sys.path.insert(0, str(Path(__file__).resolve().parent))
