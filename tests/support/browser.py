"""JupyterLab in a real browser that nobody sees, driven as its user drives it."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from selenium import webdriver
from selenium.common.exceptions import (
    StaleElementReferenceException,
    TimeoutException,
    WebDriverException,
)
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from support.notebooks import TOKEN, Server
from support.runs import need
from support.world import SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from selenium.webdriver.remote.webelement import WebElement

_OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--window-size=1000,1100", "--force-device-scale-factor=1"),
)
CELLS = ".jp-Notebook .jp-CodeCell"


class Lab:
    """One browser window with JupyterLab."""

    def __init__(self, server: Server, folder: Path) -> None:
        driver, browser = shutil.which("chromedriver"), shutil.which("chromium")
        need(driver and browser, "chromium and chromedriver")
        options = webdriver.ChromeOptions()
        options.binary_location = str(browser)
        for option in (*_OPTIONS, f"--user-data-dir={folder / 'chromium'}"):
            options.add_argument(option)
        service = webdriver.ChromeService(str(driver), log_output=str(folder / "driver.log"))
        self.driver = webdriver.Chrome(options, service)
        self.server = server
        self.folder = folder
        self.wait = WebDriverWait(
            self.driver, SECONDS, 0.1, ignored_exceptions=[WebDriverException]
        )

    def open(self, path: str, page: str = "lab/tree") -> None:
        """Open a notebook's file."""
        self.driver.get(f"{self.server.url}/{page}/{path}?token={TOKEN}&reset")

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Wait for ``condition``; what it gave."""
        try:
            return self.wait.until(lambda _: condition())
        except TimeoutException:
            self.driver.save_screenshot(str(self.folder / "failed.png"))
            raise AssertionError(f"not in time: {what}\n{self.text()[-3000:]}") from None

    def text(self) -> str:
        """All that is to be read."""
        return str(self.driver.execute_script("return document.body.innerText"))

    def find(self, selector: str, text: str = "") -> WebElement:
        """The first element that is shown, with ``text`` in it."""

        def look() -> WebElement | None:
            for each in self.driver.find_elements(By.CSS_SELECTOR, selector):
                if each.is_displayed() and text in each.text:
                    return each
            return None

        found: WebElement = self.until(look, f"{selector} {text}")
        return found

    def click(self, selector: str, text: str = "") -> None:
        """Click on it once it can be."""

        def attempt() -> bool:
            self.find(selector, text).click()
            return True

        self.until(attempt, f"a click on {selector} {text}")

    def menu(self, *path: str) -> None:
        """Choose from the menus."""
        first, *rest = path
        self.click(".lm-MenuBar-itemLabel", first)
        for item in rest:
            self.click(".lm-Menu-itemLabel", item)

    def choose_kernel(self, display_name: str, idle: str = "") -> None:
        """In the dialog that asks for one; wait until it is shown to be idle.

        Args:
            display_name: what the dialog calls it.
            idle: selector of what shows that, where there is no status bar.
        """
        self.find(".jp-Dialog select")
        self.click(".jp-Dialog select option", display_name)
        self.click(".jp-Dialog button.jp-mod-accept")
        if idle:
            self.find(".jp-Toolbar-kernelName", display_name)
            self.find(idle)
        else:
            self.find(".jp-StatusBar-Widget", f"{display_name} | Idle")

    def cell(self, index: int) -> WebElement:
        """A code cell, scrolled to."""
        found: WebElement = self.until(
            lambda: self.driver.find_elements(By.CSS_SELECTOR, CELLS)[index], f"cell {index}"
        )
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", found)
        return found

    def select(self, index: int) -> None:
        """Put the cursor into a cell."""

        def attempt() -> bool:
            self.cell(index).find_element(By.CSS_SELECTOR, ".cm-content").click()
            return True

        self.until(attempt, f"a click into cell {index}")

    def start(self, index: int) -> None:
        """Run a cell."""
        self.select(index)
        self.keys(Keys.CONTROL, Keys.ENTER)

    def run(self, index: int) -> str:
        """Run a cell to its end; what it shows."""
        before = self.prompt(index)
        self.start(index)
        self.until(lambda: self.prompt(index) not in {before, "[*]:"}, f"the end of cell {index}")
        return self.output(index)

    def complete(self, index: int, expected: str) -> None:
        """Have a cell's last line completed by Tab to what is ``expected``."""

        def attempt() -> bool:
            self.select(index)
            self.keys(Keys.END)
            self.keys(Keys.TAB)
            # JupyterLab gives up a completion that takes a second, as a first one may.
            with suppress(TimeoutException):
                WebDriverWait(self.driver, 3).until(lambda _: self._completed(index, expected))
                return True
            return False

        self.until(attempt, f"{expected} in cell {index}")

    def _completed(self, index: int, expected: str) -> bool:
        if expected in self.cell(index).text:
            return True
        for item in self.driver.find_elements(By.CSS_SELECTOR, ".jp-Completer-item"):
            if item.is_displayed() and expected.rpartition(".")[2] in item.text.split():
                self.keys(Keys.ENTER)
        return False

    def prompt(self, index: int) -> str:
        return self.cell(index).find_element(By.CSS_SELECTOR, ".jp-InputPrompt").text.strip()

    def output(self, index: int) -> str:
        """What a cell shows, as text."""
        try:
            return self.cell(index).find_element(By.CSS_SELECTOR, ".jp-OutputArea").text
        except StaleElementReferenceException:
            return self.output(index)

    def keys(self, *keys: str) -> None:
        """Press keys: held ones first."""
        *held, last = keys
        chain = ActionChains(self.driver)
        for key in held:
            chain = chain.key_down(key)
        chain = chain.send_keys(last)
        for key in held:
            chain = chain.key_up(key)
        chain.perform()

    def picture(self, file: Path) -> None:
        """A picture of the window, with nothing that fades in or out."""
        file.parent.mkdir(parents=True, exist_ok=True)
        time.sleep(0.3)  # for what fades in; nothing depends on it
        self.driver.save_screenshot(str(file))

    def close(self) -> None:
        self.driver.quit()


__all__ = ["CELLS", "By", "Keys", "Lab"]
