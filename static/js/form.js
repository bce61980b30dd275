/* Every study form: nothing typed is lost, nothing is sent twice.

   <form method="post" action="…" data-pv-form data-draft-url="/p/…/draft/" data-draft-place="survey/0">

   data-pv-form                 this module looks after the form
   data-draft-url, -place       what is typed is saved there as it is typed, and once more when the page is hidden;
                                without them nothing is saved before submitting
   data-pv-swap="#judge-card"   what an answered page replaces when it is not a redirect (default: main)
   data-pv-accept="…"           what its page can read beside a page, by the header Accept
   data-pv-keys                 Ctrl/⌘+Enter submits
   data-pv-along                on any part with an id: it is replaced with the swap (the header, with its progress)
   data-pv-url="…"              on the part that was swapped in: the address under which it is found again

   Inside the form:
   <input type="hidden" name="key" value="…">     the one-time key, from the server; the same key goes with every retry
   <input type="hidden" name="timers">            filled on submit with JSON: shown_ms, first_click_ms, last_click_ms,
                                                  submit_ms, clicks, blurs, hidden_ms, pastes, keys, viewport
   <p data-pv-status role="status">               "Saved 12:03", "No connection …"; words come from its data-saving,
                                                  data-saved, data-unsaved, data-sending, data-offline, data-renewing,
                                                  data-refused

   A submit goes by fetch with the header X-PV-Form. The server answers 204 with X-PV-Location (go there), or a page
   (200, 422, 409 …) whose part named by data-pv-swap replaces the one on the screen. A stale form token (403 with
   X-PV-CSRF) is fetched again from /csrf/ and the same body is sent again. Without a network, or with a server that is
   restarting (502–504), it is sent again with growing pauses, and the form stays as it is. Without this script the
   form is an ordinary form.

   Events on the form: pv:saved, pv:sent (cancelable, before the page changes; detail.response). A part that was
   replaced gets htmx:load (detail.elt), as from htmx itself, and document gets pv:swapped (detail.target). */

const SAVE_AFTER_MS = 900;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 15000;
const NOT_DRAFTED = new Set(["csrfmiddlewaretoken", "timers"]);

const isChanged = (field) =>
  field.matches("input[type=radio], input[type=checkbox]")
    ? field.checked !== field.defaultChecked
    : field.matches("textarea, input:is([type=text], [type=number])") && field.value !== field.defaultValue;

class StudyForm {
  constructor(form) {
    this.form = form;
    this.status = form.querySelector("[data-pv-status]");
    this.sending = false;
    this.done = false;
    this.dirty = false;
    this.timer = null;
    this.gone = new AbortController();
    this.startTimers();
    form.addEventListener("submit", (event) => this.submit(event));
    if (form.dataset.draftUrl) {
      form.addEventListener("input", () => this.changed());
      form.addEventListener("change", () => this.changed());
      // who is quick, or has a slow connection, types before this script is there
      if ([...form.elements].some(isChanged)) this.changed();
    }
    if ("pvKeys" in form.dataset) {
      form.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
      });
    }
  }

  say(word, extra = "") {
    if (this.status) this.status.textContent = [this.status.dataset[word], extra].filter(Boolean).join(" ");
  }

  // -- timers --------------------------------------------------------------------------------------------------------
  startTimers() {
    this.shown = performance.now();
    this.seen = { first_click_ms: null, last_click_ms: null, clicks: 0, blurs: 0, hidden_ms: 0, pastes: 0, keys: 0 };
    const since = () => Math.round(performance.now() - this.shown);
    const on = (target, name, seen) => target.addEventListener(name, seen, { signal: this.gone.signal });
    on(document, "click", () => {
      this.seen.first_click_ms ??= since();
      this.seen.last_click_ms = since();
      this.seen.clicks += 1;
    });
    on(this.form, "paste", () => (this.seen.pastes += 1));
    on(this.form, "keydown", () => (this.seen.keys += 1));
    on(window, "blur", () => (this.seen.blurs += 1));
    on(document, "visibilitychange", () => {
      if (document.hidden) this.hiddenAt = performance.now();
      else if (this.hiddenAt) this.seen.hidden_ms += Math.round(performance.now() - this.hiddenAt);
    });
  }

  // the same form again, with its errors: its time has not begun anew
  goOnFrom(earlier) {
    this.shown = earlier.shown;
    this.seen = earlier.seen;
  }

  get key() {
    return this.form.elements.namedItem("key")?.value;
  }

  timers() {
    return JSON.stringify({
      ...this.seen,
      submit_ms: Math.round(performance.now() - this.shown),
      viewport: [window.innerWidth, window.innerHeight],
    });
  }

  // -- drafts --------------------------------------------------------------------------------------------------------
  changed() {
    this.dirty = true;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), SAVE_AFTER_MS);
  }

  draft() {
    const body = new URLSearchParams({ place: this.form.dataset.draftPlace });
    for (const [name, value] of new FormData(this.form)) {
      if (!NOT_DRAFTED.has(name) && typeof value === "string") body.append(`field:${name}`, value);
    }
    body.append("csrfmiddlewaretoken", this.token());
    return body;
  }

  async save() {
    if (!this.dirty || this.sending || this.done) return;
    this.dirty = false;
    this.say("saving");
    try {
      let response = await this.post(this.form.dataset.draftUrl, this.draft());
      if (response.headers.get("X-PV-CSRF")) {
        await this.renewToken();
        response = await this.post(this.form.dataset.draftUrl, this.draft());
      }
      if (!response.ok) throw new Error(String(response.status));
      const { saved_at } = await response.json();
      this.say("saved", new Date(saved_at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
      this.form.dispatchEvent(new CustomEvent("pv:saved", { bubbles: true }));
    } catch {
      this.dirty = true;
      this.say("unsaved");
      this.timer = setTimeout(() => this.save(), LONGEST_PAUSE_MS);
    }
  }

  saveOnLeaving() {
    if (!this.dirty || this.sending || this.done || !this.form.dataset.draftUrl) return;
    this.dirty = !navigator.sendBeacon(this.form.dataset.draftUrl, this.draft());
  }

  // -- submitting ----------------------------------------------------------------------------------------------------
  async submit(event) {
    event.preventDefault();
    if (this.sending || this.done) return;
    this.sending = true;
    clearTimeout(this.timer);
    const field = this.form.elements.namedItem("timers");
    if (field) field.value = this.timers();
    // what is sent is fixed here: a retry must be the same answer under the same key
    const data = new FormData(this.form, event.submitter);
    const action = event.submitter?.getAttribute("formaction") ?? this.form.getAttribute("action");
    this.lock(true);
    this.say("sending");
    const response = await this.sendUntilAnswered(new URL(action || "", location.href), data);
    await this.answered(response);
  }

  lock(on) {
    this.form.setAttribute("aria-busy", String(on));
    for (const button of this.form.querySelectorAll("button")) button.setAttribute("aria-disabled", String(on));
    for (const part of this.form.children) if (!part.contains(this.status)) part.inert = on;
  }

  async sendUntilAnswered(url, data) {
    let pause = FIRST_PAUSE_MS;
    let renewed = 0;
    for (;;) {
      try {
        data.set("csrfmiddlewaretoken", this.token());
        const hasFile = [...data.values()].some((value) => typeof value !== "string");
        const response = await this.post(url, hasFile ? data : new URLSearchParams(data));
        if (response.headers.get("X-PV-CSRF") && renewed < 3) {
          renewed += 1;
          this.say("renewing");
          await this.renewToken();
          continue;
        }
        if (![502, 503, 504].includes(response.status)) return response;
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // fetch names every network failure so
      }
      this.say("offline");
      await this.pauseOrOnline(pause);
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    }
  }

  async answered(response) {
    const sent = new CustomEvent("pv:sent", { bubbles: true, cancelable: true, detail: { response } });
    if (!this.form.dispatchEvent(sent)) return;
    const next = response.headers.get("X-PV-Location");
    if (next) {
      this.done = true;
      location.assign(next);
      return;
    }
    if (response.status === 404 || response.status >= 500 || response.status === 403 || response.status === 429) {
      // the form stays with what was typed; the person can try again or use the return link
      this.sending = false;
      this.lock(false);
      this.say("refused");
      return;
    }
    this.swap(await response.text(), response.url);
  }

  swap(html, url) {
    const page = new DOMParser().parseFromString(html, "text/html");
    const wanted = this.form.dataset.pvSwap || "main";
    const selector = page.querySelector(wanted) ? wanted : "main";
    const [fresh, old] = [page.querySelector(selector), document.querySelector(selector)];
    this.done = true;
    this.gone.abort();
    document.title = page.title;
    old.replaceWith(fresh);
    for (const part of document.querySelectorAll("[data-pv-along]")) {
      const again = page.getElementById(part.id);
      if (again) part.replaceWith(again);
    }
    const address = fresh.dataset.pvUrl ?? url;
    if (address && new URL(address, location.href).pathname !== location.pathname) history.replaceState(null, "", address);
    window.htmx?.process(fresh);
    fresh.dispatchEvent(new CustomEvent("htmx:load", { bubbles: true, detail: { elt: fresh } }));
    for (const form of fresh.querySelectorAll("form[data-pv-form]")) {
      const again = forms.get(form);
      if (again?.key && again.key === this.key) again.goOnFrom(this);
    }
    document.dispatchEvent(new CustomEvent("pv:swapped", { detail: { target: fresh } }));
    (fresh.querySelector("[data-pv-focus]") ?? fresh.querySelector("h1, h2") ?? fresh).focus();
    if (!fresh.querySelector("[data-pv-focus]")) fresh.scrollIntoView({ block: "start" });
  }

  // -- network -------------------------------------------------------------------------------------------------------
  token() {
    return this.form.elements.namedItem("csrfmiddlewaretoken")?.value ?? "";
  }

  async renewToken() {
    const response = await fetch("/csrf/", { credentials: "same-origin", cache: "no-store" });
    const { token } = await response.json();
    for (const input of document.querySelectorAll('input[name="csrfmiddlewaretoken"]')) input.value = token;
  }

  post(url, body) {
    const headers = { "X-PV-Form": "1", Accept: [this.form.dataset.pvAccept, "*/*"].filter(Boolean).join() };
    return fetch(url, { method: "POST", body, headers, credentials: "same-origin" });
  }

  pauseOrOnline(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      const back = () => {
        clearTimeout(timer);
        resolve();
      };
      window.addEventListener("online", back, { once: true });
    });
  }
}

const forms = new Map();

function start(root) {
  for (const form of root.querySelectorAll("form[data-pv-form]")) {
    if (!forms.has(form)) forms.set(form, new StudyForm(form));
  }
}

function leaving() {
  for (const [form, looked] of forms) {
    if (form.isConnected) looked.saveOnLeaving();
    else forms.delete(form);
  }
}

start(document);
document.addEventListener("visibilitychange", () => document.hidden && leaving());
window.addEventListener("pagehide", leaving);
// a part that htmx or another module has put into the page
document.addEventListener("htmx:load", (event) => start(event.target.parentNode ?? document));
// back from the browser's page cache: the form is alive again
window.addEventListener("pageshow", (event) => event.persisted && location.reload());
