// Checks a premade QR token as docs/qr-token.md describes, with nothing but WebCrypto: in Node 20, and in a browser
// whose crypto.subtle knows Ed25519. For another, give a function that verifies in its place.
//
//   const { keys } = await (await fetch("/.well-known/premade-keys.json")).json();
//   const told = await verifyQrToken(text, keys);
//   told.valid ? told.ticket_code : told.reason

const TOKEN = /^PM1:([A-Z]{2,12}-[0-9]{4}-[A-Z]{2,12}-[0-9]{13}):([1-9][0-9]{0,2}):([KT][1-9][0-9]{0,2}):([0-9A-Z $%*+\-./:]{96})$/;
const BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const SIGNATURE_CHARACTERS = 96;

/**
 * @param {string} text what the scanner read, not trimmed
 * @param {{key_id: string, public_key: string}[]} keys the "keys" of /.well-known/premade-keys.json
 * @param {(signature: Uint8Array, signed: Uint8Array, publicKey: Uint8Array) => Promise<boolean>} verify strictly, as RFC 8032
 * @returns {Promise<{valid: true, ticket_code: string, issue_number: number, key_id: string} | {valid: false, reason: string}>}
 */
export async function verifyQrToken(text, keys, verify = verifyByWebCrypto) {
  const parts = TOKEN.exec(text);
  if (parts === null) return refused("MALFORMED");
  const [, ticketCode, issueNumber, keyId, encoded] = parts;

  const key = keys.find((listed) => listed.key_id === keyId);
  if (key === undefined) return refused("KEY_UNKNOWN");

  const signature = fromBase45(encoded);
  if (signature === null) return refused("SIGNATURE_MALFORMED");

  const signed = new TextEncoder().encode(text.slice(0, -SIGNATURE_CHARACTERS - 1));
  if (!(await verify(signature, signed, fromBase64url(key.public_key)))) return refused("SIGNATURE_WRONG");

  return { valid: true, ticket_code: ticketCode, issue_number: Number(issueNumber), key_id: keyId };
}

async function verifyByWebCrypto(signature, signed, publicKey) {
  const key = await crypto.subtle.importKey("raw", publicKey, "Ed25519", false, ["verify"]);
  return crypto.subtle.verify("Ed25519", key, signature, signed);
}

function refused(reason) {
  return { valid: false, reason };
}

/** The bytes, or null where three characters say more than two bytes can. */
function fromBase45(text) {
  const bytes = new Uint8Array((text.length / 3) * 2);
  for (let three = 0; three < text.length / 3; three++) {
    const [c, d, e] = [0, 1, 2].map((place) => BASE45.indexOf(text[three * 3 + place]));
    const pair = c + 45 * d + 2025 * e;
    if (pair > 0xffff) return null;
    bytes[three * 2] = pair >> 8;
    bytes[three * 2 + 1] = pair & 0xff;
  }
  return bytes;
}

function fromBase64url(text) {
  const standard = text.replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(standard), (character) => character.charCodeAt(0));
}
