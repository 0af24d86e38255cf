"""The report and the page of one recording as a person has them: in Chromium, headless."""

import json

import pytest
from browser import NARROW, WIDE, dress, keep_screenshot, serious_faults, start, why_not
from command import asrkit
from hostile_report import write_world

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    top = write_world(tmp_path_factory.mktemp("world"))
    asrkit("report", top / "report", top / "data", top / "chmm", top / "gmm", "--html")
    fold = top / "chmm" / "fold_1"
    asrkit("explain", fold, top / "wavs" / "1two3.wav", "-o", top / "explained.html")
    return top


@pytest.fixture(scope="module")
def browser(world):
    driver = start()
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, world):
    dress(browser)
    browser.get((world / "report" / "report.html").as_uri())
    assert browser.execute_script("return document.documentElement.dataset.ready") == "true"
    yield browser
    said = [line for line in browser.get_log("browser") if line["level"] in ("SEVERE", "WARNING")]
    assert not said, "nothing is refused by the page's policy, and no script fails"


def told(world):
    return json.loads((world / "report" / "report.json").read_text())


def rows(page):
    """The utterances of the errors that are seen, in their order."""
    return page.execute_script(
        "return [...document.querySelectorAll('#error-rows > tr')].filter((row) => !row.hidden && row.dataset.utt "
        "&& !row.classList.contains('detail')).map((row) => row.dataset.utt)"
    )


def press(page, keys):
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(page).send_keys(keys).perform()


def wait(page, expression):
    """Wait for a JavaScript expression to be true."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(page, 10, 0.05).until(lambda own: own.execute_script(f"return {expression}"))


def heard_s(page):
    """Wait until a recording has been played to its end, and say how many seconds of it."""
    wait(page, "document.documentElement.dataset.played && !document.documentElement.dataset.playing")
    seconds = page.execute_script(
        "const own = document.documentElement.dataset, seconds = own.played; delete own.played; return seconds"
    )
    return float(seconds)


def test_every_error_has_a_row_and_names_that_are_markup_are_texts(page, world):
    assert rows(page) == [one["utt"] for one in told(world)["errors"]]
    assert page.execute_script("return document.querySelectorAll('img').length") == 0
    texts = page.execute_script(
        "return [...document.querySelectorAll('button.open')].map((own) => own.textContent)"
    )
    assert texts == rows(page)


def test_an_error_is_filtered_opened_drawn_and_played(page, world):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select

    one = next(one for one in told(world)["errors"] if "0one1" in one["utt"])
    Select(page.find_element(By.ID, "said")).select_by_value(one["said"])
    page.find_element(By.ID, "find").send_keys("0ONE1")
    assert rows(page) == [one["utt"]]
    assert page.find_element(By.ID, "count").text == f"1 of {len(told(world)['errors'])} errors"
    page.find_element(By.CSS_SELECTOR, "tr:not([hidden]) > th button.open").click()
    detail = page.find_element(By.CSS_SELECTOR, "tr.detail")
    for own in one["systems"].values():
        assert own["why"] in detail.text
    for canvas in detail.find_elements(By.TAG_NAME, "canvas"):
        colours = page.execute_script(
            "const own = arguments[0], dots = own.getContext('2d').getImageData(0, 0, own.width, own.height).data;"
            "return new Set(Array.from({length: dots.length / 4}, (_, i) => dots.slice(4 * i, 4 * i + 3).join())).size",
            canvas,
        )
        assert colours > 50 and canvas.get_attribute("aria-label") in [
            own["why"] for own in one["systems"].values()
        ]
    keep_screenshot(page, "report_error")
    page.find_element(By.CSS_SELECTOR, "tr:not([hidden]) button.play").click()
    lasts_s = heard_s(page)
    data = page.execute_script("return JSON.parse(document.getElementById('data').textContent)")
    assert lasts_s == pytest.approx(data["cases"][one["utt"]]["duration_s"], abs=0.02)
    stretch = [
        own for own in detail.find_elements(By.CSS_SELECTOR, ".tools button") if "stretch" in own.text
    ][0]
    stretch.click()
    assert 0 < heard_s(page) < lasts_s
    page.find_element(By.ID, "clear").click()
    assert len(rows(page)) == len(told(world)["errors"])


def test_keys_alone_go_through_the_errors(page, world):
    utts = rows(page)
    press(page, "j")
    assert page.execute_script("return document.activeElement.textContent") == utts[0]
    press(page, "jo")
    assert page.execute_script("return document.querySelector('tr.detail').dataset.utt") == utts[1]
    press(page, "p")
    assert heard_s(page) > 0
    press(page, "oko")
    assert page.execute_script("return document.querySelector('tr.detail').dataset.utt") == utts[0]
    press(page, "/")
    assert page.execute_script("return document.activeElement.id") == "find"
    press(page, "j")
    assert page.execute_script("return document.getElementById('find').value") == "j", (
        "where one types they are letters"
    )


def test_an_address_opens_an_error(page, world):
    from urllib.parse import quote

    address = (world / "report" / "report.html").as_uri()
    for utt in rows(page)[:3]:
        page.get(f"{address}#utt={quote(utt, safe='')}")
        wait(page, "document.querySelector('tr.here + tr.detail') !== null")
        assert page.execute_script("return document.querySelector('tr.here').dataset.utt") == utt
    for none in ("%E0%A4%A", "nobody"):
        page.get("about:blank")
        page.get(f"{address}#utt={none}")
        assert page.execute_script("return document.documentElement.dataset.ready") == "true"


def test_columns_sort_both_ways(page, world):
    from selenium.webdriver.common.by import By

    heads = page.find_elements(By.CSS_SELECTOR, "#errors thead th")
    place = [head.text for head in heads].index("ahead by nats")
    for way in ("ascending", "descending"):
        heads[place].find_element(By.TAG_NAME, "button").click()
        assert heads[place].get_attribute("aria-sort") == way
        values = page.execute_script(
            "return [...document.querySelectorAll('#error-rows > tr')].map((row) => Number(row.cells[arguments[0]].textContent))",
            place,
        )
        assert values == sorted(values, reverse=way == "descending")


def test_a_cell_of_the_confusion_matrix_opens_its_recordings(page, world):
    from selenium.webdriver.common.by import By

    system = told(world)["systems"][0]
    for i, said in enumerate(system["vocabulary"]):
        for j, heard in enumerate(system["vocabulary"]):
            count = system["confusion"][i][j]
            if not count:
                continue
            cell = next(
                own
                for own in page.find_elements(By.CSS_SELECTOR, ".matrix button[data-system='0']")
                if (own.get_attribute("data-said"), own.get_attribute("data-heard")) == (said, heard)
            )
            cell.click()
            panel = page.find_element(By.ID, "cell")
            assert len(panel.find_elements(By.TAG_NAME, "li")) == count
            assert len(panel.find_elements(By.CSS_SELECTOR, "button.play")) == count
            if i != j:
                panel.find_element(By.TAG_NAME, "a").click()
                assert page.execute_script("return document.querySelector('tr.detail') !== null")


@pytest.mark.parametrize("width, dark", [(WIDE, False), (NARROW, True)])
def test_it_fits_a_phone_and_is_fit_for_all(page, world, width, dark):
    dress(page, width, dark)
    page.execute_script("document.getElementById('open-all').click()")
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    right = page.execute_script(
        "return Math.max(...[...document.querySelectorAll('.inner')].map((own) => own.getBoundingClientRect().right))"
    )
    assert right <= width, "what explains an error is seen without scrolling sideways"
    keep_screenshot(page, f"report_{width}_{'dark' if dark else 'light'}")
    assert serious_faults(page) == []


def test_what_is_open_is_printed_without_buttons(page, world):
    press(page, "jo")
    dress(page, media="print")
    shown = page.execute_script(
        "return ['nav', '.tools', 'button.play', 'canvas'].map((name) => document.querySelector(name).getClientRects().length > 0)"
    )
    assert shown == [False, False, False, True]


@pytest.mark.parametrize("width, dark", [(WIDE, False), (NARROW, True)])
def test_the_page_of_one_recording(browser, world, width, dark):
    from selenium.webdriver.common.by import By

    dress(browser, width, dark)
    browser.get((world / "explained.html").as_uri())
    assert browser.execute_script("return document.documentElement.dataset.ready") == "true"
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    for button in browser.find_elements(By.CSS_SELECTOR, "button[data-from]"):
        button.click()
        assert heard_s(browser) > 0
    keep_screenshot(browser, f"explained_{width}")
    assert not [line for line in browser.get_log("browser") if line["level"] in ("SEVERE", "WARNING")]
    assert serious_faults(browser) == []
