// Comfort on the rating page: keys 0-4, Ctrl+Enter, and a draft that survives a reload. The page works without it.
"use strict";

const form = document.getElementById("rating");
if (form) {
  const key = "steersman-draft-" + form.dataset.lease;
  const scales = [...form.querySelectorAll(".scales fieldset")].filter((each) => each.querySelector("[required]"));

  const drafts = {
    save() {
      const chosen = [...new FormData(form)].filter(([name]) => name !== "lease");
      try { localStorage.setItem(key, JSON.stringify(chosen)); } catch { /* private windows may forbid it */ }
    },
    restore() {
      let chosen = [];
      try { chosen = JSON.parse(localStorage.getItem(key) ?? "[]"); } catch { /* as above */ }
      for (const [name, value] of chosen) {
        const input = [...form.elements].find((each) => each.name === name && each.value === value);
        if (input && "checked" in input) input.checked = true;
      }
    },
    removeOthers() {
      try {
        Object.keys(localStorage)
          .filter((each) => each.startsWith("steersman-draft-") && each !== key)
          .forEach((each) => localStorage.removeItem(each));
      } catch { /* as above */ }
    },
  };

  const chooseLevel = (digit) => {
    const current = document.activeElement?.closest(".scales fieldset");
    const scale = scales.includes(current) ? current : scales.find((each) => !each.querySelector(":checked"));
    const input = scale?.querySelector(`[value="${digit}"]`);
    if (!input) return;
    input.checked = true;
    drafts.save();
    const next = scales[scales.indexOf(scale) + 1];
    (next?.querySelector(":checked") ?? next?.querySelector("input") ?? form.querySelector("[value=rate]")).focus();
  };

  drafts.restore();
  drafts.removeOthers();
  form.addEventListener("change", drafts.save);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit(form.querySelector("[value=rate]"));
    } else if (/^[0-4]$/.test(event.key) && !event.ctrlKey && !event.metaKey && !event.altKey) {
      chooseLevel(event.key);
    }
  });
}
