// Parse the input of a scanner, a camera or a person. Pure: a reading is only a proposal; the signature decides.

import { readings } from "./keyboards.mjs";

const CODE_PARTS = /^([A-Z]{2,12})([0-9]{4})([A-Z]{2,12})([0-9]{13})$/;
const CODE = /^[A-Z]{2,12}-[0-9]{4}-[A-Z]{2,12}-[0-9]{13}$/;
/** The parts of a token before its signature, wherever they begin: scanners put identifiers such as "]Q1" before. */
const HEAD = /PM1:([A-Z]{2,12}-[0-9]{4}-[A-Z]{2,12}-[0-9]{13}):[1-9][0-9]{0,2}:[A-Z][1-9][0-9]{0,2}:/g;
const SIGNATURE = /^[0-9A-Z $%*+\-./:]*$/;
const SIGNATURE_CHARACTERS = 96;
/** A dead key swallows the space after it, so a signature may arrive this much shorter. */
const LOST_SPACES_MAX = 6;
const CANDIDATES_MAX = 32;
const WHOLE_CHARACTERS_MIN = 100;
const TOKEN_CHARACTERS_MAX = 200;
const BEGINNING_CHARACTERS = 24;
// Blanks, control characters, byte-order mark, zero-width and direction marks.
const AROUND = /^[\s\p{C}]+|[\s\p{C}]+$/gu;
const BLANKS = /[\s\p{C}]+/gu;
const DASHES = /\p{Pd}|\u2212/gu;

/**
 * @param {string} text as it arrived
 * @returns {{kind: "token", tokens: {qr: string, layout: string, caps_lock: boolean}[]}
 *   | {kind: "code", ticket_code: string} | {kind: "garbled", code: string} | {kind: "foreign"}} of a token every
 *   spelling that it may have been, of which a signature holds for one at most; `garbled` is a code of ours that
 *   did not arrive whole, and why
 */
export function readScan(text) {
  const tokens = new Map();
  for (const { text: read, layout, caps_lock } of readings(text)) {
    for (const qr of tokensIn(read)) {
      if (tokens.size < CANDIDATES_MAX && !tokens.has(qr)) tokens.set(qr, { qr, layout, caps_lock });
    }
    // The text as it was printed: no other reading is more likely.
    if (layout === "US" && !caps_lock && tokens.size > 0) break;
  }
  if (tokens.size > 0) return { kind: "token", tokens: [...tokens.values()] };
  for (const reading of readings(text)) {
    const ticket_code = readCode(reading.text);
    if (CODE.test(ticket_code)) return { kind: "code", ticket_code };
  }
  return garbled(text.replace(AROUND, "")) ?? { kind: "foreign" };
}

/** Whether the text ends with a whole token, so that nothing more needs to come. */
export function isWhole(text) {
  if (text.length < WHOLE_CHARACTERS_MIN) return false;
  for (const reading of readings(text.slice(-TOKEN_CHARACTERS_MAX))) {
    const head = lastHead(reading.text);
    const rest = head === undefined ? "" : reading.text.slice(head.index + head[0].length);
    const [signature, after] = [rest.slice(0, SIGNATURE_CHARACTERS), rest.slice(SIGNATURE_CHARACTERS)];
    if (signature.length === SIGNATURE_CHARACTERS && SIGNATURE.test(signature) && after.replace(AROUND, "") === "") return true;
  }
  return false;
}

/** Whether a token begins at the head of the text, in any layout; identifiers of scanners may stand before it. */
export function hasTokenBegun(text) {
  for (const reading of readings(text.slice(0, BEGINNING_CHARACTERS))) if (reading.text.includes("PM1:")) return true;
  return false;
}

/** Whether the text ends with the beginning of a token, in any layout: a scanner typed into another field. */
export function endsAsTokenBegins(text) {
  for (const reading of readings(text.slice(-4))) if (reading.text === "PM1:") return true;
  return false;
}

/** Return a typed ticket code as it is printed: undo small letters, blanks, other dashes, missing hyphens. */
export function readCode(typed) {
  const code = typed.replace(BLANKS, "").replace(DASHES, "-").replace(/[a-z]/g, (letter) => letter.toUpperCase());
  const parts = CODE_PARTS.exec(code.replaceAll("-", ""));
  return parts ? parts.slice(1).join("-") : code;
}

/** Return the ticket code in a token, or "" if the text is not a token. */
export function codeOf(token) {
  return lastHead(token)?.[1] ?? "";
}

/** Return the last token: an incomplete scan may stand before it. */
function lastHead(text) {
  return [...text.matchAll(HEAD)].at(-1);
}

function tokensIn(text) {
  const head = lastHead(text);
  if (head === undefined) return [];
  const rest = text.slice(head.index + head[0].length);
  const [signature, after] = [rest.slice(0, SIGNATURE_CHARACTERS), rest.slice(SIGNATURE_CHARACTERS)];
  if (after.replace(AROUND, "") !== "") return [];
  const trimmed = signature.replace(/[\p{Cc}\ufeff]+$/u, "");
  if (!SIGNATURE.test(trimmed)) return [];
  return withLostSpaces(trimmed).map((whole) => head[0] + whole);
}

/** Put lost spaces back. A space is lost after a dead key, a "+" in every layout; the last character is never one. */
function withLostSpaces(signature) {
  const lost = SIGNATURE_CHARACTERS - signature.length;
  if (lost === 0) return [signature];
  if (lost > LOST_SPACES_MAX) return [];
  const found = [];
  const place = (text, from, left) => {
    if (found.length >= CANDIDATES_MAX) return;
    if (left === 0) found.push(text);
    for (let at = from; left > 0 && at < text.length; at++) {
      if (text[at] === "+") place(`${text.slice(0, at + 1)} ${text.slice(at + 1)}`, at + 2, left - 1);
    }
  };
  place(signature, 0, lost);
  return found;
}

/** A text that looks like a token but is none in any reading. */
function garbled(text) {
  if (text.length > TOKEN_CHARACTERS_MAX) return undefined;
  for (const { text: read, layout } of readings(text)) {
    const begins = read.search(/PM1:[A-Z]{2}/);
    if (begins < 0) continue;
    if (layout !== "US") return { kind: "garbled", code: "KEYBOARD_LAYOUT" };
    const head = lastHead(read);
    const isShort = head === undefined ? read.length - begins < WHOLE_CHARACTERS_MIN : read.length - head.index - head[0].length < SIGNATURE_CHARACTERS;
    return isShort ? { kind: "garbled", code: "INCOMPLETE" } : undefined;
  }
  return isOutlined(text) ? { kind: "garbled", code: "KEYBOARD_LAYOUT" } : undefined;
}

/** In any layout one character stands in all four places of the colon, and another in those of the hyphen. */
function isOutlined(text) {
  const colon = text.at(-SIGNATURE_CHARACTERS - 1);
  if (colon === undefined) return false;
  const [version, code, issue, key, ...more] = text.slice(0, -SIGNATURE_CHARACTERS - 1).split(colon);
  if (key === undefined || more.length > 0) return false;
  const parts = code.split(code.at(-14) ?? colon);
  const isCode = parts.length === 4 && parts[1].length === 4 && parts[3].length === 13;
  return version.length >= 3 && isCode && issue.length >= 1 && issue.length <= 3 && key.length >= 2 && key.length <= 4;
}
