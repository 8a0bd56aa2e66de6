"""TF-IDF and a linear classifier as a module: what scikit-learn fits, on token ids."""

import torch
from torch import Tensor, nn

# Small, so that the hash stays below 2**24: OpenVINO computes a remainder in fp32, which holds no larger integer.
MULTIPLIER = 1009


class Bag(nn.Module):
    """Class scores, shape (batch, classes), of texts: token ids, shape (batch, length), with 0 for padding.

    A text is the bag of its tokens and of its pairs of neighbours. A term that occurs n times weighs
    `(1 + ln n) * idf`; the weights of a text are scaled to Euclidean length 1, and the score of a class is their
    product with its coefficients, plus an intercept. Pairs share rows: which row a pair has is a hash of its tokens.

    Parameters
    ----------
    vocabulary : int
        Number of token ids.
    pairs : int
        Rows of the table of pairs.
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
        """Row numbers, shape (batch, 2 * length - 1): those of the tokens, then those of the pairs; 0 for padding."""
        first, second = ids[:, :-1], ids[:, 1:]
        pairs = self.vocabulary + (MULTIPLIER * first + second) % self.pairs
        return torch.cat([ids, pairs.masked_fill(second == 0, 0)], 1)

    def forward(self, ids: Tensor) -> Tensor:
        terms = self.terms(ids)
        idf = self.idf(terms).squeeze(2).masked_fill(terms == 0, 0)
        count = (terms.unsqueeze(1) == terms.unsqueeze(2)).sum(2).type_as(idf)
        weight = (1 + count.log()) * idf
        # A term that occurs n times is met n times here, so each occurrence bears one nth.
        length = (weight.square() / count).sum(1, keepdim=True).clamp(min=1e-12).sqrt()
        share = (weight / count / length).unsqueeze(1)
        scores: Tensor = (share @ self.coefficients(terms)).squeeze(1) + self.intercept
        return scores
