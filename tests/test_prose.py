"""The report: every number from what the stages wrote, every gap said, one page that needs nothing else."""

import csv
import io
import json
import re
import shutil
import string
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from recognition.base import files
from recognition.base.errors import one_line
from recognition.base.params import load
from recognition.telling import html, original, prose
from recognition.telling.markdown import TEMPLATES, joined, log_p, plain
from recognition.telling.study import Study

ROOT = Path(__file__).parent.parent
REPORTS = ROOT / "reports"
PARAMS = load(ROOT / "params.yaml")
SEED = ["1A", "1B", "1C", "1D", "1E", "1F", "2A", "2B", "3", "4", "4'", "E1", "E2", "E3"]


@pytest.fixture
def reports(tmp_path) -> Path:
    return shutil.copytree(REPORTS, tmp_path / "reports")


def told(reports: Path) -> str:
    return prose.report(Study(reports, PARAMS))


def change(path: Path, *keys: str, **values: object) -> None:
    metrics = inner = json.loads(path.read_text())
    for key in keys:
        inner = inner[key]
    assert set(values) <= set(inner)
    inner |= values
    path.write_text(json.dumps(metrics))


def test_the_committed_report_is_that_of_the_committed_numbers():
    assert (REPORTS / "report.md").read_text() == told(REPORTS)


def test_nothing_is_missing_and_every_figure_is_shown():
    text = told(REPORTS)
    assert text.count("Not there yet") == (not (REPORTS / "full/params.yaml").exists())  # hours: see benchmarks/full.py
    there = {path.stem for path in REPORTS.glob("figures/*.png")}
    assert set(re.findall(r"\(figures/(\w+)\.png\)", text)) == there - {"handwriting_greek"}  # none of the user's own


def test_every_row_of_the_original_has_its_counterpart():
    rows = [line.split(" | ") for line in told(REPORTS).splitlines() if line.startswith("| ")]
    there = {row[0].removeprefix("| "): row[3] for row in rows if len(row) == 6}
    assert all(there.get(number) for number in SEED)


@pytest.mark.parametrize(
    ("stage", "keys", "name"),
    [
        ("evaluate", ["mnist"], "test_accuracy"),
        ("sweep", ["sweep", "best"], "test_accuracy"),
        ("epochs", ["epochs"], "test_accuracy"),
        ("mobilenet", ["mobilenet"], "test_accuracy"),
        ("mobilenet", ["mobilenet"], "test_accuracy_low"),
    ],
)
def test_a_number_is_the_stages_own(reports, stage, keys, name):
    assert "71.37" not in told(reports)
    change(reports / stage / "metrics.json", *keys, **{name: 0.7137})
    assert "71.37" in told(reports)


def test_a_smaller_number_than_the_originals_is_owned_up_to(reports):
    change(
        reports / "evaluate/metrics.json", "mnist", test_accuracy=0.95, test_accuracy_low=0.94, test_accuracy_high=0.96
    )
    worse = told(reports).split("## What went worse than hoped")[1]
    assert "mnistNet on MNIST reaches 95\N{NO-BREAK SPACE}%, less than the original's 98\N{NO-BREAK SPACE}%" in worse


@pytest.mark.parametrize("stage", ["download", "greek", "train", "evaluate", "finetune", "recognise", "sweep", "epochs",
                                   "mobilenet", "render"])  # fmt: skip
def test_a_stage_that_has_not_run_is_a_line_with_the_command_for_it(reports, stage):
    shutil.rmtree(reports / stage)
    if stage == "render":
        shutil.rmtree(reports / "figures")
    text = told(reports)
    assert f"Not there yet: `dvc repro {stage} report` fills this gap." in text
    assert all(f"## {title}" in text for title in prose.SECTIONS if title)


def test_with_nothing_at_all_it_still_says_what_it_would_be_about(tmp_path):
    text = told(tmp_path)
    assert text.count("Not there yet") > len(prose.SECTIONS)


@pytest.mark.parametrize(("unknown", "words"), [(0, None), (1, "1 picture there is"), (2, "2 pictures there are")])
def test_what_is_not_known_is_told(reports, unknown, words):
    change(reports / "recognise/metrics.json", "handwriting", "digits", unknown=unknown)
    assert (f"{words} unlike what it has learned" in told(reports)) == bool(words)


def test_the_originals_budget_stands_beside_the_default_run(reports):
    """Its numbers are those of its own files, whatever those of the default run are."""
    whole = reports / "full"
    shutil.rmtree(whole, ignore_errors=True)
    assert "Not there yet: `make full`, some hours, and then `dvc repro report` fill this gap." in told(reports)
    for name in ("sweep", "epochs", "mobilenet", "figures"):
        shutil.copytree(reports / name, whole / name)
    params = (ROOT / "params.yaml").read_text().replace("mirrored: false", "mirrored: true")
    params = params.replace("  epochs: 3 ", "  epochs: 20 ")
    enlarged = re.sub("image_size: .*", "image_size: 56", params)
    (whole / "params.yaml").write_text(enlarged)
    machines = [{"processor": name, "cores": n, "seconds": 8100 * n} for n, name in enumerate(["A*B", "C"], 1)]
    (whole / "machines.json").write_text(json.dumps(machines))
    change(whole / "sweep/metrics.json", "sweep", "best", test_accuracy=0.9312)
    change(whole / "sweep/metrics.json", "sweep", "effects", "filters", hypothesis="contradicted")
    macs = json.loads((reports / "mobilenet/metrics.json").read_text())["mobilenet"]["macs"]
    change(whole / "mobilenet/metrics.json", "mobilenet", test_accuracy=0.9401, macs=round(3.14 * macs))
    text = told(reports)
    section = text[text.index("## The original's whole budget") : text.index("## What was wrong")]
    took = "it took 2.2 hours on 1 core of a machine with A\\*B and 4.5 hours on 2 cores of a machine with C, by"
    assert took in section and "read both ways, MobileNet's too" in section
    assert "enlarged to 56×56 pixels, which takes 3.1 times the default run's multiplications" in section
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in section.splitlines() if line.startswith("| ")}
    best = json.loads((reports / "sweep/metrics.json").read_text())["sweep"]["best"]["test_accuracy"]
    assert "93.12\N{NO-BREAK SPACE}%" in rows["4"] and f"{100 * best:.2f}".rstrip("0").rstrip(".") in rows["4"]
    assert "94.01\N{NO-BREAK SPACE}%, from scratch, pictures enlarged to 56×56 | " in rows["E3"]
    assert "MobileNet, 20 epochs | " in rows["E3"]
    assert "**contradicted**" in rows["filters"] and rows["filters"].count("contradicted") == 1
    for name in ("fig14_sweep", "fig14_cost", "fig15_epochs", "fig16_mobilenet"):
        assert f"(full/figures/{name}.png)" in section
    (whole / "params.yaml").write_text(params)
    assert ("enlarged" in told(reports)) == (PARAMS.mobilenet.image_size > original.MOBILENET["image_size"])


def test_a_sweep_whose_noise_was_not_measured(reports):
    change(reports / "sweep/metrics.json", "sweep", "noise", seeds=0, held_out_sd=None)
    for name in ("architecture", "kernel_size", "filters"):
        change(
            reports / "sweep/metrics.json", "sweep", "effects", name, threshold=None, hypothesis="noise not measured"
        )
    change(reports / "epochs/metrics.json", "epochs", threshold=None, enough=None)
    text = told(reports)
    assert "not known" in text and "nothing can be said of where it stops improving" in text
    assert "nan" not in text and "None" not in text


def test_one_number_of_epochs_has_no_trend(reports):
    table = reports / "epochs/budgets.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:2]) + "\n")
    assert "One number of epochs says nothing" in told(reports)


def test_a_last_step_that_loses_is_not_called_a_gain(reports):
    table = reports / "epochs/budgets.csv"
    rows = files.read_csv(table)
    rows[-1]["held_out_accuracy"] = f"{float(rows[-2]['held_out_accuracy']) - 0.0025:f}"
    files.write_csv(table, list(rows[0]), [list(row.values()) for row in rows])
    change(reports / "epochs/metrics.json", "epochs", enough=int(rows[-2]["epochs"]))
    text = told(reports)
    assert "loses 0.25" in text and "gains -" not in text


def test_other_letters_than_the_originals_are_named(reports):
    params = PARAMS.model_copy(deep=True)
    params.finetune.greek.letters[:] = ["delta", "chi"]
    text = prose.report(Study(reports, params))
    assert "delta, chi: rendered; a new last layer alone" in text and "Delta, chi, learned from" in text


def test_letters_of_one_hand_are_not_taken_for_independent(reports):
    table = reports / "finetune/greek/held_out.csv"
    rows = files.read_csv(table)
    for writers, words in ("A", "all of A: "), ("AB", "of A, B: "), ("ABCDEF", "of 6 hands or typefaces: "):
        for number, row in enumerate(rows):
            row["writer"] = writers[number % len(writers)]
        files.write_csv(table, list(rows[0]), [list(row.values()) for row in rows])
        assert f"The letters held out are {words}" in told(reports)


def test_what_is_rendered_is_called_so_and_handwriting_is_not(reports):
    text = told(reports)
    assert "rendered; all layers tuned" in text and "by whole hands or typefaces, kept for testing" in text
    change(reports / "greek/metrics.json", "letters", sources="folder rendered")
    text = told(reports)
    assert "rendered; " not in text and "that chance makes up, not" not in text
    assert "by whole writers, made-up hands or typefaces, kept for testing" in text


@pytest.mark.parametrize(
    ("value", "words"),
    [("-12.345678", "-12.35"), ("-0.004567", "-0.00457"), ("-0.000001", "above -0.00001"), ("0", "above -0.00001")],
)
def test_no_log_probability_is_shown_as_zero(value, words):
    assert log_p(value) == words


def test_the_users_own_letters_are_drawn_where_there_are_any(reports):
    assert "handwriting_greek" not in told(reports)
    with (reports / "recognise/letters.csv").open("a") as file:
        file.write("alpha,greek,learned,data/handwriting/greek/alpha/1.png,alpha,0.9,yes\n")
    assert "(figures/handwriting_greek.png)" in told(reports)


def test_the_users_own_signs_are_told_of_where_there_are_any(reports):
    path = reports / "finetune/signs/metrics.json"
    path.parent.mkdir(exist_ok=True)
    scores = {"n": 2, "accuracy": 0.5, "accuracy_low": 0.09, "accuracy_high": 0.91}
    for metrics, words in (
        ({"train_n": 0, "names": ""}, None),
        (
            {"train_n": 8, "names": "+, x", "all_layers": scores},
            "from 8 pictures. Of 2 signs held out 1 are read right",
        ),
        ({"train_n": 1, "names": "+", "all_layers": {"n": 0}}, "from 1 picture. None are held out."),
        ({"train_n": 8, "names": "+", "all_layers": scores, "digits": scores}, "of each digit beside them, and 50"),
    ):
        path.write_text(json.dumps({"signs": metrics}))
        text = told(reports)
        assert words in text if words else "own signs" not in text


def test_letters_that_were_never_all_learned(reports):
    path = reports / "finetune/greek/metrics.json"
    metrics = json.loads(path.read_text())
    for way in ("last_layer", "all_layers"):
        del metrics["greek"][way]["epochs_to_100"], metrics["greek"][way]["pictures_to_100"]
    path.write_text(json.dumps(metrics))
    text = told(reports)
    assert text.count("| never |") == 2 and "of them in the end" in text


def test_no_letters_held_out(reports):
    for way in ("last_layer", "all_layers"):
        change(reports / "finetune/greek/metrics.json", "greek", way, n=0)
    text = told(reports)
    assert "No letters are held out." in text and "no letters held out" in text


def test_no_labelled_pictures(reports):
    path = reports / "recognise/metrics.json"
    path.write_text(json.dumps({"handwriting": {"digits": {"n": 0, "unknown": 0}, "greek": {"n": 0}}}))
    assert "There are no labelled digits" in told(reports)


def test_a_misread_digit_is_named(reports):
    table = reports / "recognise/readings.csv"
    table.write_text(
        table.read_text().replace("\n0,data/handwriting/digits/0.png,0", "\n0,data/handwriting/digits/0.png,6")
    )
    assert "a 0 as a 6" in told(reports)


HOSTILE = [
    "1. a",
    "2) b",
    "- a",
    "+ a",
    '<img src="x" onerror="alert(1)">',
    "<script>alert(1)</script>",
    "</table><h1>",
    "<!-- a -->",
    "a|b",
    "a\\|b",
    "`code`",
    "``",
    "*bold* _so_ ~~no~~",
    "[text](javascript:alert(1))",
    "![x](figures/letters.png)",
    "<https://example.org>",
    "&lt;b&gt; &amp; &#60;",
    "two\n\n# lines\r\nand\u2028more\ttabs",
    "{{ 7 * 7 }}{% raw %}",
    "a\\",
    "$x$ # 1. - + =",
    "\x1b[31m\u202egnp.exe",
    string.punctuation,
]
SEEN = [one_line(name) for name in HOSTILE]


class Page(HTMLParser):
    """The tags of a page with their attributes, and what a reader sees of it, block by block."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.blocks: list[str] = [""]
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        if tag in ("p", "td", "th", "li", "h2"):
            self.blocks.append("")

    def handle_data(self, data):
        self.blocks[-1] += data


def page(text: str) -> Page:
    return Page(html.page(text, lambda name: (REPORTS / name).read_bytes()))


def rewrite(path: Path, **columns: str) -> None:
    """Give every row of a table these values."""
    rows = list(csv.DictReader(io.StringIO(path.read_text(), newline="")))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row | columns for row in rows)


@pytest.mark.parametrize(("name", "seen"), list(zip(HOSTILE, SEEN, strict=True)))
def test_names_from_outside_are_shown_and_not_obeyed(reports, name, seen):
    usual = page(told(reports))
    rewrite(reports / "finetune/greek/held_out.csv", writer=name)
    rewrite(reports / "finetune/greek/first_letters.csv", label=name, prediction=name)
    rewrite(reports / "recognise/readings.csv", label=name)
    found = page(told(reports))
    assert found.tags == usual.tags  # no tag, no cell and no attribute more or less
    assert sum(block.strip() == seen for block in found.blocks) == 2 * 20  # label and reading of the first letters
    assert any(f"The letters held out are all of {seen}: the intervals" in block for block in found.blocks)
    assert any(f"; it reads a {seen} as a 0, a {seen} as a 1," in block for block in found.blocks)


def test_html_in_markdown_is_text():
    found = page("# A <b>title</b> & more\n\n<script>alert(1)</script>\n\nso <i onclick=x>it</i> is")
    assert {tag for tag, _ in found.tags} == {"html", "meta", "title", "style", "h1", "p"}
    assert "<script>alert(1)</script>" in "".join(found.blocks)


@pytest.mark.parametrize("name", ["DejaVu Serif", "drawer_07", "Anna-Lena (2)", "3.5", "μ"])
def test_a_usual_name_stays_as_it_is(name):
    assert plain(name).replace("\\_", "_") == name


def test_what_a_template_lacks_is_an_error():
    with pytest.raises(UndefinedError):
        TEMPLATES.from_string("{{ nothing }}").render()


def test_templates_may_be_wrapped():
    text = "One\nparagraph,\n  wrapped.\n\n\n- an item\n  goes on\n- another\n\n| a |\n| b |\n"
    assert joined(text) == "One paragraph, wrapped.\n\n- an item goes on\n- another\n\n| a |\n| b |"


def originals() -> set[str]:
    """How the numbers of the original are written that nothing else would be: of three digits and more, and shares."""

    def numbers(value) -> list[int | float]:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
        return [value] if isinstance(value, int | float) else [n for one in inner for n in numbers(one)]

    found = {f"{100 * share:g} %" for share in original.ACCURACIES.values()}
    found |= {f"{share:g}" for share in original.ACCURACIES.values()}
    for own in (original.OWN_DIGITS, *original.LETTERS.values()):
        found.add(f"{own['right']} of {own['n']}")
    for n in numbers([value for name, value in vars(original).items() if name.isupper()]):
        if len(f"{n:g}".strip("0.").replace(".", "")) >= 3:
            found.add(f"{n:g}")
            found.add(f"{100 * n:g}") if n < 1 else None
    found |= {f"{original.CONVERGED}", f"{original.CONVERGED:,}", f"{original.CONVERGED:_}", original.LETTER_SCALE}
    for layers in original.LAYERS.values():
        found |= set(re.findall(r"\d{3,}→\d+", layers))
    return found


def test_every_number_of_the_original_stands_once():
    found = originals()
    assert {"98 %", "90.7", "89.21", "91 %", "0.907", "0.6585", "0.4231", "12 of 15", "100,000", "980→50"} <= found
    folders = [ROOT / "recognition/telling", ROOT / "stages"]
    paths = [path for folder in folders for path in folder.rglob("*") if path.suffix in (".py", ".j2")]
    assert len(paths) > 30
    for path in paths:
        if path.name != "original.py":
            own = found - {"0.98", "0.91"} if path.parent.name == "figures" else found  # there, inches
            said = path.read_text().replace("\N{NO-BREAK SPACE}", " ")
            assert not re.findall(rf"(?<![\w.])(?:{'|'.join(map(re.escape, sorted(own)))})(?!\d)", said), path
    text = (ROOT / "recognition/telling/original.py").read_text()
    for own in ("0.907", "0.8921", "0.6585", "0.4231", "100_000", "0.1307", "0.3081", "36/128"):
        assert text.count(own) == 1


def test_a_number_of_the_original_is_told_as_it_stands_there(reports, monkeypatch):
    shutil.rmtree(reports / "full", ignore_errors=True)  # which tells it once more
    assert "73.19" not in told(reports)
    monkeypatch.setitem(original.ACCURACIES, "longer", 0.7319)
    assert told(reports).count("73.19") == 2


def test_verdicts_and_noise_are_told_of_these_pictures(reports):
    for paragraph in told(reports).split("\n\n"):
        if re.search(
            r"[Tt]he noise:|chance reaches|verdict|[Cc]hance alone|hypothesis on|as good as each other", paragraph
        ):
            assert re.search(r"\b(these|those) (held-out )?pictures", paragraph), paragraph
    assert told(reports).count("other pictures would add a spread of their own") == 1


def test_a_template_can_be_read_in_one_go():
    for path in (ROOT / "recognition/telling/templates").iterdir():
        assert len(path.read_text().splitlines()) <= 350, path


def test_the_page_needs_no_other_file_and_no_network():
    page = html.page(told(REPORTS), lambda name: (REPORTS / name).read_bytes())
    assert not re.findall(r"<(?:script|link|iframe)|url\(|@import", page)
    sources = re.findall(r'src="([^"]*)"', page)
    assert len(sources) == len(re.findall(r"\((?:full/)?figures/\w+\.png\)", told(REPORTS)))
    assert all(source.startswith("data:image/png;base64,") for source in sources)
