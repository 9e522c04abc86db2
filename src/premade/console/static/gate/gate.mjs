// The gate page: what is shown and heard, and where scans come from.

import { Camera } from "./camera.mjs";
import { Gate } from "./judge.mjs";

const WORKER = "/console/gate/worker.js";
const SCOPE = "/console/gate";
const SETTINGS = "premade-gate";
const DEVICE_NAME = /^[A-Za-z0-9._:-]{1,64}$/;
const TICKET_CODE = /^[A-Z]{2,12}-[0-9]{4}-[A-Z]{2,12}-[0-9]{13}$/i;
const USES_MAX = 10_000;
const LAST_SCANS_MAX = 8;
const STALE_LIST_SECONDS = 300;
const TITLES = {
  USED_UP: "Used up",
  NOT_ACTIVATED: "Not sold",
  CANCELLED: "Cancelled",
  EXPIRED: "Expired",
  QR_REVOKED: "Replaced",
  QR_INVALID: "Not ours",
  TICKET_UNKNOWN: "Unknown",
  UNKNOWN: "Unknown",
  FUNCTION_UNKNOWN: "Not for this gate",
  TOO_MANY_MANUAL_ENTRIES: "Wait",
  NEEDS_NETWORK: "No network",
  NO_LIST: "No list",
  SIGNED_OUT: "Sign in",
};

const $ = (id) => document.getElementById(id);
const settings = {
  device_id: `gate-${crypto.randomUUID().slice(0, 4)}`,
  function_code: "",
  uses: 1,
  is_look: false,
  sound: true,
  vibration: true,
  ...JSON.parse(localStorage.getItem(SETTINGS) ?? "{}"),
};
const gate = new Gate(settings, tellState);
const camera = new Camera(document.querySelector("video"));
let sounds = null;
let isEven = false;

function keepSettings() {
  // Only looking is for now: tomorrow's guard must not find it on.
  localStorage.setItem(SETTINGS, JSON.stringify({ ...settings, is_look: false }));
}

/* ---- A scan and its answer ---- */

async function take(shown) {
  if (!settings.function_code) {
    $("device").open = true;
    answer({ kind: "idle", title: "Choose", sentence: "Choose what this gate is for." });
    $("function").focus();
    return;
  }
  const asked = gate.present(shown);
  $("answer").classList.add("asking");
  const verdict = await asked.catch((error) => {
    console.warn(error);
    return { kind: "no", code: "FAILED", sentence: "This device made a mistake. Scan again." };
  });
  $("answer").classList.remove("asking");
  if (verdict === null) {
    setText(".extra", "The same code again: nothing more was used.");
    return;
  }
  answer(verdict);
  listScan(verdict);
  signal(verdict.kind);
}

function answer({ kind, code, title, sentence, left = {}, ticket_code = "" }) {
  const place = $("answer");
  const word = kind === "yes" ? (settings.is_look ? "Good" : "Let in") : (title ?? `Stop: ${TITLES[code] ?? "refused"}`);
  place.className = `answer ${kind}`;
  // The same answer twice in a row must be seen to be two.
  place.classList.toggle("even", (isEven = !isEven));
  setText(".symbol", { yes: "✓", no: "✗" }[kind] ?? "");
  setText(".text", word);
  setText(".sentence", sentence);
  const uses = Object.entries(left).map(([name, count]) => `${count} ${name}`);
  setText(".left", uses.length ? `Left on the ticket: ${uses.join(", ")}` : "");
  const how = kind !== "idle" && gate.mode === "offline" ? "judged without network" : "";
  const time = kind === "idle" ? "" : clock(new Date());
  setText(".extra", [ticket_code, time, how].filter(Boolean).join(", "));
  if (kind !== "idle") place.scrollIntoView({ block: "nearest" });
}

function setText(selector, text) {
  const element = $("answer").querySelector(selector);
  if (element.textContent !== text) element.textContent = text;
}

function listScan({ kind, code, ticket_code }) {
  const list = $("last");
  if (list.firstElementChild?.className === "hint") list.replaceChildren();
  const line = document.createElement("li");
  const word = kind === "yes" ? (settings.is_look ? "✓ Good" : "✓ Let in") : `✗ ${TITLES[code] ?? "Refused"}`;
  line.append(clock(new Date()), " ", element("strong", word), " ", element("span", ticket_code ?? "", "code"));
  list.prepend(line);
  while (list.children.length > LAST_SCANS_MAX) list.lastElementChild.remove();
}

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function signal(kind) {
  if (settings.vibration) navigator.vibrate?.(kind === "yes" ? 80 : [250, 100, 250]);
  if (!settings.sound || sounds?.state !== "running") return;
  if (kind === "yes") {
    tone(880, 0, 0.08, "sine");
    tone(1320, 0.08, 0.12, "sine");
  } else tone(160, 0, 0.5, "square");
}

function tone(hertz, after, seconds, type) {
  const oscillator = new OscillatorNode(sounds, { type, frequency: hertz });
  const volume = new GainNode(sounds, { gain: 0.3 });
  oscillator.connect(volume).connect(sounds.destination);
  oscillator.start(sounds.currentTime + after);
  oscillator.stop(sounds.currentTime + after + seconds);
}

// A browser lets a page sound only after somebody touched it.
for (const kind of ["pointerdown", "keydown"]) {
  addEventListener(kind, () => {
    sounds ??= new AudioContext();
    sounds.resume();
  });
}

/* ---- The state of the device ---- */

function tellState() {
  const line = $("state");
  line.className = `state-line ${gate.mode}`;
  const scans = gate.waiting === 1 ? "1 scan waits to be sent" : `${gate.waiting} scans wait to be sent`;
  const parts = {
    starting: ["Looking for the service"],
    online: ["Online"],
    offline: ["Works without network"],
    "signed-out": [gate.problem || "Signed out"],
  }[gate.mode];
  if (gate.waiting) parts.push(scans);
  if (gate.waiting && gate.unsendable) parts.push(`not taken: ${gate.unsendable}`);
  if (gate.list) {
    const age = Math.max(0, Math.floor((Date.now() - gate.list.fetched_at) / 1000));
    if (gate.mode !== "online" || age > STALE_LIST_SECONDS) parts.push(`list of ${told(age)} ago`);
    parts.push(gate.list.tickets === 1 ? "1 ticket listed" : `${gate.list.tickets.toLocaleString()} tickets listed`);
  } else parts.push("no list for working without network yet");
  const text = parts.join(" · ");
  if (line.dataset.text !== text) {
    line.dataset.text = text;
    line.replaceChildren(text);
    if (gate.mode === "signed-out") {
      const link = element("a", "Sign in", "button");
      link.href = `/console/sign-in?next=${SCOPE}`;
      line.append(" ", link);
    }
  }
  tellFunctions();
  tellConflicts();
  if ($("answer").querySelector(".text").textContent === "One moment" && gate.mode !== "starting") ready();
}

/** Minutes are enough: a text that changes each second would be read aloud each second. */
function told(seconds) {
  if (seconds < 60) return "less than a minute";
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return minutes === 1 ? "1 minute" : `${minutes} minutes`;
  return `${Math.floor(minutes / 60)} hours`;
}

function tellFunctions() {
  const select = $("function");
  const known = gate.facts.functions;
  if (!settings.function_code && known.length === 1) {
    settings.function_code = known[0];
    keepSettings();
  }
  const wanted = [...new Set([settings.function_code, ...known])].filter(Boolean);
  const options = settings.function_code ? wanted : ["", ...wanted];
  if (select.dataset.options !== options.join(" ") && document.activeElement !== select) {
    select.dataset.options = options.join(" ");
    select.replaceChildren(...options.map((code) => new Option(code || "Choose", code)));
    select.value = settings.function_code;
  }
  const uses = settings.uses === 1 ? "" : `, ${settings.uses} uses a scan`;
  const shown = `${settings.device_id}, ${settings.function_code ? `for ${settings.function_code}` : "no function chosen"}${uses}${settings.is_look ? ", only looks" : ""}`;
  if ($("device-shown").textContent !== shown) $("device-shown").textContent = shown;
}

function tellConflicts() {
  const list = $("conflicts").querySelector("ul");
  const shown = gate.conflicts.map((each) => each.scan_id).join(" ");
  $("conflicts").hidden = gate.conflicts.length === 0;
  if (list.dataset.shown === shown) return;
  list.dataset.shown = shown;
  list.replaceChildren(
    ...gate.conflicts.map((each) => {
      const line = document.createElement("li");
      const other = each.other_scan ? ` The other scan: ${when(each.other_scan.at)} at ${each.other_scan.device_id}.` : "";
      const seen = element("button", "Seen", "plain");
      seen.type = "button";
      seen.addEventListener("click", () => gate.forgetConflict(each.scan_id).then(() => $("scanned").focus()));
      seen.setAttribute("aria-label", `Seen: ${each.ticket_code}`);
      line.append(element("span", each.ticket_code, "code"), ` Let in here ${when(each.scanned_at)}. ${each.message}${other} `, seen);
      return line;
    }),
  );
}

const clock = (moment) => moment.toLocaleTimeString([], { hourCycle: "h23" });
const when = (moment) => `at ${clock(new Date(moment))} on ${new Date(moment).toLocaleDateString()}`;

function ready() {
  if (settings.function_code) answer({ kind: "idle", title: "Ready", sentence: "Scan a ticket." });
  else {
    answer({ kind: "idle", title: "Choose", sentence: "Choose what this gate is for." });
    $("device").open = true;
  }
}

/* ---- Where scans come from ---- */

$("scan").addEventListener("submit", (event) => {
  event.preventDefault();
  // As it came: a signature may end in a space.
  const text = $("scanned").value;
  $("scanned").value = "";
  if (text === "") return;
  if (TICKET_CODE.test(text.trim())) {
    $("by-hand").open = true;
    $("typed-code").value = text.trim().toUpperCase();
    $("typed-digits").focus();
  } else take({ qr: text });
});

$("typed").addEventListener("submit", (event) => {
  event.preventDefault();
  const shown = { ticket_code: $("typed-code").value.trim().toUpperCase(), phone_last4: $("typed-digits").value };
  $("typed-digits").value = "";
  take(shown);
});

$("camera").addEventListener("click", async () => {
  $("camera-wrong").textContent = "";
  if (camera.isOn) {
    camera.stop();
  } else {
    document.querySelector(".finder").hidden = false;
    try {
      await camera.start((text) => take({ qr: text }));
      stayAwake();
    } catch (error) {
      camera.stop();
      $("camera-wrong").textContent =
        error.name === "NotAllowedError"
          ? "The browser may not use the camera; allow it in its settings for this page."
          : `There is no camera to be had here (${error.name}).`;
    }
  }
  document.querySelector(".finder").hidden = !camera.isOn;
  $("light").hidden = !camera.hasLight;
  $("camera").textContent = camera.isOn ? "Stop the camera" : "Start the camera";
});

function stayAwake() {
  if (camera.isOn && !document.hidden) navigator.wakeLock?.request("screen").catch(() => {});
}
document.addEventListener("visibilitychange", stayAwake);

$("light").addEventListener("click", async () => {
  const isOn = $("light").getAttribute("aria-pressed") !== "true";
  await camera.light(isOn);
  $("light").setAttribute("aria-pressed", String(isOn));
});

// A hand scanner types wherever the focus is: keys that no field is waiting for belong to it.
addEventListener("keydown", (event) => {
  const isText = event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey;
  const isSpaceOnControl = event.key === " " && event.target.closest?.("button, summary, a");
  if (isText && !isSpaceOnControl && !event.target.closest?.("input, select, textarea")) $("scanned").focus();
});
const focusOnScanner = () => document.activeElement === document.body && $("scanned").focus({ preventScroll: true });
addEventListener("focus", focusOnScanner);
document.addEventListener("focusout", () => setTimeout(focusOnScanner));
document.addEventListener("click", () => setTimeout(focusOnScanner));

/* ---- Settings ---- */

function showSettings() {
  $("device-name").value = settings.device_id;
  $("uses").value = settings.uses;
  $("look").checked = settings.is_look;
  $("sound").checked = settings.sound;
  $("vibration").checked = settings.vibration;
}

$("settings").addEventListener("submit", (event) => event.preventDefault());
$("settings").addEventListener("change", () => {
  const name = $("device-name").value.trim();
  const isName = DEVICE_NAME.test(name);
  $("device-wrong").textContent = isName ? "" : "1 to 64 of letters, digits, '.', '_', ':' and '-'.";
  $("device-name").toggleAttribute("aria-invalid", !isName);
  if (isName) settings.device_id = name;
  const uses = $("uses").valueAsNumber;
  if (Number.isInteger(uses) && uses >= 1 && uses <= USES_MAX) settings.uses = uses;
  settings.function_code = $("function").value;
  settings.is_look = $("look").checked;
  settings.sound = $("sound").checked;
  settings.vibration = $("vibration").checked;
  keepSettings();
  tellState();
  ready();
});

/* ---- The beginning ---- */

keepSettings();
showSettings();
tellState();
$("scanned").focus({ preventScroll: true });
navigator.storage?.persist?.();
navigator.serviceWorker?.register(WORKER, { scope: SCOPE }).catch((error) => console.info(error.message));
gate.start();
