// The gate page: what is shown and heard, and where scans come from.

import { answer, answerAgain, clock, element, listScan, noteBefore, showAsking, signal } from "./answer.mjs";
import { Camera } from "./camera.mjs";
import { TEST_MODE, mayLeave } from "./gate-store.mjs";
import { Gate } from "./judge.mjs";
import { readCode, readScan } from "./reading.mjs";
import { listenToScanner } from "./scanner.mjs";
import { sentenceOf } from "./sentences.mjs";
import { nameOf } from "./names.mjs";
import { _, ngettext } from "./texts.mjs";

const WORKER = "/console/gate/worker.js";
const SCOPE = "/console/gate";
const SETTINGS = "premade-gate";
const DEVICE_NAME = /^[A-Za-z0-9._:-]{1,64}$/;
const USES_MAX = 10_000;
const STALE_LIST_SECONDS = 300;
const HELD_UP_MS = 3_000;

const $ = (id) => document.getElementById(id);
const settings = {
  device_id: `gate-${crypto.randomUUID().slice(0, 4)}`,
  function_code: "",
  uses: 1,
  is_look: false,
  sound: true,
  vibration: true,
  ...JSON.parse(localStorage.getItem(SETTINGS) ?? "{}"),
  mode: sessionStorage.getItem(TEST_MODE) === "yes" ? "test" : "live",
};
const gate = new Gate(settings, tellState);
const camera = new Camera(document.querySelector("video"), $("outline"));

function keepSettings() {
  // "Check only" ends with the page and test mode with the session: tomorrow's guard must find neither on.
  const { mode, ...kept } = { ...settings, is_look: false };
  localStorage.setItem(SETTINGS, JSON.stringify(kept));
  if (mode === "test") sessionStorage.setItem(TEST_MODE, "yes");
  else sessionStorage.removeItem(TEST_MODE);
}

/* ---- A scan and its answer ---- */

/** Number of the last presentation. Only its verdict is shown large. */
let presented = 0;
let coming = null;
/** The code before the camera and its presentation: a code that stays in view is not presented again. */
let held = { what: "", at: -Infinity, presented: -1 };

/** A new scan begins: remove the verdict of the one before. */
function begin() {
  presented += 1;
  coming = null;
  showAsking(_("Reading"));
}

function seen(text) {
  const what = JSON.stringify([text, settings]);
  const isHeldUp = what === held.what && held.presented === presented && performance.now() - held.at < HELD_UP_MS;
  held = { what, at: performance.now(), presented };
  if (isHeldUp) return undefined;
  const shown = readText(text);
  held.presented = presented;
  return shown;
}

function readText(text) {
  const read = readScan(text);
  if (read.kind === "token") return take({ tokens: read.tokens });
  if (read.kind === "code") return typeDigitsFor(read.ticket_code);
  const code = read.kind === "garbled" ? read.code : "QR_INVALID";
  return show({ kind: "no", code, sentence: sentenceOf({ code }) }, (presented += 1));
}

function typeDigitsFor(code) {
  presented += 1;
  ready();
  $("by-hand").open = true;
  $("typed-code").value = code;
  $("typed-digits").focus();
}

async function take(shown) {
  if (!settings.function_code) return chooseFunction();
  const { verdict: asked, is_repeat } = gate.present(shown);
  const mine = (presented += 1);
  coming = asked;
  showAsking(_("One moment"));
  const verdict = await asked.catch((error) => {
    console.warn(error);
    return { kind: "no", code: "FAILED", sentence: _("Something went wrong on this device. Scan again.") };
  });
  // The same code was scanned again before its answer came: the answer is for the second scan.
  const isSuperseded = mine !== presented && asked === coming;
  if (!isSuperseded) show(verdict, mine, is_repeat);
}

/** Show a verdict, large if nothing was presented after it. */
function show(verdict, mine, is_repeat = false) {
  const isAgain = is_repeat && verdict.wasShown;
  if (!is_repeat || !verdict.wasListed) listScan(verdict, settings);
  verdict.wasListed = true;
  if (mine !== presented) {
    if (!verdict.wasShown) noteBefore(verdict, settings);
    return;
  }
  verdict.wasShown = true;
  if (isAgain && verdict.kind === "yes") answerAgain(verdict);
  else answer(verdict, settings, gate.mode);
  signal(isAgain && verdict.kind === "yes" ? "again" : verdict.kind, settings);
  tellTyping(verdict.typed);
}

/** A hint under the scanner's field if its keyboard layout is wrong: the page can read it, other programs cannot. */
function tellTyping(typed) {
  const layout = typed && typed.layout !== "US" ? _("This device has a %(layout)s keyboard layout, the scanner another. Set both to the same one.", { layout: typed.layout }) : "";
  const caps = typed?.caps_lock ? _("Caps lock is on.") : "";
  $("scanned-how").textContent = [layout, caps].filter(Boolean).join(" ");
}

/* ---- The state of the device ---- */

function tellState() {
  const line = $("state");
  line.className = `state-line ${gate.mode}`;
  const scans = ngettext("%(num)s scan waits to be sent", "%(num)s scans wait to be sent", gate.waiting);
  const parts = {
    starting: [_("Looking for the service")],
    online: [gate.barred || _("Online")],
    offline: [_("Works without network")],
    "signed-out": [gate.problem || _("Signed out")],
  }[gate.mode];
  if (gate.waiting) parts.push(scans);
  if (gate.waiting && gate.unsendable) parts.push(_("not taken: %(reason)s", { reason: gate.unsendable }));
  if (gate.list) {
    const age = gate.listSeconds;
    if (gate.mode !== "online" || age > STALE_LIST_SECONDS) parts.push(_("list of %(time)s ago", { time: told(age) }));
    parts.push(ngettext("%(count)s ticket listed", "%(count)s tickets listed", gate.list.tickets, { count: gate.list.tickets.toLocaleString(document.documentElement.lang) }));
  } else parts.push(_("no list for working without network yet"));
  const text = parts.join(" · ");
  if (line.dataset.text !== text) {
    line.dataset.text = text;
    line.replaceChildren(text);
    if (gate.mode === "signed-out") {
      const link = element("a", _("Sign in"), "button");
      link.href = `/console/sign-in?next=${SCOPE}`;
      line.append(" ", link);
    }
  }
  tellFunctions();
  tellConflicts();
  tellList();
  tellPerson();
  tellDigits();
  if (gate.mode === "signed-out") setMode("live");
  $("test-banner").hidden = settings.mode !== "test";
  if (!isReady && gate.mode !== "starting") ready();
}

/** An old list admits nobody until a guard has confirmed it. */
function tellList() {
  const isAsked = gate.mode === "offline" && gate.isListOld;
  $("old-list").hidden = !isAsked;
  if (!isAsked) return;
  setText($("old-list-text"), gate.isListConfirmed
    ? _("You chose to go on with a list of %(time)s ago.", { time: told(gate.listSeconds) })
    : _("It was made %(time)s ago; the limit is %(limit)s. Who bought, cancelled or was let in since is not on it.", { time: told(gate.listSeconds), limit: told(gate.facts.list_hours_max * 3600) }));
  $("use-old-list").hidden = gate.isListConfirmed;
}

/** The cached page names nobody; this device knows who signed in on it last. */
function tellPerson() {
  if (!$("person")) return;
  $("person").hidden = gate.mode === "signed-out" || !gate.facts.name;
  setText($("person-name"), gate.facts.name);
}

/** Ask for as many digits as the operator's setting says. */
function tellDigits() {
  const digits = gate.facts.phone_digits;
  $("typed-digits").maxLength = digits;
  $("typed-digits").pattern = `[0-9]{${digits}}`;
  setText($("typed-digits-label"), _("Last %(digits)s digits of the customer's phone number", { digits }));
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Minutes are enough: a text that changes each second would be read aloud each second. */
function told(seconds) {
  if (seconds === Infinity) return _("an unknown time");
  if (seconds < 60) return _("less than a minute");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return ngettext("%(num)s minute", "%(num)s minutes", minutes);
  return _("%(hours)s hours", { hours: Math.floor(minutes / 60) });
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
  if (select.dataset.options !== options.map(nameOf).join(" ") && document.activeElement !== select) {
    select.dataset.options = options.map(nameOf).join(" ");
    select.replaceChildren(...options.map((code) => new Option(code ? nameOf(code) : _("Choose"), code)));
    select.value = settings.function_code;
  }
  const purpose = settings.function_code ? _("for %(function)s", { function: nameOf(settings.function_code) }) : _("no function chosen");
  const uses = settings.uses === 1 ? "" : _("%(uses)s uses a scan", { uses: settings.uses });
  const looks = settings.is_look ? _("only looks") : "";
  const shown = [settings.device_id, purpose, uses, looks].filter(Boolean).join(", ");
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
      const here = _("Let in here %(time)s.", { time: when(each.scanned_at) });
      const other = each.other_scan
        ? _("The other scan: %(time)s at %(device)s.", { time: when(each.other_scan.at), device: each.other_scan.device_id })
        : "";
      const sentences = [here, each.message, other].filter(Boolean).join(" ");
      const seen = element("button", _("Seen"), "plain");
      seen.type = "button";
      seen.addEventListener("click", () => gate.forgetConflict(each.scan_id).then(() => $("scanned").focus()));
      seen.setAttribute("aria-label", _("Seen: %(ticket)s", { ticket: each.ticket_code }));
      line.append(element("span", each.ticket_code, "code"), ` ${sentences} `, seen);
      return line;
    }),
  );
}

const when = (moment) => _("at %(time)s on %(day)s", { time: clock(new Date(moment)), day: new Date(moment).toLocaleDateString(document.documentElement.lang) });

let isReady = false;

function ready() {
  isReady = true;
  if (!settings.function_code) return chooseFunction();
  answer({ kind: "idle", title: _("Ready"), sentence: settings.mode === "test" ? _("Scan a test ticket.") : _("Scan a ticket.") }, settings, gate.mode);
}

/** Show the choice right under the sentence that asks for it: on a phone the settings are far below. */
function chooseFunction() {
  answer({ kind: "idle", title: _("Choose"), sentence: _("Choose what this gate is for.") }, settings, gate.mode);
  $("choice").hidden = false;
  $("choice").replaceChildren(
    ...gate.facts.functions.map((code) => {
      const button = element("button", nameOf(code));
      button.type = "button";
      button.addEventListener("click", () => choose(code));
      return button;
    }),
  );
}

function choose(code) {
  settings.function_code = code;
  $("function").value = code;
  keepSettings();
  tellState();
  ready();
  $("scanned").focus({ preventScroll: true });
}

/* ---- Where scans come from ---- */

listenToScanner($("scanned"), {
  begin,
  abandon: ready,
  take: readText,
});

$("typed").addEventListener("submit", (event) => {
  event.preventDefault();
  const shown = { ticket_code: readCode($("typed-code").value), phone_last4: $("typed-digits").value };
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
      await camera.start(seen);
      stayAwake();
    } catch (error) {
      camera.stop();
      $("camera-wrong").textContent =
        error.name === "NotAllowedError"
          ? _("The browser may not use the camera; allow it in its settings for this page.")
          : error.name === "Error"
            ? _("This browser cannot read codes in pictures; use a newer one, or a hand scanner.")
            : _("No camera is available (%(error)s).", { error: error.name });
    }
  }
  document.querySelector(".finder").hidden = !camera.isOn;
  $("light").hidden = !camera.hasLight;
  $("camera").textContent = camera.isOn ? _("Stop the camera") : _("Start the camera");
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
  $("test-mode").checked = settings.mode === "test";
}

$("settings").addEventListener("submit", (event) => event.preventDefault());
$("settings").addEventListener("change", () => {
  const name = $("device-name").value.trim();
  const isName = DEVICE_NAME.test(name);
  $("device-wrong").textContent = isName ? "" : _("1 to 64 of letters, digits, '.', '_', ':' and '-'.");
  $("device-name").toggleAttribute("aria-invalid", !isName);
  if (isName) settings.device_id = name;
  const uses = $("uses").valueAsNumber;
  if (Number.isInteger(uses) && uses >= 1 && uses <= USES_MAX) settings.uses = uses;
  settings.function_code = $("function").value;
  settings.is_look = $("look").checked;
  settings.sound = $("sound").checked;
  settings.vibration = $("vibration").checked;
  setMode($("test-mode").checked ? "test" : "live");
  keepSettings();
  tellState();
  ready();
});

function setMode(mode) {
  if (mode === settings.mode) return;
  settings.mode = mode;
  $("test-mode").checked = mode === "test";
  keepSettings();
  gate.changeMode();
}

$("end-test").addEventListener("click", () => {
  setMode("live");
  ready();
});

$("use-old-list").addEventListener("click", () => {
  gate.confirmList();
  ready();
});

/* ---- Signing out ---- */

// Without network the device stops admitting now and tells the service later.
for (const button of document.querySelectorAll('form[action^="/console/sign-out"] button, #person button')) {
  button.addEventListener("click", (event) => {
    if (gate.mode !== "offline" && button.form !== null) return;
    event.preventDefault();
    if (!mayLeave()) return;
    setMode("live");
    gate.signOut();
  });
}

/* ---- The beginning ---- */

keepSettings();
showSettings();
tellState();
$("scanned").focus({ preventScroll: true });
navigator.storage?.persist?.();
navigator.serviceWorker?.register(WORKER, { scope: SCOPE }).catch((error) => console.info(error.message));
gate.start();
