// Texts in the reader's language. A page in another language than English has the translations in a block of JSON.

const { texts = {}, plurals = "" } = JSON.parse(document.getElementById("texts")?.textContent ?? "{}");

/** Return a text with its values: `_("This ticket is for %(functions)s.", { functions })`. */
export const _ = (text, values = {}) => filled(texts[text] ?? text, values);

/** Return the form for this count, with its values; `%(num)s` is the count. */
export function ngettext(singular, plural, count, values = {}) {
  const forms = texts[singular] ?? [singular, plural];
  return filled(forms[texts[singular] ? form(count) : Number(count !== 1)], { num: count, ...values });
}

/** `plurals` has the form of 0 to 199. No language looks at more than the last two digits. */
function form(count) {
  return Number(plurals[count < plurals.length ? count : 100 + (count % 100)]);
}

function filled(text, values) {
  return text.replace(/%(?:%|\((\w+)\)s)/g, (all, name) => (name === undefined ? "%" : values[name]));
}
