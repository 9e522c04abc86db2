// Send the scans that the device admitted without network. A scan that the service refuses for good is set aside as a
// conflict, so the queue always empties.

import { Refused } from "./service.mjs";
import * as service from "./service.mjs";
import * as store from "./store.mjs";
import { _ } from "./texts.mjs";

const NOTES_MAX = 500;
/** Refusals that are not about the scans: the scans are sent again. */
const FOR_LATER = new Set([401, 403, 408, 425, 429]);

/**
 * @param {() => Date} now by the service's clock
 * @param {(note: object, result: object) => void} settled called for each scan before it leaves the queue
 * @throws Away, or Refused where none of the scans is at fault: what was not settled stays in the queue
 */
export async function sendNotes(now, settled) {
  await navigator.locks.request("premade-gate-send", async () => {
    for (let sent; (sent = await store.notesToSend(NOTES_MAX)).length > 0; ) await send(sent, now, settled);
  });
}

async function send(sent, now, settled) {
  const { device_id, mode } = sent[0].note;
  let results;
  try {
    ({ results } = await service.sync({ device_id, redemptions: sent.map(({ note }) => redemption(note, now())) }, mode));
  } catch (error) {
    if (!(error instanceof Refused) || FOR_LATER.has(error.status)) throw error;
    if (sent.length > 1) return sendHalves(sent, now, settled);
    results = [refused(sent[0].note, error)];
  }
  // A snapshot that is being fetched now does not contain them.
  sent.forEach(({ note }, place) => settled(note, results[place]));
  await store.settle(sent, results);
}

/** One of the scans is at fault: find it by halving, in their order, since each use counts for the next. */
async function sendHalves(sent, now, settled) {
  const middle = Math.ceil(sent.length / 2);
  for (const half of [sent.slice(0, middle), sent.slice(middle)]) await send(half, now, settled);
}

function redemption({ scan_id, qr, function_code, uses, scanned_at, guard }, now) {
  const latest = now.toISOString();
  // A clock that was set back since must not keep it here.
  const at = scanned_at < latest ? scanned_at : latest;
  return { scan_id, qr, function_code, uses, scanned_at: at, ...(guard ? { guard } : {}) };
}

function refused({ scan_id }, { code, message }) {
  return { scan_id, outcome: "conflict", code, message: _("The service refused this scan: %(message)s", { message }) };
}
