// A title in a grid, and the grid while it is loading.
import { h } from "../view.js";
import { langOf, number, t, titleOf, typeName } from "../words.js";
import { quickAdd } from "./controls.js";
import { cover } from "./cover.js";

/** What a card needs of a title. */
export const CARD_FIELDS =
  "id,title,title_english,title_russian,title_japanese,image_url,type,year,season,score,episodes,status,genres";

/** `extra` stands below the facts, for a reason or a role. */
export function card(anime, { eager = false, extra = null, heading = "h3" } = {}) {
  const facts = [anime.type && typeName(anime.type), anime.year].filter(Boolean).join(" · ");
  const length = anime.episodes && t("episodes_short", { n: anime.episodes });
  return h(
    "article",
    { class: "card" },
    h(
      "a",
      { href: `/title/${anime.id}`, class: "whole" },
      cover(anime, { eager }),
      h(heading, { lang: () => langOf(titleOf(anime)) }, () => titleOf(anime)),
    ),
    h(
      "p",
      { class: "facts" },
      h("span", {}, facts, length && h("span", { class: "eps" }, facts && " · ", length)),
      anime.score && h("span", { class: "rated" }, h("span", { "aria-hidden": "true" }, "★ "), h("span", { class: "hidden" }, t("score")), number(anime.score)),
    ),
    extra && h("p", { class: "reason" }, extra),
    quickAdd(anime),
  );
}

export const skeletons = (count) =>
  Array.from({ length: count }, () =>
    h("div", { class: "card skeleton", "aria-hidden": "true" }, h("span", { class: "cover" }), h("span", { class: "line" }), h("span", { class: "line short" })),
  );
