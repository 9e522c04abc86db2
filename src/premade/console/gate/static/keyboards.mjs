// Keyboard layouts a hand scanner may be typing through. A scanner sends the keys of a US keyboard; a computer that is
// set to another layout turns them into other characters. Each entry lists only the characters of a token (and the
// "]" of an AIM symbology identifier) that arrive changed: US character → what arrives. A combining mark stands for a
// dead key, which joins the character after it. The tables follow xkeyboard-config.

const GRAVE = "\u0300";
const ACUTE = "\u0301";
const TILDE = "\u0303";
const DIAERESIS = "\u0308";
const CARON = "\u030c";
const CEDILLA = "\u0327";

/** The character of a dead key that joins nothing. */
const SPACING = { "`": GRAVE, "´": ACUTE, "~": TILDE, "¨": DIAERESIS, "ˇ": CARON, "¸": CEDILLA };

const AZERTY_LETTERS = { Q: "A", W: "Z", A: "Q", Z: "W" };
const AZERTY_DIGITS = { 1: "&", 2: "é", 3: '"', 4: "'", 5: "(", 6: "-", 7: "è", 8: "_", 9: "ç", 0: "à" };
const AZERTY = { ...AZERTY_LETTERS, "-": ")", ".": ":", ":": "M", M: "?", $: "4", "%": "5", "*": "8", "]": "$" };
const NORDIC = { "-": "+", "/": "-", $: "¤", "*": "(", "+": GRAVE, "]": DIAERESIS };
const SWISS = { "-": "'", "/": "-", $: "ç", "*": "(", "+": GRAVE, Y: "Z", Z: "Y", "]": DIAERESIS };

/**
 * `locked`: the layout while Caps Lock acts as a shift lock, as on French keyboards under Windows; the letters of the
 * text were already swapped back then.
 */
const TABLES = [
  { name: "US", changed: {} },
  { name: "German", changed: { "-": "ß", "/": "-", "*": "(", "+": GRAVE, ":": "Ö", Y: "Z", Z: "Y", "]": "+" } },
  { name: "French", changed: { ...AZERTY_DIGITS, ...AZERTY, "/": "!" } },
  {
    name: "French",
    locked: true,
    changed: { ...AZERTY, M: ",", $: "'", "%": "(", "*": "_", "+": "=", "-": "°", ".": "/", "/": "§", "]": "£" },
  },
  { name: "Belgian", changed: { ...AZERTY_DIGITS, ...AZERTY, 6: "§", 8: "!", "/": "=", "+": "_" } },
  { name: "Spanish", changed: { "-": "'", "/": "-", "*": "(", "+": "¿", ":": "Ñ", "]": "+" } },
  { name: "Latin American", changed: { "-": "'", "/": "-", "*": "(", "+": "¡", ":": "Ñ", "]": "+" } },
  { name: "Italian", changed: { "-": "'", "/": "-", "*": "(", "+": "^", ":": "ç", "]": "+" } },
  { name: "Portuguese", changed: { "-": "'", "/": "-", "*": "(", "+": "»", ":": "Ç", "]": ACUTE } },
  { name: "Brazilian", changed: { "/": ";", ":": "Ç", "]": "[" } },
  { name: "Swiss German", changed: { ...SWISS, ":": "é" } },
  { name: "Swiss French", changed: { ...SWISS, ":": "ö" } },
  { name: "Swedish or Finnish", changed: { ...NORDIC, ":": "Ö" } },
  { name: "Norwegian", changed: { ...NORDIC, ":": "Ø" } },
  { name: "Danish", changed: { ...NORDIC, ":": "Æ" } },
  { name: "Dutch", changed: { "-": "/", "/": "-", "*": "(", "+": TILDE, ":": "±", "]": "*" } },
  { name: "Czech", changed: { 1: "+", 2: "ě", 3: "š", 4: "č", 5: "ř", 6: "ž", 7: "ý", 8: "á", 9: "í", 0: "é", "-": "=", "/": "-", $: "4", "%": "5", "*": "8", "+": CARON, Y: "Z", Z: "Y", ":": '"', "]": ")" } },
  { name: "Hungarian", changed: { 0: "ö", "-": "ü", "/": "-", $: "!", "*": "(", "+": "Ó", Y: "Z", Z: "Y", ":": "É", "]": "ú" } },
  { name: "Turkish", changed: { "-": "*", ".": "ç", "/": ".", $: "+", "*": "(", "+": "_", ":": "Ş", "]": "ü" } },
  { name: "Croatian", changed: { "-": "'", "/": "-", "*": "(", "+": "*", Y: "Z", Z: "Y", ":": "Č", "]": "đ" } },
  { name: "Canadian French", changed: { "/": "é", "]": CEDILLA } },
  { name: "Japanese", changed: { "*": "(", "+": "~", ":": "+", "]": "[" } },
];

const LAYOUTS = TABLES.map(({ name, changed, locked = false }) => {
  const arrived = Object.entries(changed);
  const meant = new Map(arrived.map(([us, arrives]) => [arrives, us]));
  return {
    name,
    locked,
    meant,
    never: new Set(Object.keys(changed).filter((us) => !meant.has(us))),
    dead: new Set(arrived.map(([, arrives]) => arrives).filter((arrives) => /\p{M}/u.test(arrives))),
  };
});

/**
 * Yield every reading of a text: as it is, and as typed through each layout, both with and without Caps Lock undone.
 * Most readings make no sense; the caller keeps those with the form it looks for.
 *
 * @param {string} text
 * @returns {Generator<{text: string, layout: string, caps_lock: boolean}>} the plainest reading first
 */
export function* readings(text) {
  const swapped = swapCase(text);
  for (const [letters, caps_lock] of swapped === text ? [[text, false]] : [[text, false], [swapped, true]]) {
    for (const layout of LAYOUTS) {
      if (layout.locked && !caps_lock) continue;
      const read = undo(layout, letters);
      if (read !== null) yield { text: read, layout: layout.name, caps_lock };
    }
  }
}

/** Return what the scanner typed, or null if this layout never produces such a text. */
function undo({ meant, dead, never }, text) {
  let read = "";
  for (const character of text) {
    if (never.has(character)) return null;
    if (meant.has(character)) read += meant.get(character);
    else if (dead.size > 0) read += undoDead(meant, dead, character);
    else read += character;
  }
  return read;
}

/** "À" is a dead grave and an A; "`" is one that nothing joined. */
function undoDead(meant, dead, character) {
  const [base, mark] = character.normalize("NFD");
  // Some joined small letters have no capital; a token has no small letters.
  if (dead.has(mark)) return meant.get(mark) + (meant.get(base) ?? base.toUpperCase());
  const alone = Object.hasOwn(SPACING, character) ? SPACING[character] : "";
  return dead.has(alone) ? meant.get(alone) : character;
}

function swapCase(text) {
  return Array.from(text, (character) => {
    const upper = character.toUpperCase();
    const other = upper === character ? character.toLowerCase() : upper;
    return other.length === character.length ? other : character;
  }).join("");
}
