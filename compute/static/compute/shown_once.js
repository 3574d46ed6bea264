// A secret on a page that is shown once: a button copies it, and a reload leads to the
// page of its row instead of asking for one more.
(() => {
  "use strict";
  const part = document.querySelector(".shown-once");
  const field = part.querySelector("input");
  const button = part.querySelector("button");
  const sign = part.querySelector("[role=status]");

  history.replaceState(null, "", part.dataset.url);
  button.hidden = false;
  button.addEventListener("click", async () => {
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      sign.textContent = "Copied.";
    } catch {
      // Browsers give no clipboard to a page without TLS.
      sign.textContent = "It is selected: copy it with the keyboard.";
    }
  });
})();
