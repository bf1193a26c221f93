// One's list in figures: every chart is a table or has its words beside it.
import { get } from "../api.js";
import { STATUSES } from "../mine.js";
import { empty, lines, signInFirst, trouble } from "../parts/pieces.js";
import { signedIn } from "../session.js";
import { heading } from "../shell.js";
import { h, signal, still, svg } from "../view.js";
import { day, minutes, number, t, typeName } from "../words.js";

export function view() {
  heading.set(t("nav.statistics"));
  return h("div", { class: "statistics" }, h("div", { class: "heading" }, h("h1", {}, t("nav.statistics"))), () =>
    signedIn() ? still(charts) : signInFirst(t("statistics_for")),
  );
}

function charts() {
  const stats = signal(null);
  const fault = signal(null);
  const load = async () => {
    fault.set(null);
    try {
      stats.set((await get("/users/me/stats")).value);
    } catch (error) {
      fault.set(error);
    }
  };
  load();
  return () => {
    if (fault()) return trouble(fault(), load);
    const found = stats();
    if (!found) return lines(8);
    if (!found.total) return empty("chart", t("library_empty"), t("statistics_empty"), h("a", { class: "button primary", href: "/" }, t("nav.discover")));
    return [
      totals(found),
      h(
        "div",
        { class: "charts" },
        chart(t("by_status"), bars(STATUSES.map((status) => ({ name: t(`status.${status}`), count: found.by_status[status], tone: status, href: `/library?status=${status}` })))),
        chart(t("by_score"), columns(scores(found.scores), t("score"))),
        chart(t("by_year"), columns(years(found.years), t("year")), "full"),
        chart(t("by_genre"), bars(found.genres.slice(0, 16).map(({ name, count, mean_score: mean }) => ({ name, count, mean, href: `/?genre=${encodeURIComponent(name)}` })))),
        chart(t("by_format"), bars(found.formats.map(({ format, count, mean_score: mean }) => ({ name: format ? typeName(format) : t("unknown"), count, mean })))),
        chart(t("by_day"), days(found.activity), "full"),
      ),
    ];
  };
}

function totals(found) {
  const figure = (value, text, hint) => h("div", { class: "figure" }, h("dt", {}, text), h("dd", {}, value), hint && h("dd", { class: "note" }, hint));
  const unknown = found.episodes_of_unknown_length;
  return h(
    "dl",
    { class: "totals" },
    figure(number(found.total), t("titles_total")),
    figure(number(found.episodes), t("episodes_total")),
    figure(minutes(found.minutes), t("time_total"), unknown ? t("without_length", { n: unknown }) : null),
    figure(found.mean_score === null ? "–" : number(found.mean_score), t("mean_score")),
  );
}

let chartNumber = 0;

function chart(name, content, className = "") {
  const id = `chart-${++chartNumber}`;
  return h("section", { class: `panel ${className}`, "aria-labelledby": id }, h("h2", { id }, name), content);
}

/** Lying bars, as rows of a table. */
function bars(rows) {
  const most = Math.max(1, ...rows.map(({ count }) => count));
  const rated = rows.some(({ mean }) => mean);
  return h(
    "table",
    { class: "bars" },
    h("thead", { class: "hidden" }, h("tr", {}, h("th", { scope: "col" }, t("name")), h("th", { scope: "col" }, t("number")), rated && h("th", { scope: "col" }, t("mean_score")))),
    h(
      "tbody",
      {},
      rows.map(({ name, count, mean, tone = "", href }) =>
        h(
          "tr",
          { class: tone },
          h("th", { scope: "row" }, href ? h("a", { href }, name) : name),
          h("td", {}, h("span", { class: "bar-of", style: { "--share": (count / most).toFixed(3) } }), h("span", { class: "figures" }, number(count))),
          rated && h("td", { class: "figures mean" }, mean ? `★ ${number(mean)}` : ""),
        ),
      ),
    ),
  );
}

/** Standing bars, as a list. */
function columns(rows, what) {
  const most = Math.max(1, ...rows.map(({ count }) => count));
  return h(
    "ol",
    { class: "columns-chart", tabindex: "0", "aria-label": what },
    rows.map(({ name, count, mean, label }) =>
      h(
        "li",
        { title: mean ? `${name}: ${number(count)}, ★ ${number(mean)}` : `${name}: ${number(count)}` },
        h("span", { class: "figures" }, count ? number(count) : h("span", { class: "hidden" }, "0")),
        h("span", { class: "column", style: { "--share": (count / most).toFixed(3) } }),
        h("span", { class: label === false ? "hidden" : "label" }, name),
      ),
    ),
  );
}

/** Whole scores of 1 to 10; halves and tenths go to the one below. */
function scores(found) {
  const counts = Array.from({ length: 10 }, (_, index) => ({ name: String(index + 1), count: 0 }));
  for (const { score, count } of found) counts[Math.max(1, Math.min(10, Math.floor(score))) - 1].count += count;
  return counts;
}

/** Every year from the first to the last, the empty ones too. */
function years(found) {
  if (!found.length) return [];
  const by = new Map(found.map((one) => [one.year, one]));
  const all = [...by.keys()].sort((a, b) => a - b);
  const [first, last] = [Math.max(all[0], all.at(-1) - 59), all.at(-1)];
  const step = last - first > 24 ? 5 : 1;
  return Array.from({ length: last - first + 1 }, (_, index) => {
    const year = first + index;
    return { name: String(year), count: by.get(year)?.count ?? 0, mean: by.get(year)?.mean_score, label: year % step === 0 };
  });
}

const WEEKS = 53;
const DAY = 86_400_000;

/** A year of days, a column a week: the fuller, the more episodes. */
function days(activity) {
  if (!activity.length) return h("p", { class: "hint" }, t("no_activity"));
  const by = new Map(activity.map((one) => [one.date, one.episodes]));
  const today = new Date(`${new Date().toISOString().slice(0, 10)}T00:00:00Z`).getTime();
  const start = today - (WEEKS - 1) * 7 * DAY - ((new Date(today).getUTCDay() + 6) % 7) * DAY;
  const cells = [];
  let [sum, active] = [0, 0];
  for (let at = start; at <= today; at += DAY) {
    const date = new Date(at).toISOString().slice(0, 10);
    const episodes = by.get(date) ?? 0;
    sum += episodes;
    active += episodes > 0;
    const index = Math.round((at - start) / DAY);
    cells.push(
      svg(
        "rect",
        { x: Math.floor(index / 7) * 13, y: (index % 7) * 13, width: 11, height: 11, rx: 2.5, class: `level-${Math.min(4, Math.ceil(episodes / 3))}` },
        episodes ? svg("title", {}, t("on_day", { n: episodes, day: day(date) })) : null,
      ),
    );
  }
  const words = t("days_summary", { n: sum, days: active });
  return h(
    "div",
    { class: "days" },
    h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": t("by_day") }, svg("svg", { viewBox: `0 0 ${WEEKS * 13} 91`, role: "img", "aria-label": words }, cells)),
    h("p", { class: "hint" }, words),
  );
}
