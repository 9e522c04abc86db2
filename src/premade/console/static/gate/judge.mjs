// What becomes of a scan: asked of the service while it is there, judged by the list while it is not. Knows no page.

import { chooseVerifier } from "./ed25519.mjs";
import * as service from "./service.mjs";
import { Away, Refused } from "./service.mjs";
import * as store from "./store.mjs";
import { verifyQrToken } from "./verify-qr-token.mjs";

const REPEAT_SECONDS = 3;
const REFRESH_SECONDS = 60;
const PROBE_SECONDS = 5;
const SIGNED_OUT_PROBE_SECONDS = 30;
const SYNC_NOTES_MAX = 500;
const FACTS = "premade-gate-known";
const SIGNED_OUT = "premade-gate-signed-out";
const OVER = ["SESSION_OVER", "ROLE_MISSING"];
const MUST_SIGN_IN = ["FORM_FOREIGN", ...OVER];

const verifier = chooseVerifier();

/**
 * One device. `settings` is read at each scan: {device_id, function_code, uses, is_look}. `tell.changed()` is called
 * when what the page says of the device may have changed.
 */
export class Gate {
  mode = "starting";
  problem = "";
  facts = { functions: [], clock_ms: 0, ...JSON.parse(localStorage.getItem(FACTS) ?? "{}") };
  list = undefined;
  /** Why the service does not take what waits, where it refuses it. */
  unsendable = "";
  waiting = 0;
  conflicts = [];
  #settings;
  #changed;
  #recent = new Map();
  #turn = Promise.resolve();
  #connecting = null;
  #connectedAt = -Infinity;
  #usedOnline = new Map();

  constructor(settings, changed) {
    this.#settings = settings;
    this.#changed = changed;
  }

  async start() {
    await this.#look();
    addEventListener("offline", () => this.#lose());
    addEventListener("online", () => this.connect());
    addEventListener("focus", () => this.mode === "signed-out" && this.connect());
    setInterval(() => this.#tick(), 1_000);
    await this.connect();
  }

  /** By the service's clock, as far as this device knows it. */
  now() {
    return new Date(Date.now() + this.facts.clock_ms);
  }

  /** One scan after the other. Answers a verdict, or null for one that was answered a moment ago and is still held up. */
  present(shown) {
    const { function_code, uses, is_look } = this.#settings;
    const what = JSON.stringify([shown, function_code, uses, is_look]);
    for (const [each, at] of this.#recent) {
      if (performance.now() - at >= REPEAT_SECONDS * 1_000) this.#recent.delete(each);
    }
    const isRepeated = this.#recent.has(what);
    this.#recent.set(what, performance.now());
    if (isRepeated) return Promise.resolve(null);
    const verdict = this.#turn.then(() => this.#scan(shown)).finally(() => this.#recent.set(what, performance.now()));
    this.#turn = verdict.catch(() => {});
    return verdict;
  }

  async #scan(shown) {
    const { function_code, uses, is_look, device_id } = this.#settings;
    const wanted = { function_code, uses, is_look };
    const what = [ticketOf(shown), function_code, uses].join(" ");
    const before = is_look ? undefined : await store.unanswered(what);
    const scan = before ?? { scan_id: crypto.randomUUID(), device_id };
    if (this.mode === "starting") await this.connect();
    if (this.mode === "signed-out") return refusal("SIGNED_OUT", this.problem);
    if (this.mode === "online") {
      try {
        if (is_look || !(await this.#isNotedHere(shown))) {
          const verdict = await this.#ask(shown, wanted, scan);
          if (before) await store.forgetUnanswered(what, Date.now());
          return verdict;
        }
      } catch (error) {
        if (!(error instanceof Away)) throw error;
        if (!is_look) await store.noteUnanswered(what, scan, Date.now());
        this.#lose();
      }
    }
    const verdict = await this.#judge(shown, wanted, scan);
    if (verdict.is_noted) {
      await store.forgetUnanswered(what, Date.now());
      if (this.mode === "online") this.connect();
    }
    await this.#look();
    return verdict;
  }

  /** Whether a use that this device allowed by itself could not be sent yet: the service would grant it once more. */
  async #isNotedHere(shown) {
    const code = ticketOf(shown);
    if (!(await store.hasNoteOf(code))) return false;
    try {
      await this.#send();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return true;
    }
    return store.hasNoteOf(code);
  }

  async #ask(shown, wanted, scan, isAgain = false) {
    const { scan_id, device_id } = scan;
    const { function_code, uses, is_look } = wanted;
    try {
      if (is_look) return looked(await service.inspect({ ...shown, device_id }), function_code, uses);
      const told = await service.redeem({ ...shown, device_id, scan_id, function_code, uses });
      const left = Object.fromEntries(told.entitlements.map((each) => [each.function_code, each.remaining_uses]));
      this.#usedOnline.set(told.ticket_code, left);
      await store.countOff(told.ticket_code, left);
      return { kind: "yes", sentence: told.message, left, ticket_code: told.ticket_code };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.code === "FORM_FOREIGN" && !isAgain) {
        // Somebody signed in anew, in another window.
        await this.connect();
        if (this.mode === "online") return this.#ask(shown, wanted, scan, true);
      }
      if (!MUST_SIGN_IN.includes(error.code)) return refusal(error.code, error.message, ticketOf(shown));
      this.#signedOut(error);
      return refusal("SIGNED_OUT", error.message);
    }
  }

  async #judge(shown, wanted, scan) {
    if (localStorage.getItem(SIGNED_OUT)) return refusal("SIGNED_OUT", "Sign in first; that needs the network.");
    if (shown.qr === undefined) return refusal("NEEDS_NETWORK", "A code that is typed in needs the network.");
    const keys = await store.read("keys");
    if (keys === undefined) return refusal("NO_LIST", sentenceOf({ code: "NO_LIST" }, wanted));
    const token = await verifyQrToken(shown.qr, keys, await verifier);
    if (!token.valid) {
      const code = token.reason === "KEY_UNKNOWN" ? "UNKNOWN" : "QR_INVALID";
      return refusal(code, sentenceOf({ code }, wanted));
    }
    const told = await store.admit(token, shown.qr, { ...wanted, ...scan }, this.now());
    const more = { left: told.left, ticket_code: token.ticket_code };
    const sentence = sentenceOf(told, wanted);
    if (!told.admitted) return { ...refusal(told.code, sentence), ...more };
    if (wanted.is_look) return { kind: "yes", sentence: "This ticket is good.", ...more };
    return { kind: "yes", sentence, is_noted: true, ...more };
  }

  /** Finds out whether the service is there, sends what waits, and then goes on with it. */
  connect() {
    this.#connecting ??= this.#connect().finally(() => {
      this.#connectedAt = performance.now();
      this.#connecting = null;
      if (this.mode === "online") this.#refresh();
    });
    return this.#connecting;
  }

  async #connect() {
    try {
      const told = await service.session();
      this.facts = { functions: told.functions, clock_ms: Date.parse(told.now) - Date.now() };
      localStorage.setItem(FACTS, JSON.stringify(this.facts));
      localStorage.removeItem(SIGNED_OUT);
      await this.#send();
      this.#become("online");
    } catch (error) {
      if (error instanceof Refused) this.#signedOut(error);
      else if (error instanceof Away) this.#become("offline");
      else throw error;
    }
  }

  async #send() {
    await navigator.locks.request("premade-gate-send", async () => {
      for (let sent; (sent = await store.notesToSend(SYNC_NOTES_MAX)).length > 0; ) {
        const latest = this.now().toISOString();
        const redemptions = sent.map(({ note: { scan_id, qr, function_code, uses, scanned_at } }) => ({
          scan_id,
          qr,
          function_code,
          uses,
          // A clock that was set back since must not keep them here.
          scanned_at: scanned_at < latest ? scanned_at : latest,
        }));
        this.unsendable = "";
        try {
          const answer = await service.sync({ device_id: sent[0].note.device_id, redemptions });
          // A list that is on its way now does not know of them.
          sent.forEach(({ note }, place) => this.#noteLeft(note, answer.results[place]));
          await store.settle(sent, answer.results);
        } catch (error) {
          if (!(error instanceof Refused) || MUST_SIGN_IN.includes(error.code)) throw error;
          // They are kept and sent again; the gate must go on meanwhile.
          this.unsendable = error.message;
          return;
        } finally {
          await this.#look();
        }
      }
    });
  }

  #noteLeft({ ticket_code, function_code }, { outcome, remaining }) {
    if (outcome === "conflict") return;
    const known = this.#usedOnline.get(ticket_code) ?? {};
    const least = Math.min(remaining, known[function_code] ?? remaining);
    this.#usedOnline.set(ticket_code, { ...known, [function_code]: least });
  }

  /** The keys and the list, for when the service is away. That it cannot be had now is seen by its age. */
  async #refresh() {
    await navigator.locks.request("premade-gate-list", { ifAvailable: true }, async (lock) => {
      if (lock === null) return;
      const about = await store.aboutList();
      try {
        await store.write("keys", await service.keys());
        this.#usedOnline.clear();
        await store.takeIn(service.snapshot(about?.since), Date.now(), this.#usedOnline);
      } catch (error) {
        if (error instanceof Refused && error.code === "INVALID_REQUEST" && about) {
          await store.write("snapshot", { ...about, since: undefined });
        } else if (!(error instanceof Away || error instanceof Refused || error instanceof store.Broken)) throw error;
      }
    });
    await this.#look();
  }

  async forgetConflict(scanId) {
    await store.forgetConflict(scanId);
    await this.#look();
  }

  async #look() {
    [this.list, this.waiting, this.conflicts] = await Promise.all([
      store.aboutList(),
      store.countNotes(),
      store.conflicts(),
    ]);
    localStorage.setItem("premade-gate-waiting", String(this.waiting));
    this.#changed();
  }

  #lose() {
    this.#connectedAt = performance.now();
    this.#become("offline");
  }

  /** The service said so: it counts without network too, and after the page was loaded anew. */
  #signedOut({ code, message }) {
    if (OVER.includes(code)) localStorage.setItem(SIGNED_OUT, "yes");
    this.#become("signed-out", message);
  }

  #become(mode, problem = "") {
    this.mode = mode;
    this.problem = problem;
    this.#changed();
  }

  #tick() {
    const every = { online: REFRESH_SECONDS, "signed-out": SIGNED_OUT_PROBE_SECONDS }[this.mode] ?? PROBE_SECONDS;
    if (performance.now() - this.#connectedAt >= every * 1_000) this.connect();
    this.#changed();
  }
}

function ticketOf(shown) {
  return shown.ticket_code ?? shown.qr.split(":")[1] ?? "";
}

function refusal(code, sentence, ticket_code) {
  return { kind: "no", code, sentence, ticket_code };
}

function looked(told, functionCode, uses) {
  const left = Object.fromEntries(told.entitlements.map((each) => [each.function_code, each.remaining_uses]));
  const more = { left, ticket_code: told.ticket_code };
  if (!told.is_admitted) return { ...refusal(told.refusal, told.message), ...more };
  if (left[functionCode] >= uses) return { kind: "yes", sentence: told.message, ...more };
  const code = functionCode in left ? "USED_UP" : "FUNCTION_UNKNOWN";
  return { ...refusal(code, sentenceOf({ code, left, remaining: left[functionCode] }, { function_code: functionCode, uses })), ...more };
}

/** What a guard can say aloud of what the list says; worded as the service does. */
function sentenceOf(told, { function_code, uses }) {
  if (told.admitted) return `Welcome: ${uses} of ${function_code}, ${told.remaining || "none"} left.`;
  const last = told.used_here_at ? ` It was let in here at ${new Date(told.used_here_at).toLocaleTimeString([], { hourCycle: "h23" })}.` : "";
  const sentences = {
    UNKNOWN: "This ticket is not on the list of this device; without network it cannot be let in.",
    QR_INVALID: "This QR code is not one of ours.",
    TEST_TICKET: "This is a test ticket. It opens no gate.",
    LIVE_TICKET: "This is not a test ticket. This device is in test mode and admits test tickets only.",
    QR_REVOKED: "This QR code was replaced by a newer one.",
    EXPIRED: `The last day of this ticket was ${told.usable_until}; it is no longer valid.`,
    FUNCTION_UNKNOWN: `This ticket is not for ${function_code}; it is for: ${Object.keys(told.left ?? {}).join(", ")}.`,
    NO_LIST: "This device has no list yet; it needs the network once.",
    USED_UP: told.remaining
      ? `Only ${told.remaining} of ${function_code} left on this ticket, not ${uses}.`
      : `On this ticket ${function_code} is used up.${last}`,
  };
  return sentences[told.code];
}
