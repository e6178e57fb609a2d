"""The report as one page of HTML."""

import base64
import io
from collections.abc import Callable

from markdown_it import MarkdownIt
from PIL import Image

from recognition.telling.markdown import TEMPLATES

SCALE = 0.55  # of a page's pixels to a figure's, so that a figure of full width fills the column


def page(text: str, read: Callable[[str], bytes]) -> str:
    """HTML that needs no other file and no network, of Markdown whose first line is the title. HTML in the Markdown is
    shown and not obeyed. `read` gives the bytes of a PNG that the Markdown shows, by the name that it has there; what
    it raises is raised here."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text)
    for token in (child for block in tokens for child in block.children or []):
        if token.type == "image":
            content = read(str(token.attrs["src"]))
            token.attrs["src"] = f"data:image/png;base64,{base64.b64encode(content).decode()}"
            token.attrs["width"] = round(SCALE * Image.open(io.BytesIO(content)).width)
    body = markdown.renderer.render(tokens, markdown.options, {})
    body = body.replace("<table>", '<div class="table"><table>').replace("</table>", "</table></div>")
    title = text.splitlines()[0].removeprefix("# ")
    return TEMPLATES.get_template("page.html.j2").render(title=title, body=body)
