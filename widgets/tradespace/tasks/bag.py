"""TF-IDF and a linear classifier as a module: the model that scikit-learn fits, on token ids."""

import torch
from torch import Tensor, nn

# Small, to keep the hash below 2**24: OpenVINO computes a remainder in fp32, which is not exact for larger integers.
MULTIPLIER = 1009


class Bag(nn.Module):
    """Map texts (token ids of shape (batch, length), padded with 0) to class scores of shape (batch, classes).

    A text is a bag of its tokens and its pairs of neighbouring tokens. A term that occurs n times has weight
    `(1 + ln n) * idf`. The weights of a text are scaled to Euclidean length 1. The score of a class is their product
    with its coefficients, plus an intercept. A hash of its tokens gives each pair a row; pairs can share a row.

    Parameters
    ----------
    vocabulary : int
        Number of token ids.
    pairs : int
        Number of rows in the table of pairs.
    classes : int

    Examples
    --------
    >>> import torch
    >>> Bag(vocabulary=10, pairs=7, classes=24)(torch.tensor([[2, 7, 3, 0]])).shape
    torch.Size([1, 24])
    """

    def __init__(self, vocabulary: int, pairs: int, classes: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.pairs = pairs
        terms = vocabulary + pairs
        self.idf = nn.Embedding(terms, 1)
        self.coefficients = nn.Embedding(terms, classes)
        self.intercept = nn.Parameter(torch.zeros(classes))

    def terms(self, ids: Tensor) -> Tensor:
        """Row numbers, shape (batch, 2 * length - 1): the tokens first, then the pairs; 0 for padding."""
        first, second = ids[:, :-1], ids[:, 1:]
        pairs = self.vocabulary + (MULTIPLIER * first + second) % self.pairs
        return torch.cat([ids, pairs.masked_fill(second == 0, 0)], 1)

    def forward(self, ids: Tensor) -> Tensor:
        terms = self.terms(ids)
        idf = self.idf(terms).squeeze(2).masked_fill(terms == 0, 0)
        count = (terms.unsqueeze(1) == terms.unsqueeze(2)).sum(2).type_as(idf)
        weight = (1 + count.log()) * idf
        # A term that occurs n times appears n times here, so each occurrence carries one nth.
        length = (weight.square() / count).sum(1, keepdim=True).clamp(min=1e-12).sqrt()
        share = (weight / count / length).unsqueeze(1)
        scores: Tensor = (share @ self.coefficients(terms)).squeeze(1) + self.intercept
        return scores
