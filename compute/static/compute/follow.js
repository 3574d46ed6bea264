// The browsable API: a project's events go on top of the table as they happen. Over the
// stream; where there is none, or it cannot say what is asked for, by asking again.
(() => {
  "use strict";
  const AGAIN = 3000;
  const MOST = 60000;
  const ROWS = 200;
  const table = document.querySelector("[data-follow]");
  if (!table) return;

  const sign = document.querySelector(".connection");
  const body = table.tBodies[0];
  const known = new Set([...body.querySelectorAll("code")].map((id) => id.textContent));
  const page = new URL(table.dataset.follow, location.href);
  let cursor = table.dataset.cursor;
  let streams = table.dataset.streams === "true";
  let delay = AGAIN;

  const show = (state, text) => {
    if (sign.textContent === text) return;
    sign.dataset.state = state;
    sign.textContent = text;
  };
  const pause = (time) => new Promise((done) => setTimeout(done, time));

  // After the cursor, with the same filters.
  const address = (path) => {
    const url = new URL(path, page);
    url.search = page.search;
    for (const name of ["per_page", "ordering", "format"]) url.searchParams.delete(name);
    url.searchParams.set("after", cursor);
    return url;
  };

  const add = (event) => {
    if (known.has(event.id)) return;
    known.add(event.id);
    const link = document.createElement("a");
    link.href = `${page.pathname}/${event.id}`;
    link.textContent = event.type;
    const id = document.createElement("code");
    id.textContent = event.id;
    const row = body.insertRow(0);
    row.className = "new";
    for (const part of [link, "", id]) row.insertCell().append(part);
    if (body.rows.length > ROWS) body.deleteRow(-1);
  };

  // What ends it for good is thrown with its status.
  const open = async (url, accept, signal) => {
    const answer = await fetch(url, { headers: { Accept: accept }, signal });
    if (!answer.ok) throw Object.assign(new Error(), { status: answer.status });
    delay = AGAIN;
    show("on", "Live");
    return answer;
  };

  const takeBlock = (block) => {
    const fields = {};
    for (const line of block.split("\n")) {
      const [, name, value] = /^([^:]*):? ?(.*)$/.exec(line);
      fields[name] = value;
    }
    if (fields.id) cursor = fields.id;
    if (fields.event === "end") {
      throw Object.assign(new Error(), { status: JSON.parse(fields.data).status });
    }
    if (fields.data) add(JSON.parse(fields.data));
  };

  // An EventSource would hide why it was refused, and all types that are not named.
  const stream = async (signal) => {
    const answer = await open(address(`${page.pathname}/stream`), "text/event-stream", signal);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = ""; ; ) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (text + value).split("\n\n");
      text = blocks.pop();
      blocks.forEach(takeBlock);
    }
  };

  const poll = async (signal) => {
    const answer = await open(address(page.pathname), "application/json", signal);
    for (const event of (await answer.json()).results) add(event);
    cursor = answer.headers.get("Event-Cursor");
  };

  const follow = async (signal) => {
    try {
      await (streams ? stream(signal) : poll(signal));
      await pause(AGAIN);
    } catch (error) {
      if (signal.aborted) return false;
      if (error.status === 501) {
        streams = false;
        return true;
      }
      show("off", "Not connected");
      if (error.status === 410) return location.reload();
      if ([400, 401, 403].includes(error.status)) return false;
      await pause(delay);
      delay = Math.min(2 * delay, MOST);
    }
    return !signal.aborted;
  };

  // A hidden tab holds no place on the server; it goes on from its cursor.
  let current = null;
  const start = async () => {
    current?.abort();
    if (document.hidden) return;
    current = new AbortController();
    const { signal } = current;
    while (await follow(signal));
  };
  document.addEventListener("visibilitychange", start);
  start();
})();
