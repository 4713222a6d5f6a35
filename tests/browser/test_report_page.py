"""The report as a person gets it: the folder, opened from disk in a real Chromium."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from tests.browser import chromium
from tests.browser.report_kit import (
    HOSTILE,
    HOSTILE_LABELS,
    RUN_ID,
    Contents,
    Upload,
    at,
    detected,
    failure,
    jpeg,
    label,
    receipt,
    result,
)
from tests.rig.quick_moto import client, mock_aws
from tests.rig.stack import pictures
from tests.rig.stack.local_stack import REPOSITORY
from tools.report import OfRun, build_report, documents, page
from tools.report.images import Thumbnail
from tools.report.reading import Found
from tools.terminal import shown

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

AXE = REPOSITORY / ".venv" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
TABS = ("images", "near", "failures", "run")
# The emulator is as sure of its circles as to part them here.
THRESHOLDS = {"red-circle": 98.3, "yellow-star": 94.7}
SQUARE = Image.new("RGB", (80, 80), "#cc2222")
SCREEN = {"width": 1280, "height": 900}

# By key, how large each picture is on the page, and where its boxes are on it, without their stroke.
BOXES = """async tiles => {
  const found = {};
  for (const tile of tiles) {
    const img = tile.querySelector("img");
    if (!img) continue;
    img.loading = "eager";
    await img.decode();
    const place = img.getBoundingClientRect();
    const scale = Math.min(place.width / img.naturalWidth, place.height / img.naturalHeight);
    const width = img.naturalWidth * scale, height = img.naturalHeight * scale;
    const left = place.left + (place.width - width) / 2, top = place.top + (place.height - height) / 2;
    const boxes = [...tile.querySelectorAll("rect.line")].map((rect) => {
      const { x, y, right, bottom } = rect.getBoundingClientRect();
      return [x - left, y - top, right - left, bottom - top];
    });
    found[tile.querySelector(".key").textContent] = { width, height, boxes };
  }
  return found;
}"""
# Counts the elements that were made, and the attributes that were set.
TALLY = """() => {
  window.touched = 0;
  const tally = (changes) => {
    for (const { addedNodes, type } of changes) window.touched += type === "childList" ? addedNodes.length : 1;
  };
  new MutationObserver(tally).observe(document.body, { subtree: true, childList: true, attributes: true });
}"""


def is_passing(found: dict[str, Any]) -> bool:
    return bool(found["Confidence"] >= THRESHOLDS.get(found["Name"], 50))


@cache
def drawn() -> tuple[list[Upload], dict[str, tuple[Image.Image, list[dict[str, Any]]]]]:
    """JPEG files with all that the emulator finds, parted by the thresholds; by key, the picture as people see it.

    Some are turned by their EXIF data, which the emulator sees upright.
    """
    uploads, truth = [], {}
    for drawing in pictures.DRAWINGS:
        if not drawing.key.startswith(("drawn/several/", "drawn/sizes/smallest", "drawn/red", "drawn/Käfer.jpg")):
            continue
        image, _ = pictures.draw(drawing)
        turns = (1, 3, 6, 8) if drawing.key == "drawn/several/three.png" else (1,)
        for turn in turns:
            body, key = jpeg(image, turn), drawing.key if turn == 1 else f"turned/{turn}.jpg"
            found = detected(body)
            parted = {
                "CustomLabels": [each for each in found if is_passing(each)],
                "BelowThreshold": [each for each in found if not is_passing(each)],
            }
            settings = {"min_confidence": 50, "thresholds": THRESHOLDS}
            uploads.append(Upload(result(key, [], **parted, **settings), body))
            truth[key] = (image, found)
    return uploads, truth


def contents() -> Contents:
    body = jpeg(SQUARE)
    uploads = [*drawn()[0]]
    for number, key in enumerate(HOSTILE):
        name = HOSTILE_LABELS[number % len(HOSTILE_LABELS)]
        labels = [label(name, 51 + 4 * number, (0.1, 0.2, 0.3, 0.4)), label("100%", 50)]
        uploads.append(Upload(result(key, labels, analyzed_at=at(700)), body))
        if number % 3 == 0:
            failed = failure(key, f"Code<b>{number % 2}", f"{key[:200]} is no image")
            uploads.append(Upload(failed, b"no image"))
    uploads.append(Upload(result("empty.jpg", []), body))
    uploads.append(Upload(result("gone.jpg", [label("red-circle", 99)]), None))
    return Contents(uploads, [receipt(len([each for each in uploads if "error" not in each.document]), 4)])


@dataclass(frozen=True)
class Built:
    """A report on disk."""

    folder: Path

    @property
    def url(self) -> str:
        return (self.folder / "index.html").as_uri()

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads((self.folder / "data.json").read_text())
        return data

    @property
    def results(self) -> list[dict[str, Any]]:
        return [each["document"] for each in self.data["results"]]

    def confidences(self) -> dict[str, list[tuple[str, float, bool]]]:
        """By label, each image's key, the confidence, and whether the result calls it passing."""
        found: dict[str, list[tuple[str, float, bool]]] = {}
        for document in self.results:
            for name, passing in (("CustomLabels", True), ("BelowThreshold", False)):
                for each in document.get(name, []):
                    entry = (document["source"]["key"], each["Confidence"], passing)
                    found.setdefault(each["Name"], []).append(entry)
        return found


def build(folder: Path, uploads: Contents) -> Built:
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        build_report(uploads.put(client("s3")), OfRun(RUN_ID), folder, title="<i>logos</i>")
    return Built(folder)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(tmp_path_factory.mktemp("reports") / "100% é #1?", contents())


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.launched() as browser:
        yield browser


def opened(browser: Browser, url: str, **settings: Any) -> Page:  # noqa: ANN401
    context = browser.new_context(**{"viewport": SCREEN, **settings})
    tab = context.new_page()
    # Whatever the page complains about, a refusal of its own policy too, fails the test.
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.goto(url)
    assert complaints == []
    return tab


@pytest.fixture(scope="module")
def shared_tab(browser: Browser, report: Built) -> Page:
    return opened(browser, report.url)


@pytest.fixture(scope="module")
def small_tab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """A report with one of each kind."""
    every = contents()
    failed = [each for each in every.uploads if "error" in each.document]
    pictured = drawn()[0]
    uploads = [*pictured[3:6], *every.uploads[len(pictured) :][:2], *failed[:2], *every.uploads[-2:]]
    built = build(tmp_path_factory.mktemp("small") / "report", Contents(uploads, [receipt(7, 2)]))
    return opened(browser, built.url)


@pytest.fixture
def tab(shared_tab: Page) -> Page:
    """The report as it is when it is opened."""
    shared_tab.reload()
    return shared_tab


def settle(tab: Page) -> None:
    """Wait until the page has drawn what it was asked for; its policy lets no polled text in."""
    tab.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def counts(tab: Page) -> dict[str, int]:
    """What stands beside each label."""
    rows = tab.locator("#labels > li").all()
    return {row.locator(".pick-name").inner_text(): int(row.locator("output").inner_text()) for row in rows}


def keys(tab: Page) -> set[str]:
    return set(tab.locator("#tiles .key").all_inner_texts())


def test_the_counts_are_those_of_the_json(tab: Page, report: Built) -> None:
    results, found = report.results, report.confidences()
    facts = tab.eval_on_selector_all(
        "#summary > div", "all => all.map(each => [...each.children].map(child => child.textContent))"
    )
    empty = [document for document in results if not document["CustomLabels"]]
    assert dict(facts) == {
        "Labelled": str(len(results)),
        "No label": str(len(empty)),
        "Failed": str(len(report.data["failures"])),
        "Model ran": "2 min 30 s",
        "Cost": "US$0.1667",
    }
    assert any(not passing for entries in found.values() for _, _, passing in entries)
    assert counts(tab) == {
        **{shown(name): len({key for key, _, passing in all_of if passing}) for name, all_of in found.items()},
        "no label": len(empty),
    }
    # The most frequent label comes first.
    most = max(found, key=lambda name: len(found[name]))
    assert next(iter(counts(tab))) == shown(most)
    assert tab.locator("#shown").inner_text() == f"{len(results)} images"
    assert keys(tab) == {shown(document["source"]["key"]) for document in results}


@pytest.mark.parametrize("least", [0, 98, 98.5, 100])
def test_a_slider_counts_what_a_recount_counts(tab: Page, report: Built, least: float) -> None:
    found = report.confidences()["red-circle"]
    row = tab.locator("#labels > li", has_text="red-circle")
    row.get_by_role("checkbox").check()
    row.get_by_role("slider").fill(str(least))
    expected = {shown(key) for key, confidence, _ in found if confidence >= least}
    settle(tab)
    assert counts(tab)["red-circle"] == len(expected)
    inputs = f'# and min_confidence, for all other labels\nlabel_thresholds = {{\n  "red-circle" = {least:g}\n}}'
    assert tab.locator("#chosen-text").text_content() == inputs
    assert keys(tab) == expected
    tab.keyboard.press("r")
    settle(tab)
    assert keys(tab) == {shown(document["source"]["key"]) for document in report.results}


def test_corners_are_within_a_pixel_of_the_emulators_and_the_picture_is_upright(tab: Page, report: Built) -> None:
    """Also of a JPEG that its EXIF data turns, which the emulator sees upright."""
    entries = {entry["document"]["source"]["key"]: entry for entry in report.data["results"]}
    places = tab.eval_on_selector_all(".tile", BOXES)
    for key, (image, found) in drawn()[1].items():
        with Image.open(report.folder / entries[key]["thumbnail"]) as small:
            assert small.width / small.height == pytest.approx(image.width / image.height, rel=0.02), key
        width, height, boxes = (places[key][name] for name in ("width", "height", "boxes"))
        passing = [each["Geometry"]["BoundingBox"] for each in found if is_passing(each)]
        assert len(boxes) == len(passing), key
        for truth, box in zip(passing, boxes, strict=True):
            left, top = truth["Left"] * width, truth["Top"] * height
            corners = [left, top, left + truth["Width"] * width, top + truth["Height"] * height]
            assert box == pytest.approx(corners, abs=1), key


def test_what_lies_near_its_threshold_is_listed_from_the_nearest_on(tab: Page, report: Built) -> None:
    distances: dict[bool, list[float]] = {True: [], False: []}
    for document in report.results:
        for name, passing in (("CustomLabels", True), ("BelowThreshold", False)):
            for each in document.get(name, []):
                threshold = (document["thresholds"] or {}).get(each["Name"], document["min_confidence"])
                if threshold is not None:
                    distances[passing].append(abs(each["Confidence"] - threshold))
    tab.keyboard.press("2")
    for heading, passing in (("Just below", False), ("Just above", True)):
        part = tab.locator("#panel-near section", has_text=heading)
        texts = part.locator(".chips > .quiet").all_inner_texts()
        said = [float(text.split()[0]) for text in texts[:3]]
        assert said == pytest.approx(sorted(distances[passing])[:3], abs=0.1)


def test_hostile_names_are_shown_as_they_are_and_do_nothing(tab: Page, report: Built) -> None:
    expected = {shown(key) for key in HOSTILE}
    assert expected <= keys(tab)
    assert {shown(name) for name in HOSTILE_LABELS} <= set(counts(tab))
    assert tab.title() == f"<i>logos</i>: run {RUN_ID}"
    tab.keyboard.press("3")
    said = set(tab.locator(".failure-key").all_inner_texts())
    assert said == {shown(each["document"]["source"]["key"]) for each in report.data["failures"]}
    assert [text.split()[0] for text in tab.locator("#panel-failures h2").all_inner_texts()] == ["Code<b>0", "Code<b>1"]
    # What the page has of its own: the data and the script; no picture that a name brought.
    assert tab.locator("script").count() == 2
    assert tab.locator("[onerror], i, #panel-failures b").count() == 0
    # A name in the other direction turns nothing around it.
    tab.keyboard.press("1")
    tab.get_by_label("Find a key").fill("تقرير")
    settle(tab)
    assert tab.locator("#tiles .tile").count() == 1
    assert tab.locator("#tiles .key bdi").evaluate("bdi => getComputedStyle(bdi).unicodeBidi") == "isolate"


def test_the_policy_lets_no_other_script_and_no_other_place_in(tab: Page) -> None:
    """Should a name ever become markup, it still does nothing."""
    refused = tab.evaluate("""async () => {
      const refused = [];
      document.addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
      for (const tag of ["script", "style"]) {
        const element = document.createElement(tag);
        element.append("window.owned = 1");
        document.head.append(element);
      }
      const image = document.createElement("img");
      image.src = "https://example.invalid/a.png";
      try { document.body.innerHTML += "<b>x</b>"; } catch (error) { refused.push(error.name); }
      await fetch("data.json").catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 50));
      return [...new Set(refused)];
    }""")
    assert {"style-src-elem", "img-src", "connect-src", "TypeError"} <= set(refused)
    assert {"script-src-elem", "require-trusted-types-for"} & set(refused)
    assert tab.evaluate("window.owned") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(small_tab: Page, scheme: str) -> None:
    tab = small_tab
    tab.reload()
    assert AXE.exists(), "no axe-core: make setup installs it"
    tab.emulate_media(color_scheme=scheme)
    tab.evaluate(AXE.read_text())
    row = tab.locator("#labels > li", has_text="red-circle")
    row.get_by_role("slider").fill("99")
    for shown_part in (*"1234", "viewer", "?"):
        if shown_part == "viewer":
            tab.keyboard.press("1")
            tab.locator(".tile").nth(3).click()
        else:
            tab.keyboard.press(shown_part)
        found = tab.evaluate("axe.run(document, {resultTypes: ['violations']})")
        told = [
            (each["id"], node["html"][:200], node["failureSummary"])
            for each in found["violations"]
            for node in each["nodes"]
        ]
        assert told == [], shown_part
        tab.keyboard.press("Escape")


def test_all_can_be_done_from_the_keyboard(tab: Page) -> None:
    for key, name in zip("2341", ("near", "failures", "run", "images"), strict=True):
        tab.keyboard.press(key)
        assert [tab.locator(f"#panel-{each}").is_visible() for each in TABS] == [each == name for each in TABS]
    tab.locator("#tab-images").focus()
    tab.keyboard.press("ArrowLeft")
    assert tab.evaluate("document.activeElement.id") == "tab-run"
    tab.keyboard.press("/")
    tab.keyboard.type("turned/")
    settle(tab)
    assert tab.locator("#tiles .tile").count() == 3
    tab.keyboard.press("Escape")
    tab.locator("#tiles .tile").first.focus()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Enter")
    assert tab.locator("#viewer-title").inner_text() == "turned/6.jpg"
    tab.keyboard.press("ArrowRight")
    assert tab.locator("#viewer-title").inner_text() == "turned/8.jpg"
    assert tab.locator("#viewer tbody tr").count() == 3
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Escape")
    assert tab.evaluate("document.activeElement.textContent").startswith("turned/6.jpg")
    tab.keyboard.press("b")
    assert not tab.locator("#tiles .boxes").first.is_visible()
    tab.keyboard.press("?")
    assert tab.get_by_role("dialog", name="Keyboard").is_visible()
    tab.keyboard.press("Escape")
    tab.keyboard.press("r")
    settle(tab)
    assert tab.locator("#tiles .tile").count() > 3


def test_print_is_dark_on_light_and_without_controls(tab: Page, report: Built) -> None:
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert not tab.get_by_label("Find a key").is_visible()
    assert tab.locator(".tile").count() == len(report.results)
    assert tab.locator("#summary").is_visible()
    tab.emulate_media(media="screen", color_scheme="light")


def test_a_narrow_screen_needs_no_sideways_scrolling(tab: Page) -> None:
    tab.set_viewport_size({"width": 375, "height": 812})
    for key in "1234":
        tab.keyboard.press(key)
        assert tab.evaluate("document.documentElement.scrollWidth") <= 375, key
    tab.keyboard.press("1")
    tab.locator(".tile").nth(1).click()
    assert tab.locator("#viewer").evaluate("each => each.scrollWidth") <= 375
    tab.set_viewport_size({"width": 1280, "height": 900})


def test_a_run_in_which_all_failed_shows_the_failures(browser: Browser, tmp_path: Path) -> None:
    failed = [Upload(failure(f"{n}.jpg", "ImageTooLargeException", "too large"), jpeg(SQUARE)) for n in range(30)]
    built = build(tmp_path / "report", Contents(failed, [receipt(0, 30)]))
    tab = opened(browser, built.url)
    assert tab.locator("#panel-failures").is_visible()
    assert tab.locator(".failure").count() == 24
    tab.get_by_role("button", name="Show 6 more of 6").click()
    assert tab.locator(".failure").count() == 30
    tab.keyboard.press("1")
    assert tab.locator("#tiles").inner_text() == "No image was labelled: all of them failed."


def test_a_machine_without_chromium_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CHROMIUM", raising=False)
    said = r"^no Chromium on PATH: install it \(Debian: apt-get install chromium\), or set CHROMIUM to its path$"
    with pytest.raises(pytest.fail.Exception, match=said), chromium.launched():
        pass


def many(size: int) -> bytes:
    """A page about images that were never made: three labels each."""
    found = []
    for number in range(size):
        labels = [
            label(f"label-{(number * 7 + n) % 40}", 50 + (number * 31 + n * 17) % 500 / 10, (0.1, 0.2, 0.3, 0.4))
            for n in range(3)
        ]
        content = result(f"cameras/2026-01-31/north gate {number // 100:03}/IMG_{number:05}.jpg", labels)
        found.append(documents.document(content["image"]["key"], json.dumps(content).encode()))
    copies = {each.image_key: Thumbnail(f"images/{number}.webp", 640, 480) for number, each in enumerate(found)}
    head = page.Head("logos", "since 2026-01-31", datetime(2026, 2, 1, tzinfo=UTC), "s3://results/", ())
    return page.html(head, Found(found, [], [receipt(size, 0)], []), copies)


def test_ten_thousand_images_stay_usable(browser: Browser, tmp_path: Path) -> None:
    """Counted in work, not in time: the page's bytes, the tiles there are, and the elements that a filter touches."""
    html = many(10_000)
    assert len(html) < 4_000_000
    (tmp_path / "index.html").write_bytes(html)
    context = browser.new_context(viewport=SCREEN)
    tab = context.new_page()
    tab.goto((tmp_path / "index.html").as_uri())
    assert tab.locator("#tiles .tile").count() == 60
    tab.evaluate(TALLY)
    row = tab.locator("#labels > li").first
    row.get_by_role("checkbox").check()
    row.get_by_role("slider").fill("80")
    settle(tab)
    expected = int(row.locator("output").inner_text().replace(",", ""))
    assert 60 < expected < 750
    assert tab.locator("#shown").inner_text() == f"1 to 60 of {expected} images"
    assert tab.locator("#tiles .tile").count() == 60
    assert tab.evaluate("window.touched") < 2000
    tab.keyboard.press("n")
    assert tab.locator("#shown").inner_text().startswith("61 to ")
    tab.keyboard.press("p")
    assert tab.locator("#shown").inner_text().startswith("1 to 60 ")
