/* A live talk. Watches the turn that is being written and shows its text as it comes; when all answers are complete the
   page's part #talk is fetched again, now with the final text from the database and the questions. Forms inside #talk
   are sent by form.js; what comes back takes #talk's place here, so that the address and the scroll position stay. With
   a message comes a stream: the page as its first event, then the answers as they are written. What is left of a stream
   that breaks off, and the answers of a page that was loaded, come by an EventSource.

   <section data-turn-events="…/events/">   a turn that is being written, with <article data-slot="A"> for each answer
   <p id="talk-status" role="status">       one polite sentence an answer; its words come from data-complete (% is the
                                            letter), data-all, data-again, data-offline, data-no-paste */

import { drawMath } from "./chat-math.js";
import { PostedStream, isStream } from "./chat-stream.js";

const AGAIN_AFTER_MS = 2000;
const EVENTS = ["token", "reset", "done", "snapshot", "ready", "void"];

class Watch {
  // `posted`: the stream that the page came with
  constructor(section, posted) {
    this.section = section;
    this.began = performance.now();
    this.resumed = performance.getEntriesByType("navigation")[0]?.type === "reload";
    this.shown = {};
    this.slots = {};
    for (const pane of section.querySelectorAll("[data-slot].answer")) {
      this.slots[pane.dataset.slot] = { pane, text: pane.querySelector(".answer-text") };
      this.shown[pane.dataset.slot] = { resets: 0 };
    }
    this.posted = posted;
    if (posted) this.goOn();
    else this.connect();
  }

  async goOn() {
    let last = "";
    try {
      for (let event; !this.ended && (event = await this.posted.next()); last = event.id ?? last) {
        this.hear(event.name, event.data);
      }
    } catch {
      if (!this.ended) say("offline");
    }
    if (!this.ended) this.connect(last);
  }

  connect(last = "") {
    const address = new URL(this.section.dataset.turnEvents, location.href);
    if (last) address.searchParams.set("after", last);
    this.source = new EventSource(address);
    for (const name of EVENTS) {
      this.source.addEventListener(name, (event) => this.hear(name, JSON.parse(event.data)));
    }
    this.source.addEventListener("error", () => this.lost());
  }

  hear(name, { slot, text, slots }) {
    if (name === "token") this.add(slot, text);
    else if (name === "reset") this.reset(slot);
    else if (name === "done") this.done(slot);
    else if (name === "snapshot") this.begin(slots);
    else this.over(name === "ready" ? "all" : "");
  }

  begin(slots) {
    for (const [slot, { text, done }] of Object.entries(slots)) {
      this.set(slot, text);
      if (done) this.done(slot);
    }
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
    this.source?.close();
    this.posted?.cancel();
  }

  over(word = "") {
    if (word) say(word);
    this.stop();
    lastSeen = { slots: this.shown, resumed: this.resumed, viewport: [window.innerWidth, window.innerHeight] };
    fetchTalk();
  }
}

let watch = null;
let lastSeen = null;
let fetching = null;
const talk = () => document.getElementById("talk");

function say(word, slot = "") {
  const status = document.getElementById("talk-status");
  if (status) status.textContent = (status.dataset[word] ?? "").replace("%", slot);
}

async function fetchTalk(focus = false) {
  try {
    const response = await fetch(talk().dataset.talkUrl, { credentials: "same-origin", cache: "no-store" });
    if (!response.ok || response.redirected) throw new Error(String(response.status));
    swap(await response.text(), { focus });
  } catch {
    say("offline");
    fetching = setTimeout(() => fetchTalk(focus), AGAIN_AFTER_MS);
  }
}

function swap(html, { focus, posted = null }) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  const part = fresh.getElementById("talk");
  if (!part) {
    location.assign(talk().dataset.talkUrl);
    return;
  }
  const hadFocus = talk().contains(document.activeElement);
  const status = document.getElementById("talk-status")?.textContent ?? "";
  watch?.stop();
  clearTimeout(fetching);
  document.title = fresh.title;
  talk().replaceWith(part);
  window.htmx?.process(part);
  // the event that htmx sends for a new part: every module that looks after forms and questions knows it
  part.dispatchEvent(new CustomEvent("htmx:load", { bubbles: true, detail: { elt: part } }));
  begin(posted);
  say("", "");
  if (status) document.getElementById("talk-status").textContent = status;
  const target = part.querySelector("[data-pv-focus]") ?? part.querySelector("[data-turn-focus]") ?? part.querySelector("#message");
  if (focus || hadFocus) target?.focus({ preventScroll: true });
  if (focus) (part.querySelector("[data-pv-focus]") ?? lastMessage(part) ?? part).scrollIntoView({ block: "start", behavior: "smooth" });
}

const lastMessage = (part) => [...part.querySelectorAll(".said")].at(-1);

function begin(posted = null) {
  const section = document.querySelector("[data-turn-events]");
  watch = section ? new Watch(section, posted) : null;
  drawMath(document);
  document.dispatchEvent(new CustomEvent("talk:shown"));
}

// a form of the talk was answered with a page: 200 (what comes next) or 422 (look again)
document.addEventListener("pv:sent", async (event) => {
  const { response } = event.detail;
  if (!talk()?.contains(event.target) || ![200, 422].includes(response.status)) return;
  event.preventDefault();
  if (!isStream(response)) {
    swap(await response.text(), { focus: true });
    return;
  }
  const posted = new PostedStream(response);
  const first = await posted.next().catch(() => null);
  // what was sent is stored, however little of the answer came through
  if (first) swap(first.data.html, { focus: true, posted });
  else fetchTalk(true);
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
