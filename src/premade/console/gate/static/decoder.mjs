// Read the QR codes of a picture in a worker, so that the page never waits. Only this worker may compile WebAssembly: its
// script has its own policy.

import { prepareZXingModule, readBarcodes } from "./zxing-wasm/reader/index.js";

// Model 2 is the ordinary QR code. "QRCode" would include Micro QR, which the reader sometimes sees in a corner of one.
const OPTIONS = { formats: ["QRCodeModel2"], tryHarder: true, tryRotate: true, tryInvert: true, maxNumberOfSymbols: 8 };

const locateFile = (name) => new URL(`./zxing-wasm/reader/${name}`, import.meta.url).href;

// Until then pictures wait; the camera sends one at a time.
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
