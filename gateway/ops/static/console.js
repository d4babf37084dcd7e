/* Keeps the console's page in step with the gateway.
 *
 * Owns: server-sent events, which element shows which value, and the playground's form. It must not
 * know what any value means: words and figures come from the gateway, ready to be shown. All text is
 * put in as text, so nothing that is told can become markup. Rows are made from the page's own
 * <template> elements, and those that stay are changed in place, so that focus and selection stay.
 */
"use strict";

(() => {
  const STALE = 6000; // milliseconds without news
  const AGAIN = 5000; // until a closed stream is tried again

  // Which element shows which value

  const at = (values, path) =>
    path.split(".").reduce((found, name) => (found == null ? found : found[name]), values);

  const show = (element, name, value) => {
    if (name === "text") {
      const text = value == null ? "" : String(value);
      if (element.textContent !== text) element.textContent = text;
    } else if (name === "hidden") {
      element.hidden = Boolean(value);
    } else if (name === "tone") {
      if (element.dataset.tone !== value) element.dataset.tone = value ?? "";
    } else if (value == null || value === "") {
      element.removeAttribute(name);
    } else if (element.getAttribute(name) !== String(value)) {
      element.setAttribute(name, value);
    }
  };

  const fill = (element, values) => {
    for (const pair of (element.dataset.bind ?? "").split(" ")) {
      const [name, path] = pair.split(":");
      if (path) show(element, name, at(values, path));
    }
    if (element.dataset.each) {
      list(element, at(values, element.dataset.each) ?? []);
    } else {
      for (const child of element.children) {
        if (child.dataset.panel === undefined) fill(child, values);
      }
    }
  };

  const list = (element, items) => {
    const template = element.querySelector(":scope > template");
    const rows = new Map();
    for (const row of element.children) if (row !== template) rows.set(row.dataset.key, row);
    let next = element.firstElementChild;
    for (const item of items) {
      let row = rows.get(item.key);
      rows.delete(item.key);
      if (row === undefined) {
        row = template.content.firstElementChild.cloneNode(true);
        row.dataset.key = item.key;
      }
      fill(row, item);
      if (row === next) next = row.nextElementSibling;
      else element.insertBefore(row, next);
    }
    for (const row of rows.values()) row.remove();
  };

  const panels = [...document.querySelectorAll("[data-panel]")];

  const tell = (values, wanted) => {
    for (const panel of panels) {
      const name = panel.dataset.panel;
      if (wanted(name)) fill(panel, name ? values[name] : values);
    }
  };

  // The news

  const live = document.getElementById("live");
  const liveText = document.getElementById("live-text");
  let heard = Date.now();

  const say = (tone, text) => {
    live.dataset.tone = tone;
    if (liveText.textContent !== text) liveText.textContent = text;
  };

  const outdated = document.getElementById("outdated");
  const prompt = document.getElementById("play-prompt");
  const confirmation = document.getElementById("drain-confirm");

  // Another process answers, which does not know the forms of this page.
  const renew = (values) => {
    if (values.page === document.documentElement.dataset.page) return;
    if (prompt?.value || confirmation?.value) outdated.hidden = false;
    else location.reload();
  };

  const now = (event) => {
    const values = JSON.parse(event.data);
    heard = Date.now();
    say("good", "live");
    tell(values, (name) => name !== "keys");
    const alarm = values.verdict.tone === "bad" ? "(!) " : "";
    document.title = `${alarm}${values.tiles.jobs} in flight · image-gateway`;
    renew(values);
  };

  const keys = (event) => {
    const values = { keys: JSON.parse(event.data) };
    heard = Date.now();
    tell(values, (name) => name === "keys");
  };

  const listen = () => {
    const source = new EventSource("events");
    source.addEventListener("now", now);
    source.addEventListener("keys", keys);
    source.addEventListener("error", () => {
      // The browser comes back by itself, unless it was refused.
      if (source.readyState === EventSource.CLOSED) setTimeout(retry, AGAIN);
    });
  };

  const retry = async () => {
    try {
      const answer = await fetch("events", { method: "HEAD" });
      if (answer.status === 401) location.assign("login");
    } catch {
      // nobody there: listening finds out the same, and tries again
    }
    listen();
  };

  setInterval(() => {
    if (Date.now() - heard < STALE) return;
    say("bad", `stale: no news since ${new Date(heard).toLocaleTimeString()}`);
  }, 1000);

  document.getElementById("still").hidden = true;
  listen();

  // The playground

  const form = document.getElementById("play");
  if (!form) return;
  const button = document.getElementById("play-button");
  const price = document.getElementById("play-price");
  const state = document.getElementById("play-state");
  const played = document.getElementById("played");
  const LOST = "no answer came; make it again, and what was bought for it is not bought twice";

  const quote = async () => {
    const fields = new URLSearchParams(new FormData(form));
    fields.delete("csrf");
    fields.delete("once");
    fields.delete("prompt");
    const answer = await fetch(`playground/price?${fields}`);
    if (answer.ok) price.textContent = (await answer.json()).price;
  };

  const play = async () => {
    const began = Date.now();
    const tick = () => {
      state.textContent = `being made, ${Math.round((Date.now() - began) / 1000)} s`;
    };
    tick();
    const ticking = setInterval(tick, 1000);
    button.disabled = true;
    try {
      const answer = await fetch("playground", {
        method: "POST",
        headers: { accept: "application/json" },
        body: new URLSearchParams(new FormData(form)),
      });
      state.textContent = "";
      const type = answer.headers.get("content-type") ?? "";
      if (type.startsWith("application/json")) {
        const values = await answer.json();
        fill(played, values);
        played.querySelector("details").open = values.pictures.length === 0;
        played.hidden = false;
        form.elements.namedItem("once").value = values.once;
      } else {
        // What is no plain text is not ours, but that of a proxy that did not wait for us.
        state.textContent = type.startsWith("text/plain") ? await answer.text() : LOST;
      }
    } catch {
      state.textContent = LOST;
    } finally {
      clearInterval(ticking);
      button.disabled = false;
    }
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    play();
  });
  form.addEventListener("change", quote);
  quote();
})();
