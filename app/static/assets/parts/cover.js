// Covers: the catalogue's picture over a drawn one, which stays where there is none or it does not load.
import { h, svg } from "../view.js";

const INKS = ["#ff6a45", "#2f7f86", "#c2873a", "#6a5acd", "#3f7d4f", "#b5446e", "#3a67b1", "#8a5a44"];

function hash(text) {
  let value = 2166136261;
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 16777619);
  return value >>> 0;
}

/** A sun over waves, its colours and heights made from the name. */
function drawing(name) {
  const seed = hash(name);
  const ink = INKS[seed % INKS.length];
  const sun = 18 + ((seed >>> 4) % 64);
  const high = 34 + ((seed >>> 10) % 30);
  const waves = [0, 1, 2].map((row) => {
    const y = 92 + row * 16 + ((seed >>> (14 + row * 3)) % 8);
    const d = `M-10 ${y}q15 -14 30 0t30 0 30 0 30 0V150H-10z`;
    return svg("path", { d, fill: ink, opacity: 0.28 + row * 0.26 });
  });
  return svg(
    "svg",
    { class: "drawn", viewBox: "0 0 100 142", preserveAspectRatio: "xMidYMid slice", "aria-hidden": "true" },
    svg("circle", { cx: sun, cy: high, r: 17, fill: ink, opacity: 0.85 }),
    waves,
  );
}

/** The cover of a title; `eager` for those that are seen first. */
export function cover(anime, { eager = false, name = anime.title ?? "" } = {}) {
  const frame = h("span", { class: "cover" }, drawing(name));
  const source = anime.image_url ?? anime.cover_url;
  if (source) {
    const picture = h("img", {
      alt: "",
      decoding: "async",
      referrerpolicy: "no-referrer",
      loading: eager ? "eager" : "lazy",
      class: "late",
      onload: () => picture.classList.remove("late"),
      onerror: () => picture.remove(),
    });
    picture.src = source;
    frame.append(picture);
  }
  return frame;
}
