"""A picture of the page, for README: `python -m benchmarks.page` draws a year, and writes reports/page.png.

Needs a Chromium, and playwright of requirements-browser.txt.
"""

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from recognition.base import files

PICTURE = Path("reports/page.png")
WINDOW = {"width": 1200, "height": 800}
COLOURS = 64
YEAR = [  # strokes of points on the paper, which is 960 wide
    [(110, 215), (130, 180), (180, 170), (215, 205), (205, 260), (160, 330), (110, 400), (170, 395), (235, 400)],
    [(350, 180), (305, 225), (295, 310), (320, 385), (370, 400), (410, 350), (415, 260), (390, 195), (350, 180)],
    [(500, 220), (525, 180), (575, 175), (605, 215), (590, 270), (545, 335), (500, 400), (560, 395), (620, 400)],
    [(780, 170), (730, 225), (695, 300), (700, 370), (745, 405), (790, 375), (785, 325), (740, 310), (705, 345)],
]


def main() -> None:
    command = [sys.executable, "-m", "recognition", "page", "--no-browser", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server, sync_playwright() as playwright:
        try:
            address = re.match(r"http://\S+", server.stdout.readline() if server.stdout else "")
            assert address, "the page did not start"
            chromium = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport=WINDOW)
            page.goto(address[0])
            write(page)
            expect(page.locator("#said")).to_contain_text("2026", timeout=60_000)
            page.locator("#lines button").last.click()
            page.locator("summary").click()
            expect(page.locator("#responses [role=img]")).to_have_count(10)
            content = page.screenshot(full_page=True)
        finally:
            server.terminate()
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    picture = picture.quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    files.write_png(PICTURE, picture)


def write(page: Page) -> None:
    """The year, with the mouse."""
    box = page.locator("#paper").bounding_box()
    assert box
    scale = box["width"] / 960
    for first, *others in YEAR:
        page.mouse.move(box["x"] + scale * first[0], box["y"] + scale * first[1])
        page.mouse.down()
        for x, y in others:
            page.mouse.move(box["x"] + scale * x, box["y"] + scale * y, steps=5)
        page.mouse.up()


if __name__ == "__main__":
    main()
