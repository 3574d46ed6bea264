// Parts of a page that fetch themselves again every few seconds, [data-refresh] from the
// address that it holds: not while the tab is hidden, and less often after errors.
(() => {
  "use strict";
  const EVERY = 5000;
  const MOST = 60000;

  for (const part of document.querySelectorAll("[data-refresh]")) {
    const sign = document.createElement("p");
    sign.className = "connection";
    sign.setAttribute("role", "status");
    part.before(sign);
    let delay = EVERY;
    let timer = 0;

    const show = (state, text) => {
      if (sign.textContent === text) return;
      sign.dataset.state = state;
      sign.textContent = text;
    };

    const fetchPart = async () => {
      const answer = await fetch(part.dataset.refresh, { cache: "no-store" });
      if (answer.redirected || answer.status === 403) return false;
      if (!answer.ok) throw new Error(answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById(part.id);
      // Who is about to follow a link, or to choose rows, keeps what is there.
      if (!part.contains(document.activeElement) && fresh) {
        part.replaceChildren(...fresh.childNodes);
      }
      return true;
    };

    const refresh = async () => {
      clearTimeout(timer);
      if (document.hidden) return;
      try {
        if (!(await fetchPart())) return show("off", "Not live: log in again");
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
  }
})();
