"""The report and the page of one recording as a person has them, in a real browser."""

import json
from urllib.parse import quote

import pytest
from chromium import chromium, needs_chromium
from command import asrkit
from hostile_report import write_world

pytestmark = needs_chromium
NARROW, WIDE = 390, 1280
READY = "document.documentElement?.dataset.ready === 'true'"
OPEN = "document.querySelector('tr.detail')?.dataset.utt"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    top = write_world(tmp_path_factory.mktemp("world"))
    curve = "count\tdraw\tutts\terrors\twords\twer\tlow\thigh\n1\t1\t3\t9\t12\t0\t0\t0\nall\t-\t9\t3\t12\t0\t0\t0\n"
    (top / "curve").mkdir()
    (top / "curve" / "learning-curve.tsv").write_text(curve)
    more = ("--html", "--learning-curves", top / "curve")
    asrkit("report", top / "report", top / "data", top / "chmm", top / "gmm", *more)
    asrkit("report", top / "small", top / "data", top / "chmm", top / "gmm", "--html", "--html-errors=1")
    fold = top / "chmm" / "fold_1"
    asrkit("explain", fold, top / "wavs" / "1two3.wav", "-o", top / "explained.html")
    return top


@pytest.fixture(scope="module")
def browser(world):
    with chromium() as page:
        yield page


@pytest.fixture
def page(browser, world):
    browser.look(WIDE)
    browser.open("about:blank")
    browser.open((world / "report" / "report.html").as_uri(), READY)
    yield browser
    assert browser.problems() == [], "nothing is refused by the page's policy, and no script fails"


def told(world):
    return json.loads((world / "report" / "report.json").read_text())


def rows(page):
    """The utterances of the errors that are seen, in their order."""
    return page.run(
        "[...document.querySelectorAll('#error-rows > tr:not(.detail)')].filter((row) => !row.hidden).map((row) => row.dataset.utt)"
    )


def press(page, keys):
    for key in keys:
        page.press(key)


def set_value(page, name, text):
    page.run(
        f"(() => {{ const own = document.getElementById('{name}'); own.value = {json.dumps(text)};"
        "own.dispatchEvent(new Event('input')); })()"
    )


def heard_s(page):
    """Wait until a recording has been played to its end, and say how many seconds of it."""
    page.wait("document.documentElement.dataset.played && !document.documentElement.dataset.playing")
    return float(
        page.run(
            "(() => { const own = document.documentElement.dataset, seconds = own.played; delete own.played; return seconds; })()"
        )
    )


def test_every_error_has_a_row_and_names_that_are_markup_are_texts(page, world):
    assert rows(page) == [one["utt"] for one in told(world)["errors"]]
    assert page.run("document.querySelectorAll('img').length") == 0
    texts = page.run("[...document.querySelectorAll('button.open')].map((own) => own.textContent)")
    assert texts == rows(page)


def test_an_error_is_filtered_opened_drawn_and_played(page, world):
    one = next(one for one in told(world)["errors"] if "0one1" in one["utt"])
    set_value(page, "said", one["said"])
    set_value(page, "find", "0ONE1")
    assert rows(page) == [one["utt"]]
    count = page.run("document.getElementById('count').textContent")
    assert count == f"1 of {len(told(world)['errors'])} errors"
    page.run("document.querySelector('#error-rows tr:not([hidden]) button.open').click()")
    text = page.run("document.querySelector('tr.detail').textContent")
    whys = [own["why"] for own in one["systems"].values()]
    assert all(why in text for why in whys)
    drawn = page.run(
        "[...document.querySelectorAll('tr.detail canvas')].map((own) => {"
        "const dots = own.getContext('2d').getImageData(0, 0, own.width, own.height).data;"
        "return [own.getAttribute('aria-label'),"
        "new Set(Array.from({length: dots.length / 4}, (_, i) => dots.slice(4 * i, 4 * i + 3).join())).size]; })"
    )
    assert [label for label, _ in drawn] == whys and all(colours > 50 for _, colours in drawn)
    page.keep_picture("report_error")
    page.run("document.querySelector('#error-rows tr:not([hidden]) button.play').click()")
    lasts_s = heard_s(page)
    data = page.run("JSON.parse(document.getElementById('data').textContent).cases")
    assert lasts_s == pytest.approx(data[one["utt"]]["duration_s"], abs=0.02)
    page.run(
        "[...document.querySelectorAll('tr.detail .tools button')].find((own) => own.textContent.includes('stretch')).click()"
    )
    assert 0 < heard_s(page) < lasts_s
    page.run("document.getElementById('clear').click()")
    assert len(rows(page)) == len(told(world)["errors"])


def test_keys_alone_go_through_the_errors(page):
    utts = rows(page)
    press(page, "j")
    assert page.run("document.activeElement.textContent") == utts[0]
    press(page, "jo")
    assert page.run(OPEN) == utts[1]
    press(page, "p")
    assert heard_s(page) > 0
    press(page, "oko")
    assert page.run(OPEN) == utts[0]
    press(page, "/")
    assert page.run("document.activeElement.id") == "find"
    press(page, "j")
    typed = page.run("document.getElementById('find').value")
    assert typed == "j", "where one types they are letters"


def test_an_address_opens_an_error(page, world):
    address = (world / "report" / "report.html").as_uri()
    for utt in rows(page)[:3]:
        page.open("about:blank")
        page.open(f"{address}#utt={quote(utt, safe='')}", READY)
        page.wait("document.querySelector('tr.here + tr.detail') !== null")
        assert page.run("document.querySelector('tr.here').dataset.utt") == utt
    for none in ("%E0%A4%A", "nobody"):
        page.open("about:blank")
        page.open(f"{address}#utt={none}", READY)


def test_an_error_of_a_later_page_is_found_from_the_first(page, world):
    one = told(world)["errors"][2]
    (system, own), *_ = one["systems"].items()
    number = [own["name"] for own in told(world)["systems"]].index(system)
    page.open((world / "small" / "report.html").as_uri(), READY)
    cell = (
        f"own.dataset.said === {json.dumps(one['said'])} && own.dataset.heard === {json.dumps(own['heard'])}"
    )
    page.run(
        f"[...document.querySelectorAll('.matrix button[data-system=\"{number}\"]')].find((own) => {cell}).click();"
        f"[...document.querySelectorAll('#cell a')].find((own) => own.textContent === {json.dumps(one['utt'])}).click()"
    )
    page.wait(
        f"location.pathname.endsWith('/report-3.html') && {READY} && {OPEN} === {json.dumps(one['utt'])}"
    )
    page.open("about:blank")
    page.open(f"{(world / 'small' / 'report.html').as_uri()}#utt=nobody", READY)
    assert page.run("location.pathname").endswith("/report.html")


def test_columns_sort_both_ways(page):
    for name in ("ahead by nats", "chmm (probability)"):
        for way in ("ascending", "descending"):
            values = page.run(
                f"(() => {{ const heads = [...document.querySelectorAll('#errors thead th')], place = heads.findIndex((own) => own.textContent === '{name}');"
                f"heads[place].querySelector('button').click(); if (heads[place].ariaSort !== '{way}') throw Error(heads[place].ariaSort);"
                "const value = (cell) => Number(cell.dataset.value ?? cell.textContent);"
                "return [...document.querySelectorAll('#error-rows > tr')].map((row) => value(row.cells[place])); })()"
            )
            assert values == sorted(values, reverse=way == "descending") and len(set(values)) > 1


def test_a_cell_of_the_confusion_matrix_opens_its_recordings(page, world):
    systems = told(world)["systems"]
    for number, system in enumerate(systems):
        cells = page.run(
            f"[...document.querySelectorAll('.matrix button[data-system=\"{number}\"]')].map((own) => {{ own.click();"
            "const panel = document.getElementById('cell'), link = panel.querySelector('a');"
            "if (link) { link.click(); if (!document.querySelector('tr.detail')) throw Error(own.ariaLabel); }"
            "return [own.dataset.said, own.dataset.heard, panel.querySelectorAll('li').length, panel.querySelectorAll('button.play').length,"
            "link !== null, panel.textContent]; })"
        )
        words = system["vocabulary"]
        counted = {
            (said, heard): count
            for said, row in zip(words, system["confusion"])
            for heard, count in zip([*words, ""], row)
            if count
        }
        assert {(said, heard): count for said, heard, count, *_ in cells} == counted
        for said, heard, count, played, linked, text in cells:
            assert played == count and text.startswith(system["name"])
            assert linked or said == heard


@pytest.mark.parametrize("width, dark", [(WIDE, False), (NARROW, True)])
def test_it_fits_a_phone_and_is_fit_for_all(page, width, dark):
    page.look(width, dark=dark)
    page.run("document.getElementById('open-all').click()")
    assert page.run("document.documentElement.scrollWidth") <= width
    right = page.run(
        "Math.max(...[...document.querySelectorAll('.inner')].map((own) => own.getBoundingClientRect().right))"
    )
    assert right <= width, "what explains an error is seen without scrolling sideways"
    page.keep_picture(f"report_{width}_{'dark' if dark else 'light'}")
    assert page.serious_faults() == []


def test_what_is_open_is_printed_without_buttons(page):
    press(page, "jo")
    page.look(WIDE, media="print")
    shown = page.run(
        "['nav', '.tools', 'button.play', 'canvas'].map((name) => document.querySelector(name).getClientRects().length > 0)"
    )
    assert shown == [False, False, False, True]


def test_learning_curves_stand_on_the_page(page):
    assert page.run("document.querySelectorAll('#learning svg circle').length") == 2


@pytest.mark.parametrize("width, dark", [(WIDE, False), (NARROW, True)])
def test_the_page_of_one_recording(browser, world, width, dark):
    browser.look(width, dark=dark)
    browser.open((world / "explained.html").as_uri(), READY)
    assert browser.run("document.documentElement.scrollWidth") <= width
    for number in range(browser.run("document.querySelectorAll('button[data-from]').length")):
        browser.run(f"document.querySelectorAll('button[data-from]')[{number}].click()")
        assert heard_s(browser) > 0
    browser.keep_picture(f"explained_{width}")
    assert browser.problems() == [] and browser.serious_faults() == []
