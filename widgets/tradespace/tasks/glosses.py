"""WordNet definitions of nouns in 24 categories, and five kinds of model trained on them."""

import gzip
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from tradespace.tasks.bag import Bag
from tradespace.tasks.encoder import Encoder
from tradespace.tasks.folder import checkpoint, checksums, data_folder
from tradespace.tasks.task import Data, Task
from tradespace.tasks.textcnn import TextCNN

CLASSES = (
    "act", "animal", "artifact", "attribute", "body", "cognition", "communication", "event", "feeling", "food",
    "group", "location", "object", "person", "phenomenon", "plant", "possession", "process", "quantity", "relation",
    "shape", "state", "substance", "time",
)  # fmt: skip
# Maximum number of tokens per text, including [CLS] and [SEP]; longer texts are truncated.
LENGTH = 64
# Rows that the pairs of neighbouring tokens share in the TF-IDF baseline.
PAIRS = 81_919


def glosses() -> Task:
    """Definitions in 24 categories: 8,000 test and 1,000 calibration texts, and models from TF-IDF to a cut MiniLM.

    An item is a row of token ids padded with 0. A batch is as long as its longest text, so one long text makes every
    text in the batch as expensive as itself.
    """
    return _task("glosses", load_data)


def glosses_bucketed() -> Task:
    """The task `glosses` with its test texts sorted by length, which leaves little padding in a batch."""
    return _task("glosses-bucketed", load_bucketed)


def _task(name: str, load: Callable[[], Data]) -> Task:
    return Task(name, tuple(FAMILY), load_model, load, load_pruned=load_pruned, trim=trim, classes=CLASSES)


def bag(vocabulary: int, share: float) -> nn.Module:
    return Bag(vocabulary, PAIRS, len(CLASSES))


def textcnn(vocabulary: int, share: float) -> nn.Module:
    return TextCNN(vocabulary, 64, kept(128, share), len(CLASSES))


def encoder(width: int, vocabulary: int, share: float) -> nn.Module:
    return Encoder(vocabulary, width, kept(4 * width, share), len(CLASSES), LENGTH)


# Name -> (vocabulary size, share of the channels that is pruned) -> untrained module. Cheapest first.
FAMILY: dict[str, Callable[[int, float], nn.Module]] = {
    "tfidf-svm": bag,
    "textcnn": textcnn,
    "encoder64": partial(encoder, 64),
    "encoder64-distilled": partial(encoder, 64),
    "encoder128": partial(encoder, 128),
    "encoder384": partial(encoder, 384),
}
SHARES = {"channels-25": 0.25, "channels-50": 0.5, "channels-75": 0.75}


def kept(channels: int, share: float) -> int:
    """Number of channels left after pruning `share` of them."""
    return channels - round(channels * share)


def load_model(name: str) -> nn.Module:
    """Load the trained model `name` in evaluation mode."""
    return _filled(name, _stored(name), 0.0)


def load_pruned(model: str, pruning: str) -> nn.Module | None:
    """Load the model with fewer filters or hidden channels, fine-tuned; None if no such version is shipped.

    Its file contains only the tensors that differ from those of the unpruned model.
    """
    if f"{model}-{pruning}.safetensors" not in checksums(data_folder("glosses")):
        return None
    return _filled(model, _stored(model) | _stored(f"{model}-{pruning}"), SHARES[pruning])


@cache
def load_data() -> Data:
    """Load the test and calibration texts of `data/glosses` as token ids."""
    return _data(*read_texts("test"))


@cache
def load_bucketed() -> Data:
    """Load the same texts, with the test set sorted by length."""
    ids, labels = read_texts("test")
    order = (ids != 0).sum(1).argsort(stable=True)
    return _data(ids[order], labels[order])


def _data(ids: Tensor, labels: Tensor) -> Data:
    return Data(example=ids[:1], calibration=read_texts("calibration")[0], test=(ids, labels))


def trim(batch: Tensor) -> Tensor:
    """Remove the columns of a batch that are padding in every row.

    Examples
    --------
    >>> import torch
    >>> trim(torch.tensor([[2, 7, 3, 0, 0], [2, 3, 0, 0, 0]]))
    tensor([[2, 7, 3],
            [2, 3, 0]])
    """
    return batch[:, : max(1, int((batch != 0).any(0).sum()))]


def tokenize(texts: list[str]) -> Tensor:
    """Convert texts to token ids, shape (n, 64): [CLS], the word pieces, [SEP], and 0 for padding."""
    return torch.tensor([encoding.ids for encoding in tokenizer().encode_batch(texts)])


@cache
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(data_folder("glosses") / "tokenizer.json"))


def read_texts(part: str, folder: Path | None = None) -> tuple[Tensor, Tensor]:
    """Read the token ids and labels of a part: "test", "calibration", or another in a folder of your own."""
    labels, texts = read_lines(part, folder)
    return tokenize(texts), torch.tensor([CLASSES.index(label) for label in labels])


def read_lines(part: str, folder: Path | None = None) -> tuple[list[str], list[str]]:
    """Read the class names and the texts of a part."""
    file = (folder or data_folder("glosses")) / f"{part}.tsv.gz"
    lines = [line.split("\t") for line in gzip.decompress(file.read_bytes()).decode("ascii").splitlines()]
    return [label for label, _ in lines], [text for _, text in lines]


def _stored(name: str) -> dict[str, Tensor]:
    """Load the tensors of a file as fp32; the file stores fp16 to be half as large."""
    tensors = load_file(checkpoint(data_folder("glosses"), f"{name}.safetensors"))
    return {key: value.float() for key, value in tensors.items()}


def _filled(name: str, state: dict[str, Tensor], share: float) -> nn.Module:
    # The meta device allocates no memory: randomly initialised parameters would only be thrown away.
    with torch.device("meta"):
        module = FAMILY[name](tokenizer().get_vocab_size(), share)
    module.load_state_dict(state, assign=True)
    return module.eval()
