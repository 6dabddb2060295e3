"use strict";
// Keys press what a page marks with data-key; nothing here is needed to use the console.
(() => {
  const inText = (element) => element.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
  const shown = (element) => element.checkVisibility?.({ visibilityProperty: true }) ?? element.getClientRects().length > 0;
  const isField = (element) => element.matches("input:not([type=checkbox], [type=radio], [type=submit], [type=button]), textarea, select");

  const press = (element) => {
    element.focus();
    if (isField(element)) element.select?.();
    else element.click();
  };

  const rows = () => [...document.querySelectorAll("[data-rows] [data-row]")].filter(shown);
  const go = (step) => {
    const all = rows();
    if (!all.length) return false;
    const at = all.findIndex((row) => row.contains(document.activeElement));
    const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1)];
    next.focus();
    next.scrollIntoView({ block: "nearest" });
    return true;
  };

  const dialog = document.getElementById("keys");
  const entry = (list, key, text) => {
    const term = document.createElement("dt");
    const mark = document.createElement("kbd");
    const meaning = document.createElement("dd");
    mark.textContent = key;
    meaning.textContent = text;
    term.append(mark);
    list.append(term, meaning);
  };
  const nameOf = (element) => {
    if (element.dataset.keyLabel) return element.dataset.keyLabel;
    const named = element.getAttribute("aria-label") || element.labels?.[0]?.textContent;
    if (named) return named.trim();
    const copy = element.cloneNode(true);
    copy.querySelectorAll("kbd").forEach((kbd) => kbd.remove());
    return copy.textContent.trim().replace(/\s+/g, " ") || element.dataset.key;
  };
  const help = () => {
    const list = dialog.querySelector(".keys");
    list.replaceChildren();
    const told = new Set();
    for (const element of document.querySelectorAll("[data-key]")) {
      const key = element.dataset.key;
      if (told.has(key) || !(shown(element) || key === "?")) continue;
      told.add(key);
      entry(list, key, nameOf(element));
    }
    if (rows().length && !told.has("j")) entry(list, "j k", "Down and up the rows");
    dialog.showModal();
  };

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat && !"jk".includes(event.key)) return;
    const target = event.target instanceof Element ? event.target : document.body;
    if (dialog?.open) return;
    if (inText(target)) {
      if (event.key === "Escape") target.blur();
      return;
    }
    if (event.key === "Enter" && target.matches("[data-row]")) {
      const link = target.querySelector("a[href], button");
      if (link) { event.preventDefault(); link.click(); }
      return;
    }
    const marked = [...document.querySelectorAll("[data-key]")].find(
      (element) => element.dataset.key === event.key && !element.disabled && (shown(element) || event.key === "?"),
    );
    if (event.key === "?" && dialog) { event.preventDefault(); help(); }
    else if (marked) { event.preventDefault(); press(marked); }
    else if (event.key === "j" || event.key === "k") { if (go(event.key === "j" ? 1 : -1)) event.preventDefault(); }
  });
  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (target?.closest("[data-help]")) help();
    // The account menu closes when something else is pressed.
    const menu = document.querySelector("details.menu[open]");
    if (menu && target && !menu.contains(target)) menu.open = false;
  });
})();
