// The search on top of the documentation: guides, operations and problems, from one file of
// the service, loaded when somebody begins to type.
"use strict";

{
  const MOST = 12;
  const form = document.querySelector("form.search");
  const input = form.querySelector("input");
  const list = form.querySelector("[role=listbox]");
  const status = form.querySelector("[role=status]");
  let index = null;
  let chosen = -1;

  const load = () => {
    index ??= fetch(form.dataset.index)
      .then((answer) => (answer.ok ? answer.json() : Promise.reject(answer.status)))
      .catch(() => { index = null; return []; });
    return index;
  };

  // All words must be there. Those in a title, and at its beginning, weigh more.
  const weight = (row, words) => {
    const title = row.title.toLowerCase();
    const all = `${row.kind} ${row.title} ${row.text}`.toLowerCase();
    if (!words.every((word) => all.includes(word))) return 0;
    return words.reduce(
      (sum, word) => sum + (title.startsWith(word) ? 4 : title.includes(word) ? 3 : 1), 0);
  };

  const element = (name, properties, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };

  const choose = (position) => {
    const options = [...list.children];
    chosen = options.length ? (position + options.length) % options.length : -1;
    options.forEach((option, at) => option.setAttribute("aria-selected", at === chosen));
    if (chosen < 0) input.removeAttribute("aria-activedescendant");
    else {
      input.setAttribute("aria-activedescendant", options[chosen].id);
      options[chosen].scrollIntoView({ block: "nearest" });
    }
  };

  const close = () => {
    list.hidden = true;
    list.replaceChildren();
    input.setAttribute("aria-expanded", "false");
    choose(0);
  };

  const open = (url) => {
    close();
    location.assign(url);
  };

  const find = async () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = words.length ? await load() : [];
    if (words.join(" ") !== input.value.toLowerCase().split(/\s+/).filter(Boolean).join(" ")) return;
    const found = rows
      .map((row) => ({ row, weight: weight(row, words) }))
      .filter((one) => one.weight)
      .sort((one, other) => other.weight - one.weight)
      .slice(0, MOST);
    if (!words.length) { status.textContent = ""; close(); return; }
    status.textContent = found.length ? `${found.length} found` : "Nothing found";
    list.replaceChildren(...found.map(({ row }, at) => {
      const option = element("li", { id: `found-${at}` },
        element("span", { className: "kind" }, row.kind), ` ${row.title}`,
        element("small", {}, row.text.slice(0, 90)));
      option.setAttribute("role", "option");
      option.addEventListener("mousedown", (event) => { event.preventDefault(); open(row.url); });
      option.dataset.url = row.url;
      return option;
    }));
    if (!found.length) {
      close();
      return;
    }
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    choose(0);
  };

  input.addEventListener("input", find);
  input.addEventListener("focus", load);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") choose(chosen + 1);
    else if (event.key === "ArrowUp") choose(chosen - 1);
    else if (event.key === "Escape" && !list.hidden) close();
    else return;
    event.preventDefault();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const option = list.children[chosen];
    if (option) open(option.dataset.url);
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key !== "/" || isTyping || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    input.focus();
  });
  form.hidden = false;
}
