// Parts of a page, [data-refresh], that are fetched again every few seconds, all from the
// address that the first of them holds: not while the tab is hidden, and less often after
// errors.
(() => {
  "use strict";
  const EVERY = 5000;
  const MOST = 60000;

  const first = document.querySelector('[data-refresh]:not([data-refresh=""])');
  if (!first) return;
  const sign = document.createElement("p");
  sign.className = "connection";
  sign.setAttribute("role", "status");
  first.before(sign);
  let delay = EVERY;
  let timer = 0;

  const show = (state, text) => {
    if (sign.textContent === text) return;
    sign.dataset.state = state;
    sign.textContent = text;
  };

  const replace = (part, fresh) => {
    for (const details of part.querySelectorAll("details[id]")) {
      const other = fresh.querySelector(`#${details.id}`);
      if (other) other.open = details.open;
    }
    // What is the same is not read out again.
    if (part.innerHTML !== fresh.innerHTML) part.replaceChildren(...fresh.childNodes);
  };

  const fetchParts = async () => {
    const answer = await fetch(first.dataset.refresh, { cache: "no-store" });
    if (answer.redirected || answer.status === 403) return false;
    if (!answer.ok) throw new Error(answer.status);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-refresh]")) {
      const fresh = page.getElementById(part.id);
      // Who is about to follow a link, or to choose rows, keeps what is there.
      if (fresh && !part.contains(document.activeElement)) replace(part, fresh);
    }
    return true;
  };

  const refresh = async () => {
    clearTimeout(timer);
    if (document.hidden) return;
    try {
      if (!(await fetchParts())) return show("off", "Not live: log in again");
      delay = EVERY;
      show("on", "Live");
    } catch {
      delay = Math.min(2 * delay, MOST);
      show("off", "Not connected");
    }
    clearTimeout(timer);
    timer = setTimeout(refresh, delay);
  };

  document.addEventListener("visibilitychange", refresh);
  show("on", "Live");
  timer = setTimeout(refresh, delay);
})();
