// Sign out: ask first if the gate page has scans that were not sent, and delete its list of tickets. The device then
// admits nobody without network until somebody signs in.

// Always the current version of the gate page: this address is not cached.
import { FACTS, SIGNED_OUT, TEST_MODE, forgetLists, mayLeave } from "/console/gate/files/now/gate-store.mjs";

const FORGET_SECONDS_MAX = 2;

for (const form of document.querySelectorAll('form[action^="/console/sign-out"]')) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!mayLeave()) return;
    localStorage.setItem(SIGNED_OUT, "yes");
    sessionStorage.removeItem(TEST_MODE);
    // Signing out must work even if the list cannot be deleted; the gate page deletes it at its next start.
    const late = new Promise((resolve) => setTimeout(resolve, FORGET_SECONDS_MAX * 1000));
    if (localStorage.getItem(FACTS) !== null) await Promise.race([forgetLists().catch(() => {}), late]);
    form.submit();
  });
}
