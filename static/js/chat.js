/* A live talk. Watches the turn that is being written and shows its text as it comes; when all answers are complete the
   page's part #talk is fetched again, now with the final text from the database and the questions. Forms inside #talk
   are sent by form.js; what comes back takes #talk's place here, so that the address and the scroll position stay.

   <section data-turn-events="…/events/">   a turn that is being written, with <article data-slot="A"> for each answer
   <p id="talk-status" role="status">       one polite sentence an answer; its words come from data-complete (% is the
                                            letter), data-all, data-again, data-offline, data-no-paste */

import { drawMath } from "./chat-math.js";

const AGAIN_AFTER_MS = 2000;

class Watch {
  constructor(section) {
    this.section = section;
    this.began = performance.now();
    this.resumed = performance.getEntriesByType("navigation")[0]?.type === "reload";
    this.shown = {};
    this.slots = {};
    for (const pane of section.querySelectorAll("[data-slot].answer")) {
      this.slots[pane.dataset.slot] = { pane, text: pane.querySelector(".answer-text") };
      this.shown[pane.dataset.slot] = { resets: 0 };
    }
    this.connect();
  }

  connect() {
    this.source = new EventSource(this.section.dataset.turnEvents);
    const on = (name, act) => this.source.addEventListener(name, (event) => act(JSON.parse(event.data)));
    on("token", ({ slot, text }) => this.add(slot, text));
    on("reset", ({ slot }) => this.reset(slot));
    on("done", ({ slot }) => this.done(slot));
    on("snapshot", ({ slots }) => {
      for (const [slot, { text, done }] of Object.entries(slots)) {
        this.set(slot, text);
        if (done) this.done(slot);
      }
    });
    on("ready", () => this.over(say("all")));
    on("void", () => this.over());
    this.source.addEventListener("error", () => this.lost());
  }

  // the browser connects again by itself, except after an answer that was no stream
  lost() {
    say("offline");
    if (this.source.readyState !== EventSource.CLOSED || this.ended) return;
    this.timer = setTimeout(() => this.over(), AGAIN_AFTER_MS);
  }

  since() {
    return Math.round(performance.now() - this.began);
  }

  add(slot, text) {
    const { pane, text: place } = this.slots[slot];
    if (!place.firstChild) place.append(document.createTextNode(""));
    place.firstChild.data += text;
    pane.classList.remove("is-waiting");
    this.shown[slot].first_ms ??= this.since();
  }

  set(slot, text) {
    this.slots[slot].text.replaceChildren();
    if (text) this.add(slot, text);
    else this.slots[slot].pane.classList.add("is-waiting");
  }

  reset(slot) {
    this.set(slot, "");
    const { pane } = this.slots[slot];
    pane.classList.remove("is-complete");
    pane.setAttribute("aria-busy", "true");
    this.shown[slot].resets += 1;
    say("again", slot);
  }

  done(slot) {
    const { pane } = this.slots[slot];
    if (pane.classList.contains("is-complete")) return;
    pane.classList.add("is-complete");
    pane.classList.remove("is-waiting");
    pane.setAttribute("aria-busy", "false");
    this.shown[slot].done_ms = this.since();
    say("complete", slot);
  }

  stop() {
    this.ended = true;
    clearTimeout(this.timer);
    this.source.close();
  }

  async over() {
    this.stop();
    lastSeen = { slots: this.shown, resumed: this.resumed, viewport: [window.innerWidth, window.innerHeight] };
    try {
      const response = await fetch(talk().dataset.talkUrl, { credentials: "same-origin", cache: "no-store" });
      if (!response.ok || response.redirected) throw new Error(String(response.status));
      swap(await response.text(), { focus: false });
    } catch {
      say("offline");
      this.timer = setTimeout(() => this.over(), AGAIN_AFTER_MS);
    }
  }
}

let watch = null;
let lastSeen = null;
const talk = () => document.getElementById("talk");

function say(word, slot = "") {
  const status = document.getElementById("talk-status");
  if (status) status.textContent = (status.dataset[word] ?? "").replace("%", slot);
}

function swap(html, { focus }) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  const part = fresh.getElementById("talk");
  if (!part) {
    location.assign(talk().dataset.talkUrl);
    return;
  }
  const hadFocus = talk().contains(document.activeElement);
  const status = document.getElementById("talk-status")?.textContent ?? "";
  watch?.stop();
  document.title = fresh.title;
  talk().replaceWith(part);
  window.htmx?.process(part);
  // the event that htmx sends for a new part: every module that looks after forms and questions knows it
  part.dispatchEvent(new CustomEvent("htmx:load", { bubbles: true, detail: { elt: part } }));
  begin();
  say("", "");
  if (status) document.getElementById("talk-status").textContent = status;
  const target = part.querySelector("[data-pv-focus]") ?? part.querySelector("[data-turn-focus]") ?? part.querySelector("#message");
  if (focus || hadFocus) target?.focus({ preventScroll: true });
  if (focus) (part.querySelector("[data-pv-focus]") ?? lastMessage(part) ?? part).scrollIntoView({ block: "start", behavior: "smooth" });
}

const lastMessage = (part) => [...part.querySelectorAll(".said")].at(-1);

function begin() {
  const section = document.querySelector("[data-turn-events]");
  watch = section ? new Watch(section) : null;
  drawMath(document);
  document.dispatchEvent(new CustomEvent("talk:shown"));
}

// a form of the talk was answered with a page: 200 (what comes next) or 422 (look again)
document.addEventListener("pv:sent", async (event) => {
  const { response } = event.detail;
  if (!talk()?.contains(event.target) || ![200, 422].includes(response.status)) return;
  event.preventDefault();
  swap(await response.text(), { focus: true });
});

// before form.js reads the fields: what was seen of the answers goes with their ratings
document.addEventListener(
  "submit",
  (event) => {
    const field = event.target.elements?.namedItem("shown");
    if (field && lastSeen) field.value = JSON.stringify(lastSeen);
  },
  true,
);

document.addEventListener("paste", (event) => {
  if (!event.target.matches?.("[data-no-paste]")) return;
  event.preventDefault();
  say("noPaste");
});

begin();
