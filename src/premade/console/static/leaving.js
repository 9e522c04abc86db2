// Signing out: asks first while the gate page keeps scans that were not sent, and deletes its list of tickets. The
// device then admits nobody without network until somebody signs in.

// Of whatever version the gate page is now: this address is not kept.
import { FACTS, SIGNED_OUT, TEST_MODE, forgetLists, mayLeave } from "/console/gate/files/now/gate-store.mjs";

const FORGET_SECONDS_MAX = 2;

for (const form of document.querySelectorAll('form[action^="/console/sign-out"]')) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!mayLeave()) return;
    localStorage.setItem(SIGNED_OUT, "yes");
    sessionStorage.removeItem(TEST_MODE);
    // Whatever becomes of the list, signing out must work; the gate page deletes it at its next start, too.
    const late = new Promise((resolve) => setTimeout(resolve, FORGET_SECONDS_MAX * 1000));
    if (localStorage.getItem(FACTS) !== null) await Promise.race([forgetLists().catch(() => {}), late]);
    form.submit();
  });
}
