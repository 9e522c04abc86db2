// Signing out while the gate page keeps scans that were not sent: asks first. Afterwards the device admits nobody
// without network until somebody signs in.
"use strict";
for (const form of document.querySelectorAll('form[action^="/console/sign-out"]')) {
  form.addEventListener("submit", (event) => {
    const waiting = Number(localStorage.getItem("premade-gate-waiting") ?? 0);
    const scans = waiting === 1 ? "1 scan of this device was" : `${waiting} scans of this device were`;
    const question = `${scans} not sent yet. They are kept here, and sent when somebody who may use the gate signs in. Sign out?`;
    if (waiting > 0 && !confirm(question)) {
      event.preventDefault();
      return;
    }
    localStorage.setItem("premade-gate-signed-out", "yes");
  });
}
