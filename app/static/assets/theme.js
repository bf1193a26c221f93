// Runs before the first paint, so that a chosen theme does not flash, and asks early for what Discover shows first.
(() => {
  const root = document.documentElement;
  const chosen = (name) => {
    try {
      return localStorage.getItem(`anisync.${name}`);
    } catch {
      return null; // Storage is blocked: what the browser says it is.
    }
  };
  const theme = chosen("theme");
  if (theme === "dark" || theme === "light") root.dataset.theme = theme;
  root.lang = chosen("language") || (navigator.language.startsWith("ru") ? "ru" : "en");

  const early = (attributes) => document.head.append(Object.assign(document.createElement("link"), attributes));
  const words = root.lang === "ru" ? "ru" : "en";
  early({ rel: "modulepreload", href: new URL(`words/${words}.js`, document.currentScript.src).href });
  if (location.pathname !== "/") return;
  root.dataset.home = "";
  // The very address that views/discover.js asks for.
  const first = new URLSearchParams({
    fields: "id,title,title_english,title_russian,title_japanese,image_url,type,year,season,score,episodes,status,genres",
    limit: 48,
    ...(chosen("adult") === "show" ? {} : { sfw: true }),
    sort: "-score",
  });
  if (!location.search) early({ rel: "preload", as: "fetch", crossOrigin: "anonymous", href: `/anime?${first}` });
})();
