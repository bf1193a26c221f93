// What a person chose on this device, the same in every tab.
import { signal } from "./view.js";

const PREFIX = "anisync.";
const kept = new Map();

function read(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

export function write(name, value) {
  try {
    if (value === null) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, value);
  } catch {
    // Storage is full or blocked: the choice lasts as long as the tab.
  }
}

function preference(name, choices, fallback) {
  const stored = read(name);
  const value = signal(choices.includes(stored) ? stored : fallback);
  kept.set(PREFIX + name, (next) => value.set(choices.includes(next) ? next : fallback));
  return Object.assign(() => value(), {
    choices,
    peek: value.peek,
    set(next) {
      value.set(next);
      write(name, next);
    },
  });
}

const russian = (globalThis.navigator?.language ?? "en").startsWith("ru");

export const language = preference("language", ["en", "ru"], russian ? "ru" : "en");
export const theme = preference("theme", ["auto", "light", "dark"], "auto");
export const titleLanguage = preference(
  "titles",
  ["romaji", "english", "russian", "native"],
  russian ? "russian" : "romaji",
);
export const adult = preference("adult", ["hide", "show"], "hide");
export const stored = read;

addEventListener("storage", (event) => kept.get(event.key)?.(event.newValue));
