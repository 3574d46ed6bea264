// What pages of the console do beyond HTML. Without it they work, too.
//
// Parts, [data-refresh], are fetched again, all from the address that the first of them
// holds: often while something is under way, else now and then, at once when the stream of
// events, [data-stream], tells of something, and not while the tab is hidden.
(() => {
  "use strict";
  const BUSY = 2000;
  const IDLE = 15000;
  const MOST = 60000;
  const SOON = 300;

  const first = document.querySelector('[data-refresh]:not([data-refresh=""])');
  if (!first) return;
  const sign = document.createElement("p");
  sign.className = "connection";
  sign.setAttribute("role", "status");
  first.before(sign);
  let pause = 0;
  let timer = 0;
  let streaming = null;
  let asking = false;
  let again = false;

  const show = (state, text) => {
    if (sign.textContent === text) return;
    sign.dataset.state = state;
    sign.textContent = text;
  };

  // Each answer has other tokens against forged forms: that alone is no news.
  const content = (part) => part.innerHTML.replace(/(csrfmiddlewaretoken" value=")\w+/g, "$1");

  const replace = (part, fresh) => {
    for (const details of part.querySelectorAll("details[id]")) {
      const other = fresh.querySelector(`#${details.id}`);
      if (other) other.open = details.open;
    }
    // What is the same is not read out again.
    if (content(part) === content(fresh)) return;
    part.replaceChildren(...fresh.childNodes);
    document.dispatchEvent(new Event("fresh"));
  };

  const isTyped = (field) =>
    field.type !== "hidden" && (field.value !== field.defaultValue || field.checked !== field.defaultChecked);

  // Who is about to follow a link, to choose rows, to answer or to type keeps what is there.
  const isUsed = (part) =>
    part.contains(document.activeElement) ||
    part.querySelector("dialog[open]") ||
    [...part.querySelectorAll("input, textarea")].some(isTyped);

  const fetchParts = async () => {
    const answer = await fetch(first.dataset.refresh, { cache: "no-store" });
    if (answer.redirected || answer.status === 403) return false;
    if (!answer.ok) throw new Error(answer.status);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-refresh]")) {
      const fresh = page.getElementById(part.id);
      if (fresh && !isUsed(part)) replace(part, fresh);
    }
    return true;
  };

  const isBusy = () => document.querySelector("[data-refresh] .live, [data-refresh] .status-busy");

  // One at a time: of two answers the older one could be shown last.
  const refresh = async () => {
    clearTimeout(timer);
    if (document.hidden) return;
    again = asking;
    if (asking) return;
    asking = true;
    try {
      if (!(await fetchParts())) return show("off", "Not live: log in again");
      pause = 0;
      show("on", "Live");
    } catch {
      pause = Math.min(2 * (pause || IDLE), MOST);
      show("off", "Not connected");
    } finally {
      asking = false;
    }
    clearTimeout(timer);
    timer = setTimeout(refresh, pause || (again ? SOON : isBusy() ? BUSY : IDLE));
  };

  // Many events in a row are one reason to ask, and do not put it off.
  let isSoon = 0;
  const soon = () => {
    if (isSoon) return;
    isSoon = setTimeout(() => {
      isSoon = 0;
      refresh();
    }, SOON);
  };

  // It only tells that something happened; where there is none, asking now and then does.
  const listen = async (signal) => {
    const answer = await fetch(first.dataset.stream, {
      headers: { Accept: "text/event-stream" },
      signal,
    });
    if (!answer.ok) return false;
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = ""; ; ) {
      const { done, value } = await reader.read();
      if (done) return true;
      const lines = (text + value).split("\n");
      text = lines.pop();
      if (lines.some((line) => line.startsWith("data:"))) soon();
    }
  };

  // A hidden tab holds no place on the server.
  const follow = async () => {
    streaming?.abort();
    if (document.hidden || !first.dataset.stream) return;
    streaming = new AbortController();
    const { signal } = streaming;
    try {
      while (await listen(signal)) await new Promise((done) => setTimeout(done, IDLE));
    } catch {
      if (!signal.aborted) setTimeout(() => signal.aborted || follow(), MOST);
    }
  };

  document.addEventListener("visibilitychange", () => {
    refresh();
    follow();
  });
  show("on", "Live");
  timer = setTimeout(refresh, isBusy() ? BUSY : IDLE);
  follow();
})();

// Buttons that copy what they stand behind.
(() => {
  "use strict";
  const offer = () => {
    for (const button of document.querySelectorAll(".copy[hidden]")) button.hidden = false;
  };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest(".copy");
    if (!button) return;
    const text = button.parentElement.firstElementChild;
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.dataset.done = "";
      setTimeout(() => delete button.dataset.done, 2000);
    } catch {
      // Browsers give no clipboard to a page without TLS: it is selected, to be copied.
      getSelection().selectAllChildren(text);
    }
  });
  document.addEventListener("fresh", offer);
  offer();
})();

// Dialogs, for browsers in which a button cannot open one by itself.
(() => {
  "use strict";
  if ("commandForElement" in HTMLButtonElement.prototype) return;
  document.addEventListener("click", (event) => {
    const button = event.target.closest('[command="show-modal"]');
    if (button) document.getElementById(button.getAttribute("commandfor")).showModal();
  });
})();

// What a form would take of the quotas, while it is filled in.
(() => {
  "use strict";
  const form = document.querySelector("form[data-preview]");
  if (!form) return;
  const ASKED_FOR = ["project", "cloud", "flavor"];
  let asked = null;

  const show = (page, id) => {
    const part = document.getElementById(id);
    const fresh = page.getElementById(id);
    if (part.innerHTML !== fresh.innerHTML) part.replaceChildren(...fresh.childNodes);
  };

  // A project may have images of its own.
  const offerImages = (page) => {
    const [image, fresh] = [form.elements.image, page.querySelector("[name=image]")];
    if (image.options === undefined || fresh.options === undefined) return;
    const chosen = image.value;
    image.replaceChildren(...fresh.childNodes);
    image.value = chosen;
    if (image.selectedIndex < 0) image.selectedIndex = 0;
  };

  const ask = async () => {
    asked?.abort();
    asked = new AbortController();
    const body = new FormData(form);
    body.append("_preview", "1");
    try {
      const answer = await fetch(location.href, { method: "POST", body, signal: asked.signal });
      if (!answer.ok || answer.redirected) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      show(page, "preview");
      offerImages(page);
    } catch {
      // The next change asks again.
    }
  };

  const changed = (event) => {
    if (ASKED_FOR.includes(event.target.name)) ask();
  };
  // Django's field for a row tells only its own library of what was chosen.
  if (window.django?.jQuery) window.django.jQuery(form).on("change", changed);
  else form.addEventListener("change", changed);
  document.querySelector("[name=_preview]").hidden = true;
  if (form.elements.flavor.value) ask();
})();

// What Django's own fields do not tell those who cannot see them: the column of an inline's
// rows has no name, and the signs beside the search fields of long lists have no role.
addEventListener("load", () => {
  const column = document.querySelector("th.original");
  if (column) {
    const name = document.createElement("span");
    name.className = "visually-hidden";
    name.textContent = "Row";
    column.append(name);
  }
  for (const sign of document.querySelectorAll(".search-label-icon")) {
    sign.setAttribute("role", "img");
  }
});
