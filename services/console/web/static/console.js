// What pages gain by a script; without it they do the same, in more steps. No inline code anywhere: elements say by
// data attributes what they want.
"use strict";

/** A list of words in a text area is shown as chips under it; each can be taken out. */
function showChips(area) {
  const list = document.createElement("ul");
  list.className = "chips";
  area.after(list);
  const words = () => area.value.split(/[\s,;]+/).filter(Boolean);
  const draw = () => {
    list.replaceChildren(...words().map((word) => {
      const item = document.createElement("li");
      const out = document.createElement("button");
      item.append(word, out);
      out.type = "button";
      out.textContent = "×";
      out.setAttribute("aria-label", `Remove ${word}`);
      out.addEventListener("click", () => {
        area.value = words().filter((one) => one !== word).join("\n");
        draw();
      });
      return item;
    }));
  };
  area.addEventListener("input", draw);
  draw();
}

/** A text that people copy gets a button for it. */
function offerCopy(input) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button button-plain";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(input.value);
    button.textContent = "Copied";
  });
  const actions = document.createElement("div");
  actions.className = "actions";
  actions.append(button);
  input.after(actions);
}

/** A menu closes by Escape and by a click elsewhere. */
function closeMenus(event) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (event.key === "Escape" || (event.type === "click" && !menu.contains(event.target))) {
      menu.open = false;
      if (event.key === "Escape") menu.querySelector("summary").focus();
    }
  }
}

/** A form that was changed asks before the page is left. */
function guardChanges(form) {
  let changed = false;
  form.addEventListener("input", () => { changed = true; });
  form.addEventListener("submit", () => { changed = false; });
  window.addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });
}

/** A part of a page is fetched again every so many seconds while somebody can see it; what is unfolded stays so. */
function keepLive(part) {
  const show = (note) => { if (note) note.hidden = false; };
  const again = async () => {
    const old = document.getElementById(part.id);
    if (document.hidden || old.querySelector(":focus-visible")) return;
    const answer = await fetch(location.href, { redirect: "error" }).catch(() => null);
    if (!answer || !answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(part.id);
    if (!fresh) return;
    for (const one of old.querySelectorAll("details[open][id]")) {
      const same = fresh.querySelector(`#${one.id}`);
      if (same) same.open = true;
    }
    show(fresh.querySelector("[data-live-note]"));
    old.replaceWith(fresh);
  };
  show(part.querySelector("[data-live-note]"));
  setInterval(again, Number(part.dataset.live) * 1000);
  document.addEventListener("visibilitychange", again);
}

document.querySelectorAll("[data-live][id]").forEach(keepLive);
document.querySelectorAll("textarea[data-chips]").forEach(showChips);
document.querySelectorAll("input[data-copy]").forEach(offerCopy);
document.querySelectorAll("form[data-guard]").forEach(guardChanges);
document.addEventListener("keydown", closeMenus);
document.addEventListener("click", closeMenus);
