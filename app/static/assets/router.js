// Addresses and views: the History API, links, where the page was scrolled to, and what gets the focus.
import { signal } from "./view.js";

const routes = [];
export const route = signal(null); // {name, params, query, path, load}
let leaving = null; // asked before the view goes

/** `path` is a pattern like `/title/:id`; `load` imports the module of the view. */
export function addRoute(name, path, load) {
  const pattern = new RegExp(`^${path.replace(/:(\w+)/g, "(?<$1>[^/]+)")}/?$`);
  routes.push({ name, pattern, load });
}

function find(address) {
  const { pathname, searchParams } = new URL(address, location.origin);
  for (const { name, pattern, load } of routes) {
    const found = pattern.exec(pathname);
    if (found) {
      const params = Object.fromEntries(
        Object.entries(found.groups ?? {}).map(([key, value]) => [key, decodeURIComponent(value)]),
      );
      return { name, params, query: searchParams, path: pathname, load };
    }
  }
  return null;
}

const keepScroll = () => history.replaceState({ ...history.state, scroll: scrollY }, "");

/** Go to an address of ours. `quiet` keeps the place on the page, as for a filter. */
export function go(address, { replace = false, quiet = false } = {}) {
  const next = find(address) ?? missing(address);
  if (leaving && !leaving()) return;
  keepScroll();
  const state = { scroll: quiet ? scrollY : 0 };
  history[replace ? "replaceState" : "pushState"](state, "", address);
  next.scroll = quiet ? null : 0;
  route.set(next);
}

const missing = (address) => ({
  name: "missing",
  params: {},
  query: new URLSearchParams(),
  path: address,
  load: () => import("./views/missing.js"),
});

/** Change parameters of this address; empty ones go. */
export function goQuery(changes, options = {}) {
  const query = new URLSearchParams(location.search);
  for (const name in changes) {
    query.delete(name);
    const value = changes[name];
    if (Array.isArray(value)) value.forEach((one) => query.append(name, one));
    else if (value !== null && value !== undefined && value !== "") query.set(name, value);
  }
  const text = query.toString();
  go(location.pathname + (text ? `?${text}` : ""), { quiet: true, ...options });
}

/** Ask before the view is left: `check()` answers whether it may be. */
export function guardLeaving(check) {
  leaving = check;
  return () => {
    if (leaving === check) leaving = null;
  };
}

function follow(event) {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const link = event.target.closest?.("a[href]");
  if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
  if (!find(link.href)) return;
  event.preventDefault();
  const same = link.pathname === location.pathname && link.search === location.search;
  go(link.pathname + link.search + link.hash, { replace: same });
}

/** Show the view of the address, and of every address from now on. */
export function startRouter() {
  history.scrollRestoration = "manual";
  addEventListener("click", follow);
  addEventListener("popstate", ({ state }) => {
    const next = find(location.href) ?? missing(location.pathname);
    next.scroll = state?.scroll ?? 0;
    next.back = true;
    route.set(next);
  });
  addEventListener("pagehide", keepScroll);
  const first = find(location.href) ?? missing(location.pathname);
  first.scroll = history.state?.scroll ?? 0;
  first.first = true;
  route.set(first);
}
