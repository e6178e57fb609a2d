"""The report: every number from what the stages wrote, every gap said, one page that needs nothing else."""

import json
import re
import shutil
from pathlib import Path

import pytest

from recognition.base.params import load
from recognition.telling import prose
from stages import report

ROOT = Path(__file__).parent.parent
REPORTS = ROOT / "reports"
PARAMS = load(ROOT / "params.yaml")
SEED = ["1A", "1B", "1C", "1D", "1E", "1F", "2A", "2B", "3", "4", "4'", "E1", "E2", "E3"]


@pytest.fixture
def reports(tmp_path) -> Path:
    return shutil.copytree(REPORTS, tmp_path / "reports")


def told(reports: Path) -> str:
    return prose.report(prose.Study(reports, PARAMS))


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
    assert "Not there yet" not in text
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
    change(reports / "evaluate/metrics.json", "mnist", test_accuracy=0.95, test_accuracy_high=0.96)
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


def test_other_letters_than_the_originals_are_named(reports):
    params = PARAMS.model_copy(deep=True)
    params.finetune.greek.letters[:] = ["delta", "chi"]
    text = prose.report(prose.Study(reports, params))
    assert "delta, chi: print; a new last layer alone" in text and "Delta, chi, learned from" in text


def test_letters_of_one_hand_are_not_taken_for_independent(reports):
    table = reports / "finetune/greek/held_out.csv"
    assert "The letters held out are all of DejaVu Serif" in told(reports)
    table.write_text(re.sub("DejaVu Serif", "Anna", re.sub("DejaVu Serif", "Ben", table.read_text(), count=1)))
    assert "The letters held out are of Anna, Ben: " in told(reports)


def test_print_is_called_print_and_handwriting_is_not(reports):
    assert "print; all layers tuned" in told(reports)
    change(reports / "greek/metrics.json", "letters", sources="folder rendered")
    text = told(reports)
    assert "print; " not in text and "are print" not in text and "by writers, or in typefaces," in text


@pytest.mark.parametrize(
    ("value", "words"),
    [("-12.345678", "-12.35"), ("-0.004567", "-0.00457"), ("-0.000001", "above -0.00001"), ("0", "above -0.00001")],
)
def test_no_log_probability_is_shown_as_zero(value, words):
    assert prose.log_p(value) == words


def test_the_users_own_letters_are_drawn_where_there_are_any(reports):
    assert "handwriting_greek" not in told(reports)
    with (reports / "recognise/letters.csv").open("a") as file:
        file.write("alpha,greek,learned,data/handwriting/greek/alpha/1.png,alpha,0.9\n")
    assert "(figures/handwriting_greek.png)" in told(reports)


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
    path.write_text(json.dumps({"handwriting": {"digits": {"n": 0}, "greek": {"n": 0}}}))
    assert "There are no labelled digits" in told(reports)


def test_a_misread_digit_is_named(reports):
    table = reports / "recognise/readings.csv"
    table.write_text(
        table.read_text().replace("\n0,data/handwriting/digits/0.png,0", "\n0,data/handwriting/digits/0.png,6")
    )
    assert "a 0 as a 6" in told(reports)


def test_a_bar_in_a_cell_does_not_end_it():
    assert prose.table(["a"], [["b|c"]]).splitlines()[-1] == "| b/c |"


def test_the_page_needs_no_other_file_and_no_network(monkeypatch):
    monkeypatch.setattr(report, "REPORTS", REPORTS)
    page = report.page(told(REPORTS))
    assert page == (REPORTS / "report.html").read_text()
    assert not re.findall(r"<(?:script|link|iframe)|url\(|@import", page)
    sources = re.findall(r'src="([^"]*)"', page)
    assert len(sources) == len(re.findall(r"\(figures/\w+\.png\)", told(REPORTS)))
    assert all(source.startswith("data:image/png;base64,") for source in sources)
