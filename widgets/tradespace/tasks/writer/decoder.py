"""A transformer decoder that writes text token by token, with the cache of keys and values in the caller's hands."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention, silu


@dataclass(frozen=True)
class Shape:
    """The sizes of a decoder.

    Parameters
    ----------
    vocabulary : int
        Number of token ids.
    width : int
        Channels per token.
    hidden : int
        Hidden channels of the feed-forward networks.
    layers, heads, kv_heads : int
        Layers; attention heads of each; keys and values of each, which heads share in equal groups.
    length : int
        The longest text, in tokens.
    theta : float
        The base of the rotary frequencies.
    epsilon : float
        Keeps the root mean square from 0.

    Examples
    --------
    >>> shape = Shape(vocabulary=100, width=64, hidden=128, layers=2, heads=4, kv_heads=2, length=32)
    >>> shape.head, shape.cache_bytes(tokens=32)
    (16, 16384)
    """

    vocabulary: int
    width: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    length: int
    theta: float = 10_000.0
    epsilon: float = 1e-5

    @property
    def head(self) -> int:
        """Channels of a head."""
        return self.width // self.heads

    def cache_bytes(self, tokens: int, number_bytes: int = 4) -> int:
        """Bytes of the keys and values of so many tokens: 2 x layers x kv heads x head size x bytes a number."""
        return 2 * self.layers * self.kv_heads * self.head * number_bytes * tokens


@dataclass(frozen=True)
class Cache:
    """Keys and values of the tokens so far.

    Parameters
    ----------
    keys, values : Tensor, shape (layers, batch, kv heads, capacity, head size)
    """

    keys: Tensor
    values: Tensor

    @classmethod
    def empty(cls, shape: Shape, batch_size: int, capacity: int, like: Tensor) -> "Cache":
        """Make room for `capacity` tokens of each sequence, on the device and in the type of `like`."""
        size = (shape.layers, batch_size, shape.kv_heads, capacity, shape.head)
        return cls(like.new_zeros(size), like.new_zeros(size))

    def add(self, layer: int, start: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Put those of new tokens of a layer behind `start` earlier ones, and return all up to there."""
        end = start + keys.shape[2]
        self.keys[layer, :, :, start:end] = keys
        self.values[layer, :, :, start:end] = values
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    @property
    def capacity(self) -> int:
        """Tokens of a sequence for which there is room."""
        return self.keys.shape[3]

    @property
    def nbytes(self) -> int:
        """Bytes of both tensors."""
        return self.keys.nbytes + self.values.nbytes


class Layer(nn.Module):
    """Attention and a gated feed-forward network, each behind a root-mean-square norm and with a shortcut."""

    def __init__(self, shape: Shape, number: int) -> None:
        super().__init__()
        self.shape, self.number = shape, number
        kv_width = shape.kv_heads * shape.head
        self.attention_norm = nn.RMSNorm(shape.width, shape.epsilon)
        self.query = nn.Linear(shape.width, shape.width, bias=False)
        self.key = nn.Linear(shape.width, kv_width, bias=False)
        self.value = nn.Linear(shape.width, kv_width, bias=False)
        self.attention_out = nn.Linear(shape.width, shape.width, bias=False)
        self.feed_norm = nn.RMSNorm(shape.width, shape.epsilon)
        self.gate = nn.Linear(shape.width, shape.hidden, bias=False)
        self.expand = nn.Linear(shape.width, shape.hidden, bias=False)
        self.contract = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x: Tensor, rotary: Tensor, cache: Cache | None, start: int) -> Tensor:
        normed = self.attention_norm(x)
        query, keys, values = (
            one(normed).unflatten(2, (-1, self.shape.head)).transpose(1, 2)
            for one in (self.query, self.key, self.value)
        )
        query, keys = _rotated(query, rotary), _rotated(keys, rotary)
        if cache is not None:
            keys, values = cache.add(self.number, start, keys, values)
        x = x + self.attention_out(self._attended(query, keys, values, start))
        normed = self.feed_norm(x)
        written: Tensor = x + self.contract(silu(self.gate(normed)) * self.expand(normed))
        return written

    def _attended(self, query: Tensor, keys: Tensor, values: Tensor, start: int) -> Tensor:
        group = self.shape.heads // self.shape.kv_heads
        keys, values = (one.repeat_interleave(group, dim=1) for one in (keys, values))
        new, seen = query.shape[2], keys.shape[2]
        # A token sees those before it and itself. Of one new token that is all there are.
        mask = None if new == 1 else torch.ones(new, seen, dtype=torch.bool, device=query.device).tril(start)
        return scaled_dot_product_attention(query, keys, values, mask).transpose(1, 2).flatten(2)


class Decoder(nn.Module):
    """Score the next token after each token of texts: ids of shape (batch, tokens) -> (batch, tokens, vocabulary).

    Llama's architecture (Touvron et al., 2023): root-mean-square norms (Zhang and Sennrich, 2019), rotary positions (Su
    et al., 2021), heads that share keys and values in groups (Ainslie et al., 2023), gated feed-forward networks
    (Shazeer, 2020). The embedding is also the last layer.

    Examples
    --------
    >>> shape = Shape(vocabulary=100, width=64, hidden=128, layers=2, heads=4, kv_heads=2, length=32)
    >>> decoder, ids = Decoder(shape).eval(), torch.tensor([[5, 7, 9]])
    >>> decoder(ids).shape
    torch.Size([1, 3, 100])
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.words = nn.Embedding(shape.vocabulary, shape.width)
        self.layers = nn.ModuleList(Layer(shape, number) for number in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width, shape.epsilon)

    def forward(self, ids: Tensor, cache: Cache | None = None, start: int = 0, last: bool = False) -> Tensor:
        """Read new tokens behind `start` earlier ones, of which `cache` has the keys and values, and add theirs to it.

        Parameters
        ----------
        ids : Tensor of int64, shape (batch, new tokens)
        cache : Cache, optional
            By default, there are no earlier tokens, and those of the new ones are not kept.
        start : int
            How many tokens there were before.
        last : bool
            Whether to score only what comes after the last token: shape (batch, 1, vocabulary).
        """
        x = self.words(ids)
        rotary = self._rotary(start, ids.shape[1], x)
        for layer in self.layers:
            x = layer(x, rotary, cache, start)
        x = self.norm(x[:, -1:] if last else x)
        scores: Tensor = linear(x, self.words.weight)
        return scores

    def _rotary(self, start: int, number: int, like: Tensor) -> Tensor:
        """Cosines and sines of the angles of so many positions, shape (2, positions, head size)."""
        half = torch.arange(0, self.shape.head, 2, device=like.device) / self.shape.head
        positions = torch.arange(start, start + number, device=like.device)
        angles = (positions[:, None] * self.shape.theta**-half).repeat(1, 2)
        return torch.stack([angles.cos(), angles.sin()]).to(like.dtype)


def _rotated(x: Tensor, rotary: Tensor) -> Tensor:
    """Turn each pair of channels, one of the first half and one of the second, by the angle of its position."""
    cosine, sine = rotary
    one, other = x.chunk(2, dim=-1)
    turned: Tensor = x * cosine + torch.cat([-other, one], dim=-1) * sine
    return turned
