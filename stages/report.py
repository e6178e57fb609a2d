"""Tell the whole study: reports/report.md, and report.html as one file with its pictures inside."""

from pathlib import Path

from recognition.base import files
from recognition.base.params import load
from recognition.telling import html, prose
from recognition.telling.study import Study
from stages import run

REPORTS = Path("reports")


def main() -> None:
    text = prose.report(Study(REPORTS, load(Path("params.yaml"))))
    page = html.page(text, read=lambda name: (REPORTS / name).read_bytes())
    files.write_bytes(REPORTS / "report.md", text.encode())
    files.write_bytes(REPORTS / "report.html", page.encode())


if __name__ == "__main__":
    run(main)
