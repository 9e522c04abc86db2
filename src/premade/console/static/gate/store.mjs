// What the device keeps in IndexedDB: the tickets of the last snapshot, the keys, the notes of what it let in by itself
// until they are sent, and conflicts until somebody has seen them.

import { admission, dayIn } from "./admission.mjs";

const NAME = "premade-gate";
const VERSION = 1;
const TICKETS_A_TRANSACTION = 5_000;
const UNANSWERED_HOURS_MAX = 12;

/** A snapshot without its last line: nothing of it counts. */
export class Broken extends Error {}

const database = new Promise((resolve, reject) => {
  const opening = indexedDB.open(NAME, VERSION);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore("tickets");
    opening.result.createObjectStore("notes", { autoIncrement: true });
    opening.result.createObjectStore("conflicts", { keyPath: "scan_id" });
    opening.result.createObjectStore("kept");
  };
  opening.onsuccess = () => resolve(opening.result);
  opening.onerror = () => reject(opening.error);
});

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

/** What is known of the list: {generation, since, made_at, time_zone, fetched_at, tickets}, or undefined. */
export const aboutList = () => read("snapshot");

/**
 * Takes a snapshot in. Of the lines nothing counts before the last one was read. `usedOnline`, by ticket code, what was
 * left after uses that the service granted to this device since it began to be read.
 */
export async function takeIn(lines, now, usedOnline) {
  const first = (await lines.next()).value;
  if (first === undefined) throw new Broken();
  const before = await aboutList();
  const isFull = first.snapshot === "full";
  // Never one that was there before: a page that is closed may have left half of one.
  if (isFull) await keepOnly(before?.generation);
  const generation = isFull ? Math.max(now, (before?.generation ?? 0) + 1) : before.generation;
  const taken = await (isFull ? takeAll(lines, generation) : takeChanges(lines));
  if (taken.next === undefined) throw new Broken();
  await transact(["tickets", "notes", "kept"], "readwrite", async ({ tickets, notes, kept }) => {
    for (const line of taken.changed) {
      if (line.gone) tickets.delete([generation, line.ticket_code]);
      else tickets.put(line, [generation, line.ticket_code]);
    }
    const isNew = isFull ? () => true : (code) => taken.codes.has(code);
    // What is not sent yet the snapshot does not know of.
    for (const note of await done(notes.getAll())) {
      if (isNew(note.ticket_code)) await lower(tickets, generation, note.ticket_code, (uses) => takeOff(uses, note));
    }
    for (const [code, left] of usedOnline) {
      if (isNew(code)) await lower(tickets, generation, code, (uses) => lowerOf(uses, left));
    }
    const all = await done(tickets.count(ofGeneration(generation)));
    const { made_at, time_zone, test } = first;
    const about = { generation, since: taken.next, made_at, time_zone, is_test: test === true };
    kept.put({ ...about, fetched_at: now, tickets: all }, "snapshot");
  });
  if (isFull) await keepOnly(generation);
}

/** Forgets all lists but that one, also those that broke off half taken. */
function keepOnly(generation) {
  const others =
    generation === undefined
      ? [IDBKeyRange.lowerBound([])]
      : [IDBKeyRange.upperBound([generation], true), IDBKeyRange.lowerBound([generation, []])];
  return transact(["tickets"], "readwrite", ({ tickets }) => others.forEach((range) => void tickets.delete(range)));
}

const ofGeneration = (generation) => IDBKeyRange.bound([generation], [generation, []]);

async function takeAll(lines, generation) {
  let next;
  let portion = [];
  const put = () =>
    transact(["tickets"], "readwrite", ({ tickets }) => {
      for (const line of portion) tickets.put(line, [generation, line.ticket_code]);
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

async function lower(tickets, generation, code, change) {
  const listed = await done(tickets.get([generation, code]));
  if (listed === undefined) return;
  listed.uses = change(listed.uses);
  tickets.put(listed, [generation, code]);
}

const takeOff = (uses, note) => ({ ...uses, [note.function_code]: Math.max(0, (uses[note.function_code] ?? 0) - note.uses) });
const lowerOf = (uses, left) =>
  Object.fromEntries(Object.entries(uses).map(([name, count]) => [name, Math.min(count, left[name] ?? count)]));

/** What is left of a ticket after the service granted a use: should the network go now, the list knows. */
export function countOff(code, left) {
  return transact(["tickets", "kept"], "readwrite", async ({ tickets, kept }) => {
    const about = await done(kept.get("snapshot"));
    if (about) await lower(tickets, about.generation, code, (uses) => lowerOf(uses, left));
  });
}

/**
 * Admits a genuine token by the list, or not; what it admits is counted off and noted at once.
 * `wanted`: {function_code, uses, is_look, scan_id, device_id}; `moment` by the corrected clock.
 */
export function admit(token, qr, wanted, moment) {
  return transact(["tickets", "notes", "kept"], "readwrite", async ({ tickets, notes, kept }) => {
    const about = await done(kept.get("snapshot"));
    if (about === undefined) return { admitted: false, code: "NO_LIST" };
    const key = [about.generation, token.ticket_code];
    const listed = await done(tickets.get(key));
    const day = dayIn(about.time_zone, moment);
    const { function_code, uses, is_look, scan_id, device_id } = wanted;
    const verdict = admission(listed, token.issue_number, {
      function_code,
      uses,
      day,
      key_id: token.key_id,
      is_test_list: about.is_test === true,
    });
    if (verdict.admitted && !is_look) {
      const scanned_at = moment.toISOString();
      listed.uses = takeOff(listed.uses, wanted);
      listed.used_here_at = scanned_at;
      tickets.put(listed, key);
      notes.add({ scan_id, device_id, qr, ticket_code: token.ticket_code, function_code, uses, scanned_at });
    }
    return { ...verdict, left: listed?.uses, used_here_at: listed?.used_here_at, usable_until: listed?.usable_until };
  });
}

/** Whether a use of that ticket is not sent yet. */
export const hasNoteOf = (code) =>
  transact(["notes"], "readonly", async ({ notes }) => (await done(notes.getAll())).some((note) => note.ticket_code === code));

export const countNotes = () => transact(["notes"], "readonly", ({ notes }) => done(notes.count()));

/** The oldest notes of one device name, at most so many, each with its key. */
export function notesToSend(notesMax) {
  return transact(["notes"], "readonly", async ({ notes }) => {
    const [values, ids] = await Promise.all([done(notes.getAll(null, notesMax)), done(notes.getAllKeys(null, notesMax))]);
    const all = values.map((note, place) => ({ id: ids[place], note }));
    return all.filter(({ note }) => note.device_id === all[0].note.device_id);
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
  return ((await read("unanswered")) ?? {})[what];
}

export function noteUnanswered(what, scan, now) {
  return changeUnanswered((all) => ({ ...all, [what]: { ...scan, at: now } }), now);
}

export function forgetUnanswered(what, now) {
  return changeUnanswered(({ [what]: _, ...others }) => others, now);
}

function changeUnanswered(change, now) {
  return transact(["kept"], "readwrite", async ({ kept }) => {
    const changed = Object.entries(change((await done(kept.get("unanswered"))) ?? {}));
    const isYoung = ([, scan]) => now - scan.at < UNANSWERED_HOURS_MAX * 3_600_000;
    kept.put(Object.fromEntries(changed.filter(isYoung)), "unanswered");
  });
}
