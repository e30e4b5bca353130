// The labeling page: the next records are held ready, answers are saved in the background in their order, and nothing is forgotten until the server
// has it. Without this script the page is a plain form.
"use strict";

const task = JSON.parse(document.getElementById("task").textContent);
const words = task.words;
const say = (message, values = {}) => Object.entries(values).reduce((text, [name, value]) => text.replaceAll(`{${name}}`, value), message);
const one = (selector, root = document) => root.querySelector(selector);
const every = (selector, root = document) => [...root.querySelectorAll(selector)];
const form = one("#answer");
const box = one("#card");
const choices = every(".choice");
const search = one("#search");
// What is not saved yet outlives a reload of this tab, and waits for its own person where another one enters meanwhile.
const kept = `skerry ${location.host} ${task.person} ${task.address}`;
const renewed = `${kept} renewed`;

let card = null; // {record, review, length, suggestions, before, html}
let ahead = JSON.parse(document.getElementById("ahead").textContent); // cards that come next
let past = []; // [{id, card}] answered here, the last one last
let outbox = JSON.parse(sessionStorage.getItem(kept) || "[]"); // [{path, body}], sent one after the other
let marks = null;
let began = performance.now();
let idle = 0; // milliseconds in which the page was hidden
let hiddenAt = null;
let lastDeed = Date.now();
let sending = false;
let asking = false;
let over = false;

for (const choice of choices) {
  if (choice.dataset.color) choice.style.setProperty("--c", choice.dataset.color);
}

// -- to the server --------------------------------------------------------------------------------------------------------

const newId = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const nameOf = (one) => `${one.record}:${one.review ? 1 : 0}`;
const have = () => [...(card ? [card] : []), ...ahead, ...outbox.filter((op) => op.body.record).map((op) => op.body)].map(nameOf);

async function post(path, body, headers = {}) {
  const token = one('meta[name="csrf"]').content;
  const answer = await fetch(task.address + path, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json", "x-csrf-token": token, ...headers },
    body: JSON.stringify(body),
  });
  return { status: answer.status, content: await answer.json() };
}

function keep() {
  sessionStorage.setItem(kept, JSON.stringify(outbox));
  const line = one("#saved");
  line.classList.toggle("waiting", over || outbox.length > 3);
  if (over) line.textContent = words.over;
  else if (!outbox.length) line.textContent = past.length ? words.saved : "";
  else line.textContent = outbox.length > 3 ? say(words.waiting, { count: outbox.length }) : words.saving;
}

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

async function send() {
  if (sending) return;
  sending = true;
  let wait = 500;
  while (outbox.length && !over) {
    const { path, body } = outbox[0];
    let answer;
    try {
      answer = await post(path, path === "/answers" ? { ...body, have: have() } : body);
    } catch {
      answer = { status: 503 };
    }
    if (answer.status === 401) {
      over = true;
    } else if (answer.status === 403 && !sessionStorage.getItem(renewed)) {
      // the token is that of an earlier session: once loaded anew, the page has the right one, and sends again
      sessionStorage.setItem(renewed, "1");
      over = true;
    } else if (answer.status >= 500 || answer.status === 429 || answer.status === 408) {
      one("#saved").classList.add("waiting");
      one("#saved").textContent = say(words.waiting, { count: outbox.length });
      await pause(wait);
      wait = Math.min(wait * 2, 10000);
      continue;
    } else {
      wait = 500;
      sessionStorage.removeItem(renewed);
      outbox.shift();
      if (answer.status !== 200) toast(say(words.refused, { reason: answer.content.error || answer.status }));
      else take(answer.content.cards, path === "/undo");
      if (!outbox.length) document.body.dispatchEvent(new Event("saved"));
    }
    keep();
  }
  sending = false;
  keep();
  if (over) setTimeout(() => location.assign(`/enter?then=${encodeURIComponent(location.pathname)}`), 1500);
}

function take(cards, now) {
  const known = new Set(have());
  const fresh = (cards || []).filter((one) => !known.has(nameOf(one)));
  if (now && fresh.length) {
    if (card) ahead.unshift(card);
    show(fresh[0]);
  } else {
    ahead.push(...fresh);
    if (!card) show(ahead.shift() || null);
  }
}

async function ask() {
  if (asking || over || ahead.length > 1) return;
  asking = true;
  try {
    const answer = await post("/cards", { have: have() }, Date.now() - lastDeed > 60000 ? { "x-alive": "1" } : {});
    if (answer.status === 200) take(answer.content.cards);
  } catch {
    /* the server is away: the next round asks again */
  }
  asking = false;
}

// -- one card -------------------------------------------------------------------------------------------------------------

function looks(label) {
  const choice = choices.find((one) => one.dataset.label === label);
  if (!choice) return { name: "", className: "", color: "" };
  return { name: one(".name bdi", choice).textContent, className: [...choice.classList].find((name) => /^c\d+$/.test(name)) || "", color: choice.dataset.color };
}

function show(next) {
  card = next;
  one("#rest").classList.toggle("hidden", !!card);
  form.classList.toggle("hidden", !card);
  if (!card) {
    box.replaceChildren();
    return;
  }
  if (card.html) {
    const made = document.createElement("template");
    made.innerHTML = card.html; // from our templates, in which every text is escaped
    box.replaceChildren(made.content);
    htmx.process(box);
  }
  ready();
}

function ready() {
  const field = one("#text", box);
  const length = [...field.textContent].length;
  if (length !== card.length) toast(words.length);
  field.classList.toggle("long", length > 600);
  form.record.value = card.record;
  form.id.value = newId();
  form.note.value = card.note || ""; // of an answer that was taken back
  one("#note").classList.toggle("hidden", !card.note);
  began = performance.now();
  idle = 0;
  for (const choice of choices) {
    choice.classList.remove("on");
    const tick = one("input", choice);
    if (tick) tick.checked = (card.before.labels || []).includes(choice.dataset.label);
    else choice.classList.toggle("on", card.before.label === choice.dataset.label);
  }
  if (task.kind === "spans") {
    marks = new Marks(field, looks, () => {});
    marks.suggested = card.suggestions.flatMap((one) => one.value.spans || []);
    marks.put({ spans: (card.before.spans || []).map((span) => ({ ...span })) });
  }
  if (search) {
    search.value = "";
    filter();
    search.focus();
  } else if (document.activeElement && document.activeElement !== document.body) {
    document.activeElement.blur();
  }
  one('[data-command="accept"]').classList.toggle("hidden", !card.suggestions.length);
}

function value() {
  if (task.kind === "multi") return { labels: choices.filter((choice) => one("input", choice).checked).map((choice) => choice.dataset.label) };
  if (task.kind === "spans") return { spans: marks.spans.map(({ start, end, label }) => ({ start, end, label })) };
  return null;
}

function answer(content, state) {
  if (!card) return;
  const seconds = Math.round((performance.now() - began - idle) / 10) / 100;
  const body = { id: newId(), record: card.record, review: card.review, value: content, state, seconds, note: form.note.value };
  past.push({ id: body.id });
  outbox.push({ path: "/answers", body });
  card = null;
  show(ahead.shift() || null);
  keep();
  send();
}

function undo(id) {
  const last = id ? { id } : past.pop();
  const listed = one("[data-again]");
  const identity = last ? last.id : listed && listed.dataset.again;
  if (!identity) return toast(words.nothing);
  past = past.filter((one) => one.id !== identity);
  outbox.push({ path: "/undo", body: { id: identity } });
  keep();
  send();
}

// -- what a person does ---------------------------------------------------------------------------------------------------

function choose(choice) {
  if (!choice || !card) return;
  if (task.kind === "single") return answer({ label: choice.dataset.label }, "submitted");
  if (task.kind === "multi") {
    const tick = one("input", choice);
    tick.checked = !tick.checked;
    if (search) {
      search.value = "";
      filter();
    }
    return;
  }
  if (!marks.label(choice.dataset.label)) toast(words.select);
  else if (search) {
    search.value = "";
    filter();
  }
}

function accept() {
  const values = card ? card.suggestions.map((one) => one.value) : [];
  if (!values.length) return toast(words.unsuggested);
  if (task.kind === "single") return answer({ label: values[0].label }, "submitted");
  if (task.kind === "multi") {
    const labels = new Set(values.flatMap((one) => one.labels || []));
    for (const choice of choices) if (labels.has(choice.dataset.label)) one("input", choice).checked = true;
    return;
  }
  const free = marks.suggested.filter((span) => marks.spans.every((there) => there.end <= span.start || span.end <= there.start));
  marks.put({ spans: [...marks.spans, ...free.map(({ start, end, label }) => ({ start, end, label }))].sort((a, b) => a.start - b.start) });
}

const commands = {
  undo: () => undo(),
  skip: () => answer({}, "skipped"),
  flag: () => answer(task.kind === "single" ? {} : value(), "flagged"),
  note: () => {
    one("#note").classList.remove("hidden");
    form.note.focus();
  },
  accept,
  submit: () => card && answer(value(), "submitted"),
  help: () => one("#help").showModal(),
};
const letters = { z: "undo", s: "skip", f: "flag", n: "note", a: "accept" };

// with many labels: those that hold every word typed; digits stand before the first nine
function filter() {
  const wanted = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const suggested = new Set((card ? card.suggestions : []).flatMap((one) => [one.value.label, ...(one.value.labels || [])]));
  const found = choices.filter((choice) => {
    const there = wanted.every((word) => choice.dataset.words.toLowerCase().replaceAll("_", " ").includes(word.replaceAll("_", " ")));
    choice.classList.toggle("hidden", !there);
    return there;
  });
  found.sort((a, b) => suggested.has(b.dataset.label) - suggested.has(a.dataset.label) || choices.indexOf(a) - choices.indexOf(b));
  found.forEach((choice, number) => {
    one("kbd", choice).textContent = number < 9 ? number + 1 : "";
    choice.classList.toggle("first", number === 0 && wanted.length > 0);
  });
  one("#choices").append(...found);
  one("#found").textContent = say(words.found, { count: found.length });
  return found;
}

function step(by) {
  const shown = every(".choice:not(.hidden)");
  const at = shown.findIndex((choice) => choice.classList.contains("first"));
  if (at >= 0) shown[at].classList.remove("first");
  const next = shown[Math.max(0, Math.min(shown.length - 1, at + by))];
  if (!next) return;
  next.classList.add("first");
  next.scrollIntoView({ block: "nearest" });
}

function onSearchKey(event) {
  const shown = every(".choice:not(.hidden)");
  const top = shown.find((choice) => choice.classList.contains("first"));
  if (event.key === "ArrowDown" || event.key === "ArrowUp") step(event.key === "ArrowDown" ? 1 : -1);
  else if (event.key === "Enter") {
    if (top) choose(top);
    else if (task.kind !== "single") commands.submit();
    else toast(words.choose);
  } else if (/^[1-9]$/.test(event.key)) choose(shown[Number(event.key) - 1]);
  else if (event.key === "Escape") {
    search.value = "";
    filter();
  } else if (event.shiftKey && letters[event.key.toLowerCase()]) commands[letters[event.key.toLowerCase()]]();
  else if (event.key === "?") commands.help();
  else return;
  event.preventDefault();
}

function onMarkKey(event) {
  const arrow = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (arrow) marks.move(arrow, event.shiftKey, !(event.ctrlKey || event.altKey));
  else if (event.key === "Tab" && marks.next(event.shiftKey ? -1 : 1)) return true;
  else if (event.key === "Delete" || event.key === "Backspace") marks.remove();
  else if (event.key === "Escape") marks.put({ caret: null, chosen: -1 });
  else return false;
  return event.key !== "Tab";
}

document.addEventListener("keydown", (event) => {
  lastDeed = Date.now();
  const there = event.target;
  if (event.isComposing || event.keyCode === 229 || one("#help").open) return;
  if (there === form.note) {
    if (event.key === "Escape") there.blur();
    if (event.key === "Escape" && search) search.focus();
    return;
  }
  const onText = there === document.body || (there === search && !search.value) || (box.contains(there) && !/^(INPUT|SUMMARY|BUTTON)$/.test(there.tagName));
  if (marks && card && onText && onMarkKey(event)) return event.preventDefault();
  if (search && there === search) return onSearchKey(event);
  if (/^(INPUT|TEXTAREA|SELECT)$/.test(there.tagName) && there.type !== "checkbox") return;
  if (event.ctrlKey || event.metaKey) {
    if (event.key === "z") {
      event.preventDefault();
      undo();
    }
    return;
  }
  if (event.altKey) return;
  const key = event.key.toLowerCase();
  if (key === "enter" && task.kind !== "single" && !/^(BUTTON|A|SUMMARY)$/.test(there.tagName)) commands.submit();
  else if (key === "?") commands.help();
  else if (letters[key]) commands[letters[key]]();
  else if (search && event.key.length === 1) return search.focus();
  else {
    const choice = choices.find((one) => one.dataset.key && one.dataset.key === key);
    if (!choice) return;
    choose(choice);
  }
  event.preventDefault();
});

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("click", (event) => {
  lastDeed = Date.now();
  const button = event.target.closest("[data-command]");
  const choice = event.target.closest(".choice");
  if (button) {
    event.preventDefault();
    commands[button.dataset.command]();
  } else if (choice && event.detail !== 0) {
    event.preventDefault();
    choose(choice);
  } else if (choice && task.kind !== "multi") {
    event.preventDefault();
    choose(choice); // Enter or Space on a focused button
  }
});
document.addEventListener("mouseup", () => card && marks && marks.fit());
one("#recent").addEventListener("click", (event) => {
  const again = event.target.closest("[data-again]");
  if (again) undo(again.dataset.again);
});
if (search) search.addEventListener("input", filter);
one("#help").addEventListener("close", () => search && search.focus());

function toast(message) {
  const old = one("#toast");
  if (old) old.remove();
  const line = document.createElement("div");
  line.id = "toast";
  line.setAttribute("role", "alert");
  line.textContent = message;
  document.body.append(line);
  setTimeout(() => line.remove(), 5000);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) hiddenAt = performance.now();
  else if (hiddenAt !== null) {
    idle += performance.now() - hiddenAt;
    hiddenAt = null;
  }
});
window.addEventListener("beforeunload", (event) => {
  if (outbox.length && !over) event.preventDefault();
});
setInterval(() => {
  if (card && Date.now() - lastDeed < 10 * 60000) post("/renew", {}, { "x-alive": "1" }).catch(() => {});
}, task.renewSeconds * 1000);
setInterval(() => {
  if (!card) ask();
}, 5000);

// times of the server are UTC; people read their own
function localTimes() {
  for (const time of every("time", one("#recent"))) {
    time.textContent = new Date(time.dateTime).toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", hour12: false });
  }
}
document.body.addEventListener("htmx:afterSwap", localTimes);
localTimes();

if (task.many) every("[data-letter]").forEach((kbd) => (kbd.textContent = `⇧${kbd.dataset.letter}`));
const first = one(".card .about", box);
if (first) {
  card = { ...JSON.parse(first.textContent) };
  card.html = box.innerHTML;
  ready();
}
const waiting = new Set(outbox.map((op) => op.body.record && nameOf(op.body)));
ahead = ahead.filter((one) => !waiting.has(nameOf(one)));
if (card && waiting.has(nameOf(card))) show(ahead.shift() || null); // answered before the page was loaded anew
ask();
send();
