"""The Clip tab in a browser: from the clip to the download, stop, what is refused, wide and narrow."""

import json

import pytest

pytest.importorskip("gradio", reason="the demo needs Gradio 6, which LLaVA's own pins exclude (legacy leg)")
pytest.importorskip("av", reason="clips need the extra [video]")
from llava_faba.demo import clip_service as clip_reading
from llava_faba.demo import guard
from tests.conftest import shared_path
from tests.demo.test_page import browser  # noqa: F401 - a fixture

pytestmark = pytest.mark.slow


@pytest.fixture
def tab(browser, clip_address):  # noqa: F811
    """A visitor's Clip tab, both models ready; a request to another host, or one that fails, fails the test.

    But for the player's: it may ask for a clip that was deleted meanwhile, as every clip is once it was read.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab, elsewhere, faults = context.new_page(), [], []
    own = (clip_address, "data:", "blob:")
    tab.on("request", lambda r: elsewhere.append(r.url) if not r.url.startswith(own) else None)
    tab.on("response", lambda r: faults.append(r.url) if r.status >= 400 and "/file=" not in r.url else None)
    tab.on("pageerror", lambda error: faults.append(str(error)))
    open_tab(tab, clip_address)
    yield tab
    context.close()
    assert not elsewhere and not faults


def open_tab(tab, address):
    tab.goto(address)
    tab.wait_for_selector("[data-state=ready]", timeout=60_000)
    tab.wait_for_selector("[data-clips=ready]", timeout=60_000)
    tab.get_by_role("tab", name="Clip").click()


def choose_clip(tab, path):
    tab.set_input_files("#clip input[type=file]", str(path))
    tab.wait_for_selector("#assess:not([disabled])", timeout=60_000)
    tab.wait_for_selector("#motion-plot img")


def stored() -> list:
    return [path for path in guard.uploads_folder().rglob("*.mp4") if path.is_file()]


def test_from_clip_to_download(tab, short_clip, tmp_path):
    choose_clip(tab, short_clip)
    assert not stored()
    assert "40 frames in 1.6 s" in tab.inner_text("#clip-status")
    assert "Amplitudes in inter-ocular distances: mouth corner left" in tab.get_attribute("#motion-plot img", "alt")
    assert not tab.is_visible("#motion-table table"), "long, so it is opened on demand"
    tab.click("#measures > button")
    tab.wait_for_selector("#motion-table table", state="visible")
    assert "mouth corner left amplitude" in tab.inner_text("#motion-table")
    assert "it needs 2 s in which the mouth is seen throughout" in tab.inner_text("#motion-table")
    tab.click("#assess")
    tab.wait_for_selector("#clip-json:not([disabled])", timeout=30_000)
    said = tab.inner_text("#severity")
    assert "of 4" in said and "90% interval" in said and "split conformal" in said and "by a tiny model" in said
    report = tab.inner_text("#report")
    assert [report.count(word) for word in ("supported", "contradicted", "not measurable")] == [1, 1, 1]
    assert "mouth corners went up by" in report
    with tab.expect_download() as download:
        tab.click("#clip-json")
    download.value.save_as(tmp_path / "clip.json")
    record = json.loads((tmp_path / "clip.json").read_text())
    assert record["frames"] == 40 and record["clip"] == "smile.mp4" and record["model"]["expression"] == "smile"


def test_another_expression_is_asked_of_the_same_clip(tab, short_clip):
    choose_clip(tab, short_clip)
    tab.click("#expression input")
    tab.get_by_role("option", name="frown").click()
    tab.click("#assess")
    tab.wait_for_selector("#clip-json:not([disabled])", timeout=30_000)
    assert "Severity of frown" in tab.inner_text("#severity")


def test_reading_shows_its_progress_and_can_be_stopped(tab):
    tab.set_input_files("#clip input[type=file]", str(shared_path("video", "woman_expressions.mp4")))
    tab.wait_for_function("() => /a second, about .* s left/.test(document.querySelector('#clip-status').innerText)")
    assert stored()
    tab.click("#clip-stop")
    tab.wait_for_selector("#clip-status >> text=No clip was read")
    tab.wait_for_timeout(1500)
    assert "No clip was read" in tab.inner_text("#clip-status") and tab.is_disabled("#assess")
    assert not stored()


def test_a_second_visitor_is_told_to_wait_and_each_gets_their_own_clip(tab, browser, clip_address, short_clip):  # noqa: F811
    context = browser.new_context()
    other = context.new_page()
    open_tab(other, clip_address)
    tab.set_input_files("#clip input[type=file]", str(shared_path("video", "woman_expressions.mp4")))
    tab.wait_for_selector("#clip-status >> text=a second")
    other.set_input_files("#clip input[type=file]", str(short_clip))
    other.wait_for_selector("#clip-status >> text=Waiting: one clip after the other")
    other.wait_for_selector("#assess:not([disabled])", timeout=60_000)
    assert "smile.mp4" in other.inner_text("#clip-status")
    assert "woman_expressions.mp4" in tab.inner_text("#clip-status") and not stored()
    context.close()


def test_a_text_file_and_a_clip_that_is_too_long_get_readable_messages(tab, short_clip, tmp_path, monkeypatch):
    (tmp_path / "film.mp4").write_text("this is no film")
    tab.set_input_files("#clip input[type=file]", str(tmp_path / "film.mp4"))
    message = tab.wait_for_selector('.toast-body:has-text("film.mp4 cannot be opened")', timeout=10_000).inner_text()
    assert "/tmp" not in message
    tab.wait_for_selector("#clip-status >> text=No clip was read")
    monkeypatch.setattr(clip_reading, "MAX_SECONDS", 1.0)
    tab.set_input_files("#clip input[type=file]", str(short_clip))
    message = tab.wait_for_selector('.toast-body:has-text("smile.mp4 lasts 1.6 s")', timeout=10_000).inner_text()
    assert "/tmp" not in message and not stored()


def test_keyboard_and_names(tab, short_clip):
    choose_clip(tab, short_clip)
    tab.focus("#assess")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#clip-json:not([disabled])", timeout=30_000)
    unnamed = """() => [...document.querySelectorAll('button, input, textarea')].filter(e => e.checkVisibility() &&
      !e.innerText.trim() && !e.querySelector('img:not([alt=""])') && !e.ariaLabel && !e.title &&
      !(e.labels && e.labels.length)).map(e => e.outerHTML)"""
    assert tab.evaluate(unnamed) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_is_wider_than_the_screen(browser, clip_address, short_clip, width, scheme, tmp_path):  # noqa: F811
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab = context.new_page()
    open_tab(tab, clip_address)
    choose_clip(tab, short_clip)
    tab.click("#assess")
    tab.wait_for_selector("#clip-json:not([disabled])", timeout=30_000)
    tab.screenshot(path=tmp_path / f"{width}-{scheme}.png", full_page=True)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
