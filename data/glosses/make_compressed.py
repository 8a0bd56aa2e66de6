"""Make versions of this folder's networks with fewer filters or hidden channels, fine-tuned for one epoch.

    python data/glosses/make_compressed.py --work work                        # all, about a quarter of an hour
    python data/glosses/make_compressed.py --work work --model encoder64      # one network

Filters of `textcnn` and hidden channels of the encoders' feed-forward networks are pruned, the same share of each
layer: those whose incoming and outgoing weights have the smallest L2 norm. Then these layers, the normalisations
after them and the head are trained for one more epoch, on the labels only. Everything else is frozen, so that a file
`<model>-channels-<percent>.safetensors` contains only the tensors that changed. Adds rows to `models.csv`.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from make_models import SEED, evaluate, fit, peak_learning_rate, report, size, store
from torch import Tensor, nn
from tradespace.tasks.glosses import FAMILY, SHARES, kept, load_model, load_pruned, read_texts, tokenizer
from tradespace.tasks.textcnn import TextCNN

TUNED = ("convolutions", "expand", "contract", "norm1", "norm2", "head")
TUNING_SHARE_OF_PEAK = 0.5
NETWORKS = tuple(name for name in FAMILY if name != "tfidf-svm")


def prune(name: str, share: float) -> nn.Module:
    """Return the trained network without `share` of its filters or hidden channels, and with all but `TUNED` frozen."""
    whole = load_model(name)
    state = whole.state_dict()
    state.update(cut_filters(state, share) if isinstance(whole, TextCNN) else cut_hidden_channels(state, share))
    pruned = FAMILY[name](tokenizer().get_vocab_size(), share)
    pruned.load_state_dict(state)
    for key, parameter in pruned.named_parameters():
        parameter.requires_grad_(any(part in TUNED for part in key.split(".")))
    return pruned


def cut_hidden_channels(state: dict[str, Tensor], share: float) -> Iterator[tuple[str, Tensor]]:
    for layer in ("layers.0", "layers.1"):
        weight, bias, reader = (
            state[f"{layer}.{part}"] for part in ("expand.weight", "expand.bias", "contract.weight")
        )
        left = strongest(weight, reader, share)
        yield f"{layer}.expand.weight", weight[left]
        yield f"{layer}.expand.bias", bias[left]
        yield f"{layer}.contract.weight", reader[:, left]


def cut_filters(state: dict[str, Tensor], share: float) -> Iterator[tuple[str, Tensor]]:
    readers = []
    for number, reader in enumerate(state["head.weight"].chunk(3, 1)):
        weight, bias = state[f"convolutions.{number}.weight"], state[f"convolutions.{number}.bias"]
        left = strongest(weight, reader, share)
        yield f"convolutions.{number}.weight", weight[left]
        yield f"convolutions.{number}.bias", bias[left]
        readers.append(reader[:, left])
    yield "head.weight", torch.cat(readers, 1)


def strongest(weight: Tensor, reader: Tensor, share: float) -> Tensor:
    """Indices of the channels to keep, by the L2 norm of the rows of `weight` and the columns of `reader`."""
    strength = weight.flatten(1).square().sum(1) + reader.square().sum(0)
    return strength.topk(kept(len(strength), share)).indices.sort().values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder with the training texts")
    parser.add_argument("--model", nargs="*", choices=NETWORKS, default=NETWORKS, help="networks to prune")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    train = read_texts("train", arguments.work)
    for name in arguments.model:
        for pruning, share in SHARES.items():
            start = time.perf_counter()
            torch.manual_seed(SEED)
            model = fit(prune(name, share), train, 1, TUNING_SHARE_OF_PEAK * peak_learning_rate(name))
            seconds = round(time.perf_counter() - start)
            tuned = {key for key, parameter in model.named_parameters() if parameter.requires_grad}
            store(f"{name}-{pruning}", {key: value for key, value in model.state_dict().items() if key in tuned})
            shipped = load_pruned(name, pruning)
            scores = evaluate(shipped, train)
            report({"model": name, "pruning": pruning, **size(shipped), **scores, "training_s": seconds})


if __name__ == "__main__":
    main()
