// What to watch next, each with its reason; what is not wanted goes and does not come back.
import { get, post, remove } from "../api.js";
import { icon } from "../icons.js";
import { CARD_FIELDS, card, skeletons } from "../parts/card.js";
import { empty, signInFirst, trouble } from "../parts/pieces.js";
import { hidesAdult } from "../search.js";
import { signedIn } from "../session.js";
import { heading } from "../shell.js";
import { failed, toast } from "../toasts.js";
import { each, effect, h, signal, still } from "../view.js";
import { t, titleOf } from "../words.js";

const PARTS = ["continue", "discover"];

export function view() {
  heading.set(t("nav.recommended"));
  return h("div", { class: "stack" }, h("div", { class: "heading" }, h("h1", {}, t("nav.recommended"))), () =>
    signedIn() ? still(parts) : signInFirst(t("recommended_for")),
  );
}

function parts() {
  const diversity = signal(0);
  return [
    h(
      "label",
      { class: "picker diversity" },
      h("span", {}, t("diversity")),
      h("input", { type: "range", min: "0", max: "1", step: "0.25", value: "0", onchange: ({ target }) => diversity.set(Number(target.value)) }),
    ),
    PARTS.map((mode) => part(mode, diversity)),
  ];
}

function part(mode, diversity) {
  const found = signal(null);
  const fault = signal(null);
  const limit = mode === "continue" ? 12 : 36;
  let turn = 0;

  async function load() {
    const mine = ++turn;
    try {
      const { value } = await get("/users/me/recommendations", { mode, limit, diversity: diversity.peek() || null, sfw: hidesAdult(), fields: CARD_FIELDS });
      if (mine !== turn) return;
      found.set(value);
      fault.set(null);
    } catch (error) {
      fault.set(error);
    }
  }
  effect(() => {
    diversity();
    still(load);
  });

  async function ignore(anime) {
    const before = found.peek();
    found.set(before.filter((one) => one.id !== anime.id));
    try {
      await post(`/users/me/recommendations/ignored/${anime.id}`);
      toast(t("ignored", { title: titleOf(anime) }), { action: { label: t("undo"), run: () => restore(anime, before) } });
    } catch (error) {
      found.set(before);
      failed(error, () => ignore(anime));
    }
  }

  async function restore(anime, before) {
    try {
      await remove(`/users/me/recommendations/ignored/${anime.id}`);
      found.set(before);
    } catch (error) {
      failed(error, () => restore(anime, before));
    }
  }

  const id = `part-${mode}`;
  return () => {
    if (found()?.length === 0 && mode === "continue") return null;
    return still(() =>
      h(
        "section",
        { "aria-labelledby": id },
        h("h2", { id }, t(`recommend.${mode}`)),
        () => (fault() ? trouble(fault(), load) : null),
        () => (found() === null && !fault() ? h("div", { class: "grid", "aria-busy": "true" }, skeletons(6)) : null),
        () => (found()?.length === 0 ? empty("spark", t("recommended_empty"), t("recommended_empty_text"), h("a", { class: "button primary", href: "/" }, t("nav.discover"))) : null),
        h("div", { class: "grid" }, each(() => found() ?? [], (one) => one.id, (one) =>
          card(one.peek(), {
            extra: [
              h("span", {}, why(one.peek())),
              h("button", { type: "button", class: "link", "aria-label": t("not_interested_in", { title: titleOf(one.peek()) }), onclick: () => ignore(one.peek()) }, icon("close"), t("not_interested")),
            ],
          }),
        )),
      ),
    );
  };
}

/** The reason in the language of the page, from what the server says it comes from. */
function why({ because, reason }) {
  if (!because?.length) return document.documentElement.lang === "en" ? reason : t("because_loved");
  return [
    t("because"),
    " ",
    because.map((one, index) => [index ? `, ` : "", h("a", { href: `/title/${one.id}` }, one.title)]),
  ];
}
