"""A headless Chromium for tests of pages: Debian's packages chromium and chromium-driver, and the extra `browser`."""

import os
import shutil
from pathlib import Path

import pytest

NARROW, WIDE = 390, 1280


def why_not():
    """Why there is none; empty where there is one."""
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "selenium is not installed (pip install -e '.[browser]')"
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        return "there is no chromium or no chromedriver (apt-get install chromium chromium-driver)"
    return ""


def start(width=WIDE, dark=False, arguments=()):
    """Start a browser."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = shutil.which("chromium")
    for argument in (
        "--headless=new",
        "--no-sandbox",  # CI is root
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--autoplay-policy=no-user-gesture-required",
        *arguments,
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    dress(driver, width, dark)
    return driver


def dress(driver, width=WIDE, dark=False, media=""):
    """Let the page be so wide, light or dark, on a screen or on paper."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": [scheme]})


def keep_screenshot(driver, name):
    """Write NAME.png into the folder that ASRKIT_SCREENSHOTS names, where it does."""
    folder = os.environ.get("ASRKIT_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        driver.save_screenshot(str(Path(folder) / f"{name}.png"))


def serious_faults(driver):
    """What axe-core finds that is serious or critical, or a skip: AXE_CORE names its axe.min.js."""
    path = os.environ.get("AXE_CORE", "")
    if not path:
        pytest.skip("AXE_CORE names no axe.min.js (npm pack axe-core has it)")
    # through the debugger, past the page's policy
    driver.execute_cdp_cmd("Runtime.evaluate", {"expression": Path(path).read_text(encoding="utf-8")})
    driver.set_script_timeout(60)
    found = driver.execute_async_script(
        "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then((found) => "
        "done(found.violations.map((one) => [one.id, one.impact, one.nodes.map((node) => node.html)])));"
    )
    return [one for one in found if one[1] in ("serious", "critical")]
