// The words of the page, in the language chosen, and what is written as that language has it.
import { language, titleLanguage } from "./prefs.js";

let words = {};
let plural = new Intl.PluralRules("en");
let numbers = new Intl.NumberFormat("en");
let days = new Intl.DateTimeFormat("en");
let moments = days;
let ago = new Intl.RelativeTimeFormat("en");
export let compare = new Intl.Collator("en").compare;

let rare = false; // whether the words of the rarer views are wanted too

/** Load the words of the chosen language; what follows may be called after that. */
export async function loadWords() {
  const chosen = language.peek();
  words = { ...(await (chosen === "ru" ? import("./words/ru.js") : import("./words/en.js"))).default };
  if (rare) await loadRareWords();
  plural = new Intl.PluralRules(chosen);
  numbers = new Intl.NumberFormat(chosen);
  days = new Intl.DateTimeFormat(chosen, { dateStyle: "medium" });
  moments = new Intl.DateTimeFormat(chosen, { dateStyle: "medium", timeStyle: "short" });
  ago = new Intl.RelativeTimeFormat(chosen, { numeric: "auto", style: "short" });
  compare = new Intl.Collator([chosen, "ja"], { numeric: true }).compare;
  document.documentElement.lang = chosen;
}

/** The words of views that are not part of the first load. */
export async function loadRareWords() {
  rare = true;
  const more = language.peek() === "ru" ? import("./words/ru_more.js") : import("./words/en_more.js");
  Object.assign(words, (await more).default);
}

/** The words for a key; `n` chooses the plural, `{name}` is filled in. */
export function t(key, values) {
  let text = words[key];
  if (text === undefined) return key;
  if (typeof text === "object") text = text[plural.select(values.n)] ?? text.other;
  if (!values) return text;
  return text.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? numbers.format(value) : (value ?? "");
  });
}

export const has = (key) => key in words;
/** A format of anime or manga; one that nobody translated stands as it is. */
export const typeName = (type) => words[`type.${type}`] ?? type;
export const number = (value) => numbers.format(value);
export const day = (instant) => days.format(new Date(instant));
export const moment = (instant) => moments.format(new Date(instant));

/** "2017-10" as October 2017: as precise as it is known. */
export function partialDate(text) {
  if (!text) return null;
  const [year, month, date] = text.split("-").map(Number);
  if (!month) return String(year);
  const options = date ? { dateStyle: "medium" } : { year: "numeric", month: "long" };
  return new Intl.DateTimeFormat(language.peek(), { ...options, timeZone: "UTC" }).format(
    Date.UTC(year, month - 1, date || 1),
  );
}

const STEPS = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60]];

/** How long ago, in the largest unit that fits. */
export function since(instant) {
  const seconds = (new Date(instant) - Date.now()) / 1000;
  for (const [unit, length] of STEPS) {
    if (Math.abs(seconds) >= length) return ago.format(Math.round(seconds / length), unit);
  }
  return t("now");
}

export function minutes(total) {
  const hours = Math.floor(total / 60);
  if (hours < 48) return t("hours", { h: hours, m: Math.round(total % 60) });
  return t("days_hours", { d: Math.floor(hours / 24), h: hours % 24 });
}

const ORDER = {
  romaji: ["title", "title_english", "title_japanese"],
  english: ["title_english", "title"],
  russian: ["title_russian", "title"],
  native: ["title_japanese", "title"],
};

/** The title in the language chosen for titles; the main one where there is none. */
export function titleOf(anime) {
  for (const key of ORDER[titleLanguage()]) if (anime[key]) return anime[key];
  return anime.title ?? "";
}

const isJapanese = /[\u3040-\u30ff\u4e00-\u9fff]/;
const isRussian = /[\u0400-\u04ff]/;

/** What `lang` to put on a title, so that it is read and drawn right. */
export function langOf(text) {
  if (isJapanese.test(text)) return "ja";
  if (isRussian.test(text)) return "ru";
  return "en";
}
