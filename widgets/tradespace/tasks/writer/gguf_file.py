"""Read a Llama model and its tokenizer from a GGUF file, the format of llama.cpp."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor

from tradespace.tasks.writer.decoder import Decoder, Shape

# Our names of the sizes, and of the tensors of a layer -> those of the format.
SIZES = {
    "vocabulary": "vocab_size",
    "width": "embedding_length",
    "hidden": "feed_forward_length",
    "layers": "block_count",
    "heads": "attention.head_count",
    "kv_heads": "attention.head_count_kv",
    "length": "context_length",
    "theta": "rope.freq_base",
    "epsilon": "attention.layer_norm_rms_epsilon",
}
OUTER = {"words": "token_embd", "norm": "output_norm"}
INNER = {
    "attention_norm": "attn_norm",
    "query": "attn_q",
    "key": "attn_k",
    "value": "attn_v",
    "attention_out": "attn_output",
    "feed_norm": "ffn_norm",
    "gate": "ffn_gate",
    "expand": "ffn_up",
    "contract": "ffn_down",
}
# What a file has of a token that is no text, such as the end.
CONTROL = 3


class GGUFFile:
    """A GGUF file of a Llama model whose embedding is also its last layer.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ValueError
        If it is no such file, or damaged.
    """

    def __init__(self, path: Path) -> None:
        from gguf import GGUFReader

        self._path = path
        try:
            self._reader = GGUFReader(path)
            architecture = self._value("general.architecture")
            self._tensors = {tensor.name: tensor for tensor in self._reader.tensors}
        except (ValueError, IndexError, KeyError, OSError) as error:
            raise self._wrong(f"it cannot be read ({type(error).__name__}: {error})") from error
        if architecture != "llama":
            raise self._wrong(f"its architecture is {architecture!r}")
        if "output.weight" in self._tensors:
            raise self._wrong("its last layer has weights of its own")

    @property
    def shape(self) -> Shape:
        """The sizes of the model."""
        return Shape(**{ours: self._value(f"llama.{theirs}") for ours, theirs in SIZES.items()})

    @property
    def end(self) -> int | None:
        """The id of the token that ends a text; None if the file names none."""
        name = "tokenizer.ggml.eos_token_id"
        return int(self._value(name)) if name in self._reader.fields else None

    def decoder(self) -> Decoder:
        """The model in fp32, in evaluation mode."""
        shape = self.shape
        with torch.device("meta"):  # it gets its weights at once
            decoder = Decoder(shape)
        state = {name: self._tensor(name, like.shape) for name, like in decoder.state_dict().items()}
        for name, tensor in state.items():
            if name.endswith(("query.weight", "key.weight")):
                state[name] = _by_halves(tensor, shape.head)
        decoder.load_state_dict(state, assign=True)
        return decoder.eval()

    def tokenizer(self) -> Tokenizer:
        """The tokenizer: pairs of pieces are merged, from single bytes on (Sennrich, Haddow and Birch, 2016)."""
        pieces, kinds = self._value("tokenizer.ggml.tokens"), self._value("tokenizer.ggml.token_type")
        merges = [tuple(pair.split(" ")) for pair in self._value("tokenizer.ggml.merges")]
        tokenizer = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges))
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
        tokenizer.decoder = decoders.ByteLevel()
        control = [piece for piece, kind in zip(pieces, kinds, strict=True) if kind == CONTROL]
        tokenizer.add_special_tokens([AddedToken(piece, special=True) for piece in control])
        return tokenizer

    def _tensor(self, name: str, shape: torch.Size) -> Tensor:
        from gguf.quants import dequantize

        *outer, part, kind = name.split(".")
        theirs = f"blk.{outer[1]}.{INNER[part]}.{kind}" if outer else f"{OUTER[part]}.{kind}"
        if theirs not in self._tensors:
            raise self._wrong(f"it has no tensor {theirs!r}")
        stored = self._tensors[theirs]
        found = torch.from_numpy(dequantize(stored.data, stored.tensor_type).astype(np.float32))
        if found.shape != shape:
            raise self._wrong(f"its tensor {theirs!r} has shape {tuple(found.shape)}, not {tuple(shape)}")
        return found

    def _value(self, name: str) -> Any:
        if name not in self._reader.fields:
            raise self._wrong(f"it does not say its {name!r}")
        return self._reader.fields[name].contents()

    def _wrong(self, why: str) -> ValueError:
        return ValueError(f"{self._path.name}: wanted a GGUF file of a Llama model with a tied embedding; {why}")


def _by_halves(weight: Tensor, head: int) -> Tensor:
    """Put the channels of each head, whose pairs are neighbours in the file, into a first and a second half.

    llama.cpp turns neighbours by the angles of a position, we turn one half with the other.
    """
    halves: Tensor = weight.unflatten(0, (-1, head // 2, 2)).transpose(1, 2).flatten(0, 2)
    return halves
