// The field that a hand scanner types into: detect when a scan begins and when it is complete. A scanner may end with
// Enter, Tab, CR and LF, or nothing.

import { endsAsTokenBegins, hasTokenBegun, isWhole } from "./reading.mjs";

/** After this long without a key, what a scanner typed is all of it. */
const QUIET_MS = 400;
/** Part of a token waits longer for the rest, since devices stall; a whole token is taken at once. */
const QUIET_IN_TOKEN_MS = 2_000;
/** Scanners type faster than this, people slower. */
const KEY_MS_MAX = 60;
const SCANNED_CHARACTERS_MIN = 8;
/** An Enter or Tab that is pressed this soon after a scan belongs to that scan. */
const ENDING_MS = 500;

/**
 * Listen to the whole page, since a scanner types wherever the focus is.
 *
 * @param {HTMLInputElement} field
 * @param {{begin: () => void, abandon: () => void, take: (text: string) => void}} on `begin` with the first character,
 *   then `take` with the whole text, or `abandon` when the characters were deleted again
 */
export function listenToScanner(field, on) {
  let begunAt = 0;
  let typedAt = 0;
  let keys = 0;
  let takenAt = -Infinity;
  let quiet;

  field.addEventListener("input", () => {
    clearTimeout(quiet);
    // No code begins with a blank; some scanners end with one.
    if (field.value.trim() === "") {
      field.value = "";
      if (keys > 0) on.abandon();
      keys = 0;
      return;
    }
    typedAt = performance.now();
    if (keys === 0) {
      begunAt = typedAt;
      on.begin();
    }
    keys += 1;
    if (isWhole(field.value)) take();
    else quiet = setTimeout(takeIfScanned, hasTokenBegun(field.value) ? QUIET_IN_TOKEN_MS : QUIET_MS);
  });

  addEventListener("keydown", (event) => {
    if (isEnding(event)) {
      // The time of the key, not of this call: a device that checks a signature hears of it late.
      if (event.timeStamp - takenAt < ENDING_MS) event.preventDefault();
      else if (event.target === field && field.value !== "") {
        event.preventDefault();
        take();
      }
    } else if (isText(event) && !wants(event.target, event.key)) field.focus({ preventScroll: true });
  }, { capture: true });

  // Move a scan that began in another field into this one.
  addEventListener("input", ({ target }) => {
    if (target === field || target.localName !== "input" || !endsAsTokenBegins(target.value)) return;
    const begun = target.value.slice(-4);
    target.value = target.dataset.before ?? "";
    field.value = begun;
    field.focus({ preventScroll: true });
    field.dispatchEvent(new Event("input"));
  });
  addEventListener("focusin", ({ target }) => {
    if (target.localName === "input" && target !== field) target.dataset.before = target.value;
  });

  field.form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (field.value !== "") take();
  });

  function take() {
    clearTimeout(quiet);
    const text = field.value;
    field.value = "";
    keys = 0;
    takenAt = performance.now();
    on.take(text);
  }

  function takeIfScanned() {
    const isFast = (typedAt - begunAt) / Math.max(1, keys - 1) <= KEY_MS_MAX;
    if (isFast && field.value.length >= SCANNED_CHARACTERS_MIN) take();
  }
}

/** Enter, Tab, or CR and LF as Ctrl+M and Ctrl+J. */
function isEnding({ key, shiftKey, ctrlKey, altKey, metaKey, isComposing }) {
  if (isComposing || altKey || metaKey) return false;
  if (ctrlKey) return key === "j" || key === "m";
  return key === "Enter" || (key === "Tab" && !shiftKey);
}

function isText({ key, ctrlKey, altKey, metaKey }) {
  return (key.length === 1 || key === "Dead") && !ctrlKey && !metaKey && !altKey;
}

/** Whether the focused control uses that key itself. A select does not: letters would change it unnoticed. */
function wants(control, key) {
  const { localName, type } = control;
  if (localName === "textarea") return true;
  if (localName === "input") return type === "number" ? /[0-9]/.test(key) : type === "checkbox" ? key === " " : true;
  return key === " " && Boolean(control.closest?.("button, summary, a, select"));
}
