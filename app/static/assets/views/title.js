// One title: what is known of it, and one's own entry, edited in place.
import { ApiError, get, post, remove } from "../api.js";
import { icon } from "../icons.js";
import { entryOf, needMarks, refreshOne } from "../mine.js";
import { meter, scoreSelect, statusSelect, stepper } from "../parts/controls.js";
import { cover } from "../parts/cover.js";
import { entryForm } from "../parts/entry_form.js";
import { empty, lines, trouble } from "../parts/pieces.js";
import { signedIn } from "../session.js";
import { heading } from "../shell.js";
import { failed } from "../toasts.js";
import { computed, effect, h, signal, still } from "../view.js";
import { langOf, loadRareWords, number, partialDate, t, titleOf, typeName } from "../words.js";

export function view({ params }) {
  const anime = signal(null);
  const fault = signal(null);
  const id = Number(params.id);
  let settle;
  const ready = new Promise((done) => (settle = done));

  async function load() {
    fault.set(null);
    try {
      anime.set((await get(`/anime/${id}`, {}, { signed: false })).value);
    } catch (error) {
      fault.set(error);
    }
    settle();
  }
  load();
  effect(() => heading.set(anime() ? titleOf(anime()) : ""));

  const node = h("div", { class: "title-page" }, () => {
    if (fault()) {
      if (fault() instanceof ApiError && [404, 422].includes(fault().status)) {
        return [h("h1", { class: "hidden" }, t("no_title")), empty("search", t("no_title"), t("no_title_text"), h("a", { class: "button primary", href: "/" }, t("nav.discover")))];
      }
      return trouble(fault(), load);
    }
    return anime() ? still(() => whole(anime.peek())) : h("div", { class: "hero", "aria-busy": "true" }, h("span", { class: "cover skeleton" }), lines(6));
  });
  return { node, ready };
}

function whole(anime) {
  return [
    h(
      "div",
      { class: "hero" },
      h("div", { class: "side" }, cover(anime, { eager: true }), favorite(anime), () => (signedIn() ? h("button", { type: "button", onclick: () => gather(anime) }, icon("book"), t("nav.collections")) : null)),
      h(
        "div",
        { class: "story" },
        h("h1", { lang: () => langOf(titleOf(anime)) }, () => titleOf(anime)),
        h("p", { class: "others" }, () =>
          [...new Set([anime.title, anime.title_english, anime.title_russian, anime.title_japanese])]
            .filter((name) => name && name !== titleOf(anime))
            .map((name) => h("span", { lang: langOf(name) }, name)),
        ),
        figures(anime),
        () => (signedIn() ? ownEntry(anime) : h("p", { class: "own" }, h("a", { class: "button primary", href: `/sign-in?to=/title/${anime.id}` }, icon("plus"), t("sign_in_to_add")))),
        anime.synopsis && synopsis(anime.synopsis),
        tags(anime),
      ),
    ),
    facts(anime),
    belonging(anime),
  ];
}

/** What is below the fold comes with its own module. */
function belonging(anime) {
  const made = signal(null);
  Promise.all([import("../parts/franchise.js"), loadRareWords()]).then(
    ([{ franchise }]) => made.set(franchise),
    () => null, // the title stands without it
  );
  return h("div", {}, () => (made() ? still(() => made.peek()(anime)) : null));
}

async function gather(anime) {
  try {
    const [{ collect }] = await Promise.all([import("./collections.js"), loadRareWords()]);
    collect(anime);
  } catch (error) {
    failed(error, () => gather(anime));
  }
}

function figures(anime) {
  const parts = [
    anime.score && h("span", { class: "big" }, h("span", { "aria-hidden": "true" }, "★ "), number(anime.score), anime.scored_by && h("small", {}, t("votes", { n: anime.scored_by }))),
    anime.rank && h("span", {}, t("rank", { n: anime.rank })),
    anime.type && h("span", {}, typeName(anime.type)),
    anime.episodes && h("span", {}, t("episodes", { n: anime.episodes })),
    anime.status && h("span", { class: `air ${anime.status}` }, t(`airing.${anime.status}`)),
    anime.year &&
      h(
        "a",
        { href: anime.season ? `/?season=${anime.season}&year=${anime.year}` : `/?year=${anime.year}` },
        anime.season ? t("season_year", { season: t(`season.${anime.season}`), year: String(anime.year) }) : String(anime.year),
      ),
  ];
  return h("p", { class: "figures" }, parts.filter(Boolean));
}

function synopsis(text) {
  const open = signal(text.length < 420);
  return h(
    "div",
    { class: "synopsis", lang: langOf(text) },
    h("div", { class: () => (open() ? "" : "cut") }, text.split(/\n+/).map((part) => h("p", {}, part))),
    () => (open() ? null : h("button", { type: "button", class: "link", lang: document.documentElement.lang, onclick: () => open.set(true) }, t("read_on"))),
  );
}

function tags(anime) {
  const all = [...anime.genres, ...anime.themes, ...anime.demographics];
  if (!all.length) return null;
  return h("p", { class: "tags" }, all.map(({ name }) => h("a", { class: "chip", href: `/?genre=${encodeURIComponent(name)}` }, name)));
}

function facts(anime) {
  const aired = [partialDate(anime.aired_from), partialDate(anime.aired_to)].filter(Boolean);
  const rows = [
    [t("aired"), [...new Set(aired)].join(" – ")],
    [t("length"), anime.duration_minutes && t("minutes", { n: Math.round(anime.duration_minutes) })],
    [t("studios"), anime.studios.map(({ name }) => name).join(", ")],
    [t("from_source"), anime.source],
    [t("rating"), anime.rating],
    [t("broadcast"), anime.broadcast?.string ?? [anime.broadcast?.day, anime.broadcast?.time].filter(Boolean).join(" ")],
    [t("synonyms"), anime.synonyms.slice(0, 12).join(" · ")],
  ].filter(([, value]) => value);
  const links = [
    anime.mal_id && ["MyAnimeList", `https://myanimelist.net/anime/${anime.mal_id}`],
    anime.anilist_id && ["AniList", `https://anilist.co/anime/${anime.anilist_id}`],
    anime.trailer_url && [t("trailer"), anime.trailer_url],
  ].filter(Boolean);
  return h(
    "section",
    { class: "panel", "aria-labelledby": "facts" },
    h("h2", { id: "facts" }, t("facts")),
    h("dl", { class: "facts-list" }, rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
    h("p", { class: "actions" }, links.map(([name, href]) => h("a", { class: "button small", href, target: "_blank", rel: "noopener noreferrer" }, icon("link"), name))),
  );
}

/** A heart; what is a favourite is asked for once. */
let favorites = null;

async function favoriteIds() {
  const ids = new Set();
  for (let offset = 0; ; offset += 100) {
    const { value, total } = await get("/favorites", { limit: 100, offset: offset || null });
    for (const one of value) ids.add(one.anime_id);
    if (offset + 100 >= total) return ids;
  }
}

function favorite(anime) {
  const on = signal(undefined);
  effect(() => {
    if (!signedIn()) {
      favorites = null;
      on.set(undefined);
      return;
    }
    favorites ??= favoriteIds();
    favorites.then((ids) => on.set(ids.has(anime.id)), () => (favorites = null));
  });
  const toggle = async () => {
    const before = on.peek();
    on.set(!before);
    try {
      if (before) await remove(`/favorites/${anime.id}`);
      else await post("/favorites", { anime_id: anime.id });
      (await favorites)[before ? "delete" : "add"](anime.id);
    } catch (error) {
      if (error instanceof ApiError && error.status === 409) return;
      on.set(before);
      failed(error, toggle);
    }
  };
  return () =>
    on() === undefined
      ? null
      : h("button", { type: "button", class: `favorite${on() ? " on" : ""}`, "aria-pressed": String(on()), onclick: toggle }, icon("heart"), t("favorite"));
}

function ownEntry(anime) {
  const entry = entryOf(anime.id);
  const open = signal(false);
  // Made once, and not again with every change: who presses + keeps the focus on it.
  const here = computed(() => Boolean(entry()));
  const whole = computed(() => Boolean(entry()) && !entry().partial);
  effect(() => {
    if (entry() === undefined) needMarks([anime.id]);
    else if (entry()?.partial) still(() => refreshOne(anime.id));
  });
  return h(
    "section",
    { class: () => `own ${entry()?.status ?? ""}`, "aria-label": t("on_your_list") },
    h("div", { class: "row" }, statusSelect(anime), () =>
      here() ? still(() => [stepper(anime), scoreSelect(anime), h("button", { type: "button", class: "ghost", "aria-expanded": () => String(open()), onclick: () => open.set(!open.peek()) }, icon("pen"), t("details"))]) : null,
    ),
    () => (here() ? still(() => meter(entry, anime.episodes)) : null),
    () => (whole() && open() ? still(() => entryForm(anime, entry, open)) : null),
  );
}
