// Discover: the catalogue with its filters, seasons, and what a search finds.
import { get } from "../api.js";
import { icon } from "../icons.js";
import { card, CARD_FIELDS, skeletons } from "../parts/card.js";
import { empty, trouble } from "../parts/pieces.js";
import { goQuery, route } from "../router.js";
import { hidesAdult } from "../search.js";
import { heading } from "../shell.js";
import { breathe, computed, each, effect, h, onGone, signal, still } from "../view.js";
import { loadRareWords, number, t, typeName } from "../words.js";

const PAGE = 48;
const SLICE = 8; // cards that are made in one task
const AHEAD = 900; // px below the window that are loaded before one scrolls there
const EAGER = 8; // covers that are not waited for
const SEASONS = ["winter", "spring", "summer", "fall"];
const TYPES = ["TV", "Movie", "OVA", "ONA", "Special", "TV Special", "Music"];
const STATUSES = ["airing", "finished", "upcoming"];
const SORTS = ["-score", "popularity", "-year", "year", "title", "-updated"];
const FILTERS = ["genre", "type", "status", "year_from", "year_to", "min_score", "season", "year"];

const now = () => ({ year: new Date().getFullYear(), season: SEASONS[Math.floor(new Date().getMonth() / 3)] });

/** The season `by` seasons away. */
function seasonFrom({ year, season }, by) {
  const index = year * 4 + SEASONS.indexOf(season) + by;
  return { year: Math.floor(index / 4), season: SEASONS[index % 4] };
}

export function view() {
  heading.set(t("nav.discover"));
  const query = computed(() => (route()?.name === "discover" ? route().query : query.peek()));
  const titles = signal([]);
  const total = signal(null);
  const state = signal("loading"); // loading, more, ready, failed
  const fault = signal(null);
  const genres = signal([]);
  let flight = null;
  let asked = null;
  let settle;
  const ready = new Promise((done) => (settle = done));

  const isEmpty = computed(() => total() === 0 && !query().toString());

  const wanted = () => {
    const given = query();
    const filters = { fields: CARD_FIELDS, limit: PAGE, sfw: hidesAdult() };
    for (const name of FILTERS) filters[name] = name === "genre" ? given.getAll(name) : given.get(name);
    const q = given.get("q");
    if (q?.length > 1) filters.search = q;
    if (given.get("sort")) filters.sort = given.get("sort");
    else if (!filters.search) filters.sort = filters.season ? "popularity" : "-score";
    return filters;
  };

  async function load(offset) {
    flight?.abort();
    const mine = (flight = new AbortController()).signal;
    state.set(offset ? "more" : "loading");
    try {
      const answer = await get("/anime", { ...asked, offset: offset || null }, { signed: false, signal: mine });
      total.set(answer.total);
      await show(offset ? titles.peek() : [], answer.value, mine);
      if (mine.aborted) return;
      state.set("ready");
      requestAnimationFrame(loadNear);
      history.replaceState({ ...history.state, shown: titles.peek().length }, "");
    } catch (error) {
      if (error.name === "AbortError") return;
      fault.set(error);
      state.set("failed");
    }
    settle();
  }

  /** A row or two at a time, so that no task is long; a title that moved between pages is shown once. */
  async function show(before, found, stale) {
    const seen = new Set(before.map((one) => one.id));
    const fresh = found.filter((one) => !seen.has(one.id));
    if (!fresh.length) titles.set(before);
    for (let upTo = 0; upTo < fresh.length && !stale.aborted; upTo += SLICE) {
      titles.set([...before, ...fresh.slice(0, upTo + SLICE)]);
      await breathe();
    }
  }

  effect(() => {
    asked = wanted();
    const shown = history.state?.shown ?? 0;
    still(async () => {
      await load(0);
      while (titles.peek().length < Math.min(shown, 960) && state.peek() === "ready" && titles.peek().length < total.peek()) {
        await load(titles.peek().length);
      }
    });
  });
  get("/genres", {}, { signed: false }).then(({ value }) => genres.set(value), () => {});

  const more = h("button", { type: "button", class: "wide", onclick: () => load(titles.peek().length) }, t("show_more"));
  // An observer tells of a frame that may be long gone: where the button is now decides.
  const loadNear = () => {
    const near = more.isConnected && more.getBoundingClientRect().top < innerHeight + AHEAD;
    if (near && state.peek() === "ready") load(titles.peek().length);
  };
  const watch = new IntersectionObserver(loadNear, { rootMargin: `${AHEAD}px` });
  watch.observe(more);
  onGone(() => watch.disconnect());

  const node = h(
    "div",
    { class: "discover" },
    h("div", { class: "heading" }, h("h1", {}, () => (query().get("q") ? t("found_for", { q: query().get("q") }) : t("nav.discover"))), h("p", { class: "count", role: "status" }, () => (total() === null ? "" : t("titles_count", { n: total() })))),
    // A catalogue without titles has nothing to filter.
    () => (isEmpty() ? null : still(() => [seasonStrip(query), filterBar(query, genres)])),
    () => {
      if (state() === "failed") return trouble(fault(), () => load(0));
      if (state() === "loading" && !titles().length) return h("div", { class: "grid", "aria-busy": "true" }, skeletons(18));
      if (!titles().length) return still(() => nothing(query.peek(), () => load(0)));
      return null;
    },
    h("div", { class: () => `grid${state() === "loading" ? " stale" : ""}`, hidden: () => !titles().length || state() === "failed" },
      each(titles, (one) => one.id, (one) => card(one.peek(), { eager: titles.peek().indexOf(one.peek()) < EAGER, heading: "h2" })),
    ),
    () => (state() !== "failed" && titles().length && titles().length < (total() ?? 0) ? more : null),
  );
  return { node, ready };
}

function nothing(query, again) {
  if (!query.toString()) return firstStart(again);
  return empty(
    "search",
    t("no_titles"),
    query.get("q") ? t("no_titles_search") : t("no_titles_filters"),
    h("button", { type: "button", class: "primary", onclick: () => goQuery(Object.fromEntries([...FILTERS, "q", "sort"].map((name) => [name, null]))) }, t("clear_all")),
  );
}

/** A catalogue without titles: rare enough to come with its own module. */
function firstStart(filled) {
  const made = signal(null);
  Promise.all([import("../parts/first.js"), loadRareWords()]).then(([module]) => made.set(module.firstStart), () => null);
  return h("div", {}, () => (made() ? still(() => made.peek()(filled)) : null));
}

function seasonStrip(query) {
  const chosen = () => ({ year: Number(query().get("year")), season: query().get("season") });
  const center = () => (chosen().season && chosen().year ? chosen() : now());
  const select = (season) => goQuery({ season: season?.season, year: season?.year, sort: null });
  return h("div", { class: "seasons", role: "group", "aria-label": t("seasons") }, () => {
    const middle = center();
    const { season, year } = chosen();
    return [
      h("button", { type: "button", class: "chip", "aria-pressed": String(!season), onclick: () => select(null) }, t("all_time")),
      h("button", { type: "button", class: "icon ghost", "aria-label": t("season_before"), onclick: () => select(seasonFrom(middle, -1)) }, icon("left")),
      [-1, 0, 1].map((by) => {
        const one = seasonFrom(middle, by);
        return h(
          "button",
          { type: "button", class: `chip ${one.season}`, "aria-pressed": String(one.season === season && one.year === year), onclick: () => select(one) },
          t("season_year", { season: t(`season.${one.season}`), year: String(one.year) }),
        );
      }),
      h("button", { type: "button", class: "icon ghost", "aria-label": t("season_after"), onclick: () => select(seasonFrom(middle, 1)) }, icon("right")),
    ];
  });
}

function choice(label, name, query, options, fallback = "") {
  return h(
    "label",
    { class: "picker" },
    h("span", {}, label),
    h(
      "select",
      { value: () => query().get(name) ?? fallback, onchange: ({ target }) => goQuery({ [name]: target.value === fallback ? null : target.value }) },
      options.map(([value, text]) => h("option", { value }, text)),
    ),
  );
}

function yearField(label, name, query) {
  return h(
    "label",
    { class: "picker year" },
    h("span", {}, label),
    h("input", {
      inputmode: "numeric",
      maxlength: "4",
      placeholder: "—",
      value: () => query().get(name) ?? "",
      onchange: ({ target }) => {
        const year = /^(19|20)\d\d$/.test(target.value.trim()) ? target.value.trim() : null;
        if (!year) target.value = "";
        goQuery({ [name]: year });
      },
    }),
  );
}

function filterBar(query, genres) {
  const any = [["", t("any")]];
  const used = () => FILTERS.filter((name) => query().get(name)).length;
  return h(
    "details",
    { class: "filters", open: matchMedia("(min-width: 900px)").matches },
    h("summary", {}, icon("filter"), t("filters"), () => (used() ? h("span", { class: "badge" }, number(used())) : null)),
    h(
      "div",
      { class: "bar" },
      genrePicker(query, genres),
      choice(t("type"), "type", query, [...any, ...TYPES.map((type) => [type, typeName(type)])]),
      choice(t("state"), "status", query, [...any, ...STATUSES.map((status) => [status, t(`airing.${status}`)])]),
      yearField(t("year_from"), "year_from", query),
      yearField(t("year_to"), "year_to", query),
      choice(t("min_score"), "min_score", query, [...any, ...[9, 8, 7, 6, 5].map((score) => [String(score), `${score}+`])]),
      choice(t("sort"), "sort", query, SORTS.map((sort) => [sort, t(`sort.${sort}`)]), "-score"),
    ),
    () => {
      const chosen = query().getAll("genre");
      if (!used()) return null;
      return h(
        "p",
        { class: "chosen" },
        chosen.map((genre) =>
          h("button", { type: "button", class: "chip", "aria-label": t("without", { name: genre }), onclick: () => goQuery({ genre: chosen.filter((one) => one !== genre) }) }, genre, icon("close")),
        ),
        h("button", { type: "button", class: "link", onclick: () => goQuery(Object.fromEntries(FILTERS.map((name) => [name, null]))) }, t("clear_all")),
      );
    },
  );
}

/** One more genre each time; all of them must hold. */
function genrePicker(query, genres) {
  const groups = ["genre", "theme", "demographic"];
  return h(
    "label",
    { class: "picker" },
    h("span", {}, t("genre")),
    () => {
      const chosen = query().getAll("genre");
      const select = h(
        "select",
        { onchange: ({ target }) => target.value && goQuery({ genre: [...chosen, target.value] }) },
        h("option", { value: "" }, chosen.length ? t("and_genre") : t("any")),
        groups.map((kind) =>
          h(
            "optgroup",
            { label: t(`kind.${kind}`) },
            genres()
              .filter((genre) => genre.kind === kind && genre.count && !chosen.includes(genre.name))
              .map((genre) => h("option", { value: genre.name }, `${genre.name} (${number(genre.count)})`)),
          ),
        ),
      );
      return select;
    },
  );
}
