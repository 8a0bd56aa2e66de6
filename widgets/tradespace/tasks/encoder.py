"""A transformer encoder for texts, sized by its width and the hidden channels of its layers."""

from torch import Tensor, nn

HEAD_CHANNELS = 32


class Layer(nn.Module):
    """Self-attention and a feed-forward network, each with a shortcut and then a LayerNorm (Vaswani et al., 2017)."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.heads = width // HEAD_CHANNELS
        self.attention_in = nn.Linear(width, 3 * width)
        self.softmax = nn.Softmax(dim=-1)
        self.attention_out = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(width)
        self.expand = nn.Linear(width, hidden)
        self.gelu = nn.GELU()
        self.contract = nn.Linear(hidden, width)
        self.norm2 = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        query, key, value = self.attention_in(x).unflatten(2, (3, self.heads, HEAD_CHANNELS)).transpose(1, 3).unbind(2)
        # Products and a softmax, not scaled_dot_product_attention: every exporter and quantizer supports them.
        scores = query @ key.transpose(2, 3) * HEAD_CHANNELS**-0.5
        # -1e4 and not -inf: it fits into fp16, and a text of only padding does not become NaN.
        attention = self.softmax(scores.masked_fill(padding, -1e4))
        x = self.norm1(x + self.dropout(self.attention_out((attention @ value).transpose(1, 2).flatten(2))))
        activations: Tensor = self.norm2(x + self.dropout(self.contract(self.gelu(self.expand(x)))))
        return activations


class Encoder(nn.Module):
    """Map texts (token ids of shape (batch, length), padded with 0) to class scores of shape (batch, classes).

    Word and position embeddings, two layers, the mean over the tokens that are not padding, and a linear layer: a
    shortened BERT (Devlin et al., 2019). Each token costs `8 * width**2 + 4 * width * hidden` multiply-accumulates,
    plus `4 * length * width` for its attention.

    Parameters
    ----------
    vocabulary : int
        Number of token ids.
    width : int
        Channels per token, a multiple of 32. Each attention head has 32 channels.
    hidden : int
        Hidden channels of the feed-forward networks.
    classes : int
    length : int
        Number of tokens in the longest text.
    dropout : float
        Fraction of the activations dropped during training.

    Examples
    --------
    >>> import torch
    >>> Encoder(vocabulary=10, width=64, hidden=256, classes=24, length=8)(torch.tensor([[2, 7, 3, 0]])).shape
    torch.Size([1, 24])
    """

    def __init__(
        self, vocabulary: int, width: int, hidden: int, classes: int, length: int, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(length + 1, width)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(Layer(width, hidden, dropout) for _ in range(2))
        self.head = nn.Linear(width, classes)

    def forward(self, ids: Tensor) -> Tensor:
        present = ids != 0
        # Positions count from 1 and are computed from the ids: any length can be traced and exported.
        positions = self.positions(present.long().cumsum(1))
        x = self.dropout(self.norm(self.words(ids) + positions))
        padding = (ids == 0).unsqueeze(1).unsqueeze(1)
        for layer in self.layers:
            x = layer(x, padding)
        weight = present.unsqueeze(2).type_as(x)
        mean = (x * weight).sum(1) / weight.sum(1).clamp(min=1)
        scores: Tensor = self.head(self.dropout(mean))
        return scores
