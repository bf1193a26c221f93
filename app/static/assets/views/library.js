// My library: every entry, filtered and sorted here, so that five thousand answer at once.
import { icon } from "../icons.js";
import { STATUSES, addOwn, changes, drop, entryOf, everyEntry, isOwn, list, loadList, refreshOne, step } from "../mine.js";
import { meter, scoreSelect, statusSelect, stepper } from "../parts/controls.js";
import { cover } from "../parts/cover.js";
import { entryForm } from "../parts/entry_form.js";
import { choices, empty, field, openDialog, signInFirst, trouble } from "../parts/pieces.js";
import { sortInSlices, virtualList } from "../parts/virtual.js";
import { titleLanguage } from "../prefs.js";
import { goQuery, route } from "../router.js";
import { signedIn } from "../session.js";
import { heading } from "../shell.js";
import { explain } from "../toasts.js";
import { breathe, computed, debounce, effect, h, onGone, signal, still } from "../view.js";
import { compare, langOf, number, since, t, titleOf, typeName } from "../words.js";

const SORTS = ["updated", "title", "score", "progress", "added", "left"];
const narrow = matchMedia("(max-width: 699px)");

export function view() {
  heading.set(t("nav.library"));
  const node = h("div", { class: "library" }, () =>
    signedIn() ? still(library) : [h("h1", {}, t("nav.library")), signInFirst(t("library_for"))],
  );
  return { node, ready: signedIn() ? loadList() : null };
}

const byText = (text) => (a, b) => compare(text(a), text(b));
const byNumber = (value) => (a, b) => value(b) - value(a);
const nameOf = (entry) => titleOf(entry.anime);
const COMPARISONS = {
  updated: (a, b) => (a.updated_at < b.updated_at ? 1 : a.updated_at > b.updated_at ? -1 : 0),
  added: (a, b) => b.id - a.id,
  title: byText(nameOf),
  score: byNumber((entry) => entry.score ?? -1),
  progress: byNumber((entry) => entry.progress),
  left: (a, b) => left(a) - left(b),
};
const left = (entry) => (entry.max_progress ? entry.max_progress - entry.progress || 1e6 : 1e5);

function library() {
  loadList();
  const query = computed(() => (route()?.name === "library" ? route().query : query.peek()));
  const kind = () => (query().get("type") === "manga" ? "manga" : "anime");
  const status = () => query().get("status") ?? "";
  const sort = () => (SORTS.includes(query().get("sort")) ? query().get("sort") : "updated");
  const words = () => (query().get("q") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const shown = signal([]);
  const counts = signal({});
  const row = signal(narrow.matches ? 146 : 88);
  const measure = () => row.set(narrow.matches ? 146 : 88);
  narrow.addEventListener("change", measure);
  onGone(() => narrow.removeEventListener("change", measure));

  const names = (entry) => {
    const { title, title_english: english, title_russian: russian, title_japanese: japanese } = entry.anime;
    return (entry.searched ??= [title, english, russian, japanese, ...(entry.tags ?? [])].filter(Boolean).join(" ").toLowerCase());
  };

  let turn = 0;
  // What was edited stays where it is until the list is asked for in another way: rows do not jump away.
  const arrange = async (mine) => {
    const all = everyEntry();
    const sums = { "": 0, anime: 0, manga: 0 };
    const wanted = [];
    const [ofKind, ofStatus, with_] = [kind(), status(), words()];
    for (const entry of all) {
      sums[entry.kind] += 1;
      if (entry.kind !== ofKind) continue;
      sums[""] += 1;
      sums[entry.status] = (sums[entry.status] ?? 0) + 1;
      if (ofStatus && entry.status !== ofStatus) continue;
      if (with_.length && !with_.every((word) => names(entry).includes(word))) continue;
      wanted.push(entry);
    }
    counts.set(sums);
    const sorted = await sortInSlices(wanted, COMPARISONS[sort()], breathe, () => mine !== turn);
    if (sorted && mine === turn) shown.set(sorted.map((entry) => entry.anime.id));
  };
  let asked = "";
  const later = debounce(() => arrange(++turn), 120);
  effect(() => {
    changes();
    const key = `${query()} ${titleLanguage()} ${list().state}`;
    const same = key === asked && list().state === "whole";
    asked = key;
    still(() => (same ? keepOrder(shown, counts, kind(), status(), later) : arrange(++turn)));
  });

  const filter = debounce((q) => goQuery({ q }, { replace: true }), 150);
  const rows = virtualList(shown, row, (key, place) => entryRow(key, place, (index) => rows.focusRow(index)), t("nav.library"));

  return [
    h("div", { class: "heading" }, h("h1", {}, t("nav.library")), h("button", { type: "button", onclick: ownTitle }, icon("plus"), t("own_title"))),
    h(
      "div",
      { class: "bar library-bar" },
      choices(t("kind"), [["anime", t("anime")], ["manga", t("manga")]], kind, (one) => goQuery({ type: one === "anime" ? null : one, status: null })),
      h(
        "label",
        { class: "picker grow" },
        h("span", {}, t("filter")),
        h("input", { type: "search", value: query.peek().get("q") ?? "", placeholder: t("filter_hint"), oninput: ({ target }) => filter(target.value.trim()) }),
      ),
      h(
        "label",
        { class: "picker" },
        h("span", {}, t("sort")),
        h("select", { value: sort, onchange: ({ target }) => goQuery({ sort: target.value === "updated" ? null : target.value }) }, SORTS.map((name) => h("option", { value: name }, t(`order.${name}`)))),
      ),
    ),
    h(
      "div",
      { class: "tabs", role: "group", "aria-label": t("status") },
      ["", ...STATUSES].map((name) =>
        h(
          "button",
          { type: "button", class: `chip ${name}`, "aria-pressed": () => String(status() === name), onclick: () => goQuery({ status: name || null }) },
          name ? t(`status.${name}`) : t("all"),
          h("span", { class: "badge" }, () => number(counts()[name] ?? 0)),
        ),
      ),
    ),
    h("p", { class: "count", role: "status" }, () => (list().state === "whole" ? t("entries_count", { n: shown().length }) : list().state === "loading" ? t("loading_list", { n: list().total }) : "")),
    () => (list().state === "failed" ? trouble(list().error, loadList) : null),
    () => {
      if (shown().length) return null;
      if (list().state === "loading") return h("div", { class: "lines", "aria-hidden": "true" }, Array.from({ length: 8 }, () => h("span", { class: "row-skeleton skeleton" })));
      if (list().state !== "whole") return null;
      if (!counts()[""]) return empty("shelf", t("library_empty"), t("library_empty_text"), h("a", { class: "button primary", href: "/" }, t("nav.discover")));
      return empty("filter", t("no_entries"), t("no_entries_text"), h("button", { type: "button", onclick: () => goQuery({ q: null, status: null }) }, t("clear_all")));
    },
    rows,
    h("p", { class: "hint keys" }, t("library_keys")),
  ];
}

/** After an edit: counts anew, rows as they are; what came or went changes the list. */
function keepOrder(shown, counts, kind, status, again) {
  const sums = { "": 0, anime: 0, manga: 0 };
  let members = 0;
  for (const entry of everyEntry()) {
    sums[entry.kind] += 1;
    if (entry.kind !== kind) continue;
    sums[""] += 1;
    sums[entry.status] = (sums[entry.status] ?? 0) + 1;
    members += 1;
  }
  const here = shown.peek().filter((key) => entryOf(key).peek());
  const before = counts.peek()[""];
  counts.set(sums);
  if (here.length !== shown.peek().length) shown.set(here);
  else if (before !== members) again();
}

function entryRow(key, place, focusRow) {
  const entry = () => entryOf(key())();
  entry.peek = () => still(entry);
  const anime = () => entry()?.anime ?? { id: key(), title: "" };
  const picture = computed(() => anime().image_url);
  const scored = computed(() => entry()?.score !== undefined);
  const onkeydown = (event) => {
    const id = still(key);
    if (event.target.matches("input,select")) return;
    if (event.key === "ArrowDown") focusRow(place.peek() + 1);
    else if (event.key === "ArrowUp") focusRow(place.peek() - 1);
    else if (event.key === "+" || event.key === "=") step(id, 1);
    else if (event.key === "-") step(id, -1);
    else if (event.key === "e" || event.key === "у") edit(id);
    else if (event.key === "Delete") drop(id);
    else return;
    event.preventDefault();
  };
  return h(
    "div",
    { class: () => `entry ${entry()?.status ?? ""}`, onkeydown },
    () => (key(), picture(), cover(still(anime))),
    h(
      "div",
      { class: "name" },
      // Made anew for another title only, so that the focus stays while this one is edited.
      () => {
        const id = key();
        const attributes = { lang: () => langOf(titleOf(anime())), "data-row": true };
        return still(() =>
          isOwn(id)
            ? h("button", { type: "button", class: "link", ...attributes, onclick: () => edit(id) }, () => titleOf(anime()))
            : h("a", { href: `/title/${id}`, ...attributes }, () => titleOf(anime())),
        );
      },
      h("small", {}, () => [anime().type && typeName(anime().type), anime().year, entry()?.updated_at && since(entry().updated_at)].filter(Boolean).join(" · ")),
      meter(entry),
    ),
    h("div", { class: "tools" }, statusSelect(anime, { compact: true }), stepper(anime, { keys: true }), () => (scored() ? still(() => scoreSelect(anime)) : null),
      h("button", { type: "button", class: "ghost icon", "aria-label": () => t("edit_title", { title: titleOf(anime()) }), onclick: () => edit(still(key)) }, icon("pen")),
    ),
  );
}

async function edit(key) {
  const entry = entryOf(key);
  if (entry.peek().score === undefined) await refreshOne(key); // of manga only a part was listed
  if (!entry.peek()) return;
  const { anime } = entry.peek();
  openDialog(titleOf(anime), (close) => {
    const box = h("div", { class: "edit" });
    box.append(h("div", { class: "row" }, statusSelect(anime), stepper(anime), scoreSelect(anime)), entryForm(anime, entry, { set: close }));
    if (entry.peek().site_url) box.append(h("p", { class: "actions" }, h("a", { class: "button", href: entry.peek().site_url, target: "_blank", rel: "noopener noreferrer" }, icon("link"), t("more_there"))));
    return box;
  });
}

/** A title that the catalogue may not have: manga, above all. */
function ownTitle() {
  openDialog(t("own_title"), (close) => {
    const fault = signal(null);
    const busy = signal(false);
    const title = h("input", { required: true, maxlength: "500", autofocus: true });
    const type = h("select", { value: "manga" }, h("option", { value: "manga" }, t("manga")), h("option", { value: "anime" }, t("anime")));
    const total = h("input", { inputmode: "numeric", pattern: "[0-9]*", maxlength: "6" });
    const onsubmit = async (event) => {
      event.preventDefault();
      busy.set(true);
      fault.set(null);
      try {
        const most = Number(total.value) || null;
        await addOwn({ title: title.value.trim(), type: type.value, source: "manual", ...(most ? { max_progress: most } : {}) });
        close();
      } catch (error) {
        fault.set(error);
      }
      busy.set(false);
    };
    return h(
      "form",
      { onsubmit },
      field(t("title"), title),
      field(t("kind"), type),
      field(t("how_many"), total, { hint: t("how_many_hint") }),
      () => (fault() ? h("p", { class: "error", role: "alert" }, explain(fault())) : null),
      h("p", { class: "actions" }, h("button", { type: "submit", class: "primary", disabled: busy }, t("add"))),
    );
  });
}
