// What the device keeps in IndexedDB: the tickets of the last snapshot, the keys, the notes of what it let in by itself
// until they are sent, and conflicts until somebody has seen them.

import { openStore } from "./gate-store.mjs";
import { admission, dayIn } from "./admission.mjs";

export { forgetLists } from "./gate-store.mjs";

const TICKETS_A_TRANSACTION = 5_000;
const UNANSWERED_HOURS_MAX = 12;
const CLOCK_SKEW_SECONDS_MAX = 120;

/** A snapshot that is not used: without its last line, of the other mode, or begun before the lists were deleted. */
export class Broken extends Error {}

const database = openStore();

/** One transaction: all that `act` does with the stores, or nothing. */
async function transact(names, mode, act) {
  const transaction = (await database).transaction(names, mode, { durability: mode === "readwrite" ? "strict" : "default" });
  const ended = new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error ?? new Error("aborted"));
  });
  const stores = Object.fromEntries(names.map((name) => [name, transaction.objectStore(name)]));
  let told;
  try {
    told = await act(stores);
  } catch (error) {
    transaction.abort();
    ended.catch(() => {});
    throw error;
  }
  await ended;
  return told;
}

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

export const read = (name) => transact(["kept"], "readonly", ({ kept }) => done(kept.get(name)));
export const write = (name, value) => transact(["kept"], "readwrite", ({ kept }) => void kept.put(value, name));

/**
 * What is known of the list of a mode, "live" or "test": {generation, since, made_at, time_zone, fetched_at, tickets,
 * is_test}, or undefined. The lists of both never mix: the mode is part of every key.
 */
export const aboutList = (mode) => read(listOf(mode));
const listOf = (mode) => `snapshot ${mode}`;

/** Make the next snapshot a full one. */
export const forgetCursor = async (mode) => {
  const about = await aboutList(mode);
  if (about) await write(listOf(mode), { ...about, since: undefined });
};

/**
 * Take a snapshot in. Nothing of the lines counts before the last one was read. `usedOnline`, by ticket code, what was
 * left after uses that the service granted to this device since it began to be read.
 */
export async function takeIn(mode, lines, now, usedOnline) {
  const forgotten = await read("forgotten");
  const first = (await lines.next()).value;
  if (first === undefined || (first.test === true) !== (mode === "test")) throw new Broken();
  const before = await aboutList(mode);
  const isFull = first.snapshot === "full";
  // Never one that was there before: a page that is closed may have left half of one.
  if (isFull) await keepOnly(mode, before?.generation);
  else if (before === undefined) throw new Broken();
  const generation = isFull ? Math.max(now, (before?.generation ?? 0) + 1) : before.generation;
  const target = { mode, generation, forgotten };
  const taken = await (isFull ? takeAll(lines, target) : takeChanges(lines));
  if (taken.next === undefined) throw new Broken();
  await transact(["tickets", "notes", "kept"], "readwrite", async ({ tickets, notes, kept }) => {
    if ((await done(kept.get("forgotten"))) !== forgotten) throw new Broken();
    for (const line of taken.changed) {
      if (line.gone) tickets.delete([mode, generation, line.ticket_code]);
      else tickets.put(line, [mode, generation, line.ticket_code]);
    }
    const isNew = isFull ? () => true : (code) => taken.codes.has(code);
    // What is not sent yet the snapshot does not know of.
    for (const note of await done(notes.getAll())) {
      if (isNew(note.ticket_code)) await lower(tickets, target, note.ticket_code, (uses) => takeOff(uses, note));
    }
    for (const [code, left] of usedOnline) {
      if (isNew(code)) await lower(tickets, target, code, (uses) => lowerOf(uses, left));
    }
    const all = await done(tickets.count(ofGeneration(mode, generation)));
    const { made_at, time_zone } = first;
    const about = { generation, since: taken.next, made_at, time_zone, is_test: mode === "test" };
    kept.put({ ...about, fetched_at: now, tickets: all }, listOf(mode));
  });
  if (isFull) await keepOnly(mode, generation);
}

/** Delete all other lists of the mode, also incomplete ones. */
function keepOnly(mode, generation) {
  const others =
    generation === undefined
      ? [IDBKeyRange.bound([mode], [mode, []])]
      : [IDBKeyRange.bound([mode], [mode, generation], false, true), IDBKeyRange.bound([mode, generation, []], [mode, []])];
  return transact(["tickets"], "readwrite", ({ tickets }) => others.forEach((range) => void tickets.delete(range)));
}

const ofGeneration = (mode, generation) => IDBKeyRange.bound([mode, generation], [mode, generation, []]);

async function takeAll(lines, { mode, generation, forgotten }) {
  let next;
  let portion = [];
  const put = () =>
    transact(["tickets", "kept"], "readwrite", async ({ tickets, kept }) => {
      if ((await done(kept.get("forgotten"))) !== forgotten) throw new Broken();
      for (const line of portion) tickets.put(line, [mode, generation, line.ticket_code]);
    });
  for await (const line of lines) {
    if (line.next !== undefined) next = line.next;
    else portion.push(line);
    if (portion.length >= TICKETS_A_TRANSACTION) {
      await put();
      portion = [];
    }
  }
  await put();
  return { next, changed: [] };
}

async function takeChanges(lines) {
  let next;
  const changed = [];
  for await (const line of lines) {
    if (line.next !== undefined) next = line.next;
    else changed.push(line);
  }
  return { next, changed, codes: new Set(changed.map((line) => line.ticket_code)) };
}

async function lower(tickets, { mode, generation }, code, change) {
  const listed = await done(tickets.get([mode, generation, code]));
  if (listed === undefined) return;
  listed.uses = change(listed.uses);
  tickets.put(listed, [mode, generation, code]);
}

const changeUses = (uses, change) =>
  Object.fromEntries(Object.entries(uses).map(([functionCode, count]) => [functionCode, change(functionCode, count)]));
const takeOff = (uses, note) =>
  changeUses(uses, (functionCode, count) => (functionCode === note.function_code ? Math.max(0, count - note.uses) : count));
const lowerOf = (uses, left) =>
  changeUses(uses, (functionCode, count) => Math.min(count, left.get(functionCode) ?? count));

/** Save the uses left of a ticket after the service granted one, so that the list is right if the network goes. */
export function countOff(mode, code, left) {
  return transact(["tickets", "kept"], "readwrite", async ({ tickets, kept }) => {
    const about = await done(kept.get(listOf(mode)));
    if (about) await lower(tickets, { mode, generation: about.generation }, code, (uses) => lowerOf(uses, left));
  });
}

/**
 * Decide on a genuine token by the list; a use that is admitted is subtracted and saved at once.
 * `wanted`: {mode, function_code, uses, is_look, scan_id, device_id, guard}; `moment` by the corrected clock;
 * `list_seconds_max`, the greatest age of a list, or Infinity once a guard confirmed an older one.
 */
export function admit(token, qr, wanted, moment, list_seconds_max) {
  const { mode, function_code, uses, is_look, scan_id, device_id, guard } = wanted;
  return transact(["tickets", "notes", "kept"], "readwrite", async ({ tickets, notes, kept }) => {
    const about = await done(kept.get(listOf(mode)));
    if (about === undefined) return { admitted: false, code: "NO_LIST" };
    const key = [mode, about.generation, token.ticket_code];
    const listed = await done(tickets.get(key));
    const day = dayIn(about.time_zone, moment);
    const { key_id } = token;
    const verdict = admission(listed, token.issue_number, { function_code, uses, day, key_id, is_test_list: about.is_test });
    if (verdict.admitted && listSeconds(about, moment) > list_seconds_max) return { admitted: false, code: "LIST_OLD" };
    if (verdict.admitted && !is_look) {
      const scanned_at = moment.toISOString();
      listed.uses = takeOff(listed.uses, wanted);
      listed.used_here_at = scanned_at;
      tickets.put(listed, key);
      notes.add({ mode, scan_id, device_id, guard, qr, ticket_code: token.ticket_code, function_code, uses, scanned_at });
    }
    return { ...verdict, left: listed?.uses, used_here_at: listed?.used_here_at, usable_until: listed?.usable_until };
  });
}

/** Age of a list in seconds, by the corrected clock; infinite if the clock is now before the list. */
export function listSeconds({ made_at }, moment) {
  const seconds = (moment.getTime() - Date.parse(made_at)) / 1000;
  return seconds < -CLOCK_SKEW_SECONDS_MAX ? Infinity : Math.max(0, seconds);
}

/** Whether a use of that ticket is not sent yet. */
export const hasNoteOf = (code) =>
  transact(["notes"], "readonly", async ({ notes }) => (await done(notes.getAll())).some((note) => note.ticket_code === code));

export const countNotes = () => transact(["notes"], "readonly", ({ notes }) => done(notes.count()));

/** Return the oldest notes of one device and mode, at most `notesMax`, each with its key. */
export function notesToSend(notesMax) {
  return transact(["notes"], "readonly", async ({ notes }) => {
    const [values, ids] = await Promise.all([done(notes.getAll(null, notesMax)), done(notes.getAllKeys(null, notesMax))]);
    const all = values.map((note, place) => ({ id: ids[place], note }));
    return all.filter(({ note }) => note.device_id === all[0].note.device_id && note.mode === all[0].note.mode);
  });
}

/** They were answered: the notes go, and with them the tokens; conflicts stay until they are seen. */
export function settle(sent, results) {
  return transact(["notes", "conflicts"], "readwrite", ({ notes, conflicts }) => {
    sent.forEach(({ id, note }, place) => {
      const result = results[place];
      if (result.outcome === "conflict") conflicts.put({ ...result, ticket_code: note.ticket_code, scanned_at: note.scanned_at });
      notes.delete(id);
    });
  });
}

export const conflicts = () => transact(["conflicts"], "readonly", (stores) => done(stores.conflicts.getAll()));
export const forgetConflict = (scanId) => transact(["conflicts"], "readwrite", (stores) => void stores.conflicts.delete(scanId));

/** A scan whose answer was lost goes again under its own scan_id. `what` names it without its token. */
export async function unanswered(what) {
  return (await read("unanswered"))?.get(what);
}

export function noteUnanswered(what, scan, now) {
  return changeUnanswered((all) => all.set(what, { ...scan, at: now }), now);
}

export function forgetUnanswered(what, now) {
  return changeUnanswered((all) => all.delete(what), now);
}

function changeUnanswered(change, now) {
  return transact(["kept"], "readwrite", async ({ kept }) => {
    const all = (await done(kept.get("unanswered"))) ?? new Map();
    change(all);
    const isYoung = ([, scan]) => now - scan.at < UNANSWERED_HOURS_MAX * 3_600_000;
    kept.put(new Map([...all].filter(isYoung)), "unanswered");
  });
}
