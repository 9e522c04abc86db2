// The part of the gate page's store that every page of the console needs: open it, delete the list at sign-out.

import { ngettext } from "./texts.mjs";


const NAME = "premade-gate";
const VERSION = 1;
/** In localStorage: set when the device's user signed out or the service ended the session. */
export const SIGNED_OUT = "premade-gate-signed-out";
/** In localStorage: the last facts from the service; without them no list is used. */
export const FACTS = "premade-gate-known";

/** In sessionStorage: test mode ends with the tab and with the session. */
export const TEST_MODE = "premade-gate-test-mode";
/** In localStorage: how many scans were not sent. */
export const WAITING = "premade-gate-waiting";

export function openStore() {
  return new Promise((resolve, reject) => {
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
}

/**
 * Delete the lists of tickets. Scans that were not sent stay until they are. A list that is being saved meanwhile sees
 * the new "forgotten" and stops.
 */
export async function forgetLists() {
  const database = await openStore();
  const transaction = database.transaction(["tickets", "kept"], "readwrite", { durability: "strict" });
  const kept = transaction.objectStore("kept");
  transaction.objectStore("tickets").clear();
  for (const mode of ["live", "test"]) kept.delete(`snapshot ${mode}`);
  kept.put(crypto.randomUUID(), "forgotten");
  await new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error);
  });
  database.close();
}

/** Return whether to sign out; ask the guard if some scans were not sent. */
export function mayLeave() {
  const waiting = Number(localStorage.getItem(WAITING) ?? 0);
  const question = ngettext(
    "%(num)s scan of this device was not sent yet. They stay on this device until somebody with the right to use the gate signs in. Sign out?",
    "%(num)s scans of this device were not sent yet. They stay on this device until somebody with the right to use the gate signs in. Sign out?",
    waiting,
  );
  return waiting === 0 || confirm(question);
}
