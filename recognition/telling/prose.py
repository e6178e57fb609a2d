"""The study told in order, as Markdown: every number in it comes from what the stages have written."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

from recognition.base.params import Params
from recognition.sweep.effects import CONFIDENCE, HYPOTHESES, Noise

WAYS = {"last_layer": "a new last layer alone, as in the original", "all_layers": "all layers tuned"}
CHANCE = 0.05  # a filter's form counts where chance matches it as well less often


class Missing(Exception):
    """A stage has not written this yet. Its only argument is the stage's name."""


class Study:
    """The params, and what the stages have written into the folder `reports`.

    Every method raises Missing for what is not there.
    """

    def __init__(self, reports: Path, params: Params) -> None:
        self.reports = reports
        self.params = params

    def metrics(self, stage: str, *keys: str) -> dict:
        """A stage's metrics below `keys`. `stage` may name a folder below: finetune/greek."""
        found = json.loads(self.read(f"{stage}/metrics.json"))
        for key in keys:
            found = found[key]
        return found

    def table(self, stage: str, name: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.read(f"{stage}/{name}.csv"), newline="")))

    def download(self, dataset: str) -> dict:
        return json.loads(self.read(f"download/{dataset}.json"))["download"][0]

    def figure(self, name: str, caption: str) -> str:
        """Markdown that shows a figure, from the point of view of a file in `reports`."""
        path = Path("figures", f"{name}.png")
        if not (self.reports / path).exists():
            raise Missing("render")
        return f"![{caption}]({path.as_posix()})\n\n*{caption}*"

    def read(self, path: str) -> str:
        try:
            return (self.reports / path).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise Missing(path.split("/")[0]) from None


Section = Callable[[Study], list[str]]  # its paragraphs


def report(study: Study) -> str:
    """The whole report. What a stage has not written yet is a line that names the command for it."""
    parts = ["# Recognition using deep networks, rebuilt"]
    for title, section in SECTIONS.items():
        parts += [f"## {title}"] if title else []
        parts += told(section, study)
    return "\n\n".join(parts) + "\n"


def told(section: Section, study: Study) -> list[str]:
    try:
        return section(study)
    except Missing as gap:
        return [f"*{fill(gap)}*"]


def fill(gap: Missing) -> str:
    return f"Not there yet: `dvc repro {gap} report` fills this gap."


def percent(share: float | str) -> str:
    return f"{100 * float(share):.2f}".rstrip("0").rstrip(".") + "\N{NO-BREAK SPACE}%"


def points(difference: float) -> str:
    """A difference of two shares."""
    return f"{100 * difference:.2f}\N{NO-BREAK SPACE}points"


def loss(value: object) -> str:
    """A mean loss, in nats."""
    return f"{float(str(value)):.3f}" if float(str(value)) >= 0.0005 else "below 0.001"


def interval(facts: dict, prefix: str = "") -> str:
    low, high = (percent(facts[f"{prefix}accuracy_{end}"]) for end in ("low", "high"))
    return f"{low[:-2]}–{high}"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table. Bars in a cell would end it."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "/") for cell in line) + " |" for line in lines)


def network(facts: dict) -> str:
    return f"{facts['architecture']} with kernel size {facts['kernel_size']} and {facts['filters']} filters"


# Each number of the original, and ours.

Ours = Callable[[Study], tuple[object, ...]]  # (in words, and where it is a share: n, interval)


def tested(stage: str, *keys: str, prefix: str = "test_", words: str = "{}") -> Ours:
    """A row's accuracy with n and interval."""

    def ours(study: Study) -> tuple[object, ...]:
        facts = study.metrics(stage, *keys)
        if not facts["n"]:
            return words.format("none there"), 0, ""
        return words.format(percent(facts[f"{prefix}accuracy"])), facts["n"], interval(facts, prefix)

    return ours


def drawn(words: str, *names: str) -> Ours:
    """A row whose counterpart are figures."""

    def ours(study: Study) -> tuple[object, ...]:
        for name in names:
            study.figure(name, "")
        return (words,)

    return ours


def parameters(study: Study) -> tuple[object, ...]:
    return (f"{study.metrics('train', 'train')['parameters']:,} parameters",)


def convergence(study: Study) -> tuple[object, ...]:
    rows = study.table("train", "epochs")
    good = [row for row in rows if float(row["held_out_accuracy"]) >= 0.98]
    said = [f"loss on held-out digits {curve_points(rows)}"]
    if good:
        said.append(f"98 % of them read after {int(good[0]['examples']):,}")
    return ("; ".join(said),)


def curve_points(rows: list[dict[str, str]]) -> str:
    """The held-out loss of a training after its first, second and last epoch."""
    ends = dict.fromkeys([0, min(1, len(rows) - 1), len(rows) - 1])
    return ", ".join(f"{loss(rows[i]['held_out_loss'])} after {int(rows[i]['examples']):,}" for i in ends) + " examples"


def best_epoch(rows: list[dict[str, str]]) -> str:
    return min(rows, key=lambda row: float(row["train_loss"]))["epoch"]


def checkpoints(study: Study) -> tuple[object, ...]:
    rows = study.table("train", "epochs")
    return (f"after epoch {rows[-1]['epoch']}; lowest mean training loss of an epoch: epoch {best_epoch(rows)}",)


def first_filters(study: Study) -> tuple[object, ...]:
    return (filter_kinds(study.table("render", "filters")),)


def filter_kinds(rows: list[dict[str, str]]) -> str:
    kinds = [row["kind"] if float(row["chance"]) < CHANCE else "" for row in rows]
    ordered = sorted(set(kinds) - {""}, key=lambda kind: (-kinds.count(kind), kind))  # a set's own order varies
    named = [counted(kinds.count(kind), kind) for kind in ordered]
    return ", ".join([*named, f"{kinds.count('')} like nothing beyond chance"] if "" in kinds else named)


ORIGINAL = {
    "greek": ["alpha", "beta", "gamma"],
    "greek_extended": ["lambda", "pi", "psi", "omega", "theta", "tau"],
}


def known(study: Study, name: str) -> list[str]:
    """The letters of a study of finetune."""
    return {"greek": study.params.finetune.greek, "greek_extended": study.params.finetune.greek_extended}[name].letters


def others(study: Study, name: str) -> str:
    """The letters, where they are not the original's."""
    return "" if known(study, name) == ORIGINAL[name] else f"{', '.join(known(study, name))}: "


def printed(study: Study) -> bool:
    """Whether no letter is handwritten."""
    return study.metrics("greek", "letters")["sources"] == "rendered"


def print_or_hand(study: Study) -> str:
    return "print; " if printed(study) else ""


def learned_letters(name: str) -> Ours:
    def ours(study: Study) -> tuple[object, ...]:
        facts = study.metrics(f"finetune/{name}", name, "last_layer")
        if "epochs_to_100" not in facts:
            return (f"{others(study, name)}{percent(facts['train_accuracy'])} of them in the end",)
        after = f"100 % after epoch {facts['epochs_to_100']}, {facts['pictures_to_100']:,} pictures seen"
        return (others(study, name) + after,)

    return ours


def letters(name: str, way: str) -> Ours:
    def ours(study: Study) -> tuple[object, ...]:
        facts = study.metrics(f"finetune/{name}", name, way)
        if not facts["n"]:
            return "no letters held out", 0, ""
        right = round(facts["accuracy"] * facts["n"])
        return (
            f"{others(study, name)}{print_or_hand(study)}{WAYS[way]}: {right} of {facts['n']}, "
            f"{percent(facts['accuracy'])}, mean loss {loss(facts['loss'])}",
            facts["n"],
            interval(facts),
        )

    return ours


def architectures(study: Study) -> tuple[object, ...]:
    rows = {
        row["architecture"]: int(row["parameters"])
        for row in study.table("sweep", "cells")
        if (row["kernel_size"], row["filters"]) == ("5", "10")
    }
    listed = "; ".join(f"{name}: {n:,} parameters" for name, n in rows.items())
    return (f"{listed} (kernel 5, 10 filters)" if rows else "none with kernel 5 and 10 filters",)


def best_cell(study: Study) -> tuple[object, ...]:
    facts = study.metrics("sweep", "sweep", "best")
    words = f"{percent(facts['test_accuracy'])}: {network(facts)}, chosen on held-out pictures; Fig. 14"
    return words, facts["n"], interval(facts, "test_")


def longest(study: Study) -> tuple[object, ...]:
    facts = study.metrics("epochs", "epochs")
    words = f"{percent(facts['test_accuracy'])} after {facts['chosen']}, chosen on held-out pictures; Fig. 15"
    return words, facts["n"], interval(facts, "test_")


def mobile(study: Study) -> tuple[object, ...]:
    facts, rows = study.metrics("mobilenet", "mobilenet"), study.table("mobilenet", "epochs")
    start = "ImageNet's weights" if facts["pretrained"] else "from scratch"
    words = f"{percent(facts['test_accuracy'])}: {start}, {counted(len(rows), 'epoch')}"
    if facts["frozen"]:
        words += ", a new head alone"
    return words + "; Fig. 16", facts["n"], interval(facts, "test_")


ROWS: list[tuple[str, str, str, Ours]] = [
    ("1A", "first six digits of the test set", "Fig. 1", drawn("Fig. 1", "fig01_first_digits")),
    ("1B", "mnistNet", "convolution 1→10, max pool 2×2, ReLU, convolution 10→20, dropout 0.5, max pool 2×2, ReLU, "
     "linear 980→50, ReLU, linear 50→10, log-softmax; kernel 5, padding 2", parameters),
    ("1B", "its drawing, printout and layer sizes", "Fig. 2, 3, 4",
     drawn("Fig. 2, 3, 4", "fig02_network", "fig03_printout", "fig04_layer_sizes")),
    ("1C", "loss against examples seen", "Fig. 5: converges near 100,000 examples", convergence),
    ("1D", "`checkpoint.pth`, `checkpoint_best.pth`", "last; lowest loss of a last batch", checkpoints),
    ("1E", "MNIST's test set", "98 %; Fig. 6, 7", tested("evaluate", "mnist")),
    ("1F", "ten digits by hand; here those in `data/handwriting/`, of which the project's own are drawn by a script",
     "photographed: 9 of 10, the 0 read as a 6; Fig. 8, 9", tested("recognise", "handwriting", "digits", prefix="")),
    ("2A", "the first layer's ten filters", "Fig. 10", first_filters),
    ("2B", "their effect on one picture", "Fig. 11", drawn("Fig. 11", "fig11_filtered")),
    ("3", "alpha, beta, gamma: the letters learned from", "100 % within 3 epochs; Fig. 12", learned_letters("greek")),
    ("3", "letters not learned from", "12 of 15, 80 %, mean loss 0.6585", letters("greek", "last_layer")),
    ("3", "the same letters", "", letters("greek", "all_layers")),
    ("4", "75 networks on Fashion-MNIST (3 architectures; kernels 2, 3, 4, 5, 6; 5, 10, 20, 50, 90 filters); the best",
     "89.21 %: mnistNet, kernel 5, 90 filters, chosen on the test set; Fig. 14", best_cell),
    ("4'", "mnistNet2 and mnistNet3 beside mnistNet",
     "MnistNet2: convolutions 10, 20, 30, dropout after the last, linear 270→50; MnistNet3: mean of 3×3 after conv1, "
     "dropout after conv2, linear 320→50", architectures),
    ("E1", "six more letters: those learned from", "100 % within 3 epochs of 20; Fig. 13",
     learned_letters("greek_extended")),
    ("E1", "letters not learned from", "13 of 13, mean loss 0.4231", letters("greek_extended", "last_layer")),
    ("E1", "the same letters", "", letters("greek_extended", "all_layers")),
    ("E2", "the best of the 75 for more epochs", "90.7 % after 40 (of 5, 20, 40, 50); Fig. 15", longest),
    ("E3", "MobileNetV3-large on Fashion-MNIST, 28×28 in three equal channels; features, average pool, "
     "BatchNorm1d(960), dropout, linear 960→10", "91 %: ImageNet's weights, 20 epochs, dropout 0.5; Fig. 16", mobile),
]  # fmt: skip


def summary(study: Study) -> list[str]:
    rows = []
    for number, what, theirs, ours in ROWS:
        try:
            found = ours(study)
        except Missing as gap:
            found = (fill(gap),)
        found = [f"{cell:,}" if isinstance(cell, int) else cell for cell in found]
        rows.append([number, what, theirs, *found, *[""] * (3 - len(found))])
    return [
        "Row by row, what the original report says and what this study finds. Where there is an n, the accuracy is "
        "that on n pictures, none of them used for learning or for choosing; the interval is Wilson's for 95 %.",
        table(["", "what", "the original", "here", "n", "95 % interval"], rows),
    ]


def question(study: Study) -> list[str]:
    return [
        "What do small convolutional networks learn of digits, letters and clothes, what do they see, and what of it "
        "lasts when the pictures come from someone else's pen? A two-person course report, *Recognition using Deep "
        "Networks*, asked this. Here it is asked again, of programs that anyone can run: one command rebuilds every "
        "number and picture below, and this text with them. The pen has to be yours: the project brings no handwriting "
        "of its own.",
    ]


def data(study: Study) -> list[str]:
    found = []
    for name, title in (("mnist", "MNIST"), ("fashion_mnist", "Fashion-MNIST")):
        facts = study.download(name)
        n, sources = facts["pictures"], ", ".join(facts["sources"])
        found.append(
            f"**{title}**: {n['train']:,} pictures to learn from and {n['test']:,} to test with, 28×28 pixels, from "
            f"the first of these that answers: {sources}, a folder by hand. Whatever the source, the bytes are these, "
            f"by sha256: {', '.join('`' + file['sha256'][:12] + '…`' for file in facts['files'])}. {facts['origin']}."
        )
    facts = study.metrics("greek", "letters")
    kept = "in typefaces" if printed(study) else "by writers, or in typefaces,"
    found.append(
        f"**Greek letters**: {facts['pictures']:,} pictures of {facts['letters']} letters, {facts['held_out']:,} of "
        f"them {kept} kept for testing. Source: {source(facts['sources'])}."
    )
    return [
        *found,
        study.figure("fig01_first_digits", "Fig. 1: the first six digits of MNIST's test set."),
        study.figure("fashion", "A picture of each class of Fashion-MNIST."),
        study.figure("letters", "The Greek letters as a network sees them."),
    ]


SOURCES = {
    "folder": "the user's own pictures",
    "drive": "the original's folder on Google Drive",
    "omniglot": "Omniglot, 20 people (Lake et al., 2015)",
    "rendered": "typefaces that matplotlib ships",
}


def source(names: str) -> str:
    return "; ".join(SOURCES[name] for name in names.split())


def method(study: Study) -> list[str]:
    params = study.params
    return [
        "A part of each training set is held out, by a seed. Whatever is chosen, the best of many networks or the "
        "number of epochs, is chosen on that part and on nothing else: "
        f"{params.train.held_out:,} digits, {params.sweep.held_out:,} clothes for the 75 networks and "
        f"{params.mobilenet.held_out:,} for MobileNet. `reports/sweep/cells.csv` has every network's accuracy on the "
        "test set beside it, which no choice has seen.",
        "A schedule is made for the number of epochs that it gets; digits are turned, stretched and moved a little "
        "each time. Every number that this depends on is in `params.yaml`. The same commit gives the same bytes on "
        "every x86-64 processor with AVX2, whatever its number of cores.",
        "What the original's program used (its report does not say), and what is used here:",
        table(["", "the original", "here"], settings(params)),
    ]


def settings(params: Params) -> list[list[str]]:
    """A row for each kind of training: the original's hyperparameters and ours."""
    names = {"sgd": "SGD, Nesterov momentum {:g}", "adamw": "AdamW", "muon": "Muon, momentum {:g}"}

    def ours(optimizer: str, own, epochs: int) -> str:
        name = names[optimizer].format(own.momentum)
        rest = f"one-cycle to {own.learning_rate:g}, weight decay {own.weight_decay:g}, batch {own.batch_size}"
        return f"{name}, {rest}, {counted(epochs, 'epoch')}"

    train, sweep, mobile, tuned = params.train, params.sweep, params.mobilenet, params.finetune
    last, budgets = tuned.last_layer, [tuned.greek.epochs, tuned.greek_extended.epochs]
    theirs = "SGD, learning rate 0.01, momentum 0.5"
    return [
        ["digits", f"{theirs}, batch 64, 10 epochs", ours("sgd", train, train.epochs)],
        [
            "letters, a new last layer",
            f"{theirs}, batch 10, 40 and 20 epochs",
            f"SGD, learning rate {last.learning_rate:g}, momentum {last.momentum:g}, batch {last.batch_size}, "
            f"{' and '.join(map(str, budgets))} epochs",
        ],
        ["letters, all layers", "none", ours("sgd", tuned.all_layers, tuned.all_layers.epochs)],
        ["75 networks", f"{theirs}, batch 64, 10 epochs", ours(sweep.recipe.optimizer, sweep.recipe, sweep.epochs)],
        ["MobileNet", "20 epochs", ours(mobile.recipe.optimizer, mobile.recipe, mobile.epochs)],
        ["pixels", "less 0.1307, over 0.3081", "less the mean of the training pictures, over their deviation"],
        [
            "photographed digits and letters",
            "digits: not said; letters: scaled by 36/128 about the centre, cropped to 28×28, inverted",
            "the ink is found and cropped, thin strokes thickened, fitted into 20×20, centred by its mass as MNIST's",
        ],
        ["seed", "3", seeds(params)],
    ]


def seeds(params: Params) -> str:
    own = {params.train.seed, params.finetune.seed, params.sweep.seed, params.mobilenet.seed}
    return ", ".join(map(str, sorted(own)))


def counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def digits(study: Study) -> list[str]:
    facts, rows = study.metrics("evaluate", "mnist"), study.table("evaluate", "first_digits")
    epochs, classes = study.table("train", "epochs"), study.table("evaluate", "classes")
    worst = min(classes, key=lambda row: float(row["accuracy"]))
    right = round(facts["test_accuracy"] * facts["n"])
    header = ["digit", "read as", *(row["label"] for row in classes)]
    listed = [[row["label"], row["prediction"], *(log_p(row[f"log_p_{name}"]) for name in header[2:])] for row in rows]
    return [
        study.figure("fig02_network", "Fig. 2: mnistNet."),
        study.figure("fig03_printout", "Fig. 3: mnistNet as torch prints it."),
        study.figure("fig04_layer_sizes", "Fig. 4: the size of each layer's output."),
        f"It sees {int(epochs[-1]['examples']):,} examples in {epochs[-1]['epoch']} epochs. The original's curve "
        "converges near 100,000. Here the loss on the held-out digits, where the original has the test set's, is "
        f"{curve_points(epochs)}: the schedule is made for all of them, and gains to its end. It reads "
        f"{percent(epochs[0]['held_out_accuracy'])} of the held-out digits after the first epoch and "
        f"{percent(epochs[-1]['held_out_accuracy'])} after the last.",
        study.figure(
            "fig05_training",
            "Fig. 5: loss against examples seen, and below it the share misread; both scales are logarithmic. The "
            "training pictures are distorted and read with dropout, those held out are not.",
        ),
        f"Of MNIST's test set it reads {right:,} of {facts['n']:,}, {percent(facts['test_accuracy'])} (95 % interval "
        f"{interval(facts, 'test_')}); the original 98 %. The hardest digit is the {worst['label']}: "
        f"{percent(worst['accuracy'])} of {int(worst['n']):,}.",
        study.figure("fig06_predictions", "Fig. 6: the first nine test digits, and what the network reads."),
        "The first ten test digits with the log-probability of every class (the original's Fig. 7):",
        table(header, listed),
        study.figure("confusion_digits", "What each digit is read as."),
    ]


def log_p(value: str) -> str:
    """A log-probability: two digits, or where they would be zeros, more."""
    number = float(value)
    return f"{number:.2f}" if number < -0.005 else f"{number:.5f}" if number <= -0.00001 else "above -0.00001"


def handwriting(study: Study) -> list[str]:
    facts, rows = study.metrics("recognise", "handwriting"), study.table("recognise", "readings")
    digits, greek = facts["digits"], facts["greek"]
    if not digits["n"]:
        said = "There are no labelled digits in `data/handwriting/digits/` to score."
    else:
        wrong = [
            f"a {row['label']} as a {row['prediction']}" for row in rows if row["label"] not in ("", row["prediction"])
        ]
        said = (
            f"Of the {digits['n']} labelled digits in `data/handwriting/digits/` it reads "
            f"{round(digits['accuracy'] * digits['n'])} (95 % interval {interval(digits)})"
            + (f"; it reads {', '.join(wrong)}" if wrong else "")
            + ". The original: 9 of 10, a 0 read as a 6."
        )
    letters = (
        f"Of {greek['n']} Greek letters of the user's own, not learned from, {percent(greek['accuracy'])} "
        f"({interval(greek)}) are read right."
        if greek["n"]
        else "There are no Greek letters of the user's own that the network has not learned from."
    )
    shown = []
    if study.table("recognise", "letters"):
        shown.append(study.figure("handwriting_greek", "The user's own Greek letters."))
    return [
        said,
        "The digits that the project brings are drawn by its own script, not by a hand; put your own beside them.",
        study.figure(
            "fig08_handwriting", "Fig. 8 and 9: own digits, what the network sees of each, and what it reads."
        ),
        letters,
        *shown,
    ]


def inside(study: Study) -> list[str]:
    rows = study.table("render", "filters")
    return [
        f"Of the first layer's {len(rows)} filters, each compared with edges, lines and blobs of every orientation: "
        f"{filter_kinds(rows)}. (A form counts where random filters match one as well in less than {percent(CHANCE)} "
        "of cases.)",
        study.figure(
            "fig10_filters",
            "Fig. 10: the filters of the first layer. The bar lies in the direction of the edge or line that a filter "
            "is most like, a ring stands for a blob; match is the share of the filter's variance that this form "
            "accounts for.",
        ),
        study.figure("fig11_filtered", "Fig. 11: one picture after each filter."),
    ]


def greek(study: Study) -> list[str]:
    parts = [
        "The digits' network learns letters from a handful of pictures in two ways: the original's, where all is "
        "frozen but a new last layer, and one where all layers are tuned on letters changed by chance each time.",
        study.figure("fig12_new_head", "Fig. 12: mnistNet before and after its last layer, fc2, was replaced."),
    ]
    for name, number in (("greek", 12), ("greek_extended", 13)):
        facts, rows = study.metrics(f"finetune/{name}", name), study.table(f"finetune/{name}", "held_out")
        letters, lines = ", ".join(known(study, name)), []
        for way, words in WAYS.items():
            own = facts[way]
            if own["n"]:
                right = round(own["accuracy"] * own["n"])
                learned = "never"
                if "epochs_to_100" in own:
                    learned = f"after epoch {own['epochs_to_100']}, {own['pictures_to_100']:,} pictures"
                lines.append([words, f"{right} of {own['n']}", interval(own), loss(own["loss"]), learned])
        header = ["way", "read right", "95 % interval", "mean loss", "its own letters first all right"]
        parts += [
            f"{letters.capitalize()}, learned from {facts['train_n']} pictures. An epoch of the first way shows each "
            f"once, one of the second {study.params.finetune.all_layers.pictures:,} pictures, each again and again:",
            *([table(header, lines), writers(rows)] if lines else ["No letters are held out."]),
            study.figure(f"fig{number}_curves_{name}", f"Fig. {number}: learning {letters}."),
            study.figure(f"fig{number}_predictions_{name}", f"Fig. {number}: letters held out, and what is read."),
            study.figure(f"confusion_{name}", "What each of them is read as, all layers tuned."),
        ]
        if lines:
            parts += [
                f"The first held-out letters with the log-probability of every class (the original's Fig. {number}):",
                first_letters(study, name),
            ]
    parts.append(
        "The original's own letters: 12 of 15 with mean loss 0.6585, and 13 of 13 with 0.4231. They are not those held "
        "out here, so the numbers stand beside each other and are not a comparison."
    )
    return parts


def writers(rows: list[dict[str, str]]) -> str:
    """Whose the held-out letters are, as the intervals take them for independent."""
    names = sorted({row["writer"] for row in rows})
    whose = ", ".join(names) if len(names) <= 5 else f"{len(names)} hands or typefaces"
    return (
        f"The letters held out are {'all ' if len(names) == 1 else ''}of {whose}: the intervals take them for "
        "independent, which letters of one hand or typeface are not, and so are too narrow."
    )


def first_letters(study: Study, name: str) -> str:
    """The original's rows of log-probabilities, of both ways."""
    rows = study.table(f"finetune/{name}", "first_letters")
    names = [column.removeprefix("log_p_") for column in rows[0] if column.startswith("log_p_")]
    return table(
        ["way", "letter", "read as", *names],
        [
            [row["way"].replace("_", " "), row["label"], row["prediction"], *(log_p(row[f"log_p_{n}"]) for n in names)]
            for row in rows
        ],
    )


def sweep(study: Study) -> list[str]:
    facts, means = study.metrics("sweep", "sweep"), study.table("sweep", "effects")
    best, noise = facts["best"], facts["noise"]
    parts = [
        f"{facts['cells']} networks, each really built with its kernel size and number of filters. Before a network "
        "was trained, a hypothesis for each dimension:",
        table(["dimension", "hypothesis"], [[name.replace("_", " "), h.words] for name, h in HYPOTHESES.items()]),
    ]
    known = noise["held_out_sd"] is not None
    if known:
        parts.append(
            f"The noise: the printed mnistNet under {noise['seeds']} seeds has a standard deviation of "
            f"{points(noise['held_out_sd'])} on the held-out pictures; it is taken to be that of every network. A "
            "difference between two means of a dimension counts if it exceeds what chance alone reaches in "
            f"{percent(1 - CONFIDENCE)} of sweeps (Tukey's test)."
        )
    rows = []
    for name in HYPOTHESES:
        own = [(row["level"], float(row["held_out_accuracy"])) for row in means if row["dimension"] == name]
        effect = facts["effects"][name]
        levels = ", ".join(f"{level}: {percent(accuracy)}" for level, accuracy in own)
        limit, apart = effect["threshold"], "not known"
        if limit is not None:
            pairs = [f"{a} over {b}" if x > y else f"{b} over {a}" for (a, x), (b, y) in combinations(own, 2)
                     if abs(x - y) > limit]  # fmt: skip
            apart = f"{points(limit)}; more: {', '.join(pairs) or 'no pair'}"
        rows.append([name.replace("_", " "), levels, points(effect["spread"]), apart, f"**{effect['hypothesis']}**"])
    parts += [
        table(
            ["dimension", "mean accuracy on held-out pictures", "best less worst", "chance reaches", "verdict"], rows
        ),
        study.figure(
            "fig14_sweep",
            "Fig. 14: every network of the sweep, the darker the better, and the mean of each level of a dimension.",
        ),
        f"The best on the held-out pictures is {network(best)}: {best['parameters']:,} parameters, "
        f"{percent(best['held_out_accuracy'])} there, and on the test set {percent(best['test_accuracy'])} "
        f"({interval(best, 'test_')}). The original's best: 89.21 %.",
        *close(study, noise),
        study.figure(
            "fig14_cost",
            "Accuracy against multiplications; the line joins what nothing cheaper equals. The bar: two networks as "
            "good as each other differ by so much in one pair of twenty.",
        ),
    ]
    return parts


def close(study: Study, noise: dict) -> list[str]:
    """How many networks chance alone may have kept from being the best."""
    if noise["held_out_sd"] is None:
        return []
    chance = Noise.of(noise).threshold(levels=2, cells=1)
    found = [float(row["held_out_accuracy"]) for row in study.table("sweep", "cells") if row["grid"] == "1"]
    near = sum(accuracy > max(found) - chance for accuracy in found) - 1
    return [
        f"Two networks as good as each other differ by up to {points(chance)} in 95 % of pairs; {near} others are "
        "that close to the best."
    ]


def longer(study: Study) -> list[str]:
    facts, rows = study.metrics("epochs", "epochs"), study.table("epochs", "budgets")
    header = ["epochs", "held-out accuracy", "test accuracy", "95 % interval"]
    lines = [
        [row["epochs"], percent(row["held_out_accuracy"]), percent(row["test_accuracy"]), interval(row, "test_")]
        for row in rows
    ]
    most, limit = max(int(row["epochs"]) for row in rows), facts["threshold"]
    if len(rows) == 1:
        says = "One number of epochs says nothing of where it stops improving."
    elif limit is None:
        says = "The noise was not measured, so nothing can be said of where it stops improving."
    else:
        gained = {int(row["epochs"]): float(row["held_out_accuracy"]) for row in rows}
        beyond = [f"from {a} to {b}" for a, b in combinations(gained, 2) if gained[b] - gained[a] > limit]
        says = (
            f"Chance alone gains up to {points(limit)} on the held-out pictures, if this network is as noisy as the "
            f"sweep's printed one after {counted(study.params.sweep.epochs, 'epoch')}. More than that is gained "
            f"{', '.join(beyond) + ' epochs' if beyond else 'nowhere'}. "
        )
        a, b = list(gained)[-2:]
        last = f"the last step, from {a} to {b} epochs, gains {points(gained[b] - gained[a])}"
        if facts["enough"] == most:
            says += f"It still improves at {most} epochs; {last}."
        else:
            says += (
                f"Beyond {counted(facts['enough'], 'epoch')} no gain is as large, which does not say that there is "
                f"none: {last}."
            )
    if str(study.params.sweep.epochs) in (row["epochs"] for row in rows):
        says += (
            f" (After {counted(study.params.sweep.epochs, 'epoch')} it is the sweep's own network, the best of many "
            "on the held-out pictures, which flatters it there.)"
        )
    return [
        f"{network(facts)}, trained from its start for each number of epochs, on a schedule made for it:",
        table(header, lines),
        says + " The original: 90.7 % after 40 epochs.",
        study.figure(
            "fig15_epochs",
            "Fig. 15: accuracy against the number of epochs, a logarithmic scale; bars are the test's 95 % intervals.",
        ),
    ]


def mobilenet(study: Study) -> list[str]:
    facts, rows = study.metrics("mobilenet", "mobilenet"), study.table("mobilenet", "epochs")
    start = (
        "ImageNet's weights" if facts["pretrained"] else "random weights, ImageNet's being out of reach or not wanted"
    )
    trained = "a new head alone" if facts["frozen"] else "all layers"
    return [
        "torchvision's mobilenet_v3_large, features and average pool, then batch normalisation, dropout and one "
        f"linear layer: {facts['parameters']:,} parameters, {facts['macs']:,} multiplications a picture. It starts "
        f"from {start}, and {trained} are trained for {counted(len(rows), 'epoch')}: "
        f"{percent(facts['test_accuracy'])} of {facts['n']:,} ({interval(facts, 'test_')}). The original, from "
        "ImageNet's weights: 91 % after 20.",
        study.figure(
            "fig16_mobilenet",
            "Fig. 16: MobileNet's loss against examples seen, and below it the share misread; both scales are "
            "logarithmic.",
        ),
    ]


def defects(study: Study) -> list[str]:
    rows, means = study.table("train", "epochs"), study.table("sweep", "effects")
    tested, effect = study.metrics("evaluate", "mnist"), study.metrics("sweep", "sweep", "effects", "filters")
    own = {row["level"]: float(row["held_out_accuracy"]) for row in means if row["dimension"] == "filters"}
    trend = ", ".join(f"{filters} filters reach {percent(own[filters])}" for filters in sorted(own, key=int))
    if effect["threshold"] is not None:
        trend += f"; the spread is {'beyond' if effect['spread'] > effect['threshold'] else 'within'} chance"
    items = [
        "*Dropout stays on when the network is evaluated.* Here it is off. The same network with it on reads "
        f"{percent(tested['dropout_on_accuracy'])} of MNIST's test set instead of {percent(tested['test_accuracy'])}, "
        f"with a mean loss of {loss(tested['dropout_on_loss'])} instead of {loss(tested['test_loss'])}.",
        "*After the first evaluation the network is never put back into training mode.* Here every epoch has its "
        "dropout. What training without it would give was not measured; `dvc exp run -S train.dropout=0.0` shows it.",
        "*“Best” is the lowest loss of a last batch*, which is a few pictures' chance. Here it is the lowest mean of "
        f"an epoch: epoch {best_epoch(rows)} of {len(rows)}"
        + (", so the last and the best are the same network." if best_epoch(rows) == rows[-1]["epoch"] else "."),
        "*The 75 networks are 3.* Their layers' attributes were changed after the layers were built, which changes "
        "no weight: what the original calls no trend in filters is the spread of 25 repetitions of the same network. "
        f"Here, on average, {trend}.",
    ]
    return [
        "The original's program has four defects that explain some of its conclusions. This one has none of them:",
        "\n".join(f"{number}. {item}" for number, item in enumerate(items, start=1)),
        "It also chose its best network on the test set; here that is chosen on pictures held out.",
    ]


def worse(study: Study) -> list[str]:
    """What disappoints, found by comparing the numbers."""
    found = []
    best, facts = study.metrics("sweep", "sweep", "best"), study.metrics("sweep", "sweep", "effects")
    for what, own, theirs in [
        (f"The best of the {study.metrics('sweep', 'sweep')['cells']} networks", best, 0.8921),
        ("The best network after more epochs", study.metrics("epochs", "epochs"), 0.907),
        ("MobileNet", study.metrics("mobilenet", "mobilenet"), 0.91),
        ("mnistNet on MNIST", study.metrics("evaluate", "mnist"), 0.98),
    ]:
        if own["test_accuracy_high"] < theirs:
            found.append(f"{what} reaches {percent(own['test_accuracy'])}, less than the original's {percent(theirs)}.")
        elif own["test_accuracy_low"] <= theirs:
            found.append(
                f"{what} reaches {percent(own['test_accuracy'])} ({interval(own, 'test_')}), which {own['n']:,} "
                f"pictures do not tell from the original's {percent(theirs)}."
            )
    for name, effect in facts.items():
        if effect["hypothesis"] not in ("confirmed", "not asked", "noise not measured"):
            found.append(
                f"The hypothesis on the {name.replace('_', ' ')}, “{HYPOTHESES[name].words}”: {effect['hypothesis']}."
            )
    if not study.metrics("mobilenet", "mobilenet")["pretrained"]:
        found.append("MobileNet had no ImageNet weights to start from; the original's had.")
    if printed(study):
        found.append("The Greek letters are print, not handwriting, and so easier.")
        found.append("Nobody's handwriting but MNIST's is read, unless you put your own beside the drawn digits.")
    for name in ("greek", "greek_extended"):
        own = study.metrics(f"finetune/{name}", name, "all_layers")
        if own["n"] and own["accuracy_high"] - own["accuracy_low"] > 0.1:
            found.append(
                f"{own['n']} letters held out ({', '.join(known(study, name))}) are few: the interval is "
                f"{interval(own)}."
            )
    own = study.metrics("recognise", "handwriting", "digits")
    if own["n"] and own["accuracy_high"] - own["accuracy_low"] > 0.1:
        found.append(f"{own['n']} own digits are few: the interval is {interval(own)}.")
    return ["\n".join(f"- {line}" for line in found) or "Nothing."]


SECTIONS: dict[str, Section] = {
    "": question,
    "The original and this": summary,
    "Data": data,
    "Method": method,
    "Digits": digits,
    "Your own handwriting": handwriting,
    "What the network sees": inside,
    "Greek letters": greek,
    "Many networks": sweep,
    "Longer": longer,
    "MobileNet": mobilenet,
    "What was wrong in the original": defects,
    "What went worse than hoped": worse,
}
