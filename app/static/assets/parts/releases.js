// Releases of a title with their episodes, as their sources have them; an episode is marked as watched from here.
import { get, post } from "../api.js";
import { icon } from "../icons.js";
import { entryOf, refreshOne } from "../mine.js";
import { signedIn } from "../session.js";
import { failed, toast } from "../toasts.js";
import { h, signal, still } from "../view.js";
import { langOf, number, since, t } from "../words.js";

const SHOWN = 30;

/** A section that comes where there is a release. */
export function releases(anime) {
  const found = signal([]);
  get("/releases", { anime_id: anime.id, limit: 5 }, { signed: false }).then(({ value }) => found.set(value), () => null);
  return () => (found().length ? still(() => found.peek().map((one) => release(one, anime))) : null);
}

function release(one, anime) {
  const episodes = signal([]);
  get("/episodes", { release_id: one.id, limit: 100 }, { signed: false }).then(({ value }) => episodes.set(value), () => null);
  const id = `release-${one.id}`;
  const open = signal(false);
  const shown = () => (open() ? episodes() : episodes().slice(-SHOWN));
  return h(
    "section",
    { class: "panel", "aria-labelledby": id },
    h("h2", { id, lang: langOf(one.title) }, t("release_of", { title: one.title })),
    h("p", { class: "hint" }, [t("released", { n: one.episodes_released ?? 0 }), one.updated_at && since(one.updated_at)].filter(Boolean).join(" · ")),
    h("ol", { class: "plain" }, () => shown().map((episode) => row(episode, anime))),
    () => (!open() && episodes().length > SHOWN ? h("button", { type: "button", class: "wide", onclick: () => open.set(true) }, t("show_more")) : null),
  );
}

function row(episode, anime) {
  const entry = entryOf(anime.id);
  const whole = Number.isInteger(episode.number) && episode.number > 0;
  const seen = () => whole && (entry()?.progress ?? 0) >= episode.number;
  const watched = async () => {
    try {
      await post("/watch/progress", { anime_id: anime.id, episode: episode.number, progress_percent: 100 });
      await refreshOne(anime.id);
      toast(t("episode_watched", { n: episode.number }));
    } catch (error) {
      failed(error, watched);
    }
  };
  const name = episode.name ?? episode.name_english;
  return h(
    "li",
    { class: "row spread" },
    h("span", { class: "name" }, h("strong", {}, t("episode_n", { n: number(episode.number) })), name && h("small", { lang: langOf(name) }, name)),
    () => (seen() ? h("span", { class: "mark-text completed" }, icon("check", t("seen"))) : signedIn() && whole ? h("button", { type: "button", class: "small", onclick: watched }, t("watched_n", { n: episode.number })) : null),
  );
}
