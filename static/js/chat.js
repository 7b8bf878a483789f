// The chat over a vector store: asks, shows the answer as it comes, and opens the passages that it cites.
// What is HTML here was made by the server, which escapes what models and documents say; all else is set as text.

const chat = document.querySelector("[data-chat]");
const form = chat.querySelector("form");
const { question, model, key, csrfmiddlewaretoken: token } = form.elements;
const list = chat.querySelector(".turns");
const none = chat.querySelector("[data-none]");
const again = chat.querySelector("[data-again]");
const askButton = form.querySelector("[data-ask]");
const stopButton = form.querySelector("[data-stop]");
const dialog = document.getElementById("cited");
const MOST_TURNS = 40;
const AT_ONCE = 160; // characters that are read aloud together, at the end of a sentence
const REFUSALS = {
  401: "You are signed out: load the page again.",
  403: "This is not allowed to you, or the page is too old: load it again.",
  404: "This store is not there any more.",
  413: "The conversation is too long; begin anew.",
  429: "You asked too often; wait a minute.",
};

// The model that was chosen last is chosen again.
const chosen = () => {
  try { return localStorage.getItem("artemis-chat-model"); } catch { return null; /* storage is off */ }
};
if ([...model.options].some((option) => option.value === chosen())) model.value = chosen();
model.addEventListener("change", () => {
  try { localStorage.setItem("artemis-chat-model", model.value); } catch { /* storage is off */ }
});

let turns = []; // {question, answer}, as they are told with the next question
let running = null;

class Turn {
  constructor(asked) {
    this.question = asked;
    this.answer = "";
    this.unread = "";
    this.element = document.getElementById("turn").content.cloneNode(true).firstElementChild;
    this.part("question").textContent = asked;
    list.append(this.element);
  }

  part(name) {
    return this.element.querySelector(`[data-${name}]`);
  }

  status(text) {
    this.part("status").hidden = !text;
    this.part("said").textContent = text;
    if (text) announce(text);
  }

  text(text) {
    if (!this.answer) this.status("");
    this.answer += text;
    this.unread += text;
    this.part("text").textContent = this.answer;
    const end = Math.max(...[". ", "! ", "? ", "\n"].map((mark) => this.unread.lastIndexOf(mark))) + 1;
    if (end >= AT_ONCE) {
      announce(this.unread.slice(0, end));
      this.unread = this.unread.slice(end);
    }
  }

  ends(text, kind = "") {
    this.status("");
    const notice = document.createElement("p");
    notice.className = kind || "small quiet";
    notice.textContent = text;
    this.element.querySelector(".answer").append(notice);
    announce(`${this.unread} ${text}`.trim());
  }
}

// Not imported: under its name without a hash, portal.js would be there twice.
function announce(text) {
  document.getElementById("live").textContent = text;
}

const many = (count, name) => `${count.toLocaleString("en")} ${name}${count === 1 ? "" : "s"}`;

const events = {
  found(turn, { html, passages, forgotten }) {
    turn.part("found").innerHTML = html;
    if (forgotten) {
      const told = document.createElement("p");
      told.className = "small quiet";
      told.textContent = `There was no room to tell the model of the first ${many(forgotten, "turn")}.`;
      turn.part("found").prepend(told);
    }
    turn.status(`${many(passages, "passage")} found. The model reads ${passages === 1 ? "it" : "them"} …`);
  },
  thinking(turn) { turn.status("The model thinks …"); },
  text(turn, { text }) { turn.text(text); },
  answered(turn, { html, sources }) {
    turn.status("");
    turn.part("text").innerHTML = html;
    turn.part("text").classList.add("is-whole");
    announce(`${turn.unread} ${sources ? `${many(sources, "source")} cited.` : "No passage supports this answer."}`);
    turns.push({ question: turn.question, answer: turn.answer });
    turns = turns.slice(-MOST_TURNS);
    finished(turn);
  },
  used(turn, { input, output, cost }) {
    const used = turn.part("used");
    used.hidden = false;
    used.textContent = `${many(input, "token")} read, ${many(output, "token")} written${cost ? ` · ${cost}, the search included` : " · the cost stands under Usage shortly"}`;
  },
  refused(turn, { message }) {
    turn.ends(message, "notice error");
    finished(turn);
  },
};

async function read(response, turn) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const event = JSON.parse(line);
      events[event.type]?.(turn, event);
      keepInSight();
    }
  }
}

async function ask() {
  const asked = question.value.trim();
  if (running || !asked) return;
  const turn = new Turn(asked);
  running = { turn, stop: new AbortController() };
  const { stop } = running;
  list.hidden = false;
  none.hidden = true;
  question.value = "";
  waiting(true);
  turn.status("Searching …");
  keepInSight(true);
  try {
    const response = await fetch(chat.dataset.chat, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": token.value },
      body: JSON.stringify({ model: model.value, key: key.value, question: asked, turns }),
      signal: stop.signal,
    });
    const kind = response.headers.get("Content-Type") || "";
    if (response.ok && kind.startsWith("application/x-ndjson")) await read(response, turn);
    else if (kind.startsWith("application/json")) events.refused(turn, await response.json());
    else events.refused(turn, { message: REFUSALS[response.redirected ? 401 : response.status] || "Something went wrong; try again." });
    if (running?.turn === turn) events.refused(turn, { message: "The answer broke off; ask again." });
  } catch (error) {
    if (!stop.signal.aborted && running?.turn === turn) events.refused(turn, { message: "The platform does not answer; try again shortly." });
  }
}

function stopped() {
  if (!running) return;
  const { turn, stop } = running;
  stop.abort();
  turn.ends("Stopped. What was read and written until then is paid for; it stands under Usage.");
  if (turn.answer) turns.push({ question: turn.question, answer: turn.answer });
  finished(turn);
}

function finished(turn) {
  if (running?.turn !== turn) return;
  running = null;
  waiting(false);
}

function waiting(yes) {
  const held = document.activeElement;
  askButton.hidden = yes;
  stopButton.hidden = !yes;
  again.hidden = false;
  if (held === askButton || held === stopButton) question.focus();
}

// The newest stays in sight, unless somebody reads further up.
function keepInSight(always = false) {
  const page = document.documentElement;
  if (always || page.scrollHeight - page.scrollTop - page.clientHeight < 160) form.scrollIntoView({ block: "end" });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
question.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  ask();
});
form.addEventListener("keydown", (event) => { if (event.key === "Escape") stopped(); });
stopButton.addEventListener("click", stopped);
again.addEventListener("click", () => {
  stopped();
  turns = [];
  list.replaceChildren();
  list.hidden = true;
  none.hidden = false;
  again.hidden = true;
  announce("A new conversation");
  question.focus();
});

// A citation opens its passage; the dialog gives the focus back to it when it closes.
list.addEventListener("click", (event) => {
  const chip = event.target.closest("button[data-passage]");
  if (!chip) return;
  const source = chip.closest(".said").querySelector(`template[data-passage="${chip.dataset.passage}"]`);
  dialog.querySelector("[data-cited]").replaceChildren(source.content.cloneNode(true));
  dialog.showModal();
});
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
