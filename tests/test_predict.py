"""`python -m recognition predict` as a user runs it: rows, lines and exit codes."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from recognition import __main__, networks
from recognition.base.determinism import generator
from recognition.training import checkpoints, doubt
from recognition.training.checkpoints import Checkpoint
from recognition.training.datasets import Normalisation

ROOT = Path(__file__).parent.parent
DIGITS = ROOT / "data/handwriting/digits"
LETTERS = ["alpha", "beta", "gamma"]
EVERYTHING = doubt.Known(torch.ones(3, 1, 1030, dtype=torch.int8), doubt.FURTHEST)  # is known


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """An untrained network of three letters: what it reads is arbitrary, how it is said is not."""
    arguments = {"classes": 3}
    network = networks.build("MnistNet", arguments, generator(0, "weights"))
    path = tmp_path_factory.mktemp("model") / "letters.pth"
    checkpoints.save(
        path,
        Checkpoint("MnistNet", arguments, network.state_dict(), LETTERS, Normalisation(0.13, 0.31), 1, *EVERYTHING),
    )
    return path


COMMAND = [sys.executable, "-m", "recognition", "predict"]


@pytest.fixture
def predict(monkeypatch, capsys):
    """The command in this process, whose start would be most of its time, ended as Python ends a program."""

    def called(*arguments) -> subprocess.CompletedProcess:
        monkeypatch.setattr(sys, "argv", ["recognition", "predict", *map(str, arguments)])
        try:
            code = __main__.main()
        except SystemExit as ended:
            code = ended.code
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(
            sys.argv, 1 if isinstance(code, str) else code, out, f"{err}{code}\n" if isinstance(code, str) else err
        )

    return called


def test_a_folder_is_a_row_a_picture_printed_and_written(model, tmp_path):
    """The whole program."""
    table = tmp_path / "out" / "rows.csv"
    command = [*COMMAND, DIGITS, DIGITS / "3.png", "--model", model, "--csv", table]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == table.read_text()
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert list(rows[0]) == ["path", "prediction", "probability", "known", *LETTERS]
    assert [Path(row["path"]) for row in rows] == [*sorted(DIGITS.iterdir()), DIGITS / "3.png"]
    for row in rows:
        shares = [float(row[name]) for name in LETTERS]
        assert sum(shares) == pytest.approx(1, abs=2e-6)
        assert float(row["probability"]) == max(shares) == float(row[row["prediction"]])
        assert row["known"] == "yes"


def test_what_is_not_known_is_read_and_said(predict, model, tmp_path):
    checkpoints.save(tmp_path / "strict.pth", checkpoints.load(model)._replace(threshold=0.0))
    done = predict(DIGITS / "7.png", "--model", tmp_path / "strict.pth")
    (row,) = csv.DictReader(done.stdout.splitlines())
    assert done.returncode == 0 and row["known"] == "no" and row["prediction"] in LETTERS


def test_what_takes_a_second_to_import_stays_out(model):
    command = [sys.executable, "-X", "importtime", *COMMAND[1:], DIGITS / "7.png", "--model", model]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "torch" in imported and not {"torchvision", "scipy.stats", "torch._dynamo", "sympy", "matplotlib"} & imported


def test_what_cannot_be_read_is_a_line_and_the_rest_is_still_read(predict, model, tmp_path):
    Image.fromarray(np.full((60, 60), 240, np.uint8)).save(tmp_path / "empty.png")
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "7.png").write_bytes((DIGITS / "7.png").read_bytes())
    done = predict(tmp_path, "--model", model)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 2 and "deep/7.png" in done.stdout
    lines = done.stderr.splitlines()
    assert len(lines) == 2 and all(line.startswith(f"error: {tmp_path}") for line in lines)


@pytest.mark.parametrize("wrong", ["picture", "model"])
def test_a_path_that_is_not_there_is_one_line(predict, model, tmp_path, wrong):
    done = predict(
        tmp_path / "none.png" if wrong == "picture" else DIGITS,
        "--model",
        tmp_path / "x" if wrong == "model" else model,
    )
    assert done.returncode == 1 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and str(tmp_path) in done.stderr


def test_a_folder_without_a_picture_is_one_line(predict, model, tmp_path):
    (tmp_path / "IMG_1.HEIC").write_bytes(b"photo")
    done = predict(tmp_path, "--model", model)
    assert (done.returncode, done.stdout) == (1, "")
    passed, line = done.stderr.splitlines()
    assert passed.startswith("passed over, no pictures by their names: 1 .heic; `pip install pillow-heif` to have ")
    assert str(tmp_path) in line and ".jpg" in line


def test_what_is_passed_over_is_told_and_no_error(predict, model, tmp_path):
    (tmp_path / "notes.txt").touch()
    (tmp_path / "7.png").write_bytes((DIGITS / "7.png").read_bytes())
    done = predict(tmp_path, "--model", model)
    assert (done.returncode, done.stderr) == (0, "passed over, no pictures by their names: 1 .txt\n")


def test_every_folder_without_pictures_is_told_and_an_error_where_there_are_no_others(predict, model, tmp_path):
    folders = [tmp_path / name for name in ("a", "b", "c")]
    for folder in folders:
        (folder / "inside").mkdir(parents=True)
    done = predict(*folders, "--model", model)
    line = "no pictures there; their names end in .jpg, .png or another such suffix\n"
    assert (done.returncode, done.stderr) == (1, f"error: {folders[0]} and 2 more: {line}")
    (folders[1] / "inside" / "7.png").write_bytes((DIGITS / "7.png").read_bytes())
    done = predict(*folders, "--model", model)
    assert (done.returncode, done.stderr) == (0, f"{folders[0]} and 1 more: {line}")


def test_a_table_that_cannot_be_written_is_one_line(predict, model, tmp_path):
    done = predict(DIGITS / "7.png", "--model", model, "--csv", tmp_path)
    assert done.returncode == 1 and "7.png" in done.stdout
    assert len(done.stderr.splitlines()) == 1 and str(tmp_path) in done.stderr


def test_a_table_goes_through_a_link_and_to_a_device(predict, model, tmp_path):
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    done = predict(DIGITS / "7.png", "--model", model, "--csv", tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink() and (tmp_path / "real.csv").read_text() == done.stdout
    done = predict(DIGITS / "7.png", "--model", model, "--csv", "/dev/null")
    assert done.returncode == 0 and Path("/dev/null").is_char_device()


def test_a_file_name_that_is_no_text_is_read_like_any(model, tmp_path):
    name = os.fsencode(tmp_path) + b"/7_\xff.png"
    Path(os.fsdecode(name)).write_bytes((DIGITS / "7.png").read_bytes())
    command = [*COMMAND, tmp_path, "--model", model, "--csv", tmp_path / "t.csv"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    assert name in done.stdout and (tmp_path / "t.csv").read_bytes() == done.stdout


def test_to_a_terminal_a_name_gives_no_orders(predict, model, tmp_path, monkeypatch):
    (tmp_path / "7_\x1b[2J.png").write_bytes((DIGITS / "7.png").read_bytes())
    assert "7_\x1b[2J.png" in predict(tmp_path, "--model", model).stdout
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    lines = predict(tmp_path, "--model", model).stdout.splitlines()
    assert len(lines) == 2 and r"7_\x1b[2J.png" in lines[1] and lines[1].isprintable()


def test_what_is_told_of_a_folder_gives_no_orders_either(predict, model, tmp_path):
    (tmp_path / "7_\x1b[2J\n.png").symlink_to("nowhere")
    (tmp_path / "a.\x1b[2J\n").touch()
    passed, failed = predict(tmp_path, "--model", model).stderr.splitlines()
    assert r"1 .\x1b[2j" in passed and passed.isprintable()
    assert r"7_\x1b[2J .png: a link that leads nowhere" in failed and failed.isprintable()


def test_in_a_terminal_of_few_signs_the_rest_is_replaced_and_names_are_their_bytes(model, tmp_path):
    name = os.fsencode(tmp_path) + "/β_".encode() + b"\xff.png"
    Path(os.fsdecode(name)).write_bytes((DIGITS / "7.png").read_bytes())
    (tmp_path / "β.png").symlink_to("nowhere")
    command = [*COMMAND, tmp_path, "--model", model]
    settings = os.environ | {"PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, env=settings)
    assert done.returncode == 1 and name.replace("β".encode(), b"?") in done.stdout
    assert rb"\u03b2.png: a link that leads nowhere" in done.stderr and done.stderr.count(b"\n") == 1


def test_probabilities_that_are_no_numbers_are_one_line(predict, tmp_path):
    """Weights may be finite and yet lead beyond what floats hold."""
    network = networks.build("MnistNet", {"classes": 3}, generator(0, "weights"))
    weights = {name: weight.sign() * 3e38 for name, weight in network.state_dict().items()}
    checkpoint = Checkpoint("MnistNet", {"classes": 3}, weights, LETTERS, Normalisation(0.13, 0.31), 1, *EVERYTHING)
    checkpoints.save(tmp_path / "wild.pth", checkpoint)
    done = predict(DIGITS / "7.png", "--model", tmp_path / "wild.pth")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1 and "probabilities that are no numbers; train it anew" in done.stderr


def shell(command: str) -> tuple[int, str]:
    """A line of bash, whose programs keep what they print as Python does by itself: exit code and stderr."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m recognition {command}; exit ${{PIPESTATUS[0]}}"],
        cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    return done.returncode, done.stderr


def test_who_reads_only_the_first_line_sees_no_traceback(model):
    assert shell(f"predict {DIGITS} --model {model} | true") == (0, "")
    assert shell("results | true") == (0, "")


def test_who_does_not_listen_is_no_reason_to_call_it_done(model):
    code, told = shell(f"predict {DIGITS} --model {model} --csv /proc/x.csv | true")
    assert code == 1 and told.startswith("error: /proc/x.csv: ") and told.count("\n") == 1


def test_a_full_disk_behind_stdout_is_one_line(model):
    for command in (f"predict {DIGITS} --model {model}", "results"):
        code, told = shell(f"{command} > /dev/full")
        assert code == 1 and told.startswith("error: ") and "No space left" in told and told.count("\n") == 1


def test_without_a_path_it_says_how_to_ask(predict):
    done = predict()
    assert done.returncode == 2 and "PATH" in done.stderr
