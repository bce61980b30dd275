/* Waiting for room to talk. Asks every few seconds where the person stands, and says so in the same words as the server.

   <div id="wait-status" data-wait-url="/p/…/wait/">   what the server says takes its place; with data-wait-over there is
                                                       room, and nothing more is asked
   <div data-wait-begin hidden>                        shown when there is room
   <div id="waiting" data-turn-title="…">              then the page's title */

const ASK_AFTER_MS = 5000;
const SPREAD_MS = 1500;

let timer = null;

const status = () => document.getElementById("wait-status");
const waits = () => status() && !("waitOver" in status().dataset);

function later() {
  clearTimeout(timer);
  // not all at the same moment
  if (waits()) timer = setTimeout(ask, ASK_AFTER_MS + Math.random() * SPREAD_MS);
}

async function ask() {
  try {
    const response = await fetch(status().dataset.waitUrl, { credentials: "same-origin", cache: "no-store" });
    if (response.redirected) {
      location.reload();
      return;
    }
    if (response.ok) show(await response.text());
  } catch {
    // no network: the next try says more
  }
  later();
}

function show(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html").getElementById("wait-status");
  if (!fresh || !status()) return;
  // the region itself stays, so that screen readers hear what changes in it
  if (status().innerHTML !== fresh.innerHTML) status().innerHTML = fresh.innerHTML;
  if (!("waitOver" in fresh.dataset)) return;
  status().dataset.waitOver = "";
  const begin = document.querySelector("[data-wait-begin]");
  if (!begin) return;
  begin.hidden = false;
  document.title = document.getElementById("waiting")?.dataset.turnTitle ?? document.title;
  begin.querySelector("button")?.focus();
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && waits()) ask();
});
document.addEventListener("htmx:load", later);
later();
