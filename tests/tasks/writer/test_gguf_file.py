"""Reading GGUF files: one that is written here as llama.cpp's converter does, damaged ones, and foreign ones."""

import json

import pytest
import torch
from tokenizers import ByteLevelBPETokenizer
from tradespace.tasks.writer.decoder import Decoder, Shape
from tradespace.tasks.writer.gguf_file import INNER, OUTER, SIZES, GGUFFile

gguf = pytest.importorskip("gguf")

SHAPE = Shape(vocabulary=300, width=32, hidden=64, layers=2, heads=4, kv_heads=2, length=64, theta=1e5)
TEXTS = ["a small dog that barks 12 times", "the bark of a tree", "a tree-lined street, 345 m long"]


def as_converted(weight, heads):
    """As llama.cpp's converter puts the rows of queries and keys (`permute` in its `convert_hf_to_gguf.py`)."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


@pytest.fixture(scope="module")
def decoder():
    torch.manual_seed(0)
    return Decoder(SHAPE).eval()


@pytest.fixture(scope="module")
def trained():
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(TEXTS, vocab_size=SHAPE.vocabulary - 1, show_progress=False)
    return tokenizer


def write(path, decoder, trained, *, architecture="llama", leave_out=(), reshape=None, extra=None):
    writer = gguf.GGUFWriter(path, architecture)
    for ours, theirs in SIZES.items():
        value, name = getattr(SHAPE, ours), f"{architecture}.{theirs}"
        if name not in leave_out:
            writer.add_float32(name, value) if isinstance(value, float) else writer.add_uint32(name, value)
    vocabulary = trained.get_vocab()
    pieces = sorted(vocabulary, key=vocabulary.__getitem__)
    pieces += ["<end>"] + [f"<{i}>" for i in range(SHAPE.vocabulary - len(pieces) - 1)]
    writer.add_token_list(pieces)
    writer.add_token_types([1] * len(vocabulary) + [3] * (len(pieces) - len(vocabulary)))
    writer.add_token_merges([" ".join(pair) for pair in merges_of(trained)])
    writer.add_eos_token_id(len(vocabulary))
    for name, tensor in decoder.state_dict().items():
        *outer, part, kind = name.split(".")
        theirs = f"blk.{outer[1]}.{INNER[part]}.{kind}" if outer else f"{OUTER[part]}.{kind}"
        array = tensor.numpy()
        if part in ("query", "key"):
            array = as_converted(array, SHAPE.heads if part == "query" else SHAPE.kv_heads)
        if theirs not in leave_out:
            writer.add_tensor(theirs, array[:-1] if theirs == reshape else array)
    if extra:
        writer.add_tensor(extra, decoder.words.weight.detach().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def merges_of(trained):
    return [tuple(pair) for pair in json.loads(trained._tokenizer.to_str())["model"]["merges"]]


@pytest.fixture(scope="module")
def path(tmp_path_factory, decoder, trained):
    return write(tmp_path_factory.mktemp("gguf") / "small.gguf", decoder, trained)


def test_the_model_is_read_as_it_was_written(path, decoder):
    file = GGUFFile(path)
    assert vars(file.shape) == pytest.approx(vars(SHAPE))
    read, ids = file.decoder(), torch.tensor([[5, 7, 9, 11]])
    for name, tensor in decoder.state_dict().items():
        torch.testing.assert_close(read.state_dict()[name], tensor, rtol=0, atol=0)
    torch.testing.assert_close(read(ids), decoder(ids), rtol=0, atol=1e-5)


def test_the_tokenizer_splits_as_the_one_that_was_written_and_digits_one_by_one(path, trained):
    tokenizer = GGUFFile(path).tokenizer()
    for text in ["a small dog", "a tree of café — dogs\n\tx"]:
        assert tokenizer.encode(text).ids == trained.encode(text).ids
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
    assert tokenizer.encode("12").tokens == ["1", "2"]
    end = GGUFFile(path).end
    assert tokenizer.encode("a dog<end>").ids[-1] == end
    assert tokenizer.decode([end]) == ""


def test_a_damaged_file_is_refused_by_name(path, tmp_path):
    content = path.read_bytes()
    for number, part in enumerate(
        [content[: len(content) // 2], content[:100], content[:10], b"", b"PK" + content[2:]]
    ):
        damaged = tmp_path / f"damaged{number}.gguf"
        damaged.write_bytes(part)
        with pytest.raises(ValueError, match=rf"^damaged{number}.gguf: wanted a GGUF file of a Llama model"):
            GGUFFile(damaged).decoder()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"architecture": "gpt2"}, "its architecture is 'gpt2'"),
        ({"leave_out": ["llama.rope.freq_base"]}, "it does not say its 'llama.rope.freq_base'"),
        ({"leave_out": ["blk.1.ffn_up.weight"]}, "it has no tensor 'blk.1.ffn_up.weight'"),
        ({"reshape": "blk.0.ffn_up.weight"}, r"its tensor 'blk.0.ffn_up.weight' has shape \(63, 32\), not \(64, 32\)"),
        ({"extra": "output.weight"}, "its last layer has weights of its own"),
    ],
    ids=["architecture", "size", "tensor", "shape", "untied"],
)
def test_a_foreign_file_is_refused_with_the_reason(tmp_path, decoder, trained, change, why):
    path = write(tmp_path / "foreign.gguf", decoder, trained, **change)
    with pytest.raises(ValueError, match=rf"^foreign.gguf: wanted .*; {why}$"):
        GGUFFile(path).decoder()
