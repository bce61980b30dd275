/* A card of a comparison: the place is kept while the page is looked at, what was seen of the candidates is noted,
   pictures can be enlarged, and what has to be played to its end is watched. judge.js has the keys.

   <div id="judge-card" data-beat-url data-beat-s>   the place is renewed there so often while the page is visible
   … data-ahead-url                                  tells the pictures of the next card, which are fetched meanwhile
   <input type="hidden" name="shown">                filled on submit: viewport, and per slot {cut, opened, seen}
   <a data-zoom>                                     opens its picture on the page; without script in a tab
   <audio|video data-played="A-0">, <input data-played-tick="A-0">   the tick is set when nearly all of it was played
   <input data-same-crop>                            pictures of different shapes are cropped alike
   <a data-for-s="60">                               goes away after so many seconds */

import { drawMath } from "./chat-math.js";

const ENOUGH_PLAYED = 0.97;
const card = () => document.getElementById("judge-card");
let seen = {};
let zoomed = 0;
let beating = null;

// guidance stands beside the card on wide screens; on small ones it opens when it is asked for, and stays as it was left
let guidance = window.matchMedia("(min-width: 75rem)").matches;

function begin() {
  seen = {};
  zoomed = 0;
  const guidelines = document.querySelector("[data-guidelines]");
  if (guidelines) {
    guidelines.open = guidance;
    guidelines.addEventListener("toggle", () => (guidance = guidelines.open));
  }
  watchBodies();
  watchMedia();
  keepPlace();
  lookAhead();
  for (const label of document.querySelectorAll(".crop-choice")) label.hidden = false;
  for (const link of document.querySelectorAll("[data-for-s]")) {
    setTimeout(() => link.isConnected && link.remove(), Number(link.dataset.forS) * 1000);
  }
  drawMath(document);
}

// -- the place --------------------------------------------------------------------------------------------------------
function keepPlace() {
  clearInterval(beating);
  const { beatUrl, beatS } = card()?.dataset ?? {};
  if (!beatUrl) return;
  // a beat that is lost is made up for by the next one; form.js says so when answers cannot be sent
  beating = setInterval(() => !document.hidden && post(beatUrl).catch(() => {}), Number(beatS) * 1000);
}

function post(url) {
  const token = document.querySelector('input[name="csrfmiddlewaretoken"]')?.value ?? "";
  const body = new URLSearchParams({ csrfmiddlewaretoken: token });
  return fetch(url, { method: "POST", body, headers: { "X-PV-Form": "1" }, credentials: "same-origin" });
}

// the next card's pictures, once this one's are there
async function lookAhead() {
  const { aheadUrl } = card()?.dataset ?? {};
  if (!aheadUrl) return;
  await Promise.allSettled([...card().querySelectorAll("img")].map((picture) => picture.decode()));
  try {
    const response = await post(aheadUrl);
    const { pictures } = response.ok ? await response.json() : { pictures: [] };
    for (const address of pictures) new Image().src = address;
  } catch {
    // without a network the next card fetches them itself
  }
}

// what is longer than its box by less is shown whole (judge.js)
const SLIVER = 80;

// -- what was seen ----------------------------------------------------------------------------------------------------
function watchBodies() {
  for (const answer of document.querySelectorAll("#judge-form .answer")) {
    const body = answer.querySelector(".answer-body");
    const cut = body.scrollHeight - body.clientHeight > SLIVER;
    const share = () => Math.min(1, (body.scrollTop + body.clientHeight) / body.scrollHeight || 1);
    const one = (seen[answer.dataset.slot] = { cut, opened: false, seen: cut ? share() : 1 });
    body.addEventListener("scroll", () => (one.seen = Math.max(one.seen, share())), { passive: true });
    new MutationObserver(() => {
      if (body.classList.contains("is-open")) Object.assign(one, { opened: true, seen: 1 });
    }).observe(body, { attributeFilter: ["class"] });
  }
}

// before form.js reads the fields
document.addEventListener(
  "submit",
  (event) => {
    const field = event.target.elements?.namedItem("shown");
    if (!field || event.target.id !== "judge-form") return;
    const crop = document.querySelector("[data-same-crop]");
    field.value = JSON.stringify({
      viewport: [window.innerWidth, window.innerHeight],
      slots: seen,
      zoomed,
      ...(crop ? { same_crop: crop.checked } : {}),
    });
  },
  true,
);

// -- sounds and films -------------------------------------------------------------------------------------------------
function watchMedia() {
  for (const tick of document.querySelectorAll("[data-played-tick]")) {
    const media = document.querySelector(`[data-played="${CSS.escape(tick.dataset.playedTick)}"]`);
    if (!media) continue;
    const words = tick.nextElementSibling;
    const say = () => (words.textContent = words.dataset[tick.checked ? "done" : "notYet"]);
    // the tick is the player's to set
    tick.addEventListener("click", (event) => event.preventDefault());
    tick.setAttribute("aria-readonly", "true");
    media.addEventListener("timeupdate", () => played(media, tick) && say());
    media.addEventListener("ended", () => played(media, tick) && say());
    say();
  }
}

function played(media, tick) {
  if (tick.checked || !(media.duration > 0)) return false;
  let seconds = 0;
  for (let index = 0; index < media.played.length; index += 1) seconds += media.played.end(index) - media.played.start(index);
  if (seconds / media.duration < ENOUGH_PLAYED) return false;
  tick.checked = true;
  tick.dispatchEvent(new Event("change", { bubbles: true }));
  const slot = tick.closest("[data-slot]")?.dataset.slot;
  if (slot && seen[slot]) seen[slot].played = true;
  return true;
}

// one at a time: two recordings at once cannot be judged
document.addEventListener(
  "play",
  (event) => {
    for (const media of document.querySelectorAll("[data-played]")) if (media !== event.target) media.pause();
  },
  true,
);

// -- pictures ---------------------------------------------------------------------------------------------------------
document.addEventListener("change", (event) => {
  if (!event.target.matches?.("[data-same-crop]")) return;
  document.querySelector("#judge-form .answers").classList.toggle("same-crop", event.target.checked);
});

const pictures = () => [...document.querySelectorAll("#judge-card [data-zoom]")];

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-zoom]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  enlarge(pictures().indexOf(link));
});

document.addEventListener("judge:zoom", (event) => {
  const slot = event.detail?.closest?.("[data-slot]");
  const all = pictures();
  const wanted = slot ? all.findIndex((link) => slot.contains(link)) : all.findIndex((link) => link.closest(".answer"));
  if (all.length) enlarge(Math.max(0, wanted));
});

let dialog = null;
let at = 0;

function enlarge(index) {
  dialog?.remove();
  dialog = document.getElementById("zoom-template").content.firstElementChild.cloneNode(true);
  document.body.append(dialog);
  at = index;
  zoomed += 1;
  const opener = pictures()[index];
  dialog.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.step) show(at + Number(button.dataset.step));
    else if (button?.dataset.size !== undefined) size();
    else if (event.target.matches("img")) size();
    else if (button || event.target === dialog) dialog.close();
  });
  dialog.addEventListener("keydown", zoomKey);
  dialog.addEventListener("close", () => {
    dialog.remove();
    opener.focus();
  });
  for (const button of dialog.querySelectorAll("[data-step]")) button.hidden = pictures().length < 2;
  show(index);
  dialog.showModal();
}

function show(index) {
  const all = pictures();
  at = (index + all.length) % all.length;
  const picture = all[at].querySelector("img");
  const title = all[at].closest(".answer")?.querySelector("h3")?.lastChild.textContent.trim() ?? "";
  dialog.querySelector("h2").textContent = [title, picture.alt].filter(Boolean).join(": ") || all[at].getAttribute("aria-label");
  const big = dialog.querySelector("img");
  big.src = picture.currentSrc || picture.src;
  big.alt = picture.alt;
  dialog.querySelector(".zoom-body").classList.remove("is-full");
}

const size = () => dialog.querySelector(".zoom-body").classList.toggle("is-full");

function zoomKey(event) {
  const rtl = getComputedStyle(dialog).direction === "rtl" ? -1 : 1;
  const full = dialog.querySelector(".zoom-body.is-full");
  const step = { ArrowRight: rtl, ArrowLeft: -rtl }[event.key];
  if (step && !full) show(at + step);
  else if (["+", "-", "z", "Z"].includes(event.key)) size();
  else return;
  event.preventDefault();
}

document.addEventListener("pv:swapped", begin);
begin();
