// What becomes of a scan: asked of the service while it is there, judged by the list while it is not. Knows no page.

import { FACTS, SIGNED_OUT, WAITING } from "./gate-store.mjs";
import { chooseVerifier } from "./ed25519.mjs";
import { setNames } from "./names.mjs";
import { sendNotes } from "./outbox.mjs";
import { sentenceOf } from "./sentences.mjs";
import * as service from "./service.mjs";
import { Away, Refused } from "./service.mjs";
import * as store from "./store.mjs";
import { described, leftOf, looked, refusal, refused, ticketOf } from "./verdict.mjs";
import { verifyQrToken } from "./verify-qr-token.mjs";
import { _ } from "./texts.mjs";

const REPEAT_SECONDS = 3;
const REFRESH_SECONDS = 60;
const PROBE_SECONDS = 5;
const SIGNED_OUT_PROBE_SECONDS = 30;
const SCANS_WAITING_MAX = 20;
/** In localStorage: the session that was signed out of without network, by its form token. */
const LEAVING = "premade-gate-leaving";
/** Facts until the service has answered. */
const FACTS_BEFORE = { name: "", functions: [], function_names: {}, clock_ms: 0, guard: "", list_hours_max: 24, phone_digits: 4 };
const OVER = ["SESSION_OVER", "ROLE_MISSING"];
/** The operator does not let this device work. */
const BARRED = ["DEVICE_REVOKED", "DEVICE_UNAPPROVED"];
const MUST_SIGN_IN = ["FORM_FOREIGN", ...OVER];

const verifier = chooseVerifier();

/**
 * One device. `settings` is read at each scan: {device_id, function_code, uses, is_look, mode}; `mode` is "live" or
 * "test". `changed()` is called when what the page says of the device may have changed.
 */
export class Gate {
  mode = "starting";
  problem = "";
  facts = { ...FACTS_BEFORE, ...JSON.parse(localStorage.getItem(FACTS) ?? "{}") };
  list = undefined;
  /** Why the service does not take what waits, where it refuses it. */
  unsendable = "";
  /** Why the operator does not let this device work, if so. */
  barred = "";
  waiting = 0;
  conflicts = [];
  #settings;
  #changed;
  #recent = new Map();
  #turn = Promise.resolve();
  #scansWaiting = 0;
  #connecting = null;
  #connectedAt = -Infinity;
  #usedOnline = new Map();
  /** The old list that a guard has confirmed, by its mode, generation and time. */
  #confirmed = "";

  constructor(settings, changed) {
    this.#settings = settings;
    this.#changed = changed;
    setNames(this.facts.function_names);
  }

  async start() {
    if (localStorage.getItem(SIGNED_OUT)) await store.forgetLists();
    await this.#look();
    addEventListener("offline", () => this.#lose());
    addEventListener("online", () => this.connect());
    addEventListener("focus", () => this.mode === "signed-out" && this.connect());
    addEventListener("storage", ({ key, newValue }) => this.#heard(key, newValue));
    setInterval(() => this.#tick(), 1_000);
    await this.connect();
  }

  /** By the service's clock, as far as this device knows it. */
  now() {
    return new Date(Date.now() + this.facts.clock_ms);
  }

  /**
   * Take one scan after the other. `shown` is {tokens}, what reading.mjs found, or {ticket_code, phone_last4}.
   *
   * @returns {{verdict: Promise<object>, is_repeat: boolean}} a repeat of a moment ago has the verdict of that scan
   */
  present(shown) {
    const { function_code, uses, is_look, mode } = this.#settings;
    const what = JSON.stringify([shown, function_code, uses, is_look, mode]);
    for (const [each, { at }] of this.#recent) {
      if (performance.now() - at >= REPEAT_SECONDS * 1_000) this.#recent.delete(each);
    }
    const before = this.#recent.get(what);
    if (before) {
      if (before.at !== Infinity) before.at = performance.now();
      return { verdict: before.verdict, is_repeat: true };
    }
    const scan = { at: Infinity, verdict: this.#next(shown) };
    // A verdict that never came may be asked for again.
    scan.verdict.then(() => (scan.at = performance.now()), () => this.#recent.delete(what));
    this.#recent.set(what, scan);
    return { verdict: scan.verdict, is_repeat: false };
  }

  async #next(shown) {
    const settings = { ...this.#settings };
    if (this.#scansWaiting >= SCANS_WAITING_MAX) return refusal("TOO_MANY_SCANS", sentenceOf({ code: "TOO_MANY_SCANS" }));
    this.#scansWaiting += 1;
    const verdict = this.#turn.then(() => this.#scan(shown, settings));
    this.#turn = verdict.catch(() => {}).then(() => void (this.#scansWaiting -= 1));
    return verdict;
  }

  async #scan(seen, settings) {
    const { function_code, uses, is_look, device_id, mode } = settings;
    const wanted = { function_code, uses, is_look, mode };
    const read = seen.tokens && (await this.#meant(seen.tokens));
    const shown = read ? { qr: read.qr } : seen;
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
          return described(verdict, read);
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
    return described(verdict, read);
  }

  /** Return the reading whose signature is valid, or the first one if none is or there are no keys. */
  async #meant(tokens) {
    const keys = tokens.length > 1 ? ((await store.read("keys")) ?? []) : [];
    for (const each of tokens) {
      if (keys.length > 0 && (await verifyQrToken(each.qr, keys, await verifier)).valid) return each;
    }
    return tokens[0];
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
    const { function_code, uses, is_look, mode } = wanted;
    try {
      if (is_look) return looked(await service.inspect({ ...shown, device_id }, mode), wanted);
      const told = await service.redeem({ ...shown, device_id, scan_id, function_code, uses }, mode);
      const left = leftOf(told);
      this.#usedOnline.set(told.ticket_code, left);
      await store.countOff(mode, told.ticket_code, left);
      const sentence = sentenceOf({ admitted: true, remaining: left.get(function_code) }, wanted);
      return { kind: "yes", sentence, left, ticket_code: told.ticket_code };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.code === "FORM_FOREIGN" && !isAgain) {
        // Somebody signed in anew, in another window.
        await this.connect();
        if (this.mode === "online") return this.#ask(shown, wanted, scan, true);
      }
      if (BARRED.includes(error.code)) await this.#bar(error);
      if (!MUST_SIGN_IN.includes(error.code)) return refused(error, shown, wanted);
      await this.#signedOut(error);
      return refusal("SIGNED_OUT", error.message);
    }
  }

  async #judge(shown, wanted, scan) {
    const refuse = (code) => refusal(code, sentenceOf({ code }, wanted));
    if (localStorage.getItem(SIGNED_OUT)) return refuse("SIGNED_OUT");
    if (shown.qr === undefined) return refuse("NEEDS_NETWORK");
    const keys = await store.read("keys");
    if (keys === undefined) return refuse("NO_LIST");
    const token = await verifyQrToken(shown.qr, keys, await verifier);
    if (!token.valid) return refuse(token.reason === "KEY_UNKNOWN" ? "UNKNOWN" : "QR_INVALID");
    const { guard, list_hours_max } = this.facts;
    const secondsMax = this.isListConfirmed ? Infinity : list_hours_max * 3_600;
    const told = await store.admit(token, shown.qr, { ...wanted, ...scan, guard }, this.now(), secondsMax);
    const left = new Map(Object.entries(told.left ?? {}));
    const more = { left, ticket_code: token.ticket_code };
    const sentence = sentenceOf({ ...told, left }, wanted);
    if (!told.admitted) return { ...refusal(told.code, sentence), ...more };
    if (wanted.is_look) return { kind: "yes", sentence: _("This ticket is valid."), ...more };
    return { kind: "yes", sentence, is_noted: true, ...more };
  }

  /** Ask whether the service is reachable, send the waiting scans, then go online. */
  connect() {
    this.#connecting ??= this.#connect().finally(() => {
      this.#connectedAt = performance.now();
      this.#connecting = null;
      if (this.mode === "online") this.refresh();
    });
    return this.#connecting;
  }

  async #connect() {
    try {
      const told = await service.session();
      if (await this.#leave(told)) return;
      this.facts = { ...FACTS_BEFORE, ...told, clock_ms: Date.parse(told.now) - Date.now() };
      setNames(this.facts.function_names);
      localStorage.setItem(FACTS, JSON.stringify(this.facts));
      localStorage.removeItem(SIGNED_OUT);
      try {
        await this.#send();
      } catch (error) {
        // The gate goes on meanwhile: waiting scans are sent before the service is asked about their tickets.
        if (!(error instanceof Away)) throw error;
        this.unsendable = _("no answer");
      }
      this.#become("online");
    } catch (error) {
      if (error instanceof Refused) await this.#signedOut(error);
      else if (error instanceof Away) this.#becomeAway();
      else throw error;
    }
  }

  /** Return whether somebody signed out of this session without network, and end it. */
  async #leave(told) {
    const leaving = localStorage.getItem(LEAVING);
    if (leaving !== null && leaving === told.form_token) {
      await this.#send();
      await service.signOut();
      localStorage.removeItem(LEAVING);
      await this.#signedOut({ code: "SESSION_OVER", message: _("Signed out.") });
      return true;
    }
    localStorage.removeItem(LEAVING);
    return false;
  }

  /** Sign out without network: nobody is admitted from now on, and the session ends when the service is reachable. */
  async signOut() {
    const { form_token } = JSON.parse(localStorage.getItem(FACTS) ?? "{}");
    if (form_token) localStorage.setItem(LEAVING, form_token);
    await this.#signedOut({ code: "SESSION_OVER", message: _("Signed out.") });
    await this.connect();
  }

  async #send() {
    this.unsendable = "";
    try {
      await sendNotes(() => this.now(), (note, result) => this.#noteLeft(note, result));
    } catch (error) {
      if (!(error instanceof Refused) || MUST_SIGN_IN.includes(error.code)) throw error;
      // The scans are kept and sent again.
      this.unsendable = error.message;
    } finally {
      await this.#look();
    }
  }

  #noteLeft({ ticket_code, function_code }, { outcome, remaining }) {
    if (outcome === "conflict") return;
    const known = this.#usedOnline.get(ticket_code) ?? new Map();
    const least = Math.min(remaining, known.get(function_code) ?? remaining);
    this.#usedOnline.set(ticket_code, new Map(known).set(function_code, least));
  }

  /** Fetch the keys and the list for times without network. If that fails, the age of the list shows it. */
  async refresh() {
    const { mode, device_id } = this.#settings;
    await navigator.locks.request(`premade-gate-list ${mode}`, { ifAvailable: true }, async (lock) => {
      if (lock === null) return;
      const about = await store.aboutList(mode);
      try {
        await store.write("keys", await service.keys());
        this.#usedOnline.clear();
        await store.takeIn(mode, service.snapshot(mode, device_id, about?.since), Date.now(), this.#usedOnline);
        this.barred = "";
      } catch (error) {
        if (error instanceof Refused && BARRED.includes(error.code)) await this.#bar(error);
        else if (error instanceof Refused && error.code === "INVALID_REQUEST" && about) await store.forgetCursor(mode);
        else if (!(error instanceof Away || error instanceof Refused || error instanceof store.Broken)) throw error;
      }
    });
    await this.#look();
  }

  /** The list's age in seconds, or undefined without a list. */
  get listSeconds() {
    return this.list && store.listSeconds(this.list, this.now());
  }

  get isListOld() {
    return this.list !== undefined && this.listSeconds > this.facts.list_hours_max * 3_600;
  }

  get isListConfirmed() {
    return this.list !== undefined && this.#confirmed === `${this.#settings.mode} ${this.list.generation} ${this.list.made_at}`;
  }

  /** A guard confirmed the old list: it counts until there is a new one or the page is reloaded. */
  confirmList() {
    this.#confirmed = `${this.#settings.mode} ${this.list.generation} ${this.list.made_at}`;
    this.#changed();
  }

  async forgetConflict(scanId) {
    await store.forgetConflict(scanId);
    await this.#look();
  }

  /** Call this after a change of mode: the other list counts from now on. */
  async changeMode() {
    await this.#look();
    if (this.mode === "online") await this.refresh();
  }

  async #look() {
    [this.list, this.waiting, this.conflicts] = await Promise.all([
      store.aboutList(this.#settings.mode),
      store.countNotes(),
      store.conflicts(),
    ]);
    localStorage.setItem(WAITING, String(this.waiting));
    this.#changed();
  }

  #lose() {
    this.#connectedAt = performance.now();
    this.#becomeAway();
  }

  #becomeAway() {
    if (localStorage.getItem(SIGNED_OUT)) this.#become("signed-out", _("Signed out. Signing in needs the network."));
    else this.#become("offline");
  }

  /** React to a change in another tab. */
  #heard(key, value) {
    if (key === SIGNED_OUT && value !== null) this.#signedOut({ code: "SESSION_OVER", message: _("Signed out.") });
    if (key === SIGNED_OUT && value === null && this.mode === "signed-out") this.connect();
  }

  /** Signed out also without network and after a reload. The list is deleted; waiting scans stay. */
  async #signedOut({ code, message }) {
    this.#become("signed-out", message);
    if (!OVER.includes(code)) return;
    localStorage.setItem(SIGNED_OUT, "yes");
    await store.forgetLists();
    await this.#look();
  }

  /** Admit nobody from now on, also without network. Waiting scans stay. */
  async #bar({ message }) {
    this.barred = message;
    await store.forgetLists();
    await this.#look();
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
