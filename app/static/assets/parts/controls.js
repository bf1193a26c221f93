// What an entry is changed with: status, progress, score. The same wherever a title is shown.
// `anime` is a title, or a function of one for rows that are used again.
import { icon } from "../icons.js";
import { STATUSES, add, change, entryOf, needMarks, step } from "../mine.js";
import { signedIn } from "../session.js";
import { effect, h, still } from "../view.js";
import { number, t, titleOf } from "../words.js";

const option = (value, text) => h("option", { value }, text);
const NONE = "";
const subjectOf = (anime) => (typeof anime === "function" ? anime : () => anime);

function entryFor(subject) {
  const entry = () => entryOf(subject().id)();
  entry.peek = () => still(entry);
  return entry;
}

/** The status of a title, or how to add it. */
export function statusSelect(anime, { compact = false } = {}) {
  const subject = subjectOf(anime);
  const entry = entryFor(subject);
  return h(
    "select",
    {
      class: () => `status ${entry()?.status ?? "none"}${compact ? " compact" : ""}`,
      "aria-label": () => t("status_of", { title: titleOf(subject()) }),
      disabled: () => entry() === undefined,
      value: () => entry()?.status ?? NONE,
      onchange: ({ target }) =>
        entry.peek() ? change(still(subject).id, { status: target.value }) : add(still(subject), { status: target.value }),
    },
    () => (entry() ? null : option(NONE, t("add_to_list"))),
    STATUSES.map((status) => option(status, t(`status.${status}`))),
  );
}

/** − 12 / 26 +, and the number itself can be typed. */
export function stepper(anime, { keys = true } = {}) {
  const subject = subjectOf(anime);
  const entry = entryFor(subject);
  const move = (by) => step(still(subject).id, by);
  const total = () => entry()?.max_progress ?? subject().episodes ?? null;
  const commit = ({ target }) => {
    const value = Math.trunc(Number(target.value));
    const shown = entry.peek();
    if (!shown) return;
    const most = still(total) ?? 100_000;
    const next = Number.isFinite(value) ? Math.max(0, Math.min(value, most)) : shown.progress;
    target.value = next;
    if (next !== shown.progress) change(still(subject).id, { progress: next });
  };
  const onkeydown = (event) => {
    if (event.key === "+" || event.key === "=") move(1);
    else if (event.key === "-") move(-1);
    else if (event.key === "Enter") commit(event);
    else return;
    event.preventDefault();
  };
  return h(
    "span",
    { class: "stepper", role: "group", "aria-label": () => t("progress_of", { title: titleOf(subject()) }) },
    h(
      "button",
      {
        type: "button",
        class: "icon",
        "aria-label": t("one_less"),
        disabled: () => !entry() || entry().progress <= 0,
        onclick: () => move(-1),
      },
      icon("minus"),
    ),
    h("input", {
      inputmode: "numeric",
      autocomplete: "off",
      "aria-label": t("episodes_seen"),
      value: () => String(entry()?.progress ?? 0),
      style: () => ({ "--digits": String(entry()?.progress ?? 0).length }),
      onchange: commit,
      onkeydown: keys ? onkeydown : () => {},
      onfocus: ({ target }) => target.select(),
    }),
    h("span", { class: "of" }, () => `/ ${total() === null ? "?" : number(total())}`),
    h(
      "button",
      {
        type: "button",
        class: "icon",
        "aria-label": t("one_more"),
        disabled: () => !entry() || (total() !== null && entry().progress >= total()),
        onclick: () => move(1),
      },
      icon("plus"),
    ),
  );
}

const SCORES = Array.from({ length: 20 }, (_, index) => (20 - index) / 2);

/** A score in halves; one with other decimals, as from an import, is kept and shown. */
export function scoreSelect(anime) {
  const subject = subjectOf(anime);
  const entry = entryFor(subject);
  return h(
    "select",
    {
      class: "score",
      "aria-label": () => t("score_of", { title: titleOf(subject()) }),
      disabled: () => !entry(),
      value: () => (entry()?.score ? String(entry().score) : ""),
      onchange: ({ target }) => change(still(subject).id, { score: target.value ? Number(target.value) : null }),
    },
    option("", "★ –"),
    () => {
      const odd = entry()?.score;
      return odd && !SCORES.includes(odd) ? option(String(odd), `★ ${number(odd)}`) : null;
    },
    SCORES.map((score) => option(String(score), `★ ${number(score)}`)),
  );
}

/** How far one is, as a line. */
export function meter(entry, episodes = null) {
  const share = () => {
    const { progress = 0, max_progress: own } = entry() ?? {};
    const total = own ?? episodes;
    return total ? Math.min(1, progress / total) : progress ? 0.5 : 0;
  };
  return h("span", { class: "meter", "aria-hidden": "true", style: () => ({ "--share": share().toFixed(3) }) });
}

/** On a card: what it is on the list, or a button that plans it. */
export function quickAdd(anime) {
  const entry = entryOf(anime.id);
  effect(() => {
    if (signedIn() && entry() === undefined) needMarks([anime.id]);
  });
  return () => {
    if (!signedIn()) return null;
    if (entry() === undefined) return null;
    if (entry()) {
      const { status, progress } = entry();
      const total = entry().max_progress ?? anime.episodes;
      return h(
        "span",
        { class: `mark ${status}` },
        h("span", {}, t(`status.${status}`)),
        status === "plan_to_watch" ? null : h("span", { class: "figures" }, `${progress}/${total ?? "?"}`),
      );
    }
    return h(
      "button",
      {
        type: "button",
        class: "quick icon",
        "aria-label": t("plan_title", { title: titleOf(anime) }),
        onclick: () => add(anime),
      },
      icon("plus"),
    );
  };
}
