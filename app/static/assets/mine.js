// What is on one's list, wherever the page shows it: changed at once, taken back when the server refuses.
import { ApiError, get, patch, post, remove } from "./api.js";
import { me } from "./session.js";
import { failed, toast } from "./toasts.js";
import { debounce, effect, signal } from "./view.js";
import { t } from "./words.js";

export const STATUSES = ["watching", "completed", "plan_to_watch", "on_hold", "dropped"];
const PAGE = 500; // the most that a page of the list has
const MARKS = 100; // the most titles that one question about marks may name
const AT_ONCE = 4;
const PAUSE = 350; // ms in which clicks on + are one request

// A key is the id of an anime; "e" and the id of the entry for manga and titles of one's own.
const entries = new Map(); // key → signal of its entry, null where it is not on the list
const confirmed = new Map(); // key → what the server said last
const pending = new Map(); // key → {fields, timer, running}
const conflicts = new Map(); // key → how often in a row another device was faster
const channel = new BroadcastChannel("anisync.list");
let loading = null;
let owner = null;
let cursor = null; // up to where the changes of the list are known

/** Counts up with every change of the list, and says how much of it is here. */
export const list = signal({ state: "none", total: 0 });
export const changes = signal(0);

channel.addEventListener("message", ({ data }) => {
  if (data.user !== owner) return;
  if (data.again) reload();
  else place(data.id, data.entry);
});

export const isOwn = (key) => typeof key === "string";
const pathOf = (key) => (isOwn(key) ? `/users/me/entries/${key.slice(1)}` : `/users/me/list/${key}`);
const OURS = { planning: "plan_to_watch", reading: "watching" };

/** An entry as the page keeps it; what the page knew of its title stays where the answer says less. */
function kept(key, said) {
  if (!said) return null;
  const before = entries.get(key)?.peek();
  return { kind: said.media_type ?? "anime", ...said, anime: { ...before?.anime, ...said.anime, id: key } };
}

/** An item of the tracker's library, which lists manga. */
function fromItem(item) {
  const { id, title, type, cover_url: image_url, status, progress, max_progress, format, site_url, updated_at } = item;
  const anime = { id: `e${id}`, title, image_url, episodes: max_progress, type: format };
  return { id, kind: type, progress, max_progress, site_url, updated_at, status: OURS[status] ?? status, anime };
}

/** The signal of the entry of a title; undefined while it is not known. */
export function entryOf(id) {
  let found = entries.get(id);
  if (!found) {
    found = signal(list.peek().state === "whole" ? null : undefined);
    entries.set(id, found);
  }
  return found;
}

function show(id, entry) {
  entryOf(id).set(entry);
  changes.update((count) => count + 1);
}

/** What the server says of a title. */
function place(id, said) {
  const entry = kept(id, said);
  confirmed.set(id, entry);
  if (!pending.has(id)) show(id, entry);
}

function settle(id, entry) {
  place(id, entry);
  channel.postMessage({ user: owner, id, entry });
}

/** All entries that are here, in no order. */
export function everyEntry() {
  changes();
  const all = [];
  for (const found of entries.values()) if (found.peek()) all.push(found.peek());
  return all;
}

let wanted = new Set();
const askSoon = debounce(async () => {
  const ids = [...wanted].filter((id) => entryOf(id).peek() === undefined);
  wanted = new Set();
  for (let from = 0; from < ids.length && owner !== null; from += MARKS) {
    try {
      const { value } = await get("/users/me/marks", { anime_id: ids.slice(from, from + MARKS).join(",") });
      for (const id in value) if (entryOf(Number(id)).peek() === undefined) take(Number(id), markOf(value[id]));
    } catch {
      return; // cards stand without marks; the banner tells when the server is away
    }
  }
}, 30);

/** What a card shows of an entry; the rest is asked for where it is shown. */
const markOf = (mark) => (mark?.status ? { ...mark, partial: true, tags: [], max_progress: null } : null);

/** Learn which of these titles are on the list, in as few questions as may be. */
export function needMarks(ids) {
  if (!me.peek() || list.peek().state === "whole") return;
  for (const id of ids) if (entryOf(id).peek() === undefined) wanted.add(id);
  if (wanted.size) askSoon();
}

/** Load the whole list once; what is here already is kept up by itself. */
export function loadList() {
  if (!me.peek()) return Promise.resolve();
  loading ??= loadAll().catch((error) => {
    loading = null;
    list.set({ ...list.peek(), state: "failed", error });
  });
  return loading;
}

async function loadAll() {
  list.set({ state: "loading", total: 0 });
  const whose = owner;
  const manga = get("/api/library/items", { type: "manga" });
  manga.catch(() => null); // told below
  const query = { limit: PAGE, sort: "created", expand: "anime" };
  cursor = new Date(Date.now() - 60_000).toISOString();
  const first = await get("/users/me/list", query);
  list.set({ state: "loading", total: first.total });
  const pages = [];
  for (let offset = PAGE; offset < first.total; offset += PAGE) pages.push(offset);
  takePage(first.value);
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (pages.length && owner === whose) {
        takePage((await get("/users/me/list", { ...query, offset: pages.shift() })).value);
      }
    }),
  );
  takeManga((await manga).value);
  if (owner !== whose) return;
  for (const found of entries.values()) if (found.peek() === undefined) found.set(null);
  list.set({ state: "whole", total: first.total });
}

function take(key, entry) {
  confirmed.set(key, entry);
  if (!pending.has(key)) entryOf(key).set(entry);
}

/** A title of one's own has no id in the catalogue. */
function takePage(page) {
  for (const entry of page) {
    const key = entry.anime_id ?? `e${entry.id}`;
    take(key, kept(key, entry));
  }
  changes.update((count) => count + 1);
}

function takeManga(items) {
  for (const item of items) take(`e${item.id}`, fromItem(item));
  changes.update((count) => count + 1);
}

/** Ask for everything again, as after an import. */
export function reload({ tell = false } = {}) {
  if (tell) channel.postMessage({ user: owner, again: true });
  for (const [id, found] of entries) if (!pending.has(id)) found.set(undefined);
  confirmed.clear();
  loading = null;
  return loadList();
}

/** Add a title that the catalogue may not have; throws what the form shows. */
export async function addOwn(item) {
  const { value } = await post("/api/library/items", item);
  if (value.type === "anime") {
    reload({ tell: true });
    return;
  }
  take(`e${value.id}`, fromItem(value));
  changes.update((count) => count + 1);
  channel.postMessage({ user: owner, again: true });
  toast(t("added", { title: value.title, status: t(`status.${OURS[value.status] ?? value.status}`) }));
}

/** Add a title: shown at once. */
export async function add(anime, fields = { status: "plan_to_watch" }) {
  const { id } = anime;
  const blank = { kind: "anime", anime_id: id, anime, score: null, progress: 0, max_progress: anime.episodes, tags: [] };
  show(id, { ...blank, ...fields });
  try {
    const { value } = await post("/users/me/list", { anime_id: id, ...fields });
    settle(id, value);
    toast(t("added", { title: anime.title, status: t(`status.${value.status}`) }), {
      action: { label: t("undo"), run: () => drop(id, { quiet: true }) },
      seconds: 6,
    });
  } catch (error) {
    if (error instanceof ApiError && error.status === 409) return refreshOne(id);
    show(id, confirmed.get(id) ?? null);
    failed(error, () => add(anime, fields));
  }
}

/** Ask for one entry again. */
export async function refreshOne(id) {
  try {
    settle(id, (await get(pathOf(id))).value);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) settle(id, null);
    else failed(error);
  }
}

/** Change fields of an entry: shown at once, sent after a short pause, so that five clicks are one request. */
export function change(id, fields) {
  const shown = entryOf(id).peek();
  if (!shown) return;
  const work = pending.get(id) ?? { fields: {}, running: false };
  Object.assign(work.fields, fields);
  pending.set(id, work);
  show(id, { ...shown, ...fields });
  clearTimeout(work.timer);
  work.timer = setTimeout(send, PAUSE, id);
}

/** One more or one less, within what there is. */
export function step(id, by) {
  const entry = entryOf(id).peek();
  if (!entry) return;
  const next = Math.max(0, Math.min(entry.progress + by, entry.max_progress ?? entry.anime?.episodes ?? 100_000));
  if (next !== entry.progress) change(id, { progress: next });
}

async function send(id) {
  const work = pending.get(id);
  if (!work || work.running) return;
  const { fields } = work;
  work.fields = {};
  work.running = true;
  const base = confirmed.get(id);
  const headers = base?.version ? { "If-Match": `"${base.version}"` } : {};
  let entry;
  try {
    entry = (await patch(pathOf(id), fields, { headers })).value;
  } catch (error) {
    if (error instanceof ApiError && error.status === 412 && error.details?.entry) overtaken(id, fields, base, error.details.entry);
    else refused(id, fields, error);
    return;
  }
  conflicts.delete(id);
  work.running = false;
  if (Object.keys(work.fields).length) {
    confirmed.set(id, kept(id, entry));
    work.timer = setTimeout(send, PAUSE, id);
    return;
  }
  pending.delete(id);
  settle(id, entry);
}

/**
 * Another device changed the entry first. Changes of other fields are sent again on top of its version; where
 * both changed the same field the other device's value is shown, and the person decides.
 */
function overtaken(id, fields, base, current) {
  const later = pending.get(id)?.fields;
  pending.delete(id);
  settle(id, current);
  const turns = (conflicts.get(id) ?? 0) + 1;
  conflicts.set(id, turns);
  const mine = { ...fields, ...later };
  const apart = Object.keys(mine).every((name) => same(base[name], current[name]) || same(mine[name], current[name]));
  if (apart && turns < 5) {
    change(id, mine);
    return;
  }
  conflicts.delete(id);
  toast(t("changed_elsewhere", { title: entryOf(id).peek()?.anime?.title ?? "" }), {
    kind: "bad",
    action: { label: t("use_mine"), run: () => change(id, mine) },
    seconds: 30,
  });
}

const same = (one, other) => JSON.stringify(one ?? null) === JSON.stringify(other ?? null);

/** Back to what the server has; trying again sends the same fields. */
function refused(id, fields, error) {
  pending.delete(id);
  show(id, confirmed.get(id) ?? null);
  if (error instanceof ApiError && error.status === 404) settle(id, null);
  failed(error, () => change(id, fields));
}

/** Take a title off the list; it can be undone. */
export async function drop(id, { quiet = false } = {}) {
  const before = entryOf(id).peek();
  clearTimeout(pending.get(id)?.timer);
  pending.delete(id);
  show(id, null);
  try {
    await remove(pathOf(id));
    settle(id, null);
    if (!quiet) {
      toast(t("removed", { title: before.anime?.title ?? "" }), {
        action: { label: t("undo"), run: () => undo(id) },
      });
    }
  } catch (error) {
    show(id, confirmed.get(id) ?? before);
    failed(error, () => drop(id));
  }
}

/** Take back the last change of a title. */
export async function undo(id) {
  try {
    settle(id, (await post(`${pathOf(id)}/undo`)).value);
    toast(t("undone"));
    return true;
  } catch (error) {
    failed(error, () => undo(id));
    return false;
  }
}

// Somebody else is signed in: nothing of before is theirs.
effect(() => {
  const id = me()?.id ?? null;
  if (id === owner) return;
  owner = id;
  for (const work of pending.values()) clearTimeout(work.timer);
  pending.clear();
  confirmed.clear();
  for (const found of entries.values()) found.set(id === null ? null : undefined);
  loading = null;
  list.set({ state: "none", total: 0 });
  changes.set(0);
});

// What other devices did meanwhile is asked for when the tab is looked at again.
let lookedAt = Date.now();

async function catchUp() {
  if (document.hidden || list.peek().state !== "whole" || Date.now() - lookedAt < 15_000) return;
  lookedAt = Date.now();
  try {
    const { value } = await get("/users/me/list/changes", { since: cursor, limit: PAGE, expand: "anime" });
    for (const one of value.deleted) place(one.anime_id ?? `e${one.id}`, null);
    for (const one of value.entries) place(one.anime_id ?? `e${one.id}`, one);
    cursor = value.until;
    if (value.entries.length === PAGE) lookedAt = 0;
  } catch {
    // Not reachable, or signed out: the banner and the next look tell.
  }
}

document.addEventListener("visibilitychange", catchUp);
