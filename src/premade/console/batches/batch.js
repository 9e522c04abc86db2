// The bar of a batch that is being made grows while it is looked at. At the end the page is loaded anew, as it is then.
"use strict";

const EVERY_MS = 1000;
const TOLD_PARTS = 4;

const making = document.querySelector("[data-progress]");
const bar = making.querySelector("progress");
const text = document.getElementById("made-text");
const told = document.getElementById("made-told");
const number = new Intl.NumberFormat(document.documentElement.lang);
let toldPart = Math.floor(bar.value / bar.max * TOLD_PARTS);

async function look() {
  let now;
  try {
    const answer = await fetch(making.dataset.progress, {redirect: "error"});
    if (!answer.ok) throw new Error(answer.statusText);
    now = await answer.json();
  } catch {
    // The service starts anew, perhaps, or somebody signed out: the page says which, when it is loaded.
    setTimeout(look, 5 * EVERY_MS);
    return;
  }
  if (now.status !== "MAKING") {
    location.reload();
    return;
  }
  bar.value = now.made;
  text.textContent = making.dataset.text
    .replace("{made}", number.format(now.made))
    .replace("{quantity}", number.format(now.quantity));
  // To a screen reader now and then only.
  const part = Math.floor(now.made / now.quantity * TOLD_PARTS);
  if (part > toldPart) {
    toldPart = part;
    told.textContent = text.textContent;
  }
  setTimeout(look, EVERY_MS);
}

setTimeout(look, EVERY_MS);
