// The page's sentences about a scan, in the service's words where both can say it.

const TITLES = new Map([
  ["USED_UP", "Used up"],
  ["NOT_ACTIVATED", "Not sold"],
  ["CANCELLED", "Cancelled"],
  ["EXPIRED", "Expired"],
  ["QR_REVOKED", "Replaced"],
  ["QR_INVALID", "Not ours"],
  ["TICKET_UNKNOWN", "Unknown"],
  ["UNKNOWN", "Unknown"],
  ["NO_MATCH", "No match"],
  ["TEST_TICKET", "Test ticket"],
  ["LIVE_TICKET", "Live ticket"],
  ["FUNCTION_UNKNOWN", "Not for this gate"],
  ["TOO_MANY_MANUAL_ENTRIES", "Wait"],
  ["TOO_MANY_SCANS", "Wait"],
  ["KEYBOARD_LAYOUT", "Scanner setting"],
  ["CAPS_LOCK", "Caps lock"],
  ["INCOMPLETE", "Scan again"],
  ["NEEDS_NETWORK", "No network"],
  ["NO_LIST", "No list"],
  ["LIST_OLD", "Old list"],
  ["SIGNED_OUT", "Sign in"],
]);

export const titleOf = (code) => TITLES.get(code) ?? "Refused";

const SENTENCES = new Map([
  ["UNKNOWN", () => "This ticket is not on this device's list. Without network the device cannot admit it."],
  ["QR_INVALID", () => "This QR code is not from this service."],
  ["TEST_TICKET", () => "This is a test ticket. It opens no gate."],
  ["LIVE_TICKET", () => "This is not a test ticket. This device is in test mode and admits test tickets only."],
  ["NO_MATCH", () => "Code and digits do not match. Check both."],
  ["QR_REVOKED", () => "A newer QR code has replaced this one."],
  ["EXPIRED", (told) => `The last day of this ticket was ${told.usable_until}. It is no longer valid.`],
  ["FUNCTION_UNKNOWN", (told, { function_code }) => `This ticket is not for ${function_code}. It is for: ${[...told.left.keys()].join(", ")}.`],
  ["NO_LIST", () => "This device has no list yet. Connect it to the network once."],
  ["LIST_OLD", () => "The list of this device is too old. It lacks newer sales and cancellations. Confirm below to use it anyway."],
  ["NEEDS_NETWORK", () => "Manual entry of a code needs the network."],
  ["SIGNED_OUT", () => "Sign in first. Signing in needs the network."],
  ["TOO_MANY_SCANS", () => "Many scans are waiting for a response. Scan again in a moment."],
  ["KEYBOARD_LAYOUT", () => "The scanner is set to another keyboard layout. Set the scanner and this device to the same one."],
  ["CAPS_LOCK", () => "Caps lock is on. Switch it off and scan again."],
  ["INCOMPLETE", () => "Only part of the code arrived. Scan again."],
  ["USED_UP", usedUp],
]);

/** A sentence that a guard can say aloud. `told`: {admitted, code, remaining, left, used_here_at, usable_until}. */
export function sentenceOf(told, wanted) {
  if (told.admitted) return `Welcome: ${wanted.uses} of ${wanted.function_code}, ${told.remaining || "none"} left.`;
  return SENTENCES.get(told.code)(told, wanted);
}

function usedUp(told, { function_code, uses }) {
  if (told.remaining) return `This ticket has only ${told.remaining} of ${function_code} left, not ${uses}.`;
  const at = told.used_here_at && new Date(told.used_here_at).toLocaleTimeString([], { hourCycle: "h23" });
  return `This ticket has no uses of ${function_code} left.${at ? ` It was admitted here at ${at}.` : ""}`;
}
