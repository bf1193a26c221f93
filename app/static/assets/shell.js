// The frame around every view: navigation, search, banners, toasts; and the place where views come and go.
import { online, watchServer } from "./api.js";
import { icon } from "./icons.js";
import { language, theme, titleLanguage } from "./prefs.js";
import { go, route } from "./router.js";
import { searchBox } from "./search.js";
import { choose, isOperator, loadProfile, me, signOut, signedIn } from "./session.js";
import { toastArea } from "./toasts.js";
import { computed, effect, h, onGone, scope, signal, still } from "./view.js";
import { t } from "./words.js";

// name, address, sign, who sees it
export const PLACES = [
  ["discover", "/", "compass", () => true],
  ["library", "/library", "shelf", () => true],
  ["continue", "/continue", "play", signedIn],
  ["recommended", "/recommended", "spark", signedIn],
  ["collections", "/my/collections", "book", signedIn],
  ["statistics", "/statistics", "chart", signedIn],
  ["history", "/history", "clock", signedIn],
  ["import", "/import", "swap", signedIn],
  ["connections", "/connections", "link", signedIn],
  ["operator", "/operator/jobs", "gear", isOperator],
];

/** Set by views: what the tab is called. */
export const heading = signal("");

function link([name, address, sign, shown]) {
  return () =>
    shown()
      ? h(
          "a",
          { href: address, "aria-current": () => (route()?.name === name ? "page" : null) },
          icon(sign),
          h("span", {}, t(`nav.${name}`)),
        )
      : null;
}

/** Closes when something else is clicked or Escape is pressed, and gives the focus back. */
function menu(label, sign, content, className = "") {
  const open = signal(false);
  const button = h(
    "button",
    { type: "button", class: `ghost icon ${className}`, "aria-label": label, "aria-expanded": () => String(open()), onclick: () => open.set(!open.peek()) },
    typeof sign === "string" ? icon(sign) : sign,
  );
  const away = (event) => !box.contains(event.target) && open.set(false);
  const box = h("div", { class: "menu", onkeydown: (event) => event.key === "Escape" && (open.set(false), button.focus()) }, button, () =>
    open() ? h("div", { class: "sheet", onclick: (event) => event.target.closest("a,[data-closes]") && open.set(false) }, still(content)) : null,
  );
  document.addEventListener("pointerdown", away);
  onGone(() => document.removeEventListener("pointerdown", away));
  return box;
}

function picker(label, preference, text) {
  return h(
    "label",
    { class: "picker" },
    h("span", {}, label),
    h(
      "select",
      { value: () => preference(), onchange: ({ target }) => choose(preference, target.value) },
      preference.choices.map((choice) => h("option", { value: choice }, text(choice))),
    ),
  );
}

const look = () => [
  picker(t("language"), language, (choice) => ({ en: "English", ru: "Русский" })[choice]),
  picker(t("titles"), titleLanguage, (choice) => t(`titles.${choice}`)),
  picker(t("theme"), theme, (choice) => t(`theme.${choice}`)),
];

function account() {
  // Made anew for somebody else only: a menu that is open stays open while the profile changes.
  const who = computed(() => me()?.id ?? me());
  return () => {
    who();
    const profile = me.peek();
    if (profile === undefined) return h("span", { class: "avatar skeleton" });
    if (profile === null) {
      return [
        h("a", { class: "button primary small", href: "/sign-in" }, t("sign_in")),
        menu(t("settings"), "gear", look),
      ];
    }
    return menu(() => t("account_of", { name: me()?.username ?? "" }), h("span", {}, () => (me() ? avatar(me()) : null)), () => [
      h("p", { class: "who" }, h("strong", {}, profile.full_name || profile.username), profile.email && h("small", {}, profile.email)),
      h("a", { href: "/profile" }, icon("person"), t("nav.profile")),
      look(),
      h("button", { type: "button", "data-closes": true, onclick: () => signOut().then(() => go("/")) }, icon("out"), t("sign_out")),
    ]);
  };
}

export function avatar(profile) {
  const circle = h("span", { class: "avatar" }, profile.username.slice(0, 1).toUpperCase());
  if (profile.avatar) {
    const picture = h("img", { alt: "", onerror: () => picture.remove() });
    picture.src = profile.avatar;
    circle.append(picture);
  }
  return circle;
}

/** The view of the address, loaded when it is first wanted; a newer address wins. */
function outlet() {
  const main = h("main", { id: "main", tabindex: "-1" });
  let dispose = null;
  let shown = null;
  let turn = 0;
  effect(() => {
    const wanted = route();
    if (!wanted) return;
    const key = `${wanted.name} ${JSON.stringify(wanted.params)}`;
    if (key === shown) {
      if (wanted.scroll !== null) scrollTo(0, wanted.scroll);
      return;
    }
    const mine = ++turn;
    still(async () => {
      const module = await wanted.load().catch(() => null);
      if (mine !== turn) return;
      shown = module ? key : null;
      dispose?.();
      const [made, gone] = scope(() => (module ? module.view(wanted) : notLoaded()));
      dispose = gone;
      main.replaceChildren(made.node ?? made);
      // Who is typing in the search meanwhile goes on typing.
      if (!wanted.first && !document.activeElement?.matches("input")) main.focus({ preventScroll: true });
      scrollTo(0, 0);
      if (wanted.scroll) {
        await Promise.race([made.ready, new Promise((done) => setTimeout(done, 1200))]);
        if (mine === turn) requestAnimationFrame(() => scrollTo(0, wanted.scroll));
      }
    });
  });
  onGone(() => dispose?.());
  return main;
}

const notLoaded = () =>
  h("div", { class: "empty bad", role: "alert" }, h("h1", {}, t("not_loaded")), h("p", {}, t("offline_short")), h("button", { type: "button", class: "primary", onclick: () => location.reload() }, t("retry")));

function offlineBanner() {
  const again = watchServer();
  effect(again);
  return () => (online() ? null : h("p", { class: "banner", role: "status" }, icon("alert"), t("offline")));
}

export function shell() {
  effect(() => {
    document.title = heading() ? `${heading()} · AniSync` : "AniSync";
  });
  effect(() => {
    if (theme() === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme();
  });
  effect(() => {
    // On a phone the bar of places is wider than the screen.
    isOperator(); // it appears once it is known who is signed in
    if (route()) requestAnimationFrame(() => document.querySelector(".places [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }));
  });
  effect(() => {
    if (online() && me() === undefined) still(loadProfile);
  });
  effect(() => {
    if (!signedIn()) return;
    let gone = false;
    let end = null;
    import("./live.js").then(({ listen, silence }) => {
      if (gone) return;
      listen();
      end = silence;
    }, () => null);
    onGone(() => ((gone = true), end?.()));
  });
  return h(
    "div",
    { class: "frame" },
    h("a", { class: "skip", href: "#main", onclick: (event) => (event.preventDefault(), document.getElementById("main").focus()) }, t("skip")),
    h(
      "header",
      { class: "top" },
      h("a", { class: "brand", href: "/", "aria-label": t("home") }, h("img", { src: new URL("./icon.svg", import.meta.url).pathname, alt: "", width: "30", height: "30" }), h("span", {}, "AniSync")),
      searchBox(),
      h("div", { class: "account" }, account()),
    ),
    h("nav", { class: "places", "aria-label": t("places") }, PLACES.map(link)),
    h("div", { class: "stage" }, offlineBanner(), outlet()),
    h("p", { class: "hidden", role: "status" }, () => heading()),
    toastArea(),
  );
}
