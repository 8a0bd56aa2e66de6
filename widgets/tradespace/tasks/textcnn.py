"""A convolutional network for texts, sized by its number of filters."""

import torch
from torch import Tensor, nn

WIDTHS = (1, 3, 5)


class TextCNN(nn.Module):
    """Map texts (token ids of shape (batch, length), padded with 0) to class scores of shape (batch, classes).

    Filters over 1, 3 and 5 neighbouring tokens, the maximum of each over the text, and a linear layer (Kim, 2014).

    Parameters
    ----------
    vocabulary : int
        Number of token ids.
    width : int
        Channels per token.
    filters : int
        Number of filters of each of the three widths.
    classes : int
    dropout : float
        Fraction of the features dropped during training.

    Examples
    --------
    >>> import torch
    >>> TextCNN(vocabulary=10, width=16, filters=8, classes=24)(torch.tensor([[2, 7, 3, 0]])).shape
    torch.Size([1, 24])
    """

    def __init__(self, vocabulary: int, width: int, filters: int, classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        # The embedding of padding is zero, which is also what a convolution sees beyond the end of a text.
        self.words = nn.Embedding(vocabulary, width, padding_idx=0)
        self.convolutions = nn.ModuleList(nn.Conv1d(width, filters, size, padding=size // 2) for size in WIDTHS)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(len(WIDTHS) * filters, classes)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.words(ids).transpose(1, 2)
        padding = (ids == 0).unsqueeze(1)
        features = [self.relu(convolution(x)).masked_fill(padding, 0).amax(2) for convolution in self.convolutions]
        scores: Tensor = self.head(self.dropout(torch.cat(features, 1)))
        return scores
