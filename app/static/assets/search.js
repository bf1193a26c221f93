// Search as you type: a combobox over every title in every script, with the total.
import { get } from "./api.js";
import { icon } from "./icons.js";
import { adult } from "./prefs.js";
import { go, route } from "./router.js";
import { debounce, effect, h, onGone, signal } from "./view.js";
import { explain } from "./toasts.js";
import { cover } from "./parts/cover.js";
import { langOf, number, t, titleOf, typeName } from "./words.js";

const FIELDS = "id,title,title_english,title_russian,title_japanese,image_url,type,year,score,episodes";
const SHOWN = 7;

export function searchBox() {
  const found = signal(null); // {q, titles, total} or {q, error}
  const open = signal(false);
  const active = signal(-1);
  let flight = null;

  const look = debounce(async (q) => {
    flight?.abort();
    if (q.length < 2) {
      found.set(null);
      return;
    }
    flight = new AbortController();
    try {
      const { value, total } = await get("/search/anime", { q, limit: SHOWN, fields: FIELDS }, { signed: false, signal: flight.signal });
      found.set({ q, titles: value, total });
      active.set(-1);
    } catch (error) {
      if (error.name !== "AbortError") found.set({ q, error });
    }
  }, 160);

  const close = () => (open.set(false), active.set(-1));
  const choose = (anime) => (close(), input.blur(), go(`/title/${anime.id}`));
  const all = () => {
    const q = input.value.trim();
    close();
    go(q.length > 1 ? `/?q=${encodeURIComponent(q)}` : "/");
  };

  const onkeydown = (event) => {
    const titles = (open.peek() && found.peek()?.titles) || [];
    if (event.key === "ArrowDown" && titles.length) active.update((at) => (at + 1) % titles.length);
    else if (event.key === "ArrowUp" && titles.length) active.update((at) => (at <= 0 ? titles.length : at) - 1);
    else if (event.key === "Enter") titles[active.peek()] ? choose(titles[active.peek()]) : all();
    else if (event.key === "Escape" && open.peek()) close();
    else return;
    event.preventDefault();
  };

  const input = h("input", {
    type: "search",
    role: "combobox",
    placeholder: t("search_hint"),
    "aria-label": t("search"),
    "aria-expanded": () => String(Boolean(open() && found())),
    "aria-controls": "found",
    "aria-autocomplete": "list",
    "aria-activedescendant": () => (open() && active() >= 0 ? `found-${active()}` : null),
    autocomplete: "off",
    spellcheck: "false",
    maxlength: "100",
    oninput: () => (open.set(true), look(input.value.trim())),
    onfocus: () => open.set(true),
    onkeydown,
  });

  effect(() => {
    const query = route()?.name === "discover" ? (route().query.get("q") ?? "") : "";
    if (document.activeElement !== input) input.value = query;
  });

  const box = h(
    "form",
    { class: "search", role: "search", onsubmit: (event) => (event.preventDefault(), all()) },
    icon("search"),
    input,
    h("kbd", { "aria-hidden": "true" }, "/"),
    () => {
      const answer = found();
      if (!open() || !answer) return h("ul", { id: "found", role: "listbox", hidden: true, "aria-label": t("search") });
      return h("div", { class: "found" }, suggestions(answer), footer(answer));
    },
  );

  const suggestions = (answer) =>
    h(
      "ul",
      { id: "found", role: "listbox", "aria-label": t("search") },
      (answer.titles ?? []).map((anime, index) =>
        h(
          "li",
          {
            id: `found-${index}`,
            role: "option",
            "aria-selected": () => String(active() === index),
            onpointerdown: (event) => event.preventDefault(),
            onclick: () => choose(anime),
          },
          cover(anime),
          h(
            "span",
            { class: "name" },
            h("strong", { lang: langOf(titleOf(anime)) }, titleOf(anime)),
            h("small", {}, [anime.type && typeName(anime.type), anime.year, anime.title !== titleOf(anime) && anime.title].filter(Boolean).join(" · ")),
          ),
          anime.score && h("span", { class: "rated" }, `★ ${number(anime.score)}`),
        ),
      ),
    );

  const footer = (answer) => {
    if (answer.error) return h("p", { role: "status", class: "bad" }, explain(answer.error));
    if (!answer.total) return h("p", { role: "status" }, t("nothing_found", { q: answer.q }));
    return h(
      "button",
      { type: "button", class: "link", onpointerdown: (event) => event.preventDefault(), onclick: all },
      t("all_found", { n: answer.total }),
    );
  };

  const onkey = (event) => {
    const typing = event.target.closest?.("input,select,textarea,[contenteditable],dialog");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    input.focus();
    input.select();
  };
  const away = (event) => !box.contains(event.target) && close();
  document.addEventListener("keydown", onkey);
  document.addEventListener("pointerdown", away);
  box.addEventListener("focusout", ({ relatedTarget }) => relatedTarget && !box.contains(relatedTarget) && close());
  onGone(() => {
    document.removeEventListener("keydown", onkey);
    document.removeEventListener("pointerdown", away);
  });
  return box;
}

export const hidesAdult = () => (adult() === "hide" ? "true" : null);
