// On every page: what scrolls sideways can be reached by the keyboard. Nothing depends on it.
"use strict";

for (const part of document.querySelectorAll(".prose :is(pre, table, div.formula)")) {
  if (part.scrollWidth > part.clientWidth && !part.hasAttribute("tabindex")) {
    part.tabIndex = 0;
    part.setAttribute("role", "group");
    part.setAttribute("aria-label", "wide part, scrolls sideways");
  }
}
