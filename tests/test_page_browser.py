"""The page as its users have it: in a headless Chromium, with a network that was trained for a moment."""

import base64
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from PIL import Image
from test_page import EPOCHS

from recognition.ink.pictures import label_of, prepare
from recognition.page import app, worker
from recognition.page.project import Network, Project
from recognition.page.server import Page as Answers
from recognition.page.server import Server
from recognition.training import checkpoints, datasets

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
AXE = "axe-core@4.14.1"
ROOT = Path(__file__).parent.parent
DIGITS = ROOT / "data/handwriting/digits"
SEVEN = [[(360, 120), (600, 120), (450, 500)]]
ONE = [[(480, 100), (480, 500)]]

pytest.importorskip("playwright", reason="no playwright here: pip install -r requirements-browser.txt")
if not CHROMIUM:
    pytest.skip("no Chromium here: apt install chromium", allow_module_level=True)

from playwright.sync_api import BrowserContext, Locator, Page, expect, sync_playwright  # noqa: E402

WAIT_MS = 120_000  # on a machine with other work
expect.set_options(timeout=WAIT_MS)


@pytest.fixture(scope="module")
def project(digit_network, tmp_path_factory) -> Project:
    root = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "params.yaml", root)
    there = {
        "digits": Network("digits", digit_network, "dvc repro train"),
        "greek": Network("Greek letters", root / "none.pth", "dvc repro finetune@greek"),
        "strict": Network("nothing known", root / "strict.pth", "make it"),
    }
    checkpoints.save(there["strict"].path, checkpoints.load(digit_network)._replace(threshold=0.0))
    return Project(root, there)


@pytest.fixture(scope="module")
def behind(project) -> Iterator[Answers]:
    """What answers, with one process that reads for all tests."""
    with pytest.MonkeyPatch.context() as patch:  # on a machine with other work
        patch.setattr(worker, "LIMIT_S", 300)
        patch.setattr(worker, "START_S", 300)
        yield app.page(project)


@pytest.fixture
def start(behind):
    """Start a server of the page: start(port, root) gives it, and what stops it."""
    started: list[Server] = []

    def begin(port: int = 0, root: str | None = None) -> Server:
        server = Server("127.0.0.1", port, guarded=True)
        server.page = behind
        server.root = root or server.root
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        started.append(server)
        return server

    yield begin
    for server in started:
        stop(server)


def stop(server: Server) -> None:
    server.shutdown()
    server.server_close()


@pytest.fixture
def serving(start) -> Server:
    return start()


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        yield (found := playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]))
        found.close()


@pytest.fixture
def opened(browser, serving):
    """Open tabs: opened(touch=...) gives one. Nothing may be asked of another host, and no script may fail."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def asked(request) -> None:
        if not request.url.startswith((serving.url, "data:", "blob:")):
            wrong.append(request.url)

    def tab(context: BrowserContext | None = None, **options) -> Page:
        if context is None:
            contexts.append(context := browser.new_context(**options))
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("request", asked)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
        page.goto(serving.url)
        expect(page.locator("#network option")).to_have_count(3)
        return page

    yield tab
    for context in contexts:
        context.close()
    assert not wrong


def place(page: Page, x: float, y: float) -> tuple[float, float]:
    """Of a point on the paper, which is 960 wide, in the window."""
    box = page.locator("#paper").bounding_box()
    return box["x"] + x * box["width"] / 960, box["y"] + y * box["width"] / 960


def write(page: Page, strokes: list, lift: bool = True) -> None:
    """With the mouse."""
    for first, *others in strokes:
        page.mouse.move(*place(page, *first))
        page.mouse.down()
        for point in others:
            page.mouse.move(*place(page, *point), steps=6)
        if lift:
            page.mouse.up()


def touch(page: Page, strokes: list) -> None:
    """With a finger."""
    session = page.context.new_cdp_session(page)
    for stroke in strokes:
        for i, point in enumerate(stroke):
            x, y = place(page, *point)
            kind = "touchMove" if i else "touchStart"
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def said(page: Page) -> Locator:
    return page.locator("#said")


def seen(page: Page) -> np.ndarray:
    """(28, 28), what the page shows of what the network sees."""
    values = page.evaluate("[...document.getElementById('seen').getContext('2d').getImageData(0, 0, 28, 28).data]")
    return np.array(values, np.uint8).reshape(28, 28, 4)[..., 0]


def drop(page: Page, name: str, content: bytes) -> None:
    page.evaluate(
        """([name, content]) => {
            const bytes = Uint8Array.from(atob(content), (sign) => sign.charCodeAt(0));
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([bytes], name));
            document.getElementById("paper").dispatchEvent(new DragEvent("drop", {dataTransfer, bubbles: true}));
        }""",
        [name, base64.b64encode(content).decode()],
    )


def sheet() -> bytes:
    """A page with 17 above 4, of the project's own digits."""
    page = Image.new("L", (800, 800), 235)
    for name, at in (("1", (0, 0)), ("7", (400, 0)), ("4", (200, 400))):
        page.paste(Image.open(DIGITS / f"{name}.png").convert("L"), at)
    return png(np.asarray(page))


def png(grey: np.ndarray) -> bytes:
    Image.fromarray(grey).save(content := io.BytesIO(), "PNG")
    return content.getvalue()


# ---- writing


@pytest.mark.parametrize("finger", [False, True])
def test_what_is_drawn_is_read(opened, finger):
    page = opened(has_touch=finger)
    expect(said(page)).to_have_text("Nothing is written yet.")
    (touch if finger else write)(page, SEVEN)
    expect(said(page)).to_contain_text("It reads 7")
    assert page.locator("#bars li").count() == 10
    expect(page.locator("#bars .first")).to_contain_text("7")
    shares = [float(text.removesuffix(" %")) for text in page.locator("#bars b").all_inner_texts()]
    assert sum(shares) == pytest.approx(100, abs=0.5)
    assert seen(page).max() > 200 and (seen(page) == 0).mean() > 0.5


def test_what_is_drawn_with_the_keyboard_is_read_too(opened):
    page = opened()
    page.locator("#paper").focus()
    keys = (("ArrowLeft", 10), (" ", 1), ("ArrowRight", 20), ("ArrowDown", 20), (" ", 1))
    for at, (key, times) in enumerate(keys):
        for _ in range(times):
            page.keyboard.press(key)
        if at == 1:
            expect(page.locator("#pen")).to_have_text("Pen down, 38 % from the left, 25 % from the top.")
    expect(page.locator("#pen")).to_have_text("Pen up, 63 % from the left, 65 % from the top.")
    expect(said(page)).to_contain_text("It reads")
    assert seen(page).any()
    page.locator("#clear").focus()
    page.keyboard.press("Delete")  # is meant on the paper
    assert strokes(page) == 1
    page.keyboard.press("Control+z")
    expect(said(page)).to_have_text("Nothing is written yet.")


def test_undo_takes_a_stroke_and_clear_all_of_them(opened):
    page = opened()
    write(page, ONE)
    expect(said(page)).to_contain_text("It reads 1")
    before = seen(page)
    write(page, [[(300, 300), (660, 300)]])
    expect(page.locator("#one")).to_be_visible()
    page.wait_for_function(
        "before => document.getElementById('said').textContent !== before", arg=said(page).inner_text()
    )
    page.locator("#undo").click()
    expect(said(page)).to_contain_text("It reads 1")
    assert np.array_equal(seen(page), before)
    page.locator("#clear").click()
    expect(said(page)).to_have_text("Nothing is written yet.")
    expect(page.locator("#one")).to_be_hidden()


def test_a_reload_keeps_what_is_written_and_tabs_do_not_share_it(opened):
    page = opened()
    write(page, SEVEN)
    expect(said(page)).to_contain_text("It reads 7")
    other = opened(page.context)
    write(other, ONE)
    expect(said(other)).to_contain_text("It reads 1")
    before = seen(page)
    page.reload()
    expect(said(page)).to_contain_text("It reads 7")
    assert np.array_equal(seen(page), before)


def test_a_server_that_is_gone_is_told_and_what_is_written_is_read_once_it_is_back(opened, serving, start):
    page = opened()
    write(page, SEVEN, lift=False)  # the pen is down while it goes
    stop(serving)
    page.mouse.up()
    expect(said(page)).to_contain_text("The server does not answer")
    start(serving.server_address[1], serving.root)
    expect(said(page)).to_contain_text("It reads 7")


def strokes(page: Page) -> int:
    return len(json.loads(page.evaluate("sessionStorage.strokes")))


def test_a_stroke_that_something_else_ends_is_over(opened):
    page = opened()
    write(page, ONE)
    for press, left in (("Control+z", 1), ("Delete", 0)):
        write(page, [[(300, 300), (660, 300)]], lift=False)
        page.keyboard.press(press)
        page.mouse.move(*place(page, 700, 500), steps=3)
        page.mouse.up()
        assert strokes(page) == left
    write(page, SEVEN, lift=False)
    drop(page, "7.txt", b"seven")
    page.mouse.move(*place(page, 700, 500), steps=3)
    page.mouse.up()
    expect(page.locator("#bars .first")).to_contain_text("7")
    assert strokes(page) == 1


def test_a_browser_that_keeps_nothing_is_written_in_too(opened):
    page = opened()
    for name in "sessionStorage", "localStorage":
        page.add_init_script(f"Object.defineProperty(window, '{name}', {{get() {{ throw new Error('blocked'); }}}})")
    page.reload()
    write(page, SEVEN)
    expect(said(page)).to_contain_text("It reads 7")


def test_a_fault_of_the_page_is_told_once_and_is_not_the_servers(opened):
    page, asked = opened(), []
    page.route("**/read?*", lambda route: (asked.append(1), route.fulfill(json={"lines": [[{}]], "classes": []})))
    write(page, SEVEN)
    expect(said(page)).to_contain_text("A fault of this page: ")
    page.wait_for_timeout(1700)  # longer than until a server that is away is asked again
    assert len(asked) == 1


# ---- pictures


def test_a_photo_and_a_sheet_that_are_dropped_are_read_with_their_boxes(opened):
    page = opened()
    drop(page, "7.png", (DIGITS / "7.png").read_bytes())
    expect(said(page)).to_contain_text("It reads 7")
    drop(page, "sheet.png", sheet())
    expect(said(page)).to_have_text("3 characters on 2 lines: 17 / 4")
    rows = page.locator("#lines > div")
    assert [row.inner_text().split() for row in rows.all()] == [["1", "7"], ["4"]]
    first = seen(page)
    rows.nth(1).locator("button").click()
    expect(page.locator("#bars .first")).to_contain_text("4")
    assert not np.array_equal(seen(page), first)
    page.mouse.click(*place(page, 480 - 300 + 600 * 600 / 800, 600 * 200 / 800))  # on the 7 of the photo itself
    expect(page.locator("#bars .first")).to_contain_text("7")
    page.locator("#clear").click()
    write(page, ONE)
    expect(said(page)).to_contain_text("It reads 1")


def test_boxes_are_those_of_the_picture_on_the_paper(opened):
    page, blank = opened(), png(np.full((50, 50), 255, np.uint8))
    drop(page, "blank.png", blank)
    expect(said(page)).to_contain_text("No ink was found")
    before = page.evaluate("document.getElementById('paper').toDataURL()")
    drop(page, "sheet.png", sheet())
    expect(said(page)).to_contain_text("17 / 4")
    drop(page, "blank.png", blank)
    expect(said(page)).to_contain_text("No ink was found")
    assert page.evaluate("document.getElementById('paper').toDataURL()") == before


def test_a_picture_is_chosen_or_pasted(opened):
    page = opened()
    page.locator("#picture").set_input_files(DIGITS / "7.png")
    expect(said(page)).to_contain_text("It reads 7")
    page.evaluate(
        """(content) => {
            const bytes = Uint8Array.from(atob(content), (sign) => sign.charCodeAt(0));
            const clipboardData = new DataTransfer();
            clipboardData.items.add(new File([bytes], "image.png", {type: "image/png"}));
            document.dispatchEvent(new ClipboardEvent("paste", {clipboardData}));
        }""",
        base64.b64encode((DIGITS / "1.png").read_bytes()).decode(),
    )
    expect(said(page)).to_contain_text("It reads 1")


def test_what_is_no_picture_is_one_line_and_so_is_one_too_large_or_empty(opened, tmp_path):
    page = opened()
    write(page, SEVEN)
    expect(said(page)).to_contain_text("It reads 7")
    before = page.evaluate("document.getElementById('paper').toDataURL()")
    drop(page, "7.txt", b"seven")
    expect(said(page)).to_contain_text("the picture: not a picture of a kind that is read")
    page.evaluate("() => { File.prototype.arrayBuffer = () => Promise.reject(new Error('gone')); }")
    drop(page, "folder", b"")
    expect(said(page)).to_have_text("That cannot be read: a folder, or a file that is gone.")
    assert page.evaluate("document.getElementById('paper').toDataURL()") == before  # what was written stays
    expect(page.locator("#keep")).to_be_visible()
    page.reload()
    expect(said(page)).to_contain_text("It reads 7")
    drop(page, "white.png", png(np.full((50, 50), 255, np.uint8)))
    expect(said(page)).to_contain_text("No ink was found")
    (tmp_path / "large.png").write_bytes(bytes(40_000_000))
    page.locator("#picture").set_input_files(tmp_path / "large.png")
    expect(said(page)).to_contain_text("40 MB; 32 are the most")


# ---- the network


def test_the_first_layer_is_shown_of_what_is_written(opened):
    page = opened()
    write(page, SEVEN)
    page.locator("summary").click()
    expect(page.locator("#responses [role=img]")).to_have_count(10)
    reds = "(one) => [...one.getContext('2d').getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 === 0)"
    shown = np.array([one.evaluate(reds) for one in page.locator("#responses canvas:last-child").all()])
    assert shown.shape == (10, 28 * 28) and shown.min() < 154 < shown.max()  # zero is the middle grey


def test_a_network_that_is_missing_says_what_makes_it(opened):
    page = opened()
    assert page.locator("#network option:disabled").inner_text() == "Greek letters: not there yet"
    expect(page.locator("#missing")).to_have_text("Greek letters: `dvc repro finetune@greek` makes it.")


def tell(page: Page, there: bool = True, loading: bool = False, failed: str = "") -> None:
    """The page, of a server in this state."""
    networks = [{"name": "digits", "title": "digits", "there": there, "build": "`dvc repro train` makes it"}]
    state = {"networks": networks, "training": None, "symbols": {}, "loading": loading, "failed": failed}
    page.route("**/state?*", lambda route: route.fulfill(json=state))
    page.reload()


def test_why_nothing_is_read_is_told_and_not_over_and_over(opened):
    page = opened()
    tell(page, there=False)
    expect(said(page)).to_have_text("There is no network yet: `dvc repro train` makes it.")
    write(page, SEVEN)
    page.wait_for_timeout(200)
    expect(said(page)).to_have_text("There is no network yet: `dvc repro train` makes it.")
    page.locator("#clear").click()
    tell(page, failed="python has no torch; `make repro`")
    expect(said(page)).to_have_text("python has no torch; `make repro`")
    tell(page, loading=True)
    expect(said(page)).to_have_text("The network is loading; write meanwhile.")
    page.evaluate(
        "new MutationObserver(() => (window.again = true)).observe(document.getElementById('said'), {childList: true})"
    )
    for _ in range(2):
        page.wait_for_event("requestfinished", lambda request: "/state" in request.url)
    assert not page.evaluate("window.again")


def test_a_network_that_goes_is_replaced_for_what_is_written_and_comes_back(opened, project):
    page = opened()
    page.clock.install()
    page.reload()
    page.locator("#network").select_option("nothing known")
    write(page, SEVEN)
    expect(said(page)).to_contain_text("Nothing that it knows")
    path = project.networks["strict"].path
    away = path.rename(path.with_suffix(".away"))
    page.clock.fast_forward(11_000)
    expect(said(page)).to_contain_text("It reads 7")
    away.rename(path)
    page.clock.fast_forward(11_000)
    expect(said(page)).to_contain_text("Nothing that it knows")
    assert page.locator("#network").input_value() == "strict"


def test_a_training_that_runs_is_drawn(opened, project):
    table, locks = project.root / "reports/train/epochs.csv", project.root / ".dvc/tmp/rwlock"
    for path in table, locks:
        path.parent.mkdir(parents=True)
    table.write_text(EPOCHS)
    locks.write_text(json.dumps({"write": {str(table): {"pid": os.getpid(), "cmd": "dvc repro"}}}))
    page = opened()
    expect(page.locator("#trained")).to_contain_text("train, epoch 2: loss 0.3000 in training")
    assert page.locator("#curve path").count() == 3
    table.write_text(f"{EPOCHS}3,165000,nan,inf,0.1\n")
    expect(page.locator("#trained")).to_contain_text("epoch 3: loss no number in training")
    locks.unlink()
    expect(page.locator("#training")).to_be_hidden()


# ---- teaching


def pictures(project: Project) -> list[str]:
    folder = project.handwriting
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_drawing_is_kept_under_its_label_and_taken_back(opened, project):
    page = opened()
    write(page, SEVEN)
    expect(said(page)).to_contain_text("It reads 7")
    page.locator("#label").fill("4")
    page.locator("#writer").fill("anna")
    page.locator("#keep").click()
    expect(page.locator("#kept")).to_contain_text("the digit network reads it")
    [there] = pictures(project)
    assert re.fullmatch(r"digits/4_anna\.[0-9a-f]{8}-001\.png", there)
    assert label_of(project.handwriting / there, datasets.CLASSES["mnist"]) == "4"
    assert np.abs(prepare(project.handwriting / there).astype(int) - seen(page)).mean() < 4  # what it saw was kept
    page.locator("#writer").fill("bert")
    page.locator("#keep").click()
    expect(page.locator("#kept")).to_contain_text("kept before, as data/handwriting/digits/4_anna")
    page.locator("#back").click()
    expect(page.locator("#kept")).to_contain_text("Taken back: data/handwriting/digits/4_anna")
    assert pictures(project) == []


def test_only_what_was_read_is_kept(opened, project):
    page, held = opened(), []
    write(page, SEVEN)
    expect(said(page)).to_contain_text("It reads 7")
    page.route("**/read?*", lambda route: held.append(route))
    write(page, [[(100, 100), (100, 500)]])
    for _ in range(3000):  # the route is told of the request in its own time
        if not held:
            page.wait_for_timeout(10)
    expect(page.locator("#keep")).to_have_attribute("aria-disabled", "true")
    page.locator("#keep").click(force=True)
    page.locator("#label").press("Enter")
    assert len(held) == 1 and pictures(project) == []
    held[0].continue_()
    expect(said(page)).to_contain_text("2 characters")
    page.locator("#keep").press("Enter")
    expect(page.locator("#kept")).to_contain_text("and 1 more")
    assert page.evaluate("document.activeElement.id") == "keep"
    page.locator("#back").click()
    expect(page.locator("#kept")).to_contain_text("Taken back")


def test_what_was_kept_can_be_taken_back_after_more_was_written_and_once_alone(opened, project):
    page = opened()
    for drawing in SEVEN, ONE:
        write(page, drawing)
        expect(page.locator("#bars .first")).to_contain_text("7" if drawing == SEVEN else "1")
        page.locator("#keep").click()
        expect(page.locator("#kept")).to_contain_text("Kept as")
        page.locator("#clear").click()
    page.reload()
    page.locator("#back").dblclick()
    expect(page.locator("#kept")).to_contain_text("Taken back: data/handwriting/digits/1")
    assert [path[:8] for path in pictures(project)] == ["digits/7"]
    page.locator("#back").click()
    expect(page.locator("#kept")).to_contain_text("Taken back: data/handwriting/digits/7")
    expect(page.locator("#back")).to_be_hidden()
    assert pictures(project) == [] and page.evaluate("document.activeElement.id") == "paper"


def test_what_the_network_does_not_know_is_no_digit_and_has_to_be_named(opened, project):
    page = opened()
    write(page, SEVEN)
    page.locator("#network").select_option("nothing known")
    expect(said(page)).to_contain_text("Nothing that it knows; nearest is 7")
    assert page.locator("#label").input_value() == ""
    page.locator("#keep").click()
    expect(page.locator("#kept")).to_have_text("Say what it is.")
    assert pictures(project) == []
    page.locator("#label").fill("Ж")
    page.locator("#keep").click()
    expect(page.locator("#kept")).to_contain_text("a network learns Ж from 1 picture, as a sign of your own")
    page.locator("#back").click()
    expect(page.locator("#kept")).to_contain_text("Taken back: data/handwriting/signs/Ж/Ж.")


def test_a_blot_is_left_out_and_a_question_mark_is_a_sign(opened, project):
    page = opened()
    drop(page, "sheet.png", sheet())
    expect(said(page)).to_contain_text("17 / 4")
    for at, label in enumerate(["?", ""]):
        page.locator("#lines button").nth(at).click()
        page.locator("#label").fill(label)
    names = [one.get_attribute("aria-label") for one in page.locator("#lines button").all()]
    assert names == ["character 1: ?", "character 2: left out", "character 3: 4"]
    expect(page.locator("#keep")).to_have_text("Keep 2 of 3")
    page.locator("#keep").click()
    expect(page.locator("#kept")).to_contain_text("and 1 more")
    assert [path.split(".")[0] for path in pictures(project)] == ["digits/4", "signs/?/?"]
    page.locator("#back").click()
    expect(page.locator("#kept")).to_contain_text("Taken back")


def test_each_character_of_a_sheet_is_kept_as_it_is_named(opened, project):
    page = opened()
    drop(page, "sheet.png", sheet())
    expect(said(page)).to_contain_text("17 / 4")
    for at, label in enumerate(["+", "α", "4"]):
        page.locator("#lines button").nth(at).click()
        page.locator("#label").fill(label)
    page.locator("#keep").click()
    expect(page.locator("#kept")).to_contain_text("and 2 more")
    kinds = [re.sub(r"\.[0-9a-f]{8}", "", path) for path in pictures(project)]
    assert kinds == ["digits/4-003.png", "greek/alpha/alpha-002.png", "signs/+/+-001.png"]
    page.locator("#back").click()
    expect(page.locator("#kept")).to_contain_text("Taken back")
    assert pictures(project) == [] and not (project.handwriting / "signs/+").exists()


# ---- for everyone


@pytest.fixture(scope="module")
def axe(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("axe")
    packed = subprocess.run(
        ["npm", "pack", "--silent", "--ignore-scripts", AXE], cwd=folder, capture_output=True, text=True
    )
    assert packed.returncode == 0, packed.stderr
    with tarfile.open(folder / packed.stdout.strip()) as archive:
        return archive.extractfile("package/axe.min.js").read().decode()


@pytest.mark.network
@pytest.mark.skipif("CI" not in os.environ and not shutil.which("npm"), reason="no npm here")
@pytest.mark.parametrize(("width", "look"), [(400, "light"), (1200, "dark")])
def test_nothing_stands_in_anyones_way(opened, axe, width, look):
    """axe-core finds no violation, and nothing is wider than the window, in every state of the page."""
    page = opened(viewport={"width": width, "height": 800}, color_scheme=look, bypass_csp=True)
    page.add_script_tag(content=axe)

    def check() -> None:
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        assert not [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]
        assert page.evaluate("document.documentElement.scrollWidth") <= width

    check()
    write(page, SEVEN)
    expect(said(page)).to_contain_text("It reads 7")
    page.locator("summary").click()
    expect(page.locator("#responses [role=img]")).to_have_count(10)
    check()
    drop(page, "sheet.png", sheet())
    expect(said(page)).to_contain_text("17 / 4")
    check()
    drop(page, "7.txt", b"seven")
    expect(said(page)).to_contain_text("not a picture")
    check()
