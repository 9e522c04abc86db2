// Turn an answer into a verdict: {kind: "yes" | "no", code, sentence, left, ticket_code}. Pure.

import { nameOf } from "./names.mjs";
import { codeOf } from "./reading.mjs";
import { sentenceOf } from "./sentences.mjs";

export function ticketOf(shown) {
  return shown.ticket_code ?? codeOf(shown.qr);
}

export function refusal(code, sentence, ticket_code) {
  return { kind: "no", code, sentence, ticket_code };
}

/** The verdict of a refusal. The text of an unsigned QR is not shown as a ticket code. */
export function refused(error, shown, wanted) {
  const { code } = error;
  const isTyped = shown.qr === undefined;
  if (isTyped && code === "TICKET_UNKNOWN") return refusal("NO_MATCH", sentenceOf({ code: "NO_MATCH" }), shown.ticket_code);
  return refusal(code, withNames(error, wanted), code === "QR_INVALID" ? undefined : ticketOf(shown));
}

/** The service's sentence, with the names of functions instead of their codes. */
function withNames({ code, message, problem }, wanted) {
  if (code === "FUNCTION_UNKNOWN") return sentenceOf({ code, left: new Map(problem.functions.map((each) => [each, 0])) }, wanted);
  // The code stands before everything else in the sentence that could be the same, such as the name of a device.
  return code === "USED_UP" ? message.replace(wanted.function_code, () => nameOf(wanted.function_code)) : message;
}

/** The verdict, which may blame the scanner's settings: a wrong signature can be a wrong guess of them. */
export function described(verdict, read) {
  if (!read || (read.layout === "US" && !read.caps_lock)) return verdict;
  if (verdict.code === "QR_INVALID") {
    const code = read.layout === "US" ? "CAPS_LOCK" : "KEYBOARD_LAYOUT";
    return refusal(code, sentenceOf({ code }));
  }
  return { ...verdict, typed: { layout: read.layout, caps_lock: read.caps_lock } };
}

export const leftOf = ({ entitlements }) => new Map(entitlements.map((each) => [each.function_code, each.remaining_uses]));

export function looked(told, wanted) {
  const left = leftOf(told);
  const more = { left, ticket_code: told.ticket_code };
  if (!told.is_admitted) return { ...refusal(told.refusal, told.message), ...more };
  const remaining = left.get(wanted.function_code);
  if (remaining >= wanted.uses) return { kind: "yes", sentence: told.message, ...more };
  const code = remaining === undefined ? "FUNCTION_UNKNOWN" : "USED_UP";
  return { ...refusal(code, sentenceOf({ code, left, remaining }, wanted)), ...more };
}
