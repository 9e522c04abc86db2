// Names of functions in the reader's language. The service sends them with the session.

let names = {};

/** Use these names from now on: by function code. */
export function setNames(given) {
  names = given;
}

/** Return the name of a function, or its code: a function may be called "constructor", as what every object has. */
export const nameOf = (code) => (Object.hasOwn(names, code) ? names[code] : code);
