// What to go on with: the episode that is next, and one button that says it was watched.
import { get, post } from "../api.js";
import { icon } from "../icons.js";
import { refreshOne } from "../mine.js";
import { skeletons } from "../parts/card.js";
import { cover } from "../parts/cover.js";
import { empty, signInFirst, trouble } from "../parts/pieces.js";
import { signedIn } from "../session.js";
import { heading } from "../shell.js";
import { failed, toast } from "../toasts.js";
import { each, h, signal, still } from "../view.js";
import { langOf, since, t, titleOf } from "../words.js";

const PAGE = 48;

export function view() {
  heading.set(t("nav.continue"));
  return h("div", {}, h("div", { class: "heading" }, h("h1", {}, t("nav.continue"))), () =>
    signedIn() ? still(episodes) : signInFirst(t("continue_for")),
  );
}

function episodes() {
  const rows = signal(null);
  const fault = signal(null);
  const total = signal(0);

  async function load() {
    fault.set(null);
    try {
      const answer = await get("/watch/continue", { limit: PAGE });
      rows.set(answer.value);
      total.set(answer.total);
    } catch (error) {
      fault.set(error);
    }
  }
  load();

  /** Counted as watched: the row goes on at once, and is what the server says afterwards. */
  async function watched(row) {
    const before = rows.peek();
    const last = row.anime.episodes !== null && row.episode >= row.anime.episodes;
    rows.set(
      last
        ? before.filter((one) => one !== row)
        : before.map((one) => (one === row ? { ...row, episode: row.episode + 1, position_seconds: null, progress_percent: null } : one)),
    );
    try {
      await post("/watch/progress", { anime_id: row.anime_id, episode: row.episode, progress_percent: 100 });
      refreshOne(row.anime_id);
      if (last) toast(t("finished_title", { title: titleOf(row.anime) }));
      await load();
    } catch (error) {
      rows.set(before);
      failed(error, () => watched(row));
    }
  }

  return [
    () => (fault() ? trouble(fault(), load) : null),
    () => {
      if (rows() === null) return fault() ? null : h("div", { class: "grid", "aria-busy": "true" }, skeletons(8));
      if (!rows().length) return empty("play", t("continue_empty"), t("continue_empty_text"), h("a", { class: "button primary", href: "/library?status=plan_to_watch" }, t("see_planned")));
      return null;
    },
    h(
      "ul",
      { class: "next" },
      each(() => rows() ?? [], (row) => row.anime_id, (row) =>
        h(
          "li",
          { class: "panel next-card" },
          cover(row.peek().anime),
          h(
            "div",
            { class: "story" },
            h("h2", {}, h("a", { href: `/title/${row.peek().anime_id}`, lang: () => langOf(titleOf(row().anime)) }, () => titleOf(row().anime))),
            h("p", {}, h("strong", {}, () => t("episode_n", { n: row().episode })), () => (row().anime.episodes ? ` / ${row().anime.episodes}` : "")),
            () => (row().progress_percent ? h("span", { class: "meter", role: "img", "aria-label": t("percent_seen", { n: Math.round(row().progress_percent) }), style: { "--share": (row().progress_percent / 100).toFixed(3) } }) : null),
            h("small", {}, () => since(row().last_watched_at)),
            h("button", { type: "button", class: "primary", onclick: () => watched(row.peek()) }, icon("check"), () => t("watched_n", { n: row().episode })),
          ),
        ),
      ),
    ),
    () => (total() > PAGE ? h("p", { class: "count" }, t("and_more", { n: total() - PAGE })) : null),
  ];
}
