"""Read the IDX array format of MNIST and its successors."""

import gzip
import zlib
from pathlib import Path

import numpy as np

UNSIGNED_BYTE = 0x08


def read_idx(path: Path) -> np.ndarray:
    """Read an array of unsigned bytes from a gzip-compressed IDX file.

    The header is two zero bytes, a type code, the number of dimensions, then each dimension as a
    big-endian 32-bit integer (LeCun, Cortes and Burges, "The MNIST database").

    Raises
    ------
    ValueError
        If the file is not IDX, contains a type other than unsigned bytes, or is truncated.
    """
    try:
        raw = gzip.decompress(path.read_bytes())
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path.name}: wanted a complete gzip file: {error}") from error
    dimensions = raw[3] if len(raw) > 3 else 0
    if raw[:3] != bytes([0, 0, UNSIGNED_BYTE]) or len(raw) < 4 + 4 * dimensions:
        raise ValueError(f"{path.name}: wanted an IDX file of unsigned bytes; got the header {raw[:4].hex()}")
    shape = np.frombuffer(raw, dtype=">i4", count=dimensions, offset=4)
    values = np.frombuffer(raw, dtype=np.uint8, offset=4 + 4 * dimensions)
    if values.size != shape.prod():
        raise ValueError(f"{path.name}: wanted the shape in its header, {tuple(shape)}; got {values.size} bytes")
    return values.reshape(shape)


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write unsigned bytes as a gzip-compressed IDX file; the same array always gives the same file."""
    if array.dtype != np.uint8:
        raise ValueError(f"array: wanted unsigned bytes; got {array.dtype}")
    header = bytes([0, 0, UNSIGNED_BYTE, array.ndim]) + np.array(array.shape, ">i4").tobytes()
    path.write_bytes(gzip.compress(header + array.tobytes(), mtime=0))
