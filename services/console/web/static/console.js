// What pages gain by a script; without it they do the same, in more steps. No inline code anywhere: elements say by
// data attributes what they want.
"use strict";

/** A list of words (or of whole lines) in a text area is shown as chips under it; each can be taken out. */
function showChips(area) {
  const list = document.createElement("ul");
  list.className = "chips";
  area.after(list);
  const between = area.dataset.chips === "lines" ? /\n/ : /[\s,;]+/;
  const words = () => area.value.split(between).map((word) => word.trim()).filter(Boolean);
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
/** Of a mailbox's form, only the fields of the chosen authentication type are in sight, and the date only if wanted. */
function switchFields(form) {
  const chosen = (name) => form.querySelector(`input[name="${name}"]:checked`)?.value;
  const draw = () => {
    form.querySelectorAll("[data-auth]").forEach((part) => { part.hidden = part.dataset.auth !== chosen("auth.type"); });
    form.querySelector("[data-since]").hidden = chosen("imap.startFrom") !== "since";
  };
  form.addEventListener("change", draw);
  draw();
}

/** Use Default fills the fields in without another page, so that passwords stay. */
function offerDefaults(form) {
  const button = form.querySelector('button[value="defaults"]');
  const field = (name) => form.elements.namedItem(name);
  button.addEventListener("click", async (event) => {
    const asked = { email: field("email").value, provider: field("provider").value, auth: field("auth.type").value };
    event.preventDefault();
    const answer = await fetch(`${form.dataset.defaults}?${new URLSearchParams(asked)}`);
    if (!answer.ok) {
      field("email").focus();
      field("email").reportValidity();
      return;
    }
    const servers = await answer.json();
    for (const part of ["imap", "smtp"]) {
      for (const name of ["host", "port", "encryption"]) field(`${part}.${name}`).value = servers[part][name];
    }
    form.dispatchEvent(new Event("input"));
  });
}

/** A test shows each step as it ends. */
function testLive(form) {
  form.addEventListener("submit", async (event) => {
    if (event.submitter?.value !== "test") return;
    event.preventDefault();
    const list = document.querySelector("[data-checklist]");
    list.replaceChildren();
    event.submitter.disabled = true;
    const body = new URLSearchParams(new FormData(form, event.submitter));
    const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/event-stream" } });
    if (!answer.headers.get("content-type")?.startsWith("text/event-stream")) {
      event.submitter.disabled = false;
      sendPlainly(form, event.submitter);
      return;
    }
    await readEvents(answer, (name, data) => { if (name === "step") list.append(stepItem(data)); });
    event.submitter.disabled = false;
    const next = answer.headers.get("content-location");
    if (next) location.assign(`${next}#test`);
    if (next && location.pathname === next) location.reload();
  });
}

/** The same as without a script: the answer is a page. */
function sendPlainly(form, submitter) {
  const field = document.createElement("input");
  Object.assign(field, { type: "hidden", name: submitter.name, value: submitter.value });
  form.append(field);
  form.submit();
}

/** Server-sent events of an answer to POST, which EventSource cannot ask for. */
async function readEvents(answer, tell) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = "", part = await reader.read(); !part.done; part = await reader.read()) {
    const events = (text + part.value).split("\n\n");
    text = events.pop();
    for (const one of events) {
      const [, name, data] = one.match(/^event: (\w+)\ndata: (.*)$/) ?? [];
      if (name) tell(name, JSON.parse(data));
    }
  }
}

/** A step as the page itself writes it. */
function stepItem(step) {
  const item = document.createElement("li");
  item.className = `step-${step.outcome}`;
  const line = (...parts) => { const one = document.createElement("p"); one.append(...parts); item.append(one); return one; };
  const element = (name, text, look = "") => Object.assign(document.createElement(name), { textContent: text, className: look });
  const title = element("strong", `${step.chain.toUpperCase()}: ${step.name}`);
  const time = step.outcome === "skipped" ? "" : element("small", `${step.milliseconds} ms`);
  line(title, " ", element("span", step.outcome, "step-word"), " ", time);
  line(step.sentence);
  if (step.remedy) line(element("strong", "What to do:"), ` ${step.remedy}`).className = "remedy";
  if (step.code) line(element("code", step.code));
  return item;
}

document.querySelectorAll("textarea[data-chips]").forEach(showChips);
document.querySelectorAll("input[data-copy]").forEach(offerCopy);
document.querySelectorAll("form[data-guard]").forEach(guardChanges);
document.querySelectorAll("form[data-mailbox]").forEach(switchFields);
document.querySelectorAll("form[data-mailbox]").forEach(offerDefaults);
document.querySelectorAll("form[data-mailbox], form[data-live]").forEach(testLive);
document.addEventListener("keydown", closeMenus);
document.addEventListener("click", closeMenus);
