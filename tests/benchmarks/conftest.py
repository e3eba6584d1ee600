"""The benchmarks' modules are a program's (run.py), found beside it; their tests find them the same way."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
