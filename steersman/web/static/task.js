// The rating page by keyboard, with drafts, a clock without idle time, and sending that survives a broken network.
// Everything but that works without this script: the page is a plain form.
import { Clock } from "./clock.js";
import { Drafts } from "./drafts.js";
import { guardAnswers } from "./guarding.js";
import { listenToKeys } from "./keys.js";
import { Sender } from "./sending.js";

const form = document.getElementById("rating");
if (form) {
  const status = document.getElementById("status");
  const say = (text, isKept = false) => {
    status.classList.toggle("kept", isKept);
    if (status.textContent !== text) status.textContent = text;
  };
  const clock = new Clock(Number(form.elements.active_seconds.value));
  const drafts = new Drafts(form, { clock, say });
  const sender = new Sender(form, { clock, drafts, say });

  drafts.restore();
  guardAnswers(form);
  listenToKeys(form);
  form.addEventListener("input", () => drafts.keep());
  form.addEventListener("change", () => drafts.keep());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sender.send(event.submitter?.value ?? "rate");
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) drafts.flush();
  });
  addEventListener("pagehide", () => drafts.flush());
  addEventListener("online", () => drafts.retry());
  setInterval(() => drafts.beat(), 60_000);

  // the last message is the one that both responses answer
  const conversation = document.getElementById("conversation");
  conversation.scrollTop = conversation.scrollHeight;
}
