import math
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.font_manager import findfont
from matplotlib.text import Text
from PIL import Image

from recognition.networks.describe import Layer
from recognition.telling import figures
from recognition.telling.filters import describe, respond

RNG = np.random.default_rng(0)
GREEK = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu"]
GREEK += ["nu", "xi", "omicron", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega"]


def pictures(n: int) -> np.ndarray:
    return RNG.integers(0, 256, (n, 28, 28), dtype=np.uint8)


def network(filters: int, classes: int, third: bool = False) -> list[Layer]:
    """Records such as a network yields; only their arithmetic matters here."""
    layers = [
        Layer("input", "picture", (1, 28, 28), 0),
        Layer("conv1", "convolution 5×5", (filters, 28, 28), 26 * filters),
        Layer("pool1", "max pool 2×2", (filters, 14, 14), 0),
        Layer("relu1", "ReLU", (filters, 14, 14), 0),
        Layer("conv2", "convolution 5×5", (filters, 14, 14), 5020),  # the shape stays; it is an operation all the same
        Layer("pool2", "max pool 2×2", (filters, 7, 7), 0),
    ]
    if third:
        layers += [
            Layer("conv3", "convolution 5×5", (30, 7, 7), 15030),
            Layer("dropout", "dropout 0.5", (30, 7, 7), 0),
            Layer("pool3", "max pool 2×2", (30, 3, 3), 0),
        ]
    return [
        *layers,
        Layer("flatten", "flatten", (np.prod(layers[-1].shape).item(),), 0),
        Layer("fc1", "linear", (50,), 49050),
        Layer("relu3", "ReLU", (50,), 0),
        Layer("fc2", "linear", (classes,), 51 * classes),
        Layer("log_softmax", "log-softmax", (classes,), 0),
    ]


def curve(steps: int, epochs: int, error: float = 0.02):
    seen, held = np.linspace(64, 550000, steps), np.linspace(55000, 550000, epochs)
    return figures.training.training_curve(
        (seen, 2.3 * np.exp(-seen / 2e5)), (held, 2.6 * np.exp(-held / 2e5), np.full(epochs, error))
    )


def handwriting(n: int, wrong: int = 0, unknown: int = 0):
    photos = [RNG.integers(0, 256, (3 + 40 * (i % 4), 900 - 200 * (i % 4)), dtype=np.uint8) for i in range(n)]
    read = ["omicron" if i >= n - wrong else "epsilon" for i in range(n)]
    labels, seen = ["epsilon"] * n, pictures(n)
    some = {i: (photos[i], seen[i]) for i in figures.handwriting.shown(labels, read)}
    return figures.handwriting.own_pictures(
        some, labels, read, [0.5] * n, [i >= unknown for i in range(n)], "There are none."
    )


def filters(n: int, k: int):
    weights = RNG.normal(size=(n, k, k))
    return figures.filters.first_layer(weights, describe(weights), [0.01, *[0.5] * (len(weights) - 1)])


def filtered(n: int, k: int):
    weights, image = RNG.normal(size=(n, k, k)), pictures(1)[0]
    return figures.filters.filtered_pictures(image, weights, respond(image, weights))


def confusion(classes):
    k = len(classes)
    return figures.digits.confusion(np.diag(np.full(k, 1000)) + RNG.integers(0, 3, (k, k)), classes)


SYMBOLS = dict(zip(GREEK, "αβγδεζηθικλμνξοπρστυφχψω", strict=True))


def letters(names, writers, each=1):
    """`each` pictures of every letter by every writer, of whom the last is held out."""
    made = [(name, writer) for name in names for writer in writers for _ in range(each)]
    held_out = [len(writers) > 1 and writer == writers[-1] for _, writer in made]
    shown = dict(enumerate(pictures(len(made))))
    return figures.letters.samples(shown, [n for n, _ in made], [w for _, w in made], held_out, SYMBOLS)


def tuned(epochs: int, held_out: bool = True, first: int | None = 1):
    def way(steps):
        rise = np.where(np.arange(epochs) >= (epochs if first is None else first), 1.0, 0.9)
        loss = 2.0 * 0.4 ** np.arange(epochs)
        nothing = np.full(epochs, np.nan)
        held = (loss / 9, rise) if held_out else (nothing, nothing)
        return figures.training.Curve(steps * np.arange(1, epochs + 1), loss, rise, *held)

    return figures.training.finetuning_curves({"last layer alone": way(36), "all layers": way(2000)})


def read_letters(n: int, wrong: int = 0):
    true = ["upsilon"] * n
    read = ["omicron" if i >= n - wrong else "upsilon" for i in range(n)]
    ways = {"last layer alone": (read, [0.5] * n), "all layers": (true, [0.99999] * n)}
    return figures.letters.predictions(dict(enumerate(pictures(n))), true, ways)


DIMENSIONS = {  # levels, hypothesis, verdict
    "architecture": (
        ["MnistNet", "MnistNet2", "MnistNet3"],
        "a third convolution gains, a mean loses",
        "partly confirmed: MnistNet2 is better than MnistNet3",
    ),
    "kernel_size": ([2, 3, 4, 5, 6], "a larger kernel sees more, and gains", "partly contradicted"),
    "filters": (
        [5, 10, 20, 50, 90],
        "more filters describe more, and gain",
        "partly confirmed: 90, 50 and 20 are better than 5",
    ),
}


def sweep(architectures: int, kernel_sizes, filters, threshold: float = 0.004):
    names = ["MnistNet", "MnistNet2", "MnistNet3"][:architectures]
    grids = {name: RNG.uniform(0.84, 0.9, (len(kernel_sizes), len(filters))) for name in names}
    dimensions = []
    for levels, (name, (_, *words)) in zip((names, kernel_sizes, filters), DIMENSIONS.items(), strict=True):
        dimensions.append(
            figures.sweep.Dimension(name, levels, RNG.uniform(0.86, 0.88, len(levels)), threshold, *words)
        )
    return figures.sweep.grid(
        grids, kernel_sizes, filters, dimensions, "the printed network spreads by 0.27 over five seeds"
    )


def cost(n: int, chance: float = 0.01):
    macs = np.sort(RNG.uniform(2e5, 9e7, n))
    names = [f"MnistNet{i % 3 + 1}, kernel 5, {i} filters" for i in range(n)]
    kinds = [f"MnistNet{i % 3 + 1}" for i in range(n)]
    return figures.sweep.accuracy_against_cost(kinds, names, macs, np.linspace(0.84, 0.9, n), list(range(n)), chance)


def budgets(epochs, held_out: float = 0.92):
    n = len(epochs)
    test = np.linspace(0.89, 0.91, n)
    ends = test, test - 0.006, test + 0.006
    return figures.sweep.accuracy_by_epochs(np.array(epochs), np.full(n, held_out), ends, "more than 4 gain nothing")


FIGURES = {
    "sweep": lambda: sweep(3, [2, 3, 4, 5, 6], [5, 10, 20, 50, 90]),
    "sweep of one": lambda: sweep(1, [5], [10], math.nan),
    "sweep without noise": lambda: sweep(2, [2, 5], [5, 10], math.nan),
    "large sweep": lambda: sweep(3, list(range(2, 12)), list(range(10, 110, 10))),
    "cost": lambda: cost(10),
    "cost without noise": lambda: cost(10, math.nan),
    "cost of one": lambda: cost(1),
    "cost of many": lambda: cost(75),
    "budgets": lambda: budgets([1, 2, 4]),
    "the report's budgets": lambda: budgets([5, 20, 40, 50]),
    "one budget": lambda: budgets([3], held_out=0.89),
    "letters in faces": lambda: letters(GREEK, ["DejaVu Sans", "DejaVu Sans Mono", "STIX General", "Serif"], each=4),
    "letters of drawers": lambda: letters(GREEK, [f"drawer_{n:02}" for n in range(20)]),
    "letters of anybody": lambda: letters(GREEK[:3], [""], each=9),
    "letters of many": lambda: letters(GREEK[:2], [f"writer {n}" for n in range(90)]),
    "one letter": lambda: letters(["alpha"], ["anna"]),
    "no letters": lambda: letters([], []),
    "fine-tuning": lambda: tuned(25),
    "short fine-tuning": lambda: tuned(1, first=0),
    "fine-tuning with nothing held out": lambda: tuned(10, held_out=False),
    "fine-tuning that never reads all": lambda: tuned(10, first=None),
    "letters read": lambda: read_letters(12, wrong=2),
    "many letters read": lambda: read_letters(108, wrong=40),
    "no letters read": lambda: read_letters(0),
    "first digits": lambda: figures.digits.first_digits(pictures(6), range(6)),
    "one first digit": lambda: figures.digits.first_digits(pictures(1), [7]),
    "network": lambda: figures.networks.drawing(network(10, 10)),
    "wide network": lambda: figures.networks.drawing(network(90, 100)),
    "long network": lambda: figures.networks.drawing(network(20, 1, third=True)),
    "narrow network": lambda: figures.networks.drawing(network(1, 3)),
    "layers": lambda: figures.networks.layer_sizes(network(10, 10)),
    "layers of a wide network": lambda: figures.networks.layer_sizes(network(90, 100, third=True)),
    "training": lambda: curve(300, 10),
    "short training": lambda: curve(1, 1),
    "training without error": lambda: curve(50, 3, error=0.0),
    "predictions": lambda: figures.digits.predictions(pictures(9), range(9), [*range(8), 3], np.linspace(0, 1, 9)),
    "predictions of letters": lambda: figures.digits.predictions(
        pictures(2), ["omicron", "pi"], ["epsilon", "pi"], [0.5, 1]
    ),
    "no handwriting": lambda: handwriting(0),
    "one picture": lambda: handwriting(1),
    "ten pictures": lambda: handwriting(10, wrong=3, unknown=8),
    "many pictures": lambda: handwriting(200, wrong=70),
    "filters": lambda: filters(10, 5),
    "one filter": lambda: filters(1, 2),
    "many filters": lambda: filters(24, 3),
    "equal filters": lambda: figures.filters.first_layer(np.zeros((5, 5, 5)), describe(np.zeros((5, 5, 5))), [1] * 5),
    "filtered": lambda: filtered(10, 5),
    "filtered by many": lambda: filtered(24, 7),
    "confusion of 1": lambda: confusion(["alpha"]),
    "confusion of 3": lambda: confusion(["alpha", "beta", "gamma"]),
    "confusion of 10": lambda: confusion([str(digit) for digit in range(10)]),
    "confusion of 24": lambda: confusion(GREEK),
}


def drawn_texts(figure):
    """Each text that is seen, with its box in dots."""
    FigureCanvasAgg(figure).draw()
    renderer = figure.canvas.get_renderer()
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    hidden = {
        label
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]
        for label in (tick.label1, tick.label2)
        if not axes.axison or tick not in axis._update_ticks()
    }
    return [(text, text.get_window_extent(renderer)) for text in texts if text not in hidden]


@pytest.mark.parametrize("name", FIGURES)
def test_every_text_is_on_the_page_and_none_covers_another(name):
    figure = FIGURES[name]()
    texts = drawn_texts(figure)
    assert texts
    page = figure.bbox
    for text, box in texts:
        assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1, text
    for i, (one, box) in enumerate(texts):
        for other, other_box in texts[:i]:
            width = min(box.x1, other_box.x1) - max(box.x0, other_box.x0)
            height = min(box.y1, other_box.y1) - max(box.y0, other_box.y0)
            assert min(width, height) < 1, (one, other)  # dots


@pytest.mark.parametrize("name", ["training", "ten pictures", "filters", "network", "confusion of 3", "budgets"])
def test_the_same_figure_is_the_same_bytes(name, tmp_path):
    figure = FIGURES[name]()
    with matplotlib.rc_context({"text.hinting": "none", "path.snap": False}):
        figures.page.save(figure, tmp_path / "one" / "a.png")
    figures.page.save(figure, tmp_path / "b.png")
    assert (tmp_path / "one" / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_png_is_small_white_paper_and_says_nothing_of_its_making(tmp_path):
    figures.page.save(FIGURES["training"](), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size < 200_000
    with Image.open(tmp_path / "a.png") as picture:
        assert set(picture.info) <= {"dpi"}
        assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_what_is_drawn_does_not_depend_on_the_callers_settings_and_leaves_them_alone(tmp_path):
    matrix = np.array([[5, 1], [0, 7]])
    figures.page.save(figures.digits.confusion(matrix, ["alpha", "beta"]), tmp_path / "a.png")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "font.family": "DejaVu Serif"}):
        before = dict(matplotlib.rcParams)
        figures.page.save(figures.digits.confusion(matrix, ["alpha", "beta"]), tmp_path / "b.png")
        assert dict(matplotlib.rcParams) == before
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_the_font_is_the_one_that_matplotlib_brings():
    assert Path(findfont("DejaVu Sans")).is_relative_to(matplotlib.get_data_path())


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("recognition.telling.figures", {"torch", "matplotlib.pyplot"}),
        ("recognition.telling.filters", {"torch", "matplotlib"}),
        ("recognition.telling.prose, recognition.telling.html", {"torch", "matplotlib"}),
    ],
)
def test_telling_imports_no_torch_and_only_figures_draw(module, without):
    program = f"import sys, {module}; sys.exit({without!r} & set(sys.modules) != set())"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_drawing_has_a_block_for_each_shape_that_is_made():
    texts = [text.get_text() for text, _ in drawn_texts(figures.networks.drawing(network(10, 3)))]
    shapes = [text for text in texts if text[0].isdigit() and "\n" not in text]
    assert shapes == ["1×28×28", "10×28×28", "10×14×14", "10×14×14", "10×7×7", "50", "3"]
    assert "conv2\nconvolution\n5×5" in texts
    assert "linear\nReLU" not in texts and "flatten" in texts


def test_of_many_pictures_the_wrong_ones_are_shown_first(monkeypatch):
    monkeypatch.setattr(figures.handwriting, "MOST_SHOWN", 12)
    texts = [text.get_text() for text, _ in drawn_texts(handwriting(200, wrong=7))]
    assert texts[0] == "193 of 200 read correctly; 12 shown, wrong ones first"
    assert [text.startswith("✗ omicron") for text in texts[1:]] == [True] * 7 + [False] * 5
    assert texts[1].endswith("is epsilon")


def test_what_is_not_known_has_a_question_mark():
    caption, *texts = (text.get_text() for text, _ in drawn_texts(handwriting(10, wrong=3, unknown=8)))
    assert caption == "7 of 10 read correctly; 8 unlike what was learned (?)"
    assert [text.split("\n")[0] for text in texts] == ["epsilon ?"] * 7 + ["✗ omicron ?"] + ["✗ omicron"] * 2


def test_without_pictures_the_page_says_what_to_do():
    assert [text.get_text() for text, _ in drawn_texts(handwriting(0))] == ["There are none."]


def test_a_probability_is_not_rounded_to_certainty():
    shown = [figures.page.percent(p) for p in (0.5, 0.99949, 0.99996, 1, 0.0006, 0.0004, 0)]
    assert shown == ["50.0 %", "99.9 %", ">99.9 %", ">99.9 %", "0.1 %", "<0.1 %", "<0.1 %"]


def test_zero_is_the_middle_of_the_signed_scale_and_grey_keeps_its_order():
    colours = figures.filters.SIGNED(np.linspace(0, 1, 21))[:, :3]
    grey = colours @ [0.299, 0.587, 0.114]
    assert all(darker < lighter for darker, lighter in pairwise(grey))
    assert np.ptp(colours[10]) < 0.01


def test_a_contour_is_drawn_and_named_in_its_orientation():
    slash = np.fliplr(np.eye(5))[None]  # "/"
    figure = figures.filters.first_layer(slash, describe(slash), [0])
    [[start, end]] = [line.get_transform().transform(line.get_xydata()) for line in figure.axes[0].lines]
    assert (end - start)[0] == pytest.approx((end - start)[1])  # to the right and up, on the page
    assert "0: line 45°" in figure.texts[0].get_text()
    nearly = [describe(slash)[0]._replace(orientation=179.8)]
    assert "0: line 0°" in figures.filters.first_layer(slash, nearly, [0]).texts[0].get_text()


def test_a_class_without_pictures_has_no_accuracy():
    figure = figures.digits.confusion(np.array([[0, 0], [1, 3]]), ["0", "1"])
    texts = [text.get_text() for text, _ in drawn_texts(figure)]
    assert [text for text in texts if "." in text or text == "–"] == ["–", "75.0", "75.0"]


def test_letters_stand_in_the_alphabets_order_with_their_writers_numbers():
    figure = letters(["gamma", "alpha"], ["anna", "ben"], each=2)
    texts = [text.get_text() for text, _ in drawn_texts(figure)]
    assert texts[0] == "8 pictures; on grey: held out" and texts[1] == "1 anna   2 ben"
    assert texts[2:] == ["α  alpha", "1", "1", "2", "2", "γ  gamma", "1", "1", "2", "2"]


def test_what_is_held_out_stands_on_grey():
    empty = dict(enumerate(np.zeros((2, 28, 28), np.uint8)))
    figure = figures.letters.samples(empty, ["pi"] * 2, ["", ""], [True, False], SYMBOLS)
    strip = figure.axes[0].images[0].get_array()
    assert strip[20, 20] == 0 and strip[20, -20] > 30  # held out come last


@pytest.mark.parametrize("writer", ["$x_1$", "$\\frac$", "a\n\nb", "<b>|`*_", "\\", "{}", "x" * 300, "\t"])
def test_any_writer_can_be_named(writer):
    texts = [text.get_text() for text, _ in drawn_texts(letters(["alpha"], [writer], each=2))]
    assert any(writer.split()[0][:100] in text for text in texts) if writer.strip() else texts


def test_of_too_many_letters_the_legend_says_so():
    texts = [text.get_text() for text, _ in drawn_texts(FIGURES["letters of many"]())]
    assert texts[0] == "180 pictures; on grey: held out; 20 of a letter shown, of up to 90"


def test_the_first_epoch_without_an_error_is_named():
    text = "\n".join(text.get_text() for text, _ in drawn_texts(tuned(5, first=2)))
    assert "last layer alone, all training letters right after 108 pictures" in text
    assert "all layers, all training letters right after 6,000 pictures" in text
    text = "\n".join(text.get_text() for text, _ in drawn_texts(tuned(5, first=None)))
    assert "all layers, not all training letters right at any time" in text


def test_letters_that_any_way_misreads_come_first():
    texts = [text.get_text() for text, _ in drawn_texts(read_letters(108, wrong=3))]
    assert texts[0] == "last layer alone: 105 of 108 right; all layers: 108 of 108 right; 24 shown, wrong ones first"
    assert ["✗" in text for text in texts[2:]] == [True] * 3 + [False] * 21
    assert texts[2] == "upsilon\n✗ omicron 50.0 %\nupsilon >99.9 %"


def test_bars_meet_where_two_levels_differ_by_as_much_as_chance():
    dimension = figures.sweep.Dimension(
        "filters", [5, 10], np.array([0.88, 0.884]), 0.004, "more gain", "within the noise"
    )
    figure = figures.sweep.grid({"MnistNet": np.array([[0.88, 0.884]])}, [5], [5, 10], [dimension], "")
    [(lower, upper)] = [bars.get_segments() for axes in figure.axes for bars in axes.collections]
    assert lower[1][1] == pytest.approx(upper[0][1])


def test_the_best_network_is_framed_and_no_other():
    figure = figures.sweep.grid({"A": np.array([[0.88, 0.9]]), "B": np.array([[0.89, 0.87]])}, [5], [5, 10], [], "")
    frames = [[patch.get_xy() for patch in axes.patches if not patch.get_fill()] for axes in figure.axes]
    assert frames[:2] == [[(1, 0)], []]


def test_a_front_of_many_is_listed_in_part():
    texts = [text.get_text() for text, _ in drawn_texts(cost(75))]
    assert sum(text.startswith("MnistNet") and "kernel" in text for text in texts) == 20
    assert "MnistNet1, kernel 5, 0 filters" in texts and "MnistNet3, kernel 5, 74 filters" in texts
