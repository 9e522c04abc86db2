// Whether a genuine token is let in without network: the table "Without network" of docs/qr-token.md. Pure.

/**
 * @param {{issue_number: number, uses: Record<string, number>, usable_until: string | null} | undefined} listed the
 *   ticket's line of the snapshot, with what this device counted off
 * @param {number} issueNumber of the token
 * @param {{function_code: string, uses: number, day: string, key_id: string, is_test_list: boolean}} wanted `day` as the
 *   operator's calendar has it now; `key_id` of the token; `is_test_list`, the "test" of the snapshot's first line
 * @returns {{admitted: true, remaining: number} | {admitted: false, code: string, remaining?: number}}
 */
export function admission(listed, issueNumber, wanted) {
  const isTestKey = wanted.key_id.startsWith("T");
  if (isTestKey && !wanted.is_test_list) return { admitted: false, code: "TEST_TICKET" };
  // Old test tickets were signed by a key of live ones: the list says that they are test tickets.
  if (!isTestKey && wanted.is_test_list && listed === undefined) return { admitted: false, code: "LIVE_TICKET" };
  if (listed === undefined || issueNumber > listed.issue_number) return { admitted: false, code: "UNKNOWN" };
  if (issueNumber < listed.issue_number) return { admitted: false, code: "QR_REVOKED" };
  if (listed.usable_until !== null && listed.usable_until < wanted.day) return { admitted: false, code: "EXPIRED" };
  const left = usesLeft(listed.uses, wanted.function_code);
  if (left === undefined) return { admitted: false, code: "FUNCTION_UNKNOWN" };
  if (!(left >= wanted.uses)) return { admitted: false, code: "USED_UP", remaining: left };
  return { admitted: true, remaining: left - wanted.uses };
}

/** The uses left of a function, or undefined: a function may be called "constructor", as what every object has. */
export function usesLeft(uses, functionCode) {
  return Object.hasOwn(uses, functionCode) ? uses[functionCode] : undefined;
}

/** The day that it is in a time zone, `2025-11-04`. */
export function dayIn(timeZone, moment) {
  const format = new Intl.DateTimeFormat("en", { timeZone, year: "numeric", month: "2-digit", day: "2-digit" });
  const part = Object.fromEntries(format.formatToParts(moment).map(({ type, value }) => [type, value]));
  return `${part.year.padStart(4, "0")}-${part.month}-${part.day}`;
}
