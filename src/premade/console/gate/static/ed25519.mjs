// What verifies signatures here: the browser itself where it knows Ed25519, else the library.

const BASE_POINT = Uint8Array.from({ length: 32 }, (_, place) => (place ? 0x66 : 0x58));

/** For verifyQrToken; undefined: it can by itself. */
export async function chooseVerifier() {
  try {
    await crypto.subtle.importKey("raw", BASE_POINT, "Ed25519", false, ["verify"]);
    return undefined;
  } catch {
    return libraryVerifier();
  }
}

export async function libraryVerifier() {
  const { verifyAsync } = await import("./noble-ed25519/index.js");
  // Strictly as RFC 8032, as the service does.
  return (signature, signed, publicKey) => verifyAsync(signature, signed, publicKey, { zip215: false });
}
