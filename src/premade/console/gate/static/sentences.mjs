// The page's sentences about a scan, in the service's words where both can say it.

import { nameOf } from "./names.mjs";
import { _ } from "./texts.mjs";

const TITLES = new Map([
  ["USED_UP", _("Used up")],
  ["NOT_ACTIVATED", _("Not sold")],
  ["CANCELLED", _("Cancelled")],
  ["EXPIRED", _("Expired")],
  ["QR_REVOKED", _("Replaced")],
  ["QR_INVALID", _("Not ours")],
  ["TICKET_UNKNOWN", _("Unknown")],
  ["UNKNOWN", _("Unknown")],
  ["NO_MATCH", _("No match")],
  ["TEST_TICKET", _("Test ticket")],
  ["LIVE_TICKET", _("Live ticket")],
  ["FUNCTION_UNKNOWN", _("Not for this gate")],
  ["TOO_MANY_MANUAL_ENTRIES", _("Wait")],
  ["TOO_MANY_SCANS", _("Wait")],
  ["KEYBOARD_LAYOUT", _("Scanner setting")],
  ["CAPS_LOCK", _("Caps lock")],
  ["INCOMPLETE", _("Scan again")],
  ["NEEDS_NETWORK", _("No network")],
  ["NO_LIST", _("No list")],
  ["LIST_OLD", _("Old list")],
  ["SIGNED_OUT", _("Sign in")],
  ["DEVICE_REVOKED", _("Device revoked")],
  ["DEVICE_UNAPPROVED", _("Device not approved")],
]);

export const titleOf = (code) => TITLES.get(code) ?? _("Refused");

const SENTENCES = new Map([
  ["UNKNOWN", () => _("This ticket is not on this device's list. Without network the device cannot admit it.")],
  ["QR_INVALID", () => _("This QR code is not from this service.")],
  ["TEST_TICKET", () => _("This is a test ticket. It opens no gate.")],
  ["LIVE_TICKET", () => _("This is not a test ticket. This device is in test mode and admits test tickets only.")],
  ["NO_MATCH", () => _("Code and digits do not match. Check both.")],
  ["QR_REVOKED", () => _("A newer QR code has replaced this one.")],
  ["EXPIRED", (told) => _("The last day of this ticket was %(day)s. It is no longer valid.", { day: told.usable_until })],
  ["FUNCTION_UNKNOWN", (told, { function_code }) => _("This ticket is not for %(function)s. It is for: %(functions)s.", { function: nameOf(function_code), functions: [...told.left.keys()].map(nameOf).join(", ") })],
  ["NO_LIST", () => _("This device has no list yet. Connect it to the network once.")],
  ["LIST_OLD", () => _("The list of this device is too old. It lacks newer sales and cancellations. Confirm below to use it anyway.")],
  ["NEEDS_NETWORK", () => _("Manual entry of a code needs the network.")],
  ["SIGNED_OUT", () => _("Sign in first. Signing in needs the network.")],
  ["TOO_MANY_SCANS", () => _("Many scans are waiting for a response. Scan again in a moment.")],
  ["KEYBOARD_LAYOUT", () => _("The scanner is set to another keyboard layout. Set the scanner and this device to the same one.")],
  ["CAPS_LOCK", () => _("Caps lock is on. Switch it off and scan again.")],
  ["INCOMPLETE", () => _("Only part of the code arrived. Scan again.")],
  ["USED_UP", usedUp],
]);

/** A sentence that a guard can say aloud. `told`: {admitted, code, remaining, left, used_here_at, usable_until}. */
export function sentenceOf(told, wanted) {
  if (told.admitted) {
    const remaining = told.remaining || _("none");
    return _("Welcome: %(uses)s of %(function)s, %(remaining)s left.", { uses: wanted.uses, function: nameOf(wanted.function_code), remaining });
  }
  return SENTENCES.get(told.code)(told, wanted);
}

function usedUp(told, { function_code, uses }) {
  if (told.remaining) return _("This ticket has only %(remaining)s of %(function)s left, not %(uses)s.", { remaining: told.remaining, function: nameOf(function_code), uses });
  const at = told.used_here_at && new Date(told.used_here_at).toLocaleTimeString(document.documentElement.lang, { hourCycle: "h23" });
  const sentence = _("This ticket has no uses of %(function)s left.", { function: nameOf(function_code) });
  if (!at) return sentence;
  const before = _("It was admitted here at %(time)s.", { time: at });
  return `${sentence} ${before}`;
}
