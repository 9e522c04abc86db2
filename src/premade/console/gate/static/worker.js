// Keeps the gate page on the device, so that it loads without network. The service writes the first line, KEPT.
"use strict";

const CACHE = `premade-gate ${KEPT.version}`;
const PAGE_SECONDS_MAX = 3;

self.addEventListener("install", (event) => {
  event.waitUntil(keepAll().then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(forgetOthers().then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== self.location.origin) return;
  if (request.mode === "navigate" && pathname === KEPT.page) event.respondWith(fromNetworkFirst(request, KEPT.shell));
  else if (KEPT.files.includes(pathname)) event.respondWith(fromCacheFirst(request));
  else if (KEPT.assets.includes(pathname)) event.respondWith(fromNetworkFirst(request, pathname));
});

async function keepAll() {
  const cache = await caches.open(CACHE);
  const keep = async (path) => {
    const answer = await fetch(path, { cache: "reload" });
    // Led to the sign-in page, for instance: that is not the page to keep.
    if (!answer.ok || answer.redirected) throw new Error(`${path}: ${answer.status}`);
    await cache.put(path, answer);
  };
  await Promise.all([KEPT.shell, ...KEPT.files, ...KEPT.assets].map(keep));
}

async function forgetOthers() {
  const names = (await caches.keys()).filter((name) => name.startsWith("premade-gate ") && name !== CACHE);
  await Promise.all(names.map((name) => caches.delete(name)));
}

async function fromCacheFirst(request) {
  return (await caches.match(request.url)) ?? fetch(request);
}

/** A network that answers nothing in time is one that is away. */
async function fromNetworkFirst(request, kept) {
  const late = new Promise((resolve) => setTimeout(resolve, PAGE_SECONDS_MAX * 1000));
  try {
    const answer = await Promise.race([fetch(request), late]);
    // A proxy without its service answers 502.
    if (answer && answer.status < 500) return answer;
  } catch {
    // No network.
  }
  return (await caches.match(kept)) ?? fetch(request);
}
