// The large answer, the sound that goes with it, and the list of the last scans.

import { titleOf } from "./sentences.mjs";
import { nameOf } from "./names.mjs";
import { _ } from "./texts.mjs";

const LAST_SCANS_MAX = 8;
const SYMBOLS = new Map([["yes", "✓"], ["no", "✗"], ["again", "✓"]]);

const $ = (id) => document.getElementById(id);
let isEven = false;
let sounds = null;

export const clock = (moment) => moment.toLocaleTimeString(document.documentElement.lang, { hourCycle: "h23" });

/** `verdict`: {kind: "yes" | "no" | "again" | "idle", code, title, sentence, left: Map, ticket_code}. */
export function answer({ kind, code, title, sentence, left = new Map(), ticket_code = "" }, settings, mode) {
  const place = $("answer");
  place.className = `answer ${kind}`;
  // Two equal answers in a row must look like two.
  place.classList.toggle("even", (isEven = !isEven));
  setText(".symbol", SYMBOLS.get(kind) ?? "");
  setText(".text", title ?? (kind === "yes" ? admitted(settings) : _("Stop: %(title)s", { title: titleOf(code) })));
  setText(".sentence", sentence);
  const uses = [...left].map(([code, count]) => `${count} ${nameOf(code)}`);
  setText(".left", uses.length ? _("Left on the ticket: %(uses)s", { uses: uses.join(", ") }) : "");
  const how = kind !== "idle" && mode === "offline" ? _("judged without network") : "";
  const time = kind === "idle" ? "" : clock(new Date());
  setText(".extra", [ticket_code, time, how].filter(Boolean).join(", "));
  if (kind === "idle") setText(".before", "");
  $("choice").hidden = true;
  if (kind !== "idle") place.scrollIntoView({ block: "nearest" });
}

/** Neither green nor red: clear the last answer while a new scan is being presented. */
export function showAsking(title) {
  const place = $("answer");
  place.className = "answer asking";
  setText(".symbol", "");
  setText(".text", title);
  for (const part of [".sentence", ".left", ".extra", ".before"]) setText(part, "");
}

/** The same ticket was scanned twice in a row: the guest is fine, and a second guest with a copy is not. */
export function answerAgain({ ticket_code, left }) {
  const sentence = _("This ticket was scanned a moment ago and counted once. Nothing more was used.");
  answer({ kind: "again", title: _("Already let in"), sentence, left, ticket_code });
}

/** Show the late answer of a scan that a newer scan has replaced. */
export function noteBefore(verdict, settings) {
  setText(".before", _("The scan before: %(scan)s", { scan: [wordOf(verdict, settings), verdict.ticket_code].filter(Boolean).join(", ") }));
}

export function listScan(verdict, settings) {
  const list = $("last");
  if (list.firstElementChild?.className === "hint") list.replaceChildren();
  const line = document.createElement("li");
  line.append(clock(new Date()), " ", element("strong", wordOf(verdict, settings)), " ", element("span", verdict.ticket_code ?? "", "code"));
  list.prepend(line);
  while (list.children.length > LAST_SCANS_MAX) list.lastElementChild.remove();
}

export function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

export function signal(kind, { vibration, sound }) {
  if (vibration) navigator.vibrate?.(kind === "no" ? [250, 100, 250] : 80);
  if (!sound || sounds?.state !== "running") return;
  if (kind === "no") tone(160, 0, 0.5, "square");
  else tone(880, 0, 0.08, "sine");
  if (kind === "yes") tone(1320, 0.08, 0.12, "sine");
}

function admitted({ is_look, mode }) {
  if (mode === "test") return _("Test ticket good");
  return is_look ? _("Good") : _("Let in");
}

const wordOf = ({ kind, code }, settings) => (kind === "yes" ? `✓ ${admitted(settings)}` : `✗ ${titleOf(code)}`);

function setText(selector, text) {
  const place = $("answer").querySelector(selector);
  if (place.textContent !== text) place.textContent = text;
}

function tone(hertz, after, seconds, type) {
  const oscillator = new OscillatorNode(sounds, { type, frequency: hertz });
  const volume = new GainNode(sounds, { gain: 0.3 });
  oscillator.connect(volume).connect(sounds.destination);
  oscillator.start(sounds.currentTime + after);
  oscillator.stop(sounds.currentTime + after + seconds);
}

// A browser lets a page play sounds only after somebody touched it.
for (const kind of ["pointerdown", "keydown"]) {
  addEventListener(kind, () => {
    sounds ??= new AudioContext();
    sounds.resume();
  });
}
