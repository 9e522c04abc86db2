// Reads the QR codes in a picture, beside the page, so that the page never waits for it. This worker alone may compile
// WebAssembly: the policy comes with its own script.

import { prepareZXingModule, readBarcodes } from "./zxing-wasm/reader/index.js";

const OPTIONS = { formats: ["QRCode"], tryHarder: true, tryRotate: true, tryInvert: true, maxNumberOfSymbols: 8 };

const locateFile = (name) => new URL(`./zxing-wasm/reader/${name}`, import.meta.url).href;

// Until then pictures wait, of which the camera sends one at a time.
prepareZXingModule({ overrides: { locateFile }, fireImmediately: true }).then(
  () => postMessage({ ready: true }),
  (error) => postMessage({ ready: false, message: String(error) }),
);

onmessage = async ({ data: picture }) => {
  const found = await readBarcodes(picture, OPTIONS).catch(() => []);
  postMessage({ found: found.map(({ text, position }) => ({ text, corners: cornersOf(position) })) });
};

function cornersOf({ topLeft, topRight, bottomRight, bottomLeft }) {
  return [topLeft, topRight, bottomRight, bottomLeft].map(({ x, y }) => ({ x, y }));
}
