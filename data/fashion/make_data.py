"""Make the test and calibration files of this folder from the four files of Fashion-MNIST.

    python data/fashion/make_data.py

The source is Debian's package `dataset-fashion-mnist` (or any folder with the four published files: --source).
Test: the whole published test set. Calibration: the last 2,000 training images, which no model here was fitted on.
"""

import argparse
import hashlib
from pathlib import Path

from tradespace.tasks.idx import read_idx, write_idx

HERE = Path(__file__).parent
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
CALIBRATION_ITEMS = 2_000
# Of the decompressed arrays: Debian recompresses the published files, so the checksums of the archives differ.
SHA256 = {
    "train-images-idx3-ubyte.gz": "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
    "train-labels-idx1-ubyte.gz": "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
    "t10k-images-idx3-ubyte.gz": "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
    "t10k-labels-idx1-ubyte.gz": "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, default=DEBIAN, help="folder with the four files")
    source = parser.parse_args().source
    arrays = {name: read_idx(source / name) for name in SHA256}
    for name, wanted in SHA256.items():
        found = hashlib.sha256(arrays[name].tobytes()).hexdigest()
        if found != wanted:
            raise SystemExit(f"{name}: wanted pixels with SHA-256 {wanted}, found {found}")
    for kind in ("images-idx3", "labels-idx1"):
        write_idx(HERE / f"test-{kind}-ubyte.gz", arrays[f"t10k-{kind}-ubyte.gz"])
        calibration = arrays[f"train-{kind}-ubyte.gz"][-CALIBRATION_ITEMS:]
        write_idx(HERE / f"calibration-{kind}-ubyte.gz", calibration)


if __name__ == "__main__":
    main()
