// Runs before the first paint, so that a chosen theme does not flash.
(() => {
  try {
    const root = document.documentElement;
    const theme = localStorage.getItem("anisync.theme");
    if (theme === "dark" || theme === "light") root.dataset.theme = theme;
    root.lang = localStorage.getItem("anisync.language") || (navigator.language.startsWith("ru") ? "ru" : "en");
  } catch {
    // Storage is blocked: the theme of the system it is.
  }
})();
