"""Accuracy over bits of the weights and over pruning, on the whole test sets."""

import tradespace as ts
from report import Finding, print_table
from tradespace.config import PRUNINGS
from tradespace.measuring.engine import measure_rounds
from tradespace.measuring.schedule import Schedule

MODELS = {"fashion": ["resnet8", "resnet32"], "glosses": ["textcnn", "encoder128"]}
BITS = (8, 6, 5, 4, 3, 2)
PRECISIONS = ("fp32", "bf16", "int8", *(f"w{bits}{kind}" for kind in ("", "-tensor") for bits in BITS))


def run(quick: bool) -> list[Finding]:
    """One table of both tasks; nothing in it depends on the machine's speed."""
    columns, cells = {}, {}
    for name, models in MODELS.items():
        task = ts.load_task(name)
        models = models[:1] if quick else models
        configs = ts.grid(task, model=models, precision=PRECISIONS[:4] if quick else PRECISIONS, batch_size=32)
        configs += ts.grid(task, model=models, pruning=PRUNINGS[1:2] if quick else PRUNINGS[1:], batch_size=32)
        for m, finished in measure_rounds(task, configs, Schedule(1.0, 0.05)):
            if finished:
                config = m.config
                change = config.pruning if config.pruning != "none" else config.precision
                columns[config.model] = None
                cells[change, config.model] = f"{100 * m.accuracy:.2f}" if m.accuracy_n else "-"
    changes = list(dict.fromkeys((*PRECISIONS, *PRUNINGS[1:])))
    known = [change for change in changes if any((change, model) in cells for model in columns)]
    print_table(("accuracy, %", *columns), [(c, *(cells.get((c, m), "-") for m in columns)) for c in known])
    return [Finding("accuracy", "bits and pruning, both tasks", f"{len(cells)} accuracies, in the table above")]
