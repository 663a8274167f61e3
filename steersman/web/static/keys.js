// All of the rating page by keyboard. Letters and digits can be switched off; Ctrl and Enter always saves.
const OFF = "steersman-keys-off";
const FULL = "steersman-in-full";

function remembered(name) {
  try { return localStorage.getItem(name) === "1"; } catch { return false; }
}

function remember(name, isOn) {
  try { localStorage.setItem(name, isOn ? "1" : "0"); } catch { /* private windows may forbid it */ }
}

export function listenToKeys(form) {
  const dialog = document.getElementById("keys");
  const button = document.getElementById("keys-button");
  const fullButton = document.getElementById("full-button");
  const isOn = document.getElementById("keys-on");
  const byId = (id) => document.getElementById(id);
  let current = null;

  const isShown = (question) => question.offsetParent !== null && !question.closest("details:not([open])");
  const questions = () => [...form.querySelectorAll(".scale")].filter(isShown);
  const inputs = (question) => [...question.querySelectorAll("input")];
  const isAnswered = (question) => question.querySelector(":checked") !== null;
  const focused = () => document.activeElement?.closest?.(".scale");
  const here = () => focused() ?? (current && isShown(current) ? current : null) ?? questions().find((each) => !isAnswered(each));
  const sideOf = (question) => question?.closest(".side")?.dataset.side;

  const show = (question) => {
    if (!question) return;
    current = question;
    const all = inputs(question);
    (all.find((each) => each.checked && each.type === "radio") ?? all[0]).focus({ preventScroll: true });
    question.scrollIntoView({ block: "nearest" });
  };
  const step = (by) => {
    if (!focused()) return show(here() ?? questions()[0]);
    const all = questions();
    const next = all[all.indexOf(focused()) + by];
    if (next?.closest(".pair, .compare") || by < 0) return show(next);
    return (byId("justification") ?? form.querySelector("[value=rate]")).focus();
  };
  const goToSide = (side) => {
    const from = here();
    const mine = questions().filter((each) => sideOf(each) === side);
    const name = from?.querySelector("input")?.name.replace(/^(left|right)_/, `${side}_`);
    show(mine.find((each) => each.querySelector("input").name === name) ?? mine[0]);
  };
  const choose = (input) => {
    if (!input) return;
    input.checked = input.type === "radio" ? true : !input.checked;
    input.dispatchEvent(new Event("change", { bubbles: true }));
    if (input.type === "checkbox") return input.focus();
    show(input.closest(".scale"));
    if (input.name === "strength") return byId("justification").focus();
    if (input.name !== "skip_reason") step(1);
  };
  const digit = (pressed) => {
    const question = here();
    const all = question ? inputs(question) : [];
    const first = question?.dataset.keys;
    if (first === "0") choose(all[pressed]);
    if (first === "1") choose(pressed > 0 ? all[pressed - 1] : all.find((each) => each.value === "neither"));
  };
  const safe = (value) => {
    const side = sideOf(here()) ?? "left";
    choose(form.querySelector(`[name="${side}_unsafe"][value="${value}"]`));
  };
  const open = (id) => {
    const part = byId(id);
    if (!part) return;
    part.open = true;
    show(part.querySelector(".scale"));
  };
  const read = () => {
    const at = document.activeElement?.id;
    byId(at === "left" ? "right" : at === "right" ? "left" : (sideOf(here()) ?? "left")).focus();
  };
  const inFull = (isFull) => {
    document.body.classList.toggle("in-full", isFull);
    fullButton.setAttribute("aria-pressed", String(isFull));
    remember(FULL, isFull);
  };
  const turnFull = () => inFull(!document.body.classList.contains("in-full"));
  const actions = {
    n: () => step(1), p: () => step(-1), a: () => goToSide("left"), b: () => goToSide("right"),
    s: () => safe("0"), u: () => safe("1"), g: () => show(form.querySelector(".strengths")),
    c: () => byId("conversation").focus(), r: read, f: () => open("flagging"), x: () => open("skipping"),
    z: turnFull, Z: () => byId("undo")?.requestSubmit(),
    "?": () => dialog.showModal(),
  };

  form.addEventListener("focusin", () => { current = focused() ?? current; });
  document.addEventListener("keydown", (event) => {
    if (dialog.open) return;
    const isTyping = event.target.matches?.("textarea, input[type=text]");
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit(document.activeElement?.closest("details")?.querySelector("[type=submit]") ?? form.querySelector("[value=rate]"));
    } else if (event.key === "Escape" && isTyping) {
      form.querySelector("[value=rate]").focus();
    } else if (isTyping || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || !isOn.checked) {
      return;
    } else if (/^[0-9]$/.test(event.key)) {
      event.preventDefault();
      digit(Number(event.key));
    } else if (actions[event.key === "Z" ? "Z" : event.key.toLowerCase()]) {
      event.preventDefault();
      actions[event.key === "Z" ? "Z" : event.key.toLowerCase()]();
    }
  });

  button.hidden = false;
  button.addEventListener("click", () => dialog.showModal());
  isOn.checked = !remembered(OFF);
  isOn.addEventListener("change", () => remember(OFF, !isOn.checked));
  fullButton.hidden = false;
  fullButton.addEventListener("click", turnFull);
  if (remembered(FULL)) inFull(true);
}
