// Keep the parts of a page that say `data-live` fresh: fetch the page again every few seconds and put them in place.
"use strict";

(() => {
  const EVERY_MS = 5000;
  const parts = document.querySelectorAll("[data-live]");
  if (parts.length === 0) return;
  const note = document.querySelector("[data-live-note]");

  // what somebody is working in stays as it is
  const isInUse = (part) => part.contains(document.activeElement) && document.activeElement !== document.body;

  async function refresh() {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.href, { credentials: "same-origin", headers: { "X-Refresh": "1" } });
      if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of document.querySelectorAll("[data-live]")) {
        const replacement = fresh.getElementById(part.id);
        if (isInUse(part) || (replacement !== null && replacement.innerHTML === part.innerHTML)) continue;
        // the page has come to look otherwise, as when the first figures are there
        if (replacement === null) return location.reload();
        part.replaceChildren(...replacement.childNodes);
      }
      if (note) note.textContent = "";
    } catch {
      if (note) note.textContent = "The page could not be refreshed; it tries again. ";
    }
  }

  setInterval(refresh, EVERY_MS);
})();
