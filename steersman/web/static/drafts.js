// What is half filled in, kept in this browser at each change and on the server soon after; the newer one is restored.
const PREFIX = "steersman-draft-";
const SAVE_MS = 2000;
const RETRY_MS = 10_000;
const BEAT_MS = 50_000;
// a page left open must not hold its task for ever
const AWAY_MS = 15 * 60_000;
const KEPT_MS = 14 * 86_400_000;
const OURS = new Set(["csrf", "lease", "revision", "active_seconds", "action"]);
const ANSWERED = new Set(["done", "surplus", "skipped"]);

export class Drafts {
  constructor(form, { clock, say }) {
    Object.assign(this, { form, clock, say, timer: null, isSaving: false, isEnded: false, lastHeard: Date.now() });
    this.lease = form.elements.lease.value;
    this.csrf = form.elements.csrf.value;
    this.key = `${PREFIX}${this.lease}-${form.elements.revision.value}`;
    // the clocks of two machines differ; drafts carry the server's time
    this.ahead = Number(form.dataset.now) - Date.now();
    this.unsaved = null;
  }

  fields() {
    const fields = {};
    for (const [name, value] of new FormData(this.form)) {
      if (!OURS.has(name) && value !== "") (fields[name] ??= []).push(value);
    }
    return fields;
  }

  keep() {
    if (this.isEnded) return;
    this.unsaved = { at: Date.now() + this.ahead, active_seconds: this.clock.read(), fields: this.fields() };
    this.write(this.unsaved);
    this.schedule(SAVE_MS);
  }

  restore() {
    const local = this.read();
    const serverAt = Number(this.form.dataset.draftAt);
    if (local && local.at > serverAt) {
      this.fill(local.fields);
      this.clock.seconds = Math.max(this.clock.seconds, Number(local.active_seconds) || 0);
      this.unsaved = local;
      this.schedule(SAVE_MS);
    }
    if (serverAt > 0 || local) this.say("What you had filled in is back.");
    this.removeOld();
  }

  fill(fields) {
    for (const input of this.form.elements) {
      if (!input.name || input.type === "hidden" || input.tagName === "BUTTON") continue;
      const values = fields[input.name] ?? [];
      if (input.type === "radio" || input.type === "checkbox") input.checked = values.includes(input.value);
      else input.value = values[0] ?? "";
    }
  }

  schedule(wait) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), wait);
  }

  retry() {
    if (this.unsaved) this.save();
  }

  flush() {
    if (this.unsaved && !this.isSaving) this.save({ keepalive: true });
  }

  async save(options = {}) {
    const draft = this.unsaved;
    if (!draft || this.isEnded) return;
    if (this.isSaving) {
      this.schedule(SAVE_MS);
      return;
    }
    clearTimeout(this.timer);
    this.isSaving = true;
    try {
      if (await this.tell("/task/draft", { lease: this.lease, draft }, options)) {
        if (this.unsaved === draft) this.unsaved = null;
        this.say("Saved.");
      }
    } finally {
      this.isSaving = false;
      if (this.unsaved && !this.isEnded && this.unsaved !== draft) this.schedule(SAVE_MS);
    }
  }

  beat() {
    if (document.hidden || this.isEnded || Date.now() - this.lastHeard < BEAT_MS) return;
    if (performance.now() - this.clock.lastSign > AWAY_MS) return;
    this.tell("/task/heartbeat", { lease: this.lease });
  }

  async tell(path, body, options = {}) {
    const headers = { "Content-Type": "application/json", "X-CSRF-Token": this.csrf };
    let answer = null;
    try {
      answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), ...options });
    } catch { /* no network: answered below */ }
    if (this.isEnded) return false;
    if (answer?.ok) {
      this.lastHeard = Date.now();
      this.hear((await answer.json()).state);
      return true;
    }
    if (answer?.status === 401 || answer?.status === 403) {
      this.say("You are logged out. Your work is kept in this browser: log in again in another tab, then reload.", true);
    } else {
      this.say(answer ? "The server is busy: your work is kept here." : "Offline: your work is kept here.", true);
      if (this.unsaved) this.schedule(RETRY_MS);
    }
    return false;
  }

  hear(state) {
    document.getElementById("lost").hidden = state !== "expired";
    if (ANSWERED.has(state)) this.say("You did this task in another window. Reload to go on.", true);
  }

  end() {
    this.isEnded = true;
    clearTimeout(this.timer);
    try { localStorage.removeItem(this.key); } catch { /* private windows may forbid it */ }
  }

  write(draft) {
    try { localStorage.setItem(this.key, JSON.stringify(draft)); } catch { /* as above */ }
  }

  read() {
    try {
      const draft = JSON.parse(localStorage.getItem(this.key) ?? "null");
      return draft && Number.isFinite(draft.at) && typeof draft.fields === "object" ? draft : null;
    } catch {
      return null;
    }
  }

  removeOld() {
    try {
      for (const key of Object.keys(localStorage)) {
        if (!key.startsWith(PREFIX) || key === this.key) continue;
        const at = JSON.parse(localStorage.getItem(key) ?? "{}").at ?? 0;
        if (Date.now() + this.ahead - at > KEPT_MS) localStorage.removeItem(key);
      }
    } catch { /* as above */ }
  }
}
