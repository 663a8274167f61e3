// Say at once what a form without faults needs, in the browser's own way; the server checks the same again.
export function guardAnswers(form) {
  const text = form.elements.justification;
  const least = Number(text?.dataset.least ?? 0);

  const check = () => {
    for (const side of ["left", "right"]) {
      const reasons = [...form.querySelectorAll(`[name="${side}_unsafe_reason"]`)];
      const isUnsafe = form.querySelector(`[name="${side}_unsafe"][value="1"]`)?.checked;
      const isMissing = isUnsafe && !reasons.some((each) => each.checked);
      reasons[0]?.setCustomValidity(isMissing ? "Choose at least one reason why it is not safe." : "");
    }
    if (!text) return;
    const given = text.value.trim().length;
    const isChosen = form.querySelector('[name="strength"]:checked') !== null;
    if (isChosen && given < least) text.setCustomValidity(`Say why in at least ${least} characters; there are ${given}.`);
    else text.setCustomValidity(given && !isChosen ? "Choose which response is better, or clear this text." : "");
  };

  form.addEventListener("input", check);
  form.addEventListener("change", check);
  check();
}
