import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from tradespace.tasks.idx import read_idx, write_idx

BYTES = arrays(np.uint8, array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("idx") / "array.gz"


@given(array=BYTES)
def test_an_array_comes_back_as_it_was_written(path, array):
    write_idx(path, array)
    back = read_idx(path)
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, array, strict=True)


def test_the_file_is_what_the_format_says(path):
    write_idx(path, np.array([[1, 2, 3], [4, 5, 255]], np.uint8))
    # Two zeros, unsigned bytes, two dimensions, each of them big-endian, the items row by row.
    assert gzip.decompress(path.read_bytes()) == struct.pack(">BBBBII6B", 0, 0, 8, 2, 2, 3, 1, 2, 3, 4, 5, 255)


def test_dimensions_above_a_byte_are_kept(path):
    array = np.arange(70_000).astype(np.uint8).reshape(1000, 70)
    write_idx(path, array)
    np.testing.assert_array_equal(read_idx(path), array)


def test_the_same_array_always_makes_the_same_file(path):
    write_idx(path, np.arange(50, dtype=np.uint8))
    first = path.read_bytes()
    write_idx(path, np.arange(50, dtype=np.uint8))
    assert path.read_bytes() == first
    assert first[4:8] == bytes(4), "the time of writing is in the file"


@pytest.mark.parametrize("type_code", [0x00, 0x09, 0x0B, 0x0D])
def test_another_type_than_unsigned_bytes_is_refused_with_the_header_found(path, type_code):
    path.write_bytes(gzip.compress(struct.pack(">BBBBI4B", 0, 0, type_code, 1, 4, 1, 2, 3, 4)))
    with pytest.raises(ValueError, match=rf"^array\.gz: wanted an IDX file .* header 0000{type_code:02x}01$"):
        read_idx(path)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\x89PNG\r\n"])
def test_a_file_that_is_not_idx_is_refused(path, content):
    path.write_bytes(gzip.compress(content))
    with pytest.raises(ValueError, match=r"^array\.gz: wanted an IDX file"):
        read_idx(path)


def test_a_file_that_is_not_even_compressed_is_refused(path):
    path.write_bytes(b"<html>404 Not Found</html>")
    with pytest.raises(ValueError, match=r"array\.gz"):
        read_idx(path)


@pytest.mark.parametrize("items", [0, 5, 7])
def test_items_that_are_not_as_many_as_promised_are_refused(path, items):
    path.write_bytes(gzip.compress(struct.pack(">BBBBII", 0, 0, 8, 2, 2, 3) + bytes(items)))
    with pytest.raises(ValueError, match=rf"^array\.gz: wanted the shape in its header, .*; got {items} bytes$"):
        read_idx(path)


@given(kept=st.integers(min_value=0, max_value=15))
def test_contents_cut_anywhere_are_refused(path, kept):
    whole = struct.pack(">BBBBII6B", 0, 0, 8, 2, 2, 3, 1, 2, 3, 4, 5, 6)
    path.write_bytes(gzip.compress(whole[:kept]))
    with pytest.raises(ValueError, match=r"^array\.gz: "):
        read_idx(path)


@pytest.mark.parametrize("missing", [1, 9, 30])
def test_a_download_cut_short_is_refused(path, missing):
    write_idx(path, np.arange(200, dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:-missing])
    with pytest.raises(ValueError, match=r"array\.gz"):
        read_idx(path)
