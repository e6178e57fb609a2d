"""make's own check of git, in a folder whose environment is ready."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="no make here")
MAKEFILE = Path(__file__).parent.parent / "Makefile"
PINS = ["requirements-cluster.txt", "requirements-browser.txt", "requirements.txt", "requirements-numbers.txt"]


@pytest.fixture
def make(tmp_path):
    """Run make in a git clone with a ready environment, whose programs only say their names."""
    shutil.copy(MAKEFILE, tmp_path)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / "data").mkdir()
    for name in "dvc", "ruff", "pyrefly", "pytest", "python":
        (tmp_path / ".venv/bin" / name).write_text(f"#!/bin/sh\necho {name} $*\necho user: $USER\n")
        (tmp_path / ".venv/bin" / name).chmod(0o755)
    for age, name in enumerate([*PINS, ".venv/ready", ".venv/cluster"]):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (age, age))
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "MAKE"))}
    bare |= {"LC_ALL": "C", "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}
    bare |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}  # which may trust every folder
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, env=bare, check=True)

    def run(*words: str, cwd: Path = tmp_path, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["make", *words], cwd=cwd, env=bare | environment, capture_output=True, text=True, check=False
        )

    return run


@pytest.mark.parametrize("target", ["repro", "test"])
def test_a_ready_environment_is_not_made_again(make, target):
    done = make(target)
    assert done.returncode == 0, done.stderr
    assert "dvc repro" in done.stdout and "pip install" not in done.stdout


@pytest.mark.parametrize("pins", PINS)
def test_an_environment_of_other_pins_is_made_anew(make, tmp_path, pins):
    os.utime(tmp_path / pins, (100, 100))
    done = make("--dry-run", "test")
    assert done.returncode == 0, done.stderr
    assert ("-m venv --clear" in done.stdout) == (pins in PINS[2:])
    assert "-r requirements-cluster.txt -r requirements-browser.txt" in done.stdout


@pytest.mark.parametrize("target", ["repro", "test"])
def test_without_a_git_clone_nothing_runs(make, tmp_path, target):
    shutil.rmtree(tmp_path / ".git")
    done = make(target)
    assert done.returncode and not done.stdout
    assert "not a git repository" in done.stderr and "error: see git's words above" in done.stderr


def test_git_speaks_for_itself_where_the_clone_is_anothers(make):
    done = make("repro", GIT_TEST_ASSUME_DIFFERENT_OWNER="1")
    assert done.returncode and not done.stdout
    assert "dubious ownership" in done.stderr and "safe.directory" in done.stderr


def test_a_run_ends_with_what_its_user_wants_to_know(make):
    assert [line for line in make("repro").stdout.splitlines() if line and "user:" not in line][:2] == [
        *("dvc repro", "python -m recognition results")
    ]
    assert re.fullmatch(r"Took: +\d+ min \d+ s", make("repro").stdout.splitlines()[-1])


def test_who_has_no_name_is_called_by_number(make):
    assert f"user: {os.getuid()}\n" in make("repro", USER="").stdout
    assert "user: anna\n" in make("repro", USER="anna").stdout


GUARDED = ["repro", "full", "plots", "test", "prove", "lint"]


@pytest.mark.parametrize("target", GUARDED)
def test_a_name_that_is_not_utf8_is_named_before_any_work(make, tmp_path, target):
    place = tmp_path / "data/handwriting/digits"
    place.mkdir(parents=True)
    (place / "é.png").touch()
    assert make("names").returncode == 0
    Path(os.fsdecode(os.fsencode(place) + b"/7_\xff\x1b.png")).touch()
    done = make(target)
    assert done.returncode and not done.stdout
    assert done.stderr.splitlines()[0].startswith("error: data/handwriting/digits/7_??.png: its name is not UTF-8")


@pytest.mark.parametrize("target", GUARDED)
def test_a_path_that_breaks_dvcs_queue_is_named_before_any_work(make, tmp_path, target):
    """Of a new clone: before the environment is made, too."""
    place = tmp_path / "a#1"
    shutil.copytree(tmp_path, place)
    (place / ".venv/ready").unlink()
    done = make(target, cwd=place)
    assert done.returncode and not done.stdout
    assert done.stderr.splitlines()[0].startswith(f"error: {place}: a # in a path breaks DVC's queue")


@pytest.mark.parametrize("name", ["it's", "two words", 'it\'s $HOME `here` "now"'])
@pytest.mark.parametrize("target", GUARDED)
def test_any_other_path_will_do(make, tmp_path, target, name):
    place = tmp_path / name
    shutil.copytree(tmp_path, place)
    (place / ".cache").mkdir()
    (place / ".cache/plots.html").touch()
    done = make(target, cwd=place)
    assert done.returncode == 0, done.stderr


def test_the_page_of_plots_has_its_scripts_inside(make, tmp_path):
    """npm replaced by one whose packages hold a script that would end the page's own."""
    npm = tmp_path / ".venv/bin/npm"
    npm.write_text(
        "#!/bin/sh\nfor last; do case $last in *@*) name=${last%@*}; mkdir -p package/build\n"
        "echo \"draw('$name', '</script>')\" > package/build/$name.min.js\n"
        'tar -czf "$5/$(echo $last | tr @ -).tgz" package;; esac; done\n'
    )
    npm.chmod(0o755)
    done = make("plots")
    assert done.returncode == 0, done.stderr
    assert "dvc plots show --html-template .cache/plots.html" in done.stdout
    page = (tmp_path / ".cache/plots.html").read_text()
    names = ["vega", "vega-lite", "vega-embed"]
    assert all(f"draw('{name}', '<\\/script>')" in page for name in names) and page.count("</script>") == 3
    assert "{plot_divs}" in page and "{scripts}" not in page and "http" not in page
    npm.write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / ".cache/plots.html").unlink()
    assert make("plots").returncode and not (tmp_path / ".cache/plots.html").exists()


def test_help_lists_every_target_for_the_user(make):
    assert [line.split()[1] for line in make("help").stdout.splitlines()] == [
        *("help", "repro", "full", "plots", "test", "prove", "lint", "clean")
    ]
