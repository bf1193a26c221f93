// What belongs to a title: the order to watch its franchise in, with one's own progress, and its other relations.
import { get } from "../api.js";
import { icon } from "../icons.js";
import { entryOf } from "../mine.js";
import { hidesAdult } from "../search.js";
import { signedIn } from "../session.js";
import { h, signal, still } from "../view.js";
import { langOf, t, titleOf } from "../words.js";
import { card } from "./card.js";
import { cover } from "./cover.js";
import { choices } from "./pieces.js";
import { releases } from "./releases.js";

const OPTIONAL = ["recap", "special", "alternative", "spin_off"];
const SHOWN = 60;

/** Sections that come when they are there; a title without any relation has none. */
export function franchise(anime) {
  return h("div", { class: "stack" }, releases(anime), watchOrder(anime), relations(anime), similar(anime));
}

function watchOrder(anime) {
  const order = signal(null);
  const sort = signal("release");
  const whole = signal(false);
  let turn = 0;
  async function load() {
    const mine = ++turn;
    try {
      const query = { order: sort.peek(), include: whole.peek() ? OPTIONAL.join(",") : null };
      const { value } = await get(`/anime/${anime.id}/watch-order`, query);
      if (mine === turn) order.set(value);
    } catch {
      // The title stands without it; the banner tells when the server is away.
    }
  }
  load();
  const again = (what, value) => (what.set(value), load());
  return () => {
    const found = order();
    if (!found || (found.franchise.size < 2 && !found.alternatives.length)) return null;
    return still(() =>
      h(
        "section",
        { class: "panel", "aria-labelledby": "watch-order" },
        h("h2", { id: "watch-order" }, t("watch_order")),
        h(
          "div",
          { class: "row" },
          choices(t("watch_order"), [["release", t("order.release")], ["story", t("order.story")]], sort, (one) => again(sort, one)),
          h("label", { class: "tick" }, h("input", { type: "checkbox", checked: whole, onchange: ({ target }) => again(whole, target.checked) }), t("with_optional")),
        ),
        signedIn() && found.next && found.next.anime.id !== anime.id ? h("p", {}, t("next_up"), " ", h("a", { href: `/title/${found.next.anime.id}` }, () => titleOf(found.next.anime))) : null,
        steps(found.items, anime),
        found.alternatives.map((one) => h("details", {}, h("summary", {}, t("alternative", { title: one.title })), steps(one.items, anime))),
        found.related.length ? h("p", { class: "row" }, h("span", {}, t("related_parts")), found.related.map((one) => h("a", { class: "chip", href: `/title/${one.id}` }, one.title))) : null,
      ),
    );
  };
}

function steps(items, anime) {
  const all = signal(items.length <= SHOWN);
  return [
    h("ol", { class: "steps" }, () => (all() ? items : items.slice(0, SHOWN)).map((item) => step(item, anime))),
    () => (all() ? null : h("button", { type: "button", class: "wide", onclick: () => all.set(true) }, t("show_more"))),
  ];
}

function step({ position, anime, role, optional, released_later: later, entry }, here) {
  const own = entryOf(anime.id);
  const mark = () => own() ?? (own() === undefined ? entry : null);
  return h(
    "li",
    { class: () => `step ${mark()?.status ?? ""}${anime.id === here.id ? " here" : ""}`, "aria-current": anime.id === here.id ? "true" : null },
    h("span", { class: "position" }, position),
    cover(anime),
    h(
      "span",
      { class: "name" },
      h("a", { href: `/title/${anime.id}`, lang: () => langOf(titleOf(anime)) }, () => titleOf(anime)),
      h("small", {}, [optional && t(`role.${role}`), anime.episodes && t("episodes", { n: anime.episodes }), later && t("released_later")].filter(Boolean).join(" · ")),
    ),
    () => (mark() ? h("span", { class: `mark-text ${mark().status}` }, mark().status === "completed" ? icon("check", t("status.completed")) : `${mark().progress}/${anime.episodes ?? "?"}`) : null),
  );
}

const KINDS = ["sequel", "prequel", "parent_story", "full_story", "side_story", "summary", "spin_off", "alternative_version", "alternative_setting", "adaptation", "character", "other"];

function relations(anime) {
  const found = signal([]);
  get(`/anime/${anime.id}/relations`, {}, { signed: false }).then(({ value }) => found.set(value), () => null);
  return () => {
    if (!found().length) return null;
    const kinds = KINDS.filter((kind) => found().some(({ type }) => type === kind));
    return h(
      "section",
      { class: "panel", "aria-labelledby": "relations" },
      h("h2", { id: "relations" }, t("relations")),
      h(
        "dl",
        { class: "facts-list" },
        kinds.map((kind) =>
          h(
            "div",
            {},
            h("dt", {}, t(`relation.${kind}`)),
            found()
              .filter(({ type }) => type === kind)
              .map((one) => {
                const title = (one.anime && titleOf(one.anime)) || one.title || `#${one.mal_id}`;
                const source = `https://myanimelist.net/${one.media_type}/${one.mal_id}`;
                return h(
                  "dd",
                  {},
                  one.anime
                    ? h("a", { href: `/title/${one.anime.id}`, lang: langOf(title) }, title)
                    : h("a", { href: source, target: "_blank", rel: "noopener noreferrer", lang: langOf(title) }, title),
                  one.media_type === "manga" && h("small", {}, ` ${t("manga")}`),
                );
              }),
          ),
        ),
      ),
    );
  };
}

function similar(anime) {
  const found = signal([]);
  get(`/anime/${anime.id}/similar`, { limit: 12, sfw: hidesAdult() }, { signed: false }).then(({ value }) => found.set(value), () => null);
  return () =>
    found().length
      ? h("section", { "aria-labelledby": "similar" }, h("h2", { id: "similar" }, t("similar")), h("div", { class: "grid" }, still(() => found.peek().map((one) => card(one.anime)))))
      : null;
}
