"""Run the chapters as other processors would, and compare what they print with what is saved.

    python -m tests.book.cpus [--settings own plain ...] [--workers 2] [book/ensembles.ipynb ...]

A library chooses its kernels by the processor it finds; these variables make it choose others, so
one machine stands for several. Each setting runs every chapter from top to bottom under nbval and
the comparator of ``near.py``. The exit status is the number of settings under which a cell differs.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
ONE, TWO = (dict.fromkeys(_THREADS, count) for count in "12")
_AVX512 = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"

#: What PyTorch, OpenBLAS (NumPy, SciPy), MKL, oneDNN and NumPy's own loops are told to use.
SETTINGS: dict[str, dict[str, str]] = {
    "own": ONE,
    "two-threads": TWO,
    "avx2": {
        **ONE,
        "ATEN_CPU_CAPABILITY": "avx2",
        "OPENBLAS_CORETYPE": "Haswell",
        "MKL_CBWR": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "NPY_DISABLE_CPU_FEATURES": _AVX512,
    },
    "plain": {
        **ONE,
        "ATEN_CPU_CAPABILITY": "default",
        "OPENBLAS_CORETYPE": "Prescott",
        "MKL_CBWR": "COMPATIBLE",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "NPY_DISABLE_CPU_FEATURES": f"AVX2 FMA3 {_AVX512}",
    },
    "plain-two-threads": {
        **TWO,
        "ATEN_CPU_CAPABILITY": "default",
        "OPENBLAS_CORETYPE": "Prescott",
    },
}


def run(setting: str, chapters: list[str], workers: int) -> tuple[int, str]:
    """Exit status and output of pytest over the chapters under one setting."""
    command = [sys.executable, "-m", "pytest", *chapters, "-p", "tests.book.near"]
    command += ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=900", "--color=no"]
    command += ["--nbval-sanitize-with=tests/book/sanitize.cfg", "-n", str(workers)]
    command += ["--dist=loadfile"]
    found = os.environ.get("PYTHONPATH")
    paths = {"PYTHONPATH": os.pathsep.join([str(ROOT), *([found] if found else [])])}
    environment = {**os.environ, **paths, **SETTINGS[setting]}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="*", help="notebooks; by default all of book/")
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    chapters = arguments.chapters or sorted(
        path.relative_to(ROOT).as_posix() for path in (ROOT / "book").glob("*.ipynb")
    )
    wrong = 0
    for setting in arguments.settings:
        began = time.perf_counter()
        code, said = run(setting, chapters, arguments.workers)
        summary = said.strip().splitlines()[-1]
        print(f"{setting}: {summary} ({time.perf_counter() - began:.0f} s)", flush=True)
        if code:
            wrong += 1
            print(said, flush=True)
        if not re.search(r"\d+ passed", said):
            print(f"{setting}: no cell passed; is nbval installed?", flush=True)
            wrong += not code
    return wrong


if __name__ == "__main__":
    sys.exit(main())
