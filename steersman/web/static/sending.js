// Send an answer until it has arrived. The same lease and revision again is the same answer, so that repeating is harmless.
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;

export class Sender {
  constructor(form, { clock, drafts, say }) {
    Object.assign(this, { form, clock, drafts, say, isBusy: false });
    // `form.action` would be the buttons of that name
    this.address = form.getAttribute("action");
    // `form.action` is the button of that name
    this.path = form.getAttribute("action");
    this.refusal = document.getElementById("refusal");
  }

  async send(action) {
    if (this.isBusy) return;
    this.form.elements.active_seconds.value = this.clock.read();
    const body = new URLSearchParams(new FormData(this.form));
    body.set("action", action);
    this.drafts.keep();
    this.busy(true);
    this.say("Sending...");
    const answer = await this.untilHeard(body);
    if (answer.ok) {
      const { next } = await answer.json();
      this.drafts.end();
      location.replace(next);
      return;
    }
    this.busy(false);
    this.refuse(await this.reason(answer));
  }

  async untilHeard(body) {
    for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
      try {
        const answer = await fetch(this.address, { method: "POST", headers: { Accept: "application/json" }, body });
        if (answer.status < 500 && answer.status !== 429) return answer;
        this.say("The server is busy: your work is kept here, trying again.", true);
      } catch {
        this.say("Offline: your work is kept here, trying again.", true);
      }
      await this.pause(wait);
    }
  }

  pause(wait) {
    return new Promise((resolve) => {
      setTimeout(resolve, wait);
      addEventListener("online", resolve, { once: true });
    });
  }

  async reason(answer) {
    if (answer.status === 401 || answer.status === 403) {
      return "You are logged out. Your work is kept in this browser: log in again in another tab, then reload.";
    }
    try {
      return (await answer.json()).error;
    } catch {
      return `The server answered ${answer.status}. Your work is kept here; reload the page and try again.`;
    }
  }

  refuse(text) {
    this.say("Not sent. Your work is kept.", true);
    this.refusal.textContent = text;
    this.refusal.hidden = false;
    this.refusal.scrollIntoView({ block: "nearest" });
  }

  busy(isBusy) {
    this.isBusy = isBusy;
    this.refusal.hidden = true;
    for (const part of this.form.querySelectorAll(".pair, .compare, .leave")) part.inert = isBusy;
    for (const button of this.form.querySelectorAll("[type=submit]")) button.setAttribute("aria-disabled", String(isBusy));
  }
}
