// What the page asks of the service. An answer is one that the service gave; whatever else comes back, or does not in
// time, is Away.

const GATE = "/console/gate";
const ANSWER_SECONDS_MAX = 4;
const SYNC_SECONDS_MAX = 30;
const SNAPSHOT_SECONDS_MAX = 600;

/** The service is not to be had. Whether it did what was asked is not known. */
export class Away extends Error {}

/** What the service refused: its problem, as it told it. */
export class Refused extends Error {
  constructor(problem) {
    super(problem.detail);
    this.problem = problem;
  }
  get code() {
    return this.problem.code;
  }
  get status() {
    return this.problem.status;
  }
}

let formToken = "";

export async function session() {
  const told = await ask("/session");
  formToken = told.form_token;
  return told;
}

// A device in test mode says so in each request, since test tickets and live tickets are kept apart.
export const redeem = (wanted, mode) => ask("/redemptions", { body: wanted, mode });
export const inspect = (wanted, mode) => ask("/inspect", { body: wanted, mode });
export const sync = (wanted, mode) => ask("/sync", { body: wanted, mode, seconds: SYNC_SECONDS_MAX });

/** End the session that `session` returned. */
export async function signOut() {
  const body = new URLSearchParams({ form_token: formToken });
  // The answer redirects to the sign-in page, which is not needed here.
  await fetched("/console/sign-out", { method: "POST", body, redirect: "manual" }, ANSWER_SECONDS_MAX);
}

export async function keys() {
  const answer = await fetched("/.well-known/premade-keys.json", {}, ANSWER_SECONDS_MAX);
  return (await read(answer)).keys;
}

/** The lines of a snapshot, each an object. Ends early when the answer breaks off: look for the last line's `next`. */
export async function* snapshot(mode, device_id, since) {
  const address = addressOf("/snapshot", { ...inMode(mode), device_id, ...(since === undefined ? {} : { since }) });
  const answer = await fetched(address, {}, SNAPSHOT_SECONDS_MAX);
  if (!answer.ok || !isOf(answer, "application/x-ndjson")) {
    await read(answer);
    throw new Away("no snapshot");
  }
  let rest = "";
  try {
    for (const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader(); ; ) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) yield JSON.parse(line);
    }
  } catch (error) {
    throw new Away(error.message);
  }
}

async function ask(path, { body, mode, seconds = ANSWER_SECONDS_MAX } = {}) {
  const sent =
    body === undefined
      ? {}
      : {
          method: "POST",
          headers: { "Content-Type": "application/json", "X-Form-Token": formToken },
          body: JSON.stringify(body),
        };
  return read(await fetched(addressOf(path, inMode(mode)), sent, seconds));
}

function addressOf(path, parameters) {
  const query = new URLSearchParams(parameters).toString();
  return GATE + path + (query && `?${query}`);
}

const inMode = (mode) => (mode === "test" ? { test_mode: "true" } : {});

async function fetched(address, sent, seconds) {
  try {
    // Not to be led elsewhere: a network that wants to be paid first answers for everybody.
    const how = { cache: "no-store", redirect: "error", signal: AbortSignal.timeout(seconds * 1000) };
    // The texts of the answer are in the language of the page, which the guard may have chosen.
    const headers = { "Accept-Language": document.documentElement.lang, ...sent.headers };
    return await fetch(address, { ...how, ...sent, headers });
  } catch (error) {
    throw new Away(error.message);
  }
}

async function read(answer) {
  let told;
  try {
    if (!isOf(answer, "application/json") && !isOf(answer, "application/problem+json")) throw new Error("no JSON");
    told = await answer.json();
  } catch (error) {
    throw new Away(error.message);
  }
  if (answer.ok) return told;
  if (answer.status >= 500 || typeof told.code !== "string") throw new Away(told.detail);
  throw new Refused(told);
}

function isOf(answer, type) {
  return (answer.headers.get("Content-Type") ?? "").split(";")[0].trim() === type;
}
