// Small behaviours that pages ask for with data attributes. Every page works without them, if less well.

const on = (type, selector, handle) =>
  document.addEventListener(type, (event) => {
    const element = event.target instanceof Element && event.target.closest(selector);
    if (element) handle(element, event);
  });

export function announce(text) {
  const live = document.getElementById("live");
  if (live) live.textContent = text;
}

// Theme: the button names what it will do.
const root = document.documentElement;
const systemDark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : systemDark.matches);

on("click", "[data-theme-toggle]", () => {
  const next = isDark() ? "light" : "dark";
  root.dataset.theme = next;
  try { localStorage.setItem("artemis-theme", next); } catch { /* storage is off */ }
  announce(`${next === "dark" ? "Dark" : "Light"} theme`);
});

// Copying: data-copy holds the id of what is copied.
on("click", "[data-copy]", async (button) => {
  const source = document.getElementById(button.dataset.copy);
  const label = button.querySelector("[data-label]");
  try {
    await navigator.clipboard.writeText(source.textContent.trim());
    announce("Copied");
    if (label) {
      const before = label.dataset.label || label.textContent;
      label.dataset.label = before;
      label.textContent = "Copied";
      setTimeout(() => { label.textContent = before; }, 1800);
    }
  } catch {
    getSelection().selectAllChildren(source);
    announce("Selected: copy it with your keyboard");
  }
});

// Tabs, with arrow keys; the chosen language is kept for the next snippet.
function choose(tab, { focus = false } = {}) {
  const list = tab.closest("[role=tablist]");
  for (const other of list.querySelectorAll("[role=tab]")) {
    const chosen = other === tab;
    other.setAttribute("aria-selected", String(chosen));
    other.tabIndex = chosen ? 0 : -1;
    document.getElementById(other.getAttribute("aria-controls")).hidden = !chosen;
  }
  if (focus) tab.focus();
  const copy = list.parentElement.querySelector("[data-copy]");
  if (copy) copy.dataset.copy = tab.dataset.source;
}
on("click", "[role=tab]", (tab) => choose(tab));
on("keydown", "[role=tab]", (tab, event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const tabs = [...tab.closest("[role=tablist]").querySelectorAll("[role=tab]")];
  choose(tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length], { focus: true });
});

// Menus close on Escape and on a click elsewhere.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// Passwords can be looked at.
on("click", "[data-reveal]", (button) => {
  const input = document.getElementById(button.dataset.reveal);
  const shown = input.type === "text";
  input.type = shown ? "password" : "text";
  button.setAttribute("aria-pressed", String(!shown));
});

// Files: what was chosen is named, and may be dropped anywhere on the form.
const dropped = (event) => [...event.dataTransfer.types].includes("Files");
for (const kind of ["dragover", "dragleave", "drop"]) {
  on(kind, "[data-drop]", (form, event) => {
    if (!dropped(event)) return;
    event.preventDefault();
    form.querySelector(".drop").classList.toggle("is-over", kind === "dragover");
    if (kind !== "drop") return;
    const input = form.querySelector("[type=file]");
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
    input.focus();
  });
}
on("change", "[data-drop] [type=file]", (input) => {
  const told = input.form.querySelector("[data-chosen]");
  const names = [...input.files].map((file) => file.name);
  told.hidden = names.length < 2;
  told.textContent = names.join(", ");
  announce(names.length === 1 ? "1 file chosen" : `${names.length} files chosen`);
});
on("submit", "[data-drop]", (form) => {
  const button = form.querySelector("[type=submit]");
  setTimeout(() => { button.disabled = true; });
  announce("Uploading");
});

// Polling: parts of a page listen with hx-trigger="artemis-poll from:body"; nobody polls a page that is not looked at.
const poll = () => {
  if (document.visibilityState === "visible" && document.querySelector("[data-poll]")) {
    document.body.dispatchEvent(new CustomEvent("artemis-poll"));
  }
};
setInterval(poll, 2000);
document.addEventListener("visibilitychange", poll);

document.addEventListener("htmx:afterSwap", (event) => {
  const said = event.detail.elt?.dataset?.announce || document.getElementById(event.detail.elt?.id)?.dataset.announce;
  if (said) announce(said);
  const focus = document.querySelector("[data-focus-on-arrival]");
  if (focus) {
    focus.removeAttribute("data-focus-on-arrival");
    focus.focus({ preventScroll: false });
  }
});
