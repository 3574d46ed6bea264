"""Somebody at a browser: clicks where a mouse would, waits for what shows, and counts."""

import time
from typing import Any

from tests.support.chromium import Chromium

SECONDS = 30.0
#: What a page says against its policy, in its console or by an error is kept over pages.
LISTEN = """
window.heard = JSON.parse(sessionStorage.heard || "[]");
const hear = (...words) => {
  heard.push(words.join(" "));
  sessionStorage.heard = JSON.stringify(heard);
};
addEventListener("securitypolicyviolation", (e) => hear("policy", e.blockedURI, e.violatedDirective));
addEventListener("error", (e) => hear("error", e.message || e.target?.src), true);
addEventListener("unhandledrejection", (e) => hear("rejection", e.reason));
for (const level of ["log", "info", "warn", "error"]) console[level] = (...words) => hear(level, ...words);
"""
#: The first visible element of a selector that has a text; in the dialog if one is open.
FIND = """
((selector, text) => {
  const root = document.querySelector("dialog[open]") || document;
  return [...root.querySelectorAll(selector)].find(
    (e) => e.checkVisibility() && (e.innerText || e.value || "").includes(text));
})"""


class Visitor:
    def __init__(self, browser: Chromium, url: str) -> None:
        self.browser = browser
        self.url = url
        self.clicks = 0
        browser.call("Page.addScriptToEvaluateOnNewDocument", source=LISTEN)

    def go(self, path: str) -> None:
        """Open a page by its address."""
        self.browser.open(f"{self.url}{path}")

    def value(self, expression: str) -> Any:
        return self.browser.value(expression)

    def wait(self, expression: str) -> Any:
        """Wait until JavaScript says something true of the page; return that."""
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                found = self.value(expression)
            except AssertionError:  # one page has gone, and the next not come
                found = None
            if found:
                return found
            if time.monotonic() > deadline:
                text = self.value("document.body.innerText")
                raise AssertionError(f"{expression} did not come true:\n{text[:3000]}")
            time.sleep(0.05)

    def sees(self, *texts: str) -> None:
        """Wait until the page shows some texts."""
        for text in texts:
            self.wait(f"document.body?.innerText.includes({text!r})")

    def click(self, selector: str, text: str = "") -> None:
        """Click what shows a text, in the middle: nothing may lie over it."""
        found = f"{FIND}({selector!r}, {text!r})"
        self.wait(f"!!{found}")
        self.value(f"{found}.scrollIntoView({{block: 'center'}})")
        box = self.value(
            f"""(() => {{
              const e = {found}, box = e.getClientRects()[0];
              const x = box.x + box.width / 2, y = box.y + box.height / 2;
              const top = document.elementFromPoint(x, y);
              const hit = e.contains(top) || top?.contains(e) || e.labels?.[0] === top;
              return hit ? {{x, y}} : {{over: top?.outerHTML?.slice(0, 300) ?? "nothing"}};
            }})()"""
        )
        assert "over" not in box, f"{selector} {text} lies under {box['over']}"
        for kind in ("mousePressed", "mouseReleased"):
            self.browser.call(
                "Input.dispatchMouseEvent",
                type=kind,
                button="left",
                clickCount=1,
                **box,
            )
        self.clicks += 1

    def leave(self, selector: str, text: str = "") -> None:
        """Click what leads to another page, and wait for that."""
        self.value("document.documentElement.dataset.old = '1'")
        self.click(selector, text)
        self.wait(
            "document.readyState === 'complete'"
            " && !document.documentElement.dataset.old"
        )

    def type(self, name: str, text: str) -> None:
        """Type into a field, in place of what it holds."""
        field = f"{FIND}('[name={name}]', '')"
        self.wait(f"!!{field}")
        self.value(f"{field}.focus(); {field}.select?.()")
        self.browser.call("Input.insertText", text=text)

    def choose(self, name: str, text: str) -> None:
        """Choose from a list what begins with a text: two clicks with a mouse."""
        field = f"{FIND}('select[name={name}]', '')"
        self.wait(f"!!{field}")
        self.value(
            f"""(() => {{
              const field = {field};
              field.value = [...field.options].find((o) => o.text.startsWith({text!r})).value;
              field.dispatchEvent(new Event("change", {{bubbles: true}}));
            }})()"""
        )
        self.clicks += 2

    def suggested(self, name: str, typed: str, text: str) -> None:
        """Type into a field with suggestions and take one of them."""
        self.click(f"[name={name}] + .select2 [role=combobox]")
        self.wait("document.activeElement.matches('.select2-search__field')")
        self.browser.call("Input.insertText", text=typed)
        self.click(".select2-results__option--highlighted", text)

    @property
    def heard(self) -> list[str]:
        """What the pages so far had to complain of."""
        heard: list[str] = self.value("window.heard")
        return heard

    def forget(self, heard: list[str]) -> None:
        """Keep no more of what was heard than this."""
        self.value(f"heard = {heard!r}; sessionStorage.heard = JSON.stringify(heard)")

    def fits(self) -> bool:
        """Whether nothing of the page sticks out at its side."""
        return bool(
            self.value(
                "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
            )
        )
