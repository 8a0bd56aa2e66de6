"""Decoders that are ready to write text, each of which keeps the keys and values of earlier tokens in its own way."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor, nn

from tradespace.errors import choose, whole_number
from tradespace.prepare import export, onnxruntime, openvino
from tradespace.prepare.refusal import refusing
from tradespace.tasks.writer.decoder import Cache, Decoder, Shape

SCORES = "scores"


class Writer(ABC):
    """Texts that are written together, on one device; all of them have as many tokens.

    Parameters
    ----------
    shape : Shape
    most_tokens : int, optional
        The most tokens of a text, prompt included; by default, as many as the model knows.

    Attributes
    ----------
    tokens : int
        How many each text has by now.
    """

    def __init__(self, shape: Shape, most_tokens: int | None = None) -> None:
        longest = shape.length if most_tokens is None else most_tokens
        self.shape, self.most_tokens = shape, whole_number("most_tokens", longest, least=1, most=shape.length)
        self.tokens = self._texts = 0

    def begin(self, prompts: Tensor) -> Tensor:
        """Forget all texts, read new prompts, and score the token after each.

        Parameters
        ----------
        prompts : Tensor of int64, shape (texts, tokens)

        Returns
        -------
        Tensor, shape (texts, vocabulary)

        Raises
        ------
        ValueError
            If there is no token, there are more than fit, one is not in the vocabulary, or there is no memory for the
            keys and values of such texts.
        """
        if prompts.ndim != 2 or not prompts.numel():
            raise ValueError(f"prompts: wanted at least one token for each text; got shape {tuple(prompts.shape)}")
        self._check_memory(len(prompts))
        self._forget(len(prompts))
        self.tokens, self._texts = 0, len(prompts)
        return self._read(prompts)

    def step(self, tokens: Tensor) -> Tensor:
        """Add one token to each text, and score the one after it.

        Parameters
        ----------
        tokens : Tensor of int64, shape (texts,)

        Returns
        -------
        Tensor, shape (texts, vocabulary)

        Raises
        ------
        ValueError
            If there is not one for each text, one is not in the vocabulary, or the texts are full.
        """
        if tokens.shape != (self._texts,) or not self._texts:
            raise ValueError(f"tokens: wanted one for each of {self._texts} texts; got shape {tuple(tokens.shape)}")
        return self._read(tokens[:, None])

    def _read(self, ids: Tensor) -> Tensor:
        if ids.shape[1] + self.tokens > self.most_tokens:
            raise ValueError(
                f"tokens: wanted at most {self.most_tokens} in a text; got {ids.shape[1] + self.tokens}, of which "
                f"{self.tokens} are there already"
            )
        if int(ids.min()) < 0 or int(ids.max()) >= self.shape.vocabulary:
            raise ValueError(
                f"tokens: wanted ids from 0 to {self.shape.vocabulary - 1}; got {int(ids.min())} to {int(ids.max())}"
            )
        with torch.inference_mode():
            scores = self._scores(ids)
        self.tokens += ids.shape[1]
        return scores

    def _check_memory(self, texts: int) -> None:
        needed, free = self.shape.cache_bytes(texts * self.most_tokens), psutil.virtual_memory().available
        if needed > free:
            raise ValueError(
                f"prompts: the keys and values of {texts} texts of up to {self.most_tokens} tokens take "
                f"{needed / 1e6:,.0f} MB; {free / 1e6:,.0f} MB are free. The nearest valid choice is "
                f"{free // self.shape.cache_bytes(self.most_tokens)} texts"
            )

    @abstractmethod
    def _forget(self, texts: int) -> None: ...

    @abstractmethod
    def _scores(self, ids: Tensor) -> Tensor: ...


class Eager(Writer):
    """PyTorch as it is; the cache has room for whole texts from the start."""

    def __init__(self, decoder: Decoder, threads: int, most_tokens: int | None = None) -> None:
        super().__init__(decoder.shape, most_tokens)
        self._decoder, self._threads = decoder, threads

    def _forget(self, texts: int) -> None:
        self._cache = Cache.empty(self.shape, texts, self.most_tokens, self._decoder.words.weight)

    def _scores(self, ids: Tensor) -> Tensor:
        torch.set_num_threads(self._threads)
        scores: Tensor = self._decoder(ids, self._cache, self.tokens, last=True)[:, 0]
        return scores


class OnnxRuntime(Writer):
    """ONNX Runtime; each call returns longer keys and values, which the next one takes."""

    def __init__(self, decoder: Decoder, threads: int, most_tokens: int | None = None) -> None:
        super().__init__(decoder.shape, most_tokens)
        with refusing("ONNX Runtime cannot run this decoder"):
            self._session = onnxruntime.open_session(exported(decoder), threads)
        self._past: dict[str, Any] = {}

    def _forget(self, texts: int) -> None:
        from onnxruntime import OrtValue

        none = np.zeros((texts, self.shape.kv_heads, 0, self.shape.head), np.float32)
        self._past = {name: OrtValue.ortvalue_from_numpy(none) for name in past_names(self.shape)}

    def _scores(self, ids: Tensor) -> Tensor:
        from onnxruntime import OrtValue

        given = {"ids": OrtValue.ortvalue_from_numpy(ids.contiguous().numpy()), **self._past}
        scores, *now = self._session.run_with_ort_values(None, given)
        self._past = dict(zip(self._past, now, strict=True))
        return torch.from_numpy(scores.numpy())


class OpenVINO(Writer):
    """OpenVINO; the keys and values are state of the compiled model."""

    def __init__(self, decoder: Decoder, threads: int, most_tokens: int | None = None) -> None:
        super().__init__(decoder.shape, most_tokens)
        with refusing("OpenVINO cannot run this decoder"):
            self._request = openvino.compiled_with_state(
                exported(decoder), dict(zip(past_names(self.shape), now_names(self.shape), strict=True)), threads
            ).create_infer_request()

    def _forget(self, texts: int) -> None:
        from openvino import Tensor as Values

        none = np.zeros((texts, self.shape.kv_heads, 0, self.shape.head), np.float32)
        for state in self._request.query_state():
            state.state = Values(none)

    def _scores(self, ids: Tensor) -> Tensor:
        scores = self._request.infer({"ids": ids.contiguous().numpy()})[SCORES]
        return torch.from_numpy(scores.copy())


WRITERS: dict[str, Callable[[Decoder, int, int | None], Writer]] = {
    "eager": Eager,
    "onnxruntime": OnnxRuntime,
    "openvino": OpenVINO,
}


def open_writer(decoder: Decoder, runtime: str, threads: int = 1, most_tokens: int | None = None) -> Writer:
    """Make `decoder` ready to write in a runtime.

    Raises
    ------
    ValueError
        If there is no such runtime for decoders.

    Examples
    --------
    >>> shape = Shape(vocabulary=100, width=64, hidden=128, layers=2, heads=4, kv_heads=2, length=32)
    >>> writer = open_writer(Decoder(shape).eval(), "eager")
    >>> writer.begin(torch.tensor([[5, 7, 9]])).shape, writer.step(torch.tensor([4])).shape, writer.tokens
    (torch.Size([1, 100]), torch.Size([1, 100]), 4)
    """
    return WRITERS[choose("runtime", runtime, WRITERS)](decoder, threads, most_tokens)


def greedy(writer: Writer, prompts: Tensor, new_tokens: int, end: int | None = None) -> Iterator[Tensor]:
    """Write the likeliest token of each text, one after another, until all have ended; yield those of all texts.

    A text that has ended goes on with `end`.

    Raises
    ------
    ValueError
        If `new_tokens` is no whole number above 0, or prompts and new tokens do not fit.

    Examples
    --------
    >>> shape = Shape(vocabulary=100, width=64, hidden=128, layers=2, heads=4, kv_heads=2, length=32)
    >>> writer = open_writer(Decoder(shape).eval(), "eager")
    >>> [tokens.shape for tokens in greedy(writer, torch.tensor([[5, 7, 9]]), new_tokens=2)]
    [torch.Size([1]), torch.Size([1])]
    """
    whole_number("new_tokens", new_tokens, least=1, most=max(writer.most_tokens - prompts.shape[-1], 1))
    last = -1 if end is None else end  # no token has that id
    tokens = writer.begin(prompts).argmax(1)
    ended = tokens.eq(last)
    yield tokens
    for _ in range(new_tokens - 1):
        if ended.all():
            return
        tokens = writer.step(tokens).argmax(1).masked_fill(ended, last)
        ended |= tokens.eq(last)
        yield tokens


def past_names(shape: Shape) -> list[str]:
    """Inputs of the exported decoder: the keys and values so far, layer by layer."""
    return [f"past_{part}_{layer}" for layer in range(shape.layers) for part in ("keys", "values")]


def now_names(shape: Shape) -> list[str]:
    """Its outputs: those with the new tokens."""
    return [name.replace("past", "now") for name in past_names(shape)]


def exported(decoder: Decoder) -> bytes:
    """The decoder in ONNX, for any number of texts, of new tokens and of earlier ones.

    Input `ids`, then `past_names`, each of shape (texts, kv heads, tokens, head size); output `scores`, of the last
    token of each text, then `now_names`.
    """
    shape, dynamic = decoder.shape, ((0, 1), *[(0, 2)] * (2 * decoder.shape.layers))
    # The exporter takes lengths of 0 and 1 for constants.
    past = [torch.zeros(2, shape.kv_heads, 3, shape.head) for _ in range(2 * shape.layers)]
    return export.to_onnx(
        _WithPast(decoder), (torch.zeros(2, 2, dtype=torch.int64), *past), dynamic,
        ["ids", *past_names(shape)], [SCORES, *now_names(shape)],
    )  # fmt: skip


class _WithPast(nn.Module):
    """A decoder that takes the keys and values so far, and returns those with the new tokens."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, ids: Tensor, *past: Tensor) -> tuple[Tensor, ...]:
        growing = _Growing(past)
        scores = self.decoder(ids, growing, past[0].shape[2], last=True)
        return scores[:, 0], *growing.now


class _Growing:
    """Stands in for a cache: it grows by joining tensors."""

    def __init__(self, past: tuple[Tensor, ...]) -> None:
        self._past, self.now = past, list[Tensor]()

    def add(self, layer: int, start: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        keys, values = (
            torch.cat([before, new], 2)
            for before, new in zip(self._past[2 * layer : 2 * layer + 2], (keys, values), strict=True)
        )
        self.now += [keys, values]
        return keys, values
