"""Tell the whole study: reports/report.md, and report.html as one file with its pictures inside."""

import base64
import io
from pathlib import Path

from markdown_it import MarkdownIt
from PIL import Image

from recognition.base import files
from recognition.base.params import load
from recognition.telling import prose
from stages import run

REPORTS = Path("reports")
SCALE = 0.55  # of a page's pixels to a figure's, so that a figure of full width fills the column
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 17px/1.5 Georgia, serif; color: #222; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }}
h1, h2 {{ font-family: system-ui, sans-serif; line-height: 1.2; margin-top: 2.5rem; }}
img {{ display: block; max-width: 100%; height: auto; margin: 1.5rem auto 0; }}
.table {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font: 14px/1.4 system-ui, sans-serif; margin: 1rem 0; }}
th, td {{ text-align: left; vertical-align: top; padding: .3rem .35rem; border-bottom: 1px solid #ccc; }}
code {{ font-size: .85em; overflow-wrap: anywhere; }}
@media screen and (max-width: 40rem) {{
  p:has(img) {{ overflow-x: auto; }}
  img {{ max-width: 38rem; }}
  table {{ font-size: 12px; }}
}}
@media print {{
  body {{ max-width: none; margin: 0; font-size: 11pt; }}
  table {{ font-size: 8pt; }}
  .table {{ overflow: visible; }}
  img {{ max-height: 11cm; }}
  h2, p:has(img) {{ break-after: avoid; }}
  tr {{ break-inside: avoid; }}
}}
</style>
{body}
</html>
"""


def main() -> None:
    text = prose.report(prose.Study(REPORTS, load(Path("params.yaml"))))
    files.write_bytes(REPORTS / "report.md", text.encode())
    files.write_bytes(REPORTS / "report.html", page(text).encode())


def page(text: str) -> str:
    """HTML that needs no other file and no network."""
    markdown = MarkdownIt("commonmark").enable("table")
    tokens = markdown.parse(text)
    for token in (child for block in tokens for child in block.children or []):
        if token.type == "image":
            content = (REPORTS / str(token.attrs["src"])).read_bytes()
            token.attrs["src"] = f"data:image/png;base64,{base64.b64encode(content).decode()}"
            token.attrs["width"] = round(SCALE * Image.open(io.BytesIO(content)).width)
    body = markdown.renderer.render(tokens, markdown.options, {})
    body = body.replace("<table>", '<div class="table"><table>').replace("</table>", "</table></div>")
    return PAGE.format(title=text.splitlines()[0].removeprefix("# "), body=body)


if __name__ == "__main__":
    run(main)
