"""Run every benchmark, one after the other.

python -m benchmarks [RECORDINGS]       default: ../shared/data; what needs it is
                                        left out, and said so, where it is absent
"""

import subprocess
import sys
from pathlib import Path

SETS = ("myo", "driver", "gesture_phase")


def main(data: Path) -> int:
    """Return how many failed."""
    runs = [["benchmarks.detection.cost"], ["benchmarks.detection.noise"]]
    if data.is_dir():
        folders = [str(data / name) for name in SETS if (data / name).is_dir()]
        runs.append(["benchmarks.detection.quality", *folders])
        runs.append(["benchmarks.learning.quality", str(data)])
    else:
        print(f"no recordings in {data}: quality on real recordings is left out")
    failed = 0
    for module, *words in runs:
        print(f"\n== {module}", flush=True)
        failed += subprocess.run([sys.executable, "-m", module, *words]).returncode != 0
    return failed


if __name__ == "__main__":
    beside = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else beside))
