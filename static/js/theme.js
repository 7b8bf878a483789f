// Runs before the page is drawn, so that a chosen theme never flashes.
(() => {
  const root = document.documentElement;
  try {
    const chosen = localStorage.getItem("artemis-theme");
    if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  } catch { /* storage is off: the system's theme stands */ }
  root.classList.add("js");
})();
