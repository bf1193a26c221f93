// Somebody whose list is public: who it is, figures, and what is on the list.
import { get } from "../api.js";
import { card, skeletons } from "../parts/card.js";
import { empty, trouble } from "../parts/pieces.js";
import { STATUSES } from "../mine.js";
import { goQuery, route } from "../router.js";
import { avatar, heading } from "../shell.js";
import { computed, effect, h, signal, still } from "../view.js";
import { day, minutes, number, t } from "../words.js";

const PAGE = 48;

export function view({ params }) {
  heading.set(params.name);
  const query = computed(() => (route()?.name === "person" ? route().query : query.peek()));
  const person = signal(null);
  const stats = signal(null);
  const entries = signal(null);
  const total = signal(0);
  const fault = signal(null);
  const open = { signed: false };

  async function load(offset = 0) {
    if (!offset) entries.set(null);
    try {
      if (!person.peek()) person.set((await get(`/users/by-name/${encodeURIComponent(params.name)}`, {}, open)).value);
      const { id } = person.peek();
      if (!stats.peek()) get(`/users/${id}/stats`, {}, open).then(({ value }) => stats.set(value), () => null); // the list stands without them
      const { value, total: all } = await get(`/users/${id}/list`, { status: query.peek().get("status"), sort: "-score", expand: "anime", limit: PAGE, offset: offset || null }, open);
      entries.set([...(offset ? entries.peek() : []), ...value]);
      total.set(all);
      fault.set(null);
    } catch (error) {
      fault.set(error);
    }
  }
  effect(() => {
    query();
    still(load);
  });

  const figure = (value, text) => h("div", { class: "figure" }, h("dt", {}, text), h("dd", {}, value));
  return h(
    "div",
    { class: "stack" },
    h("div", { class: "heading" }, h("h1", { class: "row" }, () => (person() ? avatar(person()) : null), () => person()?.username ?? params.name), () => (person() ? h("small", {}, t("since_day", { when: day(person().created_at) })) : null)),
    () => {
      if (!fault()) return null;
      return fault().status === 404 ? empty("lock", t("no_person"), t("no_person_text"), h("a", { class: "button primary", href: "/" }, t("nav.discover"))) : trouble(fault(), () => load());
    },
    () =>
      stats()
        ? h("dl", { class: "totals" }, figure(number(stats().total), t("titles_total")), figure(number(stats().episodes), t("episodes_total")), figure(minutes(stats().minutes), t("time_total")), figure(stats().mean_score === null ? "–" : number(stats().mean_score), t("mean_score")))
        : null,
    () =>
      person() && !fault()
        ? h(
            "div",
            { class: "tabs", role: "group", "aria-label": t("status") },
            ["", ...STATUSES].map((name) => h("button", { type: "button", class: "chip", "aria-pressed": () => String((query().get("status") ?? "") === name), onclick: () => goQuery({ status: name || null }) }, name ? t(`status.${name}`) : t("all"))),
          )
        : null,
    () => {
      if (fault()) return null;
      if (!entries()) return h("div", { class: "grid", "aria-busy": "true" }, skeletons(12));
      if (!entries().length) return empty("shelf", t("no_entries"), "");
      return h("div", { class: "grid" }, entries().map((entry) => card(entry.anime, { heading: "h2", extra: [t(`status.${entry.status}`), entry.score && ` · ★ ${number(entry.score)}`] })));
    },
    () => (entries() && entries().length < total() ? h("button", { type: "button", class: "wide", onclick: () => load(entries.peek().length) }, t("show_more")) : null),
  );
}
