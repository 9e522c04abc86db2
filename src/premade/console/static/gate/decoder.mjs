// Reads the QR code in a picture, beside the page, so that the page never waits for it.

import decodeQR from "./qr/decode.js";

onmessage = ({ data: picture }) => {
  let text = "";
  try {
    text = decodeQR(picture);
  } catch {
    // There is none in it, or not a whole one.
  }
  postMessage(text);
};
